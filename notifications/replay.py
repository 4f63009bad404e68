"""The replay: what is unread for a uid, as a socket is sent it on opening. From the index, else from the database."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db.models import Count, Min, QuerySet, Window
from django.db.models.functions import RowNumber

from notifications import audiences, clock, unread_index, users
from notifications.conf import conf
from notifications.models import Announcement, Notification, Receipt
from notifications.protocol.frames import replayed, unreplayed
from notifications.protocol.items import Item, encode


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a connection is replayed: the newest unread, oldest first, as encoded heads; and how many there are."""

    ids: tuple[UUID, ...]
    heads: tuple[str, ...]
    unread: int


def snapshots(uids: Sequence[str]) -> dict[str, Snapshot]:
    """What each of `uids` is replayed when a socket opens: from the index, or a handful of queries for all the rest."""
    found, leases = unread_index.look_up(uids)
    result = {uid: _from_entry(entry) for uid, entry in found.items()}
    rest = [uid for uid in uids if uid not in result]
    if not rest:
        return result
    now = clock.now()
    items, totals = _unread_items(rest, now)
    # One announcement's item, and so its encoded text, is shared by all who have it unread.
    heads: dict[UUID, str] = {}
    for uid in rest:
        newest = items[uid]
        for item in newest:
            if item.id not in heads:
                heads[item.id] = encode(item)
        result[uid] = Snapshot(
            ids=tuple(item.id for item in newest),
            heads=tuple(heads[item.id] for item in newest),
            unread=totals[uid],
        )
    if leases:
        boundary = _next_boundary(now)
        fillings: list[unread_index.Filling] = []
        for lease in leases:
            snapshot = result[lease.uid]
            if snapshot.unread == len(snapshot.ids):
                ends = [item.expires_at for item in items[lease.uid] if item.expires_at is not None]
                texts = dict(zip(snapshot.ids, map(replayed, snapshot.heads), strict=True))
                fillings.append((lease, texts, min([*ends, *boundary], default=None)))
        unread_index.fill(fillings)
    return result


def unread_announcements(uids: Sequence[str], now: datetime) -> dict[str, list[Announcement]]:
    """By uid, the announcements that are live `now` and that it has not read."""
    return unread_of(uids, Announcement.objects.live(now))


def unread_of(uids: Sequence[str], announcements: QuerySet[Announcement]) -> dict[str, list[Announcement]]:
    """By uid, those of these live announcements that are for it and that it has not read."""
    live = list(announcements)
    if not live:
        return {uid: [] for uid in uids}
    rows = Receipt.objects.filter(uid__in=uids, announcement__in=live).values_list("uid", "announcement_id")
    read = set(rows)
    reaches = reaching(uids, live)
    return {uid: [a for a in live if (uid, a.id) not in read and reaches(uid, a)] for uid in uids}


def reaching(uids: Sequence[str], live: Sequence[Announcement]) -> Callable[[str, Announcement], bool]:
    """Tells which of these live announcements are for which of `uids`; asks only what they give reason to ask."""
    narrow = {a.id for a in live if a.audience != Announcement.EVERYONE}
    reached = audiences.reached(uids, narrow)
    since = users.joined(uids) if any(not a.late_join and a.id not in narrow for a in live) else {}

    def reaches(uid: str, a: Announcement) -> bool:
        if a.id in narrow:
            return (uid, a.id) in reached
        return a.late_join or uid not in since or not a.live_at or a.live_at >= since[uid]

    return reaches


def _from_entry(entry: unread_index.Entry) -> Snapshot:
    ids = tuple(sorted(entry.items))
    return Snapshot(ids=ids, heads=tuple(unreplayed(entry.items[i]) for i in ids), unread=len(ids))


def _next_boundary(now: datetime) -> list[datetime]:
    """When, after `now`, an announcement begins by itself; the ends of those that have begun are in their items."""
    upcoming = Announcement.objects.filter(live_at__gt=now, withdrawn_at__isnull=True)
    begins = upcoming.aggregate(begins=Min("live_at"))["begins"]
    return [] if begins is None else [begins]


def _unread_items(uids: Sequence[str], now: datetime) -> tuple[dict[str, list[Item]], dict[str, int]]:
    """By uid, the newest unread items as the database has them, oldest first, and how many there are in all."""
    limit = conf().replay_limit
    items: defaultdict[str, list[Item]] = defaultdict(list)
    totals: defaultdict[str, int] = defaultdict(int)
    ranked = (
        Notification.objects.unread(now)
        .filter(uid__in=uids)
        .annotate(
            rank=Window(RowNumber(), partition_by="uid", order_by="-id"),
            total=Window(Count("id"), partition_by="uid"),
        )
        .filter(rank__lte=limit)
        .values("id", "total")
        .order_by()
    )
    # Counted and ranked by the index alone, and joined to the rows of the newest: of a user with 10,000 unread, 100 are
    # read. That takes 10 ms, where the rows of all took 80; the ORM has no join to a query.
    sql, params = ranked.query.sql_with_params()
    table = Notification._meta.db_table
    rows = Notification.objects.raw(
        f"SELECT item.*, ranked.total FROM ({sql}) ranked JOIN {table} item ON item.id = ranked.id",  # noqa: S608
        params,
    )
    for row in rows:
        items[row.uid].append(row.item())
        totals[row.uid] = row.total  # type: ignore[attr-defined]  # the column of the query
    for uid, announcements in unread_announcements(uids, now).items():
        items[uid] += [announcement.item() for announcement in announcements]
        totals[uid] += len(announcements)
    newest = {uid: sorted(items[uid], key=lambda item: item.id)[-limit:] if limit else [] for uid in uids}
    return newest, {uid: totals[uid] for uid in uids}
