"""One source of time and of ids."""

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from notifications import clock


@pytest.fixture(autouse=True)
def own_time() -> Iterator[None]:
    """Whatever a test makes of the clock ends with it."""
    yield
    clock.follow(datetime.now(UTC))


def ahead(hours: float) -> datetime:
    """What a database says whose clock is so far ahead of this machine's."""
    return datetime.now(UTC) + timedelta(hours=hours)


def test_now_is_utc_cut_to_milliseconds() -> None:
    """The precision of the wire."""
    moment = clock.now()
    assert moment.tzinfo is UTC
    assert moment.microsecond % 1_000 == 0
    assert abs(moment - datetime.now(UTC)) < timedelta(minutes=1)
    assert abs(clock.now_ms() - time.time() * 1_000) < 60_000


@pytest.mark.parametrize("hours", [2, -2])
def test_the_database_s_clock_is_followed(hours: float) -> None:
    """A machine whose clock is hours off tells the database's time, and gives its ids by it."""
    clock.follow(ahead(hours))
    assert abs(clock.now() - ahead(hours)) < timedelta(minutes=1)
    assert abs(clock.moment_of(clock.new_id()) - ahead(hours)) < timedelta(minutes=1)


def test_a_round_trip_is_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under 250 ms nothing is corrected, from there on it is."""
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000 * 1_000_000)
    here = datetime.fromtimestamp(1_800_000_000, UTC)
    for ms, corrected in ((249, 0), (250, 250), (-249, 0), (-250, -250)):
        clock.follow(here + timedelta(milliseconds=ms))
        assert clock.now_ms() == 1_800_000_000_000 + corrected


def test_ids_are_uuid7_of_their_moment() -> None:
    """Version and variant of RFC 9562; the moment comes back, to the millisecond; two of one moment differ."""
    at = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
    one, other = clock.new_id(at), clock.new_id(at)
    assert (one.version, one.variant) == (7, "specified in RFC 4122")
    assert clock.moment_of(one) == at
    assert one != other
    assert clock.moment_of(UUID("01a207b6-45ac-776c-a9b4-312094ad3315")).year == 2026


@pytest.mark.parametrize("hours", [0, 2])
def test_ids_for_now_rise(hours: float) -> None:
    """Within a millisecond too, from several threads, and where the clock is corrected."""
    clock.follow(ahead(hours))
    made: list[list[UUID]] = []

    def make() -> None:
        made.append([clock.new_id() for _ in range(3_000)])

    threads = [threading.Thread(target=make) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ids in made:
        assert ids == sorted(ids)
    assert len({i for ids in made for i in ids}) == 12_000
    assert all(i.version == 7 for ids in made for i in ids)


def test_a_clock_that_was_ahead_leaves_no_ids_from_the_future() -> None:
    """Set right by hours, ids are of the true moment again; adjusted by less than a second, they still rise."""
    clock.follow(ahead(2))
    clock.new_id()
    clock.follow(ahead(0))
    assert abs(clock.moment_of(clock.new_id()) - datetime.now(UTC)) < timedelta(minutes=1)
    clock.follow(datetime.now(UTC) + timedelta(milliseconds=600))
    before = clock.new_id()
    clock.follow(datetime.now(UTC))
    assert before < clock.new_id()
