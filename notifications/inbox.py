"""The inbox: what one uid can see, and what of it is read. Everything here asks the database, the truth."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Count, QuerySet
from django.db.models.functions import Now

from notifications import clock, metrics, replay, signals, unread_index
from notifications.channel_layer import publisher
from notifications.models import Announcement, Notification, Receipt
from notifications.protocol.events import IDS_MAX, Event, Op
from notifications.protocol.items import Item


@dataclass(frozen=True, slots=True)
class Page:
    """Some items of an inbox, newest first.

    `next` is what to give as `before` for the page of older ones, None at the end; `previous` is what to give as
    `after` for the page of newer ones, None at the beginning.
    """

    items: list[Item]
    next: UUID | None
    previous: UUID | None = None


@dataclass(frozen=True, slots=True)
class ReadResult:
    """Which of the asked-for items are read now (also those that were before), and how many are still unread.

    The caller is not to be told before `confirm_after` seconds have passed: nearly always 0 (see `unread_index`).
    `fresh` are those of `ids` that were unread before.
    """

    ids: list[UUID]
    unread: int
    confirm_after: float = 0.0
    fresh: tuple[UUID, ...] = ()


def page(
    uid: str,
    *,
    before: UUID | None = None,
    after: UUID | None = None,
    limit: int = 50,
    unread: bool = False,
    kind: str | None = None,
) -> Page:
    """Items of the inbox of `uid`, newest first, at most `limit`, of one kind if asked.

    They are those next older than `before`, or those next newer than `after`; the newest where neither is given.
    """
    now = clock.now()
    notifications = Notification.objects.filter(uid=uid)
    notifications = notifications.unread(now) if unread else notifications.visible(now)
    announcements = Announcement.objects.live(now)
    if kind is not None:
        notifications = notifications.filter(kind=kind)
        announcements = announcements.filter(kind=kind)
    if before is not None:
        notifications = notifications.filter(id__lt=before)
        announcements = announcements.filter(item_id__lt=before)
    if after is not None:
        notifications = notifications.filter(id__gt=after)
        announcements = announcements.filter(item_id__gt=after)
    rows = list(notifications.order_by("-id" if after is None else "id")[: limit + 1])
    items = [row.item() for row in rows]
    candidates = _reaching(uid, announcements)
    read_at = dict(Receipt.objects.filter(uid=uid, announcement__in=candidates).values_list("announcement", "read_at"))
    items += [a.item(read_at.get(a.id)) for a in candidates if not (unread and a.id in read_at)]
    items.sort(key=lambda item: item.id, reverse=after is None)
    more = len(items) > limit
    items = items[:limit]
    _fetched(rows[:limit], now)
    if not items:
        return Page([], None)
    # Whoever pages has seen what is on the other side.
    if after is None:
        return Page(items, items[-1].id if more else None, items[0].id if before is not None else None)
    items.reverse()
    return Page(items, items[-1].id, items[0].id if more else None)


def _fetched(rows: Iterable[Notification], now: datetime) -> None:
    """Whoever fetches an item has been delivered it. A write the first time only, and none that sockets are told of."""
    fresh = [row.id for row in rows if row.delivered_at is None]
    if fresh:
        Notification.objects.filter(id__in=fresh, delivered_at__isnull=True).update(delivered_at=now)


def kinds(uid: str) -> list[str]:
    """The kinds of items in the inbox of `uid`, in alphabetical order."""
    now = clock.now()
    found = Notification.objects.visible(now).filter(uid=uid).order_by().values_list("kind").distinct()
    general = _reaching(uid, Announcement.objects.live(now))
    return sorted({kind for (kind,) in found} | {announcement.kind for announcement in general})


def get(uid: str, item_id: UUID) -> Item | None:
    """One item of the inbox of `uid`, or None: missing and foreign items look alike."""
    now = clock.now()
    row = Notification.objects.visible(now).filter(uid=uid, id=item_id).first()
    if row is not None:
        _fetched([row], now)
        return row.item()
    found = _reaching(uid, Announcement.objects.live(now).filter(item_id=item_id))
    if not found:
        return None
    announcement = found[0]
    receipt = Receipt.objects.filter(uid=uid, announcement=announcement).first()
    return announcement.item(None if receipt is None else receipt.read_at)


def unread_counts(uids: Sequence[str]) -> dict[str, int]:
    """How many items each of `uids` has not read."""
    now = clock.now()
    rows = Notification.objects.unread(now).filter(uid__in=uids).order_by().values_list("uid").annotate(Count("id"))
    personal = dict(rows)
    general = replay.unread_announcements(uids, now)
    return {uid: personal.get(uid, 0) + len(general.get(uid, ())) for uid in uids}


def read(uid: str, ids: Iterable[UUID], *, via: str = "list", confirm: bool = False, origin: str = "") -> ReadResult:
    """Mark items of `uid` as read, by having been seen in a `popup` or the `list`; repeating is harmless.

    Items that need a confirmation are only read with `confirm=True`. Unknown and foreign ids look alike: they are left
    out of the answer. After commit the uid's connections are told, all but `origin`, which has its own answer.
    """
    wanted = list(dict.fromkeys(ids))
    notifications = Notification.objects.filter(uid=uid, id__in=wanted, retracted_at__isnull=True)
    live = Announcement.objects.live(clock.now())

    def announcements(found: set[UUID]) -> list[Announcement]:
        # Most reads are of notifications alone, and end here.
        rest = [item_id for item_id in wanted if item_id not in found]
        return _reaching(uid, live.filter(item_id__in=rest)) if rest else []

    return _mark(uid, notifications, announcements, via=via, confirm=confirm, origin=origin)


def read_until(uid: str, before: UUID, *, via: str = "list", origin: str = "") -> ReadResult:
    """Mark everything up to and with the item `before` as read, but for what needs a confirmation.

    The answer names at most 1,000 ids, the newest; connections are sent their inbox anew where there were more.
    """
    now = clock.now()
    notifications = Notification.objects.unread(now).filter(uid=uid, id__lte=before)
    live = Announcement.objects.live(now).filter(item_id__lte=before)

    def announcements(_: set[UUID]) -> list[Announcement]:
        return replay.unread_of([uid], live)[uid]

    return _mark(uid, notifications, announcements, via=via, confirm=False, origin=origin)


def read_by_ref(uid: str, ref: str, *, via: str = "list", source: str | None = None) -> ReadResult:
    """Mark every notification of `uid` with the business reference `ref` as read, confirmed where asked for.

    The business itself has settled it.
    """
    notifications = Notification.objects.filter(uid=uid, ref=ref, retracted_at__isnull=True)
    if source is not None:
        notifications = notifications.filter(source=source)
    return _mark(uid, notifications, lambda _: [], via=via, confirm=True, origin="")


def _mark(
    uid: str,
    notifications: QuerySet[Notification],
    announcements: Callable[[set[UUID]], list[Announcement]],
    *,
    via: str,
    confirm: bool,
    origin: str,
) -> ReadResult:
    now = clock.now()
    with transaction.atomic():
        # In one order everywhere, so that two that read the same items at once cannot lock each other out.
        rows = list(notifications.select_for_update().order_by("id").values_list("id", "read_at", "confirm"))
        fresh = [item_id for item_id, read_at, asked in rows if read_at is None and (confirm or not asked)]
        done = [item_id for item_id, read_at, _ in rows if read_at is not None] + fresh
        changed: dict[str, Any] = {"read_at": now, "read_via": via, "changed_at": Now()}
        asked_for = {item_id for item_id, _, asked in rows if asked}
        for extra, ids in (
            ({}, [item_id for item_id in fresh if item_id not in asked_for]),
            ({"confirmed_at": now}, [item_id for item_id in fresh if item_id in asked_for]),
        ):
            for chunk in _chunks(ids):
                # Only the unread: of two tabs that read at once, one writes. Retraction in between wins.
                unread_rows = Notification.objects.filter(id__in=chunk, read_at__isnull=True, retracted_at__isnull=True)
                unread_rows.update(**changed, **extra)
        receipts = []
        for announcement in sorted(announcements({row[0] for row in rows}), key=lambda a: str(a.item_id)):
            if announcement.item_id is None or (announcement.confirm and not confirm):
                continue
            done.append(announcement.item_id)
            receipts.append(
                Receipt(
                    announcement=announcement,
                    uid=uid,
                    read_at=now,
                    read_via=via,
                    confirmed_at=now if announcement.confirm else None,
                )
            )
        if receipts:
            had = set(
                Receipt.objects.filter(uid=uid, announcement__in=[r.announcement_id for r in receipts]).values_list(
                    "announcement_id", flat=True
                )
            )
            new = [r for r in receipts if r.announcement_id not in had]
            Receipt.objects.bulk_create(new, ignore_conflicts=True)
            fresh += [r.announcement.item_id for r in new if r.announcement.item_id is not None]
        change = unread_index.begin([uid])
        unread = unread_counts([uid])[uid]
        transaction.on_commit(lambda: change.done(removed={uid: done}), robust=True)
        if fresh:
            transaction.on_commit(lambda: metrics.reads.labels(via).inc(len(fresh)))
            transaction.on_commit(lambda: _tell(uid, sorted(fresh), origin), robust=True)
            transaction.on_commit(lambda: signals.read(uid, sorted(fresh), via), robust=True)
    return ReadResult(sorted(done)[-IDS_MAX:], unread, change.settle, tuple(sorted(fresh)[-IDS_MAX:]))


def _tell(uid: str, ids: list[UUID], origin: str) -> None:
    if len(ids) > IDS_MAX:
        publisher.put(Event(Op.RESYNC, uid, ()))
    else:
        publisher.put(Event(Op.READ, uid, tuple(ids), origin=origin))


def _chunks(ids: list[UUID]) -> Iterable[list[UUID]]:
    # SQLite takes at most 250,000 parameters, older builds 999.
    return (ids[start : start + 500] for start in range(0, len(ids), 500))


def _reaching(uid: str, announcements: QuerySet[Announcement]) -> list[Announcement]:
    """Those of these live announcements that are for `uid`."""
    found = list(announcements)
    reaches = replay.reaching([uid], found)
    return [announcement for announcement in found if reaches(uid, announcement)]
