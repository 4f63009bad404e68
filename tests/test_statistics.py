"""What became of an announcement, counted against a plain count of the same receipts."""

import random
from collections.abc import Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import clock, statistics
from notifications.announcing import announce, withdraw_announcement
from notifications.models import Announcement, Receipt
from notifications.statistics import BARS_MAX, WIDTHS, audience, of, receipt_chunks, waiting, waiting_chunks

pytestmark = pytest.mark.django_db


def _announcement(hours_ago: float = 2.0, **kwargs: Any) -> Announcement:
    """One that went live so long ago."""
    row = Announcement.objects.get(pk=announce("x", **kwargs).id)
    live_at = clock.now() - timedelta(hours=hours_ago)
    Announcement.objects.filter(pk=row.pk).update(live_at=live_at)
    row.live_at = live_at
    return row


def _read(announcement: Announcement, after: Sequence[timedelta], confirmed: int = 0) -> None:
    """So many uids read it, each so long after it went live; the first of them confirm it."""
    live_at = announcement.live_at
    assert live_at is not None
    Receipt.objects.bulk_create(
        Receipt(
            announcement=announcement,
            uid=f"reader-{n}",
            read_at=live_at + delay,
            confirmed_at=live_at + delay if n < confirmed else None,
        )
        for n, delay in enumerate(after)
    )


def _users(count: int, joined: datetime | None = None, **kwargs: Any) -> list[User]:
    first = User.objects.count()
    made = [User(username=f"user-{first + n}", date_joined=joined or clock.now(), **kwargs) for n in range(count)]
    return User.objects.bulk_create(made)


@pytest.mark.parametrize("count", [1, 2, 3, 10, 101, 1_000])
def test_the_figures_are_those_of_a_plain_count(count: int) -> None:
    """Read, confirmed, the median, and the bars: the same as counted one by one."""
    chance = random.Random(count)
    announcement = _announcement(hours_ago=5)
    delays = [timedelta(seconds=round(chance.expovariate(1 / 3_000), 3)) for _ in range(count)]
    _read(announcement, delays, confirmed=count // 3)
    found = of(announcement)
    assert (found.read, found.confirmed) == (count, count // 3)
    assert found.median is not None
    assert abs(found.median.total_seconds() - median(d.total_seconds() for d in delays)) < 0.001
    assert sum(bar.count for bar in found.bars) == count
    assert found.bars[-1].total == count
    assert 1 <= len(found.bars) <= BARS_MAX
    live_at = announcement.live_at
    assert live_at is not None
    for bar in found.bars:
        inside = [d for d in delays if bar.start <= live_at + d < bar.start + found.width]
        assert bar.count == len(inside)
    assert [bar.start - live_at for bar in found.bars] == [found.width * n for n in range(len(found.bars))]


def test_before_anybody_has_read_it() -> None:
    """No median, no bars; a draft has neither been read nor reached anybody yet, but would."""
    _users(3)
    found = of(_announcement())
    assert (found.reached, found.read, found.confirmed, found.median, found.bars) == (3, 0, 0, None, ())
    draft = Announcement.objects.get(pk=announce("x", publish=False).id)
    assert of(draft).reached == 3
    assert of(draft).bars == ()


@pytest.mark.parametrize("width", WIDTHS)
def test_the_bars_are_as_narrow_as_their_number_allows(width: timedelta) -> None:
    """Just below the border of each width, and at it."""
    span = width * BARS_MAX
    assert statistics._width(span - timedelta(milliseconds=1)) == width
    wider = [w for w in WIDTHS if w > width]
    assert statistics._width(span) == (wider[0] if wider else width)


def test_what_was_read_a_moment_before_it_went_live_counts() -> None:
    """Nodes' clocks differ a little: it belongs to the first bar."""
    announcement = _announcement()
    _read(announcement, [timedelta(milliseconds=-200), timedelta(seconds=1)])
    (bar,) = of(announcement).bars
    assert (bar.count, bar.total) == (2, 2)


def test_it_costs_four_queries_whatever_the_number_of_receipts() -> None:
    """Counted in SQL, by the index of one announcement's receipts."""
    announcement, other = _announcement(), _announcement()
    _users(5)
    costs = []
    for count in (3, 3_000):
        Receipt.objects.all().delete()
        _read(announcement, [timedelta(seconds=n) for n in range(count)])
        _read(other, [timedelta(seconds=1)] * 10)
        with CaptureQueriesContext(connection) as queries:
            assert of(announcement).read == count
        costs.append(len(queries))
    assert costs == [4, 4]


def test_whom_it_reaches(settings: Any) -> None:
    """Active users who had joined: by its end, or by its start where late joiners are spared."""
    now = clock.now()
    _users(2, joined=now - timedelta(hours=5))
    _users(3, joined=now - timedelta(hours=1))
    _users(4, joined=now - timedelta(hours=5), is_active=False)
    assert of(_announcement(hours_ago=2)).reached == 5
    assert of(_announcement(hours_ago=2, late_join=False)).reached == 2
    withdrawn = _announcement(hours_ago=4)
    withdraw_announcement(withdrawn.pk)
    Announcement.objects.filter(pk=withdrawn.pk).update(withdrawn_at=now - timedelta(hours=3))
    withdrawn.refresh_from_db()
    assert of(withdrawn).reached == 2
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "STANDALONE": True}
    assert of(withdrawn).reached is None
    assert audience(withdrawn) is waiting(withdrawn) is None
    assert list(waiting_chunks(withdrawn)) == []


def test_who_has_not_read_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody reached but the readers, in chunks by primary key, whatever fills the last chunk."""
    monkeypatch.setattr(statistics, "CHUNK", 3)
    announcement = _announcement()
    users = _users(7)
    Receipt.objects.create(announcement=announcement, uid=str(users[2].pk), read_at=clock.now())
    people = waiting(announcement)
    assert people is not None
    assert people.count() == 6
    chunks = list(waiting_chunks(announcement))
    assert [len(chunk) for chunk in chunks] == [3, 3]
    left = [(str(user.pk), user.username) for user in users if user != users[2]]
    assert [person for chunk in chunks for person in chunk] == left


@pytest.mark.parametrize("count", [0, 2, 3, 4, 6, 7])
def test_receipts_come_in_chunks_without_gap(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the order of reading, also where many read at the same moment."""
    monkeypatch.setattr(statistics, "CHUNK", 3)
    announcement = _announcement()
    _read(announcement, [timedelta(seconds=n // 4) for n in range(count)])
    chunks = list(receipt_chunks(announcement))
    assert all(1 <= len(chunk) <= 3 for chunk in chunks)
    found = [receipt.uid for chunk in chunks for receipt in chunk]
    assert found == [f"reader-{n}" for n in range(count)]
