"""The token bucket of each service key."""

import time

import pytest
from django.test import override_settings

from notifications.rpc import rate


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def monotonic(self) -> float:
        """Its present moment."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The buckets' clock, standing still."""
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock.monotonic)
    return clock


@override_settings(NOTIFICATIONS={"RPC_CALLS_PER_MINUTE": 60})
def test_a_minutes_worth_may_come_at_once_and_comes_back_evenly(clock: Clock) -> None:
    """At the limit, above it, and a second later."""
    assert [rate.take("a") for _ in range(60)] == [0] * 60
    assert rate.take("a") == 1
    clock.now += 0.5
    assert rate.take("a") == 1
    clock.now += 0.5
    assert rate.take("a") == 0
    assert rate.take("a") == 1
    clock.now += 3_600
    assert [rate.take("a") for _ in range(61)] == [0] * 60 + [1]


def test_unset_it_lets_a_busy_service_work(clock: Clock) -> None:
    """300 calls a second for five minutes, of one key: what a process is to carry is not refused."""
    for _ in range(300):
        assert not any(rate.take("a") for _ in range(300))
        clock.now += 1


@override_settings(NOTIFICATIONS={"RPC_CALLS_PER_MINUTE": 1})
def test_keys_do_not_share(clock: Clock) -> None:
    """One that is over its rate costs the others nothing."""
    assert [rate.take("a"), rate.take("a"), rate.take("b")] == [0, 60, 0]


@override_settings(NOTIFICATIONS={"RPC_CALLS_PER_MINUTE": 60})
def test_buckets_that_are_full_again_are_dropped(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded by the keys that called in the last minute."""
    monkeypatch.setattr(rate, "BUCKETS_MAX", 3)
    for prefix in "abc":
        rate.take(prefix)
    clock.now += 0.5
    for _ in range(30):
        rate.take("c")
    clock.now += 1
    rate.take("d")
    assert set(rate._buckets) == {"c", "d"}
