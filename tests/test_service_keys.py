"""Service keys: made once, verified cheaply, revoked within seconds."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import clock, service_keys
from notifications.exceptions import InvalidContent, NotFound, ServiceKeyRefused
from notifications.models import ServiceKey
from notifications.service_keys import create, revoke, verify

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _nothing_cached() -> Iterator[None]:
    service_keys._checked.clear()
    yield
    service_keys._checked.clear()


def _let_pass(seconds: float) -> None:
    """Be as if every look-up had been so long ago."""
    for prefix, (at, key) in service_keys._checked.items():
        service_keys._checked[prefix] = (at - seconds, key)


@pytest.mark.security("S14")
def test_a_key_is_shown_once_and_stored_as_a_hash() -> None:
    """`prefix.secret` with 256 random bits; a dump of the database yields no usable key."""
    row, raw = create(" shop ", ["notify", "inbox", "notify"])
    prefix, _, secret = raw.partition(".")
    assert (row.name, row.prefix, row.scopes) == ("shop", prefix, ["notify", "inbox"])
    assert len(secret) >= 43  # 32 bytes as base64
    stored = ServiceKey.objects.filter(pk=row.pk).values().get()
    assert secret not in str(stored)
    assert re.fullmatch(r"[0-9a-f]{64}", stored["secret_hash"])
    with pytest.raises(ServiceKeyRefused):
        verify(f"{prefix}.{stored['secret_hash']}")
    assert verify(raw) == row


@pytest.mark.security("S14")
def test_several_keys_of_one_service_are_good_at_once() -> None:
    """So that one can be replaced without a gap."""
    first, second = create("shop", ["notify"])[1], create("shop", ["notify"])[1]
    assert first != second
    assert {verify(first).name, verify(second).name} == {"shop"}


@pytest.mark.parametrize(
    ("name", "scopes", "expires_at", "wrong"),
    [
        ("", ["notify"], None, "name"),
        ("  ", ["notify"], None, "name"),
        ("n" * 101, ["notify"], None, "name"),
        ("a\0b", ["notify"], None, "name"),
        ("shop", [], None, "scopes"),
        ("shop", ["notify", "everything"], None, "scopes"),
        ("shop", ["notify"], datetime(2001, 1, 1, tzinfo=clock.now().tzinfo), "expires_at"),
        ("shop", ["notify"], datetime(2040, 1, 1), "expires_at"),  # noqa: DTZ001  that it is naive is the point
    ],
)
def test_impossible_keys_are_refused_by_name(name: str, scopes: list[str], expires_at: Any, wrong: str) -> None:
    """Nothing is stored."""
    with pytest.raises(InvalidContent) as refused:
        create(name, scopes, expires_at)
    assert [problem["loc"] for problem in refused.value.errors] == [[wrong]]
    assert not ServiceKey.objects.exists()


def test_a_name_of_a_hundred_characters_is_good() -> None:
    """At the limit."""
    assert create("n" * 100, ServiceKey.Scope.values)[0].name == "n" * 100


def test_whatever_is_no_key_is_refused() -> None:
    """All wrong keys look alike to the caller."""
    _, raw = create("shop", ["notify"])
    prefix, _, secret = raw.partition(".")
    wrong = [
        "",
        ".",
        prefix,
        f"{prefix}.",
        f".{secret}",
        f"{prefix}.{secret}x",
        f"{prefix}.{secret[:-1]}",
        f"{'0' * 12}.{secret}",
        f"{prefix}.\ud800",
        f"{prefix}.{'x' * 200}",
        "a\0b.c",
        f"{prefix} .{secret}",
    ]
    messages = set()
    for text in wrong:
        with pytest.raises(ServiceKeyRefused) as refused:
            verify(text)
        messages.add(refused.value.message)
    assert len(messages) == 1


@pytest.mark.security("S14")
def test_an_expired_key_is_refused_even_when_it_is_cached() -> None:
    """The moment counts, not the look-up."""
    row, raw = create("shop", ["notify"], clock.now() + timedelta(hours=1))
    assert verify(raw) == row
    service_keys._checked[row.prefix][1].expires_at = clock.now()
    with pytest.raises(ServiceKeyRefused):
        verify(raw)


def test_a_verified_key_asks_the_database_every_four_seconds_at_most() -> None:
    """A service that calls a hundred times a second costs a query in four seconds."""
    _, raw = create("shop", ["notify"])
    verify(raw)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        for _ in range(100):
            verify(raw)
        assert len(queries) == 0
        _let_pass(service_keys.CACHE_SECONDS)
        verify(raw)
        assert len(queries) == 1


def test_a_wrong_secret_is_refused_from_the_cache_too() -> None:
    """A cached prefix is no cached permission."""
    row, raw = create("shop", ["notify"])
    verify(raw)
    with pytest.raises(ServiceKeyRefused):
        verify(f"{row.prefix}.wrong")


@pytest.mark.security("S14")
def test_a_revoked_key_is_refused_here_at_once_and_elsewhere_within_five_seconds() -> None:
    """Elsewhere the cache must have run out; repeating the revocation changes nothing."""
    row, raw = create("shop", ["notify"])
    verify(raw)
    # As another node does it: this one's cache is not told.
    ServiceKey.objects.filter(pk=row.pk).update(revoked_at=clock.now())
    _let_pass(5)
    with pytest.raises(ServiceKeyRefused):
        verify(raw)

    _, here = create("shop", ["notify"])
    prefix = here.partition(".")[0]
    verify(here)
    first = revoke(prefix)
    assert first.revoked_at is not None
    with pytest.raises(ServiceKeyRefused):
        verify(here)
    assert revoke(prefix).revoked_at == first.revoked_at
    with pytest.raises(NotFound):
        revoke("unknown")


@pytest.mark.security("S14")
def test_calls_are_added_up() -> None:
    """By prefix, on top of what other nodes have added; unknown prefixes do no harm. The last use goes with them."""
    row, _ = create("shop", ["notify"])
    for counts in ({row.prefix: 3}, {row.prefix: 4, "unknown": 1}, {}):
        service_keys.add_calls(counts)
    row.refresh_from_db()
    assert row.calls == 7
    first = row.last_used_at
    assert first is not None
    # No call at all, but the key was used: for something that was none.
    service_keys.add_calls({row.prefix: 0})
    row.refresh_from_db()
    assert row.calls == 7
    assert row.last_used_at is not None
    assert row.last_used_at > first
