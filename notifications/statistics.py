"""What became of an announcement: whom it reaches, who has read it, how quickly. Counted in SQL, never row by row.

Two indexes carry it: `receipt_times` (one announcement's receipts by time) and `receipt_once` (has this uid a receipt).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet

from notifications import audiences, clock, users
from notifications.models import Announcement, Receipt, Recipient

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
    """Its recipients, or of everyone the active users in whose inbox it is or was; None without a user table."""
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


def waiting(announcement: Announcement) -> QuerySet[Any] | None:
    """Whom of its audience have not read it, or not confirmed it where that is asked for; None if that is not known.

    Each has its uid as `as_uid`, and the order is one in which chunks can be taken.
    """
    people = audience(announcement)
    if people is None:
        return None
    receipts = Receipt.objects.filter(announcement=announcement, uid=OuterRef("as_uid"))
    return people.filter(~Exists(receipts)).order_by(_key(announcement))


def audience(announcement: Announcement) -> QuerySet[Any] | None:
    """Those in whose inbox it is or was (would be, of a draft), each with its uid as `as_uid`.

    Its recipients, or of everyone the active users: None where there is no user table.
    """
    narrow = announcement.audience != Announcement.EVERYONE
    if announcement.live_at is None and announcement.audience != Announcement.LISTED:
        return audiences.people(announcement.audience) if narrow else users.everyone()
    if narrow:
        return Recipient.objects.filter(announcement=announcement).annotate(as_uid=F("uid"))
    now = clock.now()
    over = min(announcement.withdrawn_at or now, announcement.ends_at, now)
    return users.everyone(over if announcement.late_join else announcement.live_at)


def _key(announcement: Announcement) -> str:
    # Each in the order of an index: of `recipient_once`, or of the user table's own.
    return "uid" if announcement.audience != Announcement.EVERYONE else "pk"


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


def waiting_chunks(announcement: Announcement) -> Iterator[Sequence[tuple[str, str]]]:
    """Those who are `waiting`, uid and name of each, in chunks of 2,000; none where they are not known."""
    people, last = waiting(announcement), None
    while people is not None:
        chunk, last = chunk_after(announcement, people, last, CHUNK)
        if chunk:
            yield with_names(chunk)
        if len(chunk) < CHUNK:
            return


def chunk_after(announcement: Announcement, people: QuerySet[Any], last: Any, size: int) -> tuple[list[Any], Any]:
    """The next of those who are `waiting`, and what to give as `last` for those after them; None for the first."""
    chunk = list(after(announcement, people, last)[:size])
    return chunk, getattr(chunk[-1], _key(announcement)) if chunk else last


def after(announcement: Announcement, people: QuerySet[Any], last: Any) -> QuerySet[Any]:
    """Those who come after `last` in that order. A `last` that was written as text is good too; nonsense is as none."""
    if last is None:
        return people
    key = _key(announcement)
    field = people.model._meta.pk if key == "pk" else people.model._meta.get_field(key)
    try:
        return people.filter(**{f"{key}__gt": field.clean(last, None)})
    except ValidationError:
        return people


def with_names(people: Sequence[Any]) -> Sequence[tuple[str, str]]:
    """Uid and name of each of these, the name empty where no user has that uid."""
    names = users.names(person.uid for person in people if isinstance(person, Recipient))
    return [
        (person.uid, names.get(person.uid, ""))
        if isinstance(person, Recipient)
        else (person.as_uid, person.get_username())
        for person in people
    ]


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


def figure(value: int) -> str:
    """A number with its thousands apart: 10,000 people and 100,000 must not look alike. The same in both languages."""
    return f"{value:,}"
