"""What finding out who calls costs the database, whatever is sent."""

import asyncio
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from notifications import clock, service_keys
from notifications.models import ServiceKey
from notifications.rpc import callers
from tests.rpc.caller import Caller, amake_caller

INFO = {"jsonrpc": "2.0", "method": "service.info", "id": 1}


@pytest.fixture(autouse=True)
def _nothing_known() -> Iterator[None]:
    service_keys._checked.clear()
    yield
    service_keys._checked.clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The prefixes of each look-up so far."""
    made: list[list[str]] = []
    real = service_keys.look_up

    def look_up(prefixes: list[str]) -> Any:
        made.append(prefixes)
        return real(prefixes)

    monkeypatch.setattr(service_keys, "look_up", look_up)
    return made


def made_up() -> str:
    """A key as it might be."""
    return f"{secrets.token_hex(6)}.{secrets.token_urlsafe(32)}"


def time_passes(seconds: float = service_keys.CACHE_SECONDS) -> None:
    """Be as if every look-up had been so long ago."""
    for prefix, (at, key) in service_keys._checked.items():
        service_keys._checked[prefix] = (at - seconds, key)


@pytest.mark.security("S14")
async def test_a_flood_of_made_up_keys_shares_a_few_look_ups(
    billing: Caller, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two hundred at once, the first is looked up, and the rest together once the pause has passed."""
    monkeypatch.setattr(callers, "UNKNOWN_EVERY", 1.0)
    answers = await asyncio.gather(*(billing.post(INFO, key=made_up()) for _ in range(200)))
    assert {answer.status_code for answer in answers} == {401}
    assert sum(map(len, asked)) == 200
    # However slowly they came in, there was no look-up for each.
    assert len(asked) <= 20


@pytest.mark.security("S14")
async def test_look_ups_of_unknown_keys_keep_their_distance(
    billing: Caller, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One after the other, as a patient stranger sends them, they wait for the next turn."""
    pauses: list[float] = []
    real = asyncio.sleep

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    monkeypatch.setattr(callers, "UNKNOWN_EVERY", 100.0)
    callers._unknown_asked_at = float("-inf")
    for _ in range(3):
        await billing.post(INFO, key=made_up())
    waited = [seconds for seconds in pauses if seconds > 1]
    assert len(asked) == 3
    assert len(waited) == 2
    assert all(seconds <= 100 for seconds in waited)
    callers._unknown_asked_at = float("-inf")


@pytest.mark.security("S14")
async def test_who_is_known_does_not_wait_behind_a_flood(
    billing: Caller, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key in use is asked for by itself, though what is unknown would wait for minutes."""
    assert (await billing.post(INFO)).status_code == 200
    monkeypatch.setattr(callers, "UNKNOWN_EVERY", 1_000.0)
    stranger = asyncio.ensure_future(billing.post(INFO, key=made_up()))
    await asyncio.sleep(0)
    time_passes()
    before = len(asked)
    assert (await billing.post(INFO)).status_code == 200
    assert asked[before:] == [[billing.key.partition(".")[0]]]
    assert not stranger.done()
    stranger.cancel()


@pytest.mark.security("S14")
async def test_wrong_secrets_of_a_key_cost_one_look_up_while_it_is_cached(
    billing: Caller, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many are tried, and the right one is good all the while."""
    # Longer than any machine takes for this test.
    monkeypatch.setattr(service_keys, "CACHE_SECONDS", 1_000.0)
    prefix = billing.key.partition(".")[0]
    for _ in range(20):
        assert (await billing.post(INFO, key=f"{prefix}.{secrets.token_urlsafe(32)}")).status_code == 401
    assert (await billing.post(INFO)).status_code == 200
    assert asked == [[prefix]]
    time_passes(1_000)
    answers = await asyncio.gather(*(billing.post(INFO) for _ in range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert len(asked) <= 3


@pytest.mark.security("S14")
async def test_a_new_key_is_good_in_the_midst_of_a_flood(billing: Caller) -> None:
    """It is unknown as well, and found with the others."""
    fresh = await amake_caller("fresh")
    answers = await asyncio.gather(
        *(billing.post(INFO, key=made_up()) for _ in range(100)),
        fresh.post(INFO),
        *(billing.post(INFO, key=made_up()) for _ in range(100)),
    )
    assert [answer.status_code for answer in answers] == [401] * 100 + [200] + [401] * 100


@pytest.mark.security("S14")
async def test_a_key_that_was_revoked_elsewhere_becomes_one_of_the_unknown(
    billing: Caller, asked: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Refused once the cache has run out; and the service that goes on trying costs no more than strangers do."""
    prefix = billing.key.partition(".")[0]
    assert (await billing.post(INFO)).status_code == 200
    await ServiceKey.objects.filter(prefix=prefix).aupdate(revoked_at=clock.now())
    time_passes()
    assert (await billing.post(INFO)).status_code == 401
    assert not service_keys.exists(prefix)
    monkeypatch.setattr(callers, "UNKNOWN_EVERY", 1.0)
    before = len(asked)
    answers = await asyncio.gather(*(billing.post(INFO) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {401}
    assert len(asked) - before <= 20


@pytest.mark.security("S14")
async def test_a_key_that_was_narrowed_elsewhere_may_do_less_within_seconds(billing: Caller) -> None:
    """As one that was revoked: its scopes are looked up with it."""
    send = {"jsonrpc": "2.0", "method": "notifications.send", "params": {"uid": "7", "title": "x"}, "id": 1}
    assert "result" in await billing.answer(send)
    await ServiceKey.objects.filter(prefix=billing.key.partition(".")[0]).aupdate(scopes=["inbox"])
    time_passes()
    assert (await billing.answer(send))["error"]["code"] == -32003
    assert (await billing.call("service.info"))["scopes"] == ["inbox"]


@pytest.mark.parametrize("key", ["abc.def", "0123456789a.x", "0123456789abc.x", "0123456789ab.", "01234567-9ab.x"])
async def test_what_can_be_no_key_costs_nothing(billing: Caller, asked: list[list[str]], key: str) -> None:
    """Refused by its form."""
    assert (await billing.post(INFO, key=key)).status_code == 401
    assert asked == []
