"""Calls that may be repeated: one acts, all get its answer."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from notifications import clock
from notifications.exceptions import InvalidContent, KeyReused
from notifications.idempotency import forget_expired, once
from notifications.models import IdempotencyKey, Notification
from notifications.publishing import notify
from tests.databases import orm_on

PARALLEL = 50


def _all_at_once(call: Callable[[], Any]) -> list[Any]:
    """Call it in 50 threads that begin together."""
    together = threading.Barrier(PARALLEL)

    def one(_: int) -> Any:
        together.wait()
        try:
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(PARALLEL) as pool:
        return list(pool.map(one, range(PARALLEL)))


def _check_50_in_parallel() -> None:
    def call() -> Any:
        return notify("7", "x", ref="only", idempotency_key="k", source="shop")

    answers = _all_at_once(call)
    assert len({answer.id for answer in answers}) == 1
    assert [answer.duplicate for answer in answers].count(False) == 1
    assert list(Notification.objects.filter(ref="only").values_list("id", flat=True)) == [answers[0].id]
    assert IdempotencyKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_50_in_parallel_are_one_on_sqlite(sqlite_url: str) -> None:
    """One row, one id, one answer that is no repetition, on a file that all share."""
    with orm_on(sqlite_url, transaction_mode="IMMEDIATE", timeout=20, init_command="PRAGMA journal_mode=WAL"):
        _check_50_in_parallel()


@pytest.mark.server
@pytest.mark.usefixtures("on_postgresql")
def test_50_in_parallel_are_one_on_postgresql() -> None:
    """One row, one id, one answer that is no repetition."""
    _check_50_in_parallel()


@pytest.mark.server
@pytest.mark.usefixtures("on_postgresql")
def test_whoever_waits_for_a_call_that_fails_takes_its_place() -> None:
    """A call that was rolled back never was: the next one acts, and is no repetition."""
    claimed, go = threading.Event(), threading.Event()

    def fails() -> None:
        def act() -> str:
            claimed.set()
            assert go.wait(10)
            raise ZeroDivisionError

        try:
            with pytest.raises(ZeroDivisionError):
                once("shop", "k", {}, act)
        finally:
            connection.close()

    def waits() -> Any:
        try:
            return once("shop", "k", {}, lambda: "second")
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(fails)
        assert claimed.wait(10)
        second = pool.submit(waits)
        go.set()
        first.result(10)
        assert second.result(10) == ("second", False)


@pytest.mark.django_db(transaction=True)
def test_without_a_key_every_call_acts() -> None:
    """And in a transaction."""
    seen = []

    def act() -> str:
        seen.append(connection.in_atomic_block)
        return "done"

    assert [once("shop", None, {}, act) for _ in range(2)] == [("done", False)] * 2
    assert seen == [True, True]
    assert not IdempotencyKey.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_the_key_is_its_callers_own_and_fixes_the_content() -> None:
    """Another service may use the same key; other content under it is refused; order of keys is no content."""
    assert once("a", "k", {"x": [1, {"p": 1, "q": 2}], "y": None}, lambda: {"n": 1}) == ({"n": 1}, False)
    assert once("a", "k", {"y": None, "x": (1, {"q": 2, "p": 1})}, lambda: {"n": 2}) == ({"n": 1}, True)
    assert once("b", "k", {"z": 1}, lambda: {"n": 3}) == ({"n": 3}, False)
    for other in ({"x": [1, {"p": 1, "q": 3}], "y": None}, {"x": [{"p": 1, "q": 2}, 1], "y": None}, {}):
        with pytest.raises(KeyReused):
            once("a", "k", other, lambda: None)


@pytest.mark.django_db(transaction=True)
def test_a_failed_call_leaves_its_key_free() -> None:
    """What was not accepted can be sent again, with corrected content too."""

    def fails() -> None:
        raise InvalidContent([{"loc": ["x"], "msg": "bad"}])

    with pytest.raises(InvalidContent):
        once("a", "k", {"x": "bad"}, fails)
    assert once("a", "k", {"x": "good"}, lambda: 1) == (1, False)


@pytest.mark.django_db(transaction=True)
def test_a_rolled_back_caller_leaves_its_key_free() -> None:
    """The key goes with the business that it belonged to."""
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        once("a", "k", {}, lambda: 1)
        raise ZeroDivisionError
    assert once("a", "k", {}, lambda: 2) == (2, False)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", ["", "k" * 201, "a\0b", "\ud800", 7, b"k"])
def test_odd_keys_are_refused(key: Any) -> None:
    """A key is 1 to 200 characters that every database can store."""
    with pytest.raises(InvalidContent):
        once("a", key, {}, lambda: 1)


@pytest.mark.django_db(transaction=True)
def test_a_key_is_good_for_seven_days() -> None:
    """A little younger it answers, a little older it is used anew; expired rows can be swept away."""
    once("a", "old", {}, lambda: 1)
    once("a", "young", {}, lambda: 1)
    week = timedelta(days=7)
    IdempotencyKey.objects.filter(key="old").update(created_at=clock.now() - week - timedelta(seconds=1))
    IdempotencyKey.objects.filter(key="young").update(created_at=clock.now() - week + timedelta(minutes=1))
    assert once("a", "old", {"other": True}, lambda: 2) == (2, False)
    assert once("a", "young", {}, lambda: 2) == (1, True)
    IdempotencyKey.objects.filter(key="old").update(created_at=clock.now() - week - timedelta(seconds=1))
    assert forget_expired() == 1
    assert IdempotencyKey.objects.get().key == "young"


def test_the_file_of_the_tests_is_left_alone(migrated_sqlite: Path, django_db_blocker: DjangoDbBlocker) -> None:
    """`orm_on` gives the usual database back, also when the test in it fails."""
    with django_db_blocker.unblock():
        before = connection.settings_dict["NAME"]
        with pytest.raises(ZeroDivisionError), orm_on(f"sqlite:///{migrated_sqlite}"):
            assert connection.settings_dict["NAME"] == str(migrated_sqlite)
            raise ZeroDivisionError
        assert connection.settings_dict["NAME"] == before
