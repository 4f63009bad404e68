"""What became of an announcement: whom it reaches, who has read it, how quickly. Counted in SQL, never row by row.

Two indexes carry it: `receipt_times` (one announcement's receipts by time) and `receipt_once` (has this uid a receipt).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, Max, OuterRef, Q, QuerySet

from notifications import clock, users
from notifications.models import Announcement, Receipt

# Widths of the chart's bars: the narrowest is taken of which no more than `BARS_MAX` are needed.
WIDTHS = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 180, 360, 720, 1440, 7 * 1440, 30 * 1440, 365 * 1440))
BARS_MAX = 30
CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Bar:
    """How many read it from `start` on, up to the start of the next bar; `total` with all bars before."""

    start: datetime
    count: int
    total: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """The figures of one announcement."""

    reached: int | None
    """Active users in whose inbox it is or was; None where there is no user table."""
    read: int
    confirmed: int
    median: timedelta | None
    """Of the time from going live to being read; None before the first has read it."""
    width: timedelta
    """Of each bar."""
    bars: tuple[Bar, ...]


def of(announcement: Announcement) -> Statistics:
    """Count one announcement: four queries, however many receipts there are."""
    people = audience(announcement)
    reached = None if people is None else people.count()
    live_at = announcement.live_at
    receipts = Receipt.objects.filter(announcement=announcement)
    counted = receipts.aggregate(read=Count("id"), confirmed=Count("confirmed_at"), last=Max("read_at"))
    if live_at is None or counted["last"] is None:
        return Statistics(reached, counted["read"], counted["confirmed"], None, WIDTHS[0], ())
    width = _width(counted["last"] - live_at)
    return Statistics(
        reached,
        counted["read"],
        counted["confirmed"],
        _median(receipts, counted["read"]) - live_at,
        width,
        _bars(receipts, live_at, counted["last"], width),
    )


def audience(announcement: Announcement) -> QuerySet[Any] | None:
    """The active users in whose inbox it is or was (would be, for a draft); None where there is no user table."""
    now = clock.now()
    over = min(announcement.withdrawn_at or now, announcement.ends_at, now)
    if announcement.live_at is None:
        return users.everyone()
    return users.everyone(over if announcement.late_join else announcement.live_at)


def waiting(announcement: Announcement) -> QuerySet[Any] | None:
    """Whom of its audience have not read it, or not confirmed it where that is asked for; None without user table."""
    people = audience(announcement)
    if people is None:
        return None
    return people.filter(~Exists(Receipt.objects.filter(announcement=announcement, uid=OuterRef("as_uid"))))


def receipt_chunks(announcement: Announcement) -> Iterator[Sequence[Receipt]]:
    """All receipts in the order of reading, in chunks of 2,000.

    Each is a short query of its own: nothing is held open while somebody downloads slowly.
    """
    receipts = Receipt.objects.filter(announcement=announcement).order_by("read_at", "id")
    last: Receipt | None = None
    while True:
        found = receipts
        if last is not None:
            found = receipts.filter(read_at__gte=last.read_at).exclude(read_at=last.read_at, id__lte=last.id)
        chunk = list(found[:CHUNK])
        if chunk:
            yield chunk
        if len(chunk) < CHUNK:
            return
        last = chunk[-1]


def waiting_chunks(announcement: Announcement) -> Iterator[Sequence[Any]]:
    """Those who are `waiting`, by primary key, in chunks of 2,000; none without user table."""
    people = waiting(announcement)
    if people is None:
        return
    last = None
    while True:
        found = people.order_by("pk") if last is None else people.order_by("pk").filter(pk__gt=last)
        chunk = list(found[:CHUNK])
        if chunk:
            yield chunk
        if len(chunk) < CHUNK:
            return
        last = chunk[-1].pk


def _width(span: timedelta) -> timedelta:
    return next((width for width in WIDTHS if span < width * BARS_MAX), WIDTHS[-1])


def _median(receipts: QuerySet[Receipt], count: int) -> datetime:
    # The middle one, or the mean of the middle two.
    times = receipts.order_by("read_at").values_list("read_at", flat=True)
    middle = list(times[(count - 1) // 2 : count // 2 + 1])
    return middle[0] + (middle[-1] - middle[0]) / 2


def _bars(receipts: QuerySet[Receipt], live_at: datetime, last: datetime, width: timedelta) -> tuple[Bar, ...]:
    starts = [live_at + width * index for index in range((last - live_at) // width + 1)]
    # Nodes' clocks differ by up to 250 ms: what was read a moment before it went live belongs to the first bar.
    counts = receipts.aggregate(
        **{
            f"bar{index}": Count("id", filter=Q(read_at__lt=start + width) & (Q(read_at__gte=start) if index else Q()))
            for index, start in enumerate(starts)
        }
    )
    bars, total = [], 0
    for index, start in enumerate(starts):
        total += counts[f"bar{index}"]
        bars.append(Bar(start, counts[f"bar{index}"], total))
    return tuple(bars)
