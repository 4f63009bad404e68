"""The tail: reads the tables about once a second and hands the hub what this process has not handled yet.

It is the one repair for everything that can keep a push from arriving: a lost message, a Redis that is away, a process
killed between commit and push, an announcement whose start has come. Each look goes back a fixed window by the
database's clock and its `changed_at` indexes, so its cost does not grow with history.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import connection as database
from django.db.models import Q

from notifications import audiences, clock, metrics, models, users, writing
from notifications.conf import conf
from notifications.connection import Connection
from notifications.database import in_thread
from notifications.hub import SENDS_PER_TURN, Hub
from notifications.models import Announcement, Disconnection, Notification, Receipt, Recipient
from notifications.protocol.events import Event, Op
from notifications.protocol.frames import CloseCode
from notifications.protocol.items import encode

logger = logging.getLogger(__name__)

# Added to every window: transactions commit a little after their rows are stamped, and looks are a little late.
SLACK_SECONDS = 2.0
# Asked so slowly, the database's clock says too little about the present.
CLOCK_ROUND_TRIP_MAX = 0.5
# Doubts wait so long for one another: a push to a young connection is not to be seen to wait.
DOUBT_SECONDS = 0.005
# Uids looked up in one query when the users of open sockets are checked again.
RECHECK_BATCH = 500


class Tail:
    """The reader of the tables for one hub. `run()` is its life; `settle` answers the hub's doubts."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._doubts: defaultdict[tuple[Op, UUID], list[tuple[Event, list[Connection]]]] = defaultdict(list)
        self._settling: asyncio.Task[None] | None = None
        self._looked_at: float | None = None
        self._deep_at = float("-inf")
        self._writing: dict[str, datetime] = {}
        self._rechecked_at = time.monotonic()
        self.repaired = 0
        hub.settle = self.settle

    @property
    def age(self) -> float:
        """Seconds since the last good look began; 0 before the first."""
        return 0.0 if self._looked_at is None else time.monotonic() - self._looked_at

    async def run(self) -> None:
        """Look every `tail_interval` seconds, for ever. A look that fails is made up for by the next."""
        while True:
            begun = time.monotonic()
            try:
                await self.look()
                await self._recheck()
            except Exception as error:
                # There is a look a second for as long as the database is away: a line each, and no more.
                cause = " ".join(str(error.__cause__ or error).split())[:200]
                logger.warning("tail: the database could not be read (%s)", cause)
                logger.debug("tail: in full", exc_info=True)
            # From one beginning to the next, so that a slow look does not make items later than they need be; but a
            # database that takes longer than the interval is left alone for a while.
            interval = conf().tail_interval
            await asyncio.sleep(max(begun + interval - time.monotonic(), interval / 4))

    async def look(self) -> None:
        """Hand the hub whatever changed within the window and has not been handled by it."""
        settings, now = conf(), time.monotonic()
        deep = now - self._deep_at >= settings.tail_deep_interval
        window = settings.tail_deep_window if deep else settings.tail_window
        if self._looked_at is not None and now - self._looked_at > settings.tail_deep_window:
            # The process was stopped or the database away for longer than any look goes back.
            self._looked_at = now
            self._hub.resync_all()
        elif self._looked_at is not None and now - self._looked_at > window:
            window = settings.tail_deep_window
        events = await in_thread(self._changes, window + SLACK_SECONDS)
        self._looked_at = now
        if deep:
            self._deep_at = now
            self._hub.forget_older_than(2 * settings.tail_deep_window)
        for event in events:
            self.repaired += 1
            metrics.repairs.inc()
            self._hub.handle(event)

    def settle(self, event: Event, connections: list[Connection]) -> None:
        """Push an item to connections only if the database says that it is theirs and unread; tell whom it leaves."""
        self._doubts[event.op, event.ids[0]].append((event, connections))
        if self._settling is None:
            self._settling = asyncio.get_running_loop().create_task(self._settle())

    async def _settle(self) -> None:
        try:
            while self._doubts:
                await asyncio.sleep(DOUBT_SECONDS)
                doubts, self._doubts = self._doubts, defaultdict(list)
                asked: dict[Op, dict[UUID, set[str]]] = {Op.CREATED: {}, Op.RETRACTED: {}}
                for (op, item_id), entries in doubts.items():
                    asked[op][item_id] = {connection.uid for _, connections in entries for connection in connections}
                try:
                    concerned = await in_thread(_concerned, asked[Op.CREATED], asked[Op.RETRACTED])
                except Exception:
                    logger.warning("tail: doubts could not be settled, sending inboxes anew", exc_info=True)
                    for entries in doubts.values():
                        for _, connections in entries:
                            for connection in connections:
                                self._hub.resync(connection)
                    continue
                for (op, item_id), entries in doubts.items():
                    for event, connections in entries:
                        theirs = [c for c in connections if (item_id, c.uid) in concerned[op]]
                        if op == Op.CREATED:
                            await _in_turns(theirs, partial(self._hub.push, event))
                        else:
                            await _in_turns(list({c.uid: None for c in theirs}), partial(self._hub.tell, event))
        finally:
            self._settling = None

    async def _recheck(self) -> None:
        """Close the sockets of users who were deactivated or deleted straight in the database."""
        now = time.monotonic()
        if now - self._rechecked_at < conf().recheck_interval:
            return
        self._rechecked_at = now
        uids = list(self._hub.users)
        for start in range(0, len(uids), RECHECK_BATCH):
            batch = uids[start : start + RECHECK_BATCH]
            active = await in_thread(users.active, batch)
            for uid in batch:
                user = self._hub.users.get(uid)
                if uid not in active and user is not None:
                    for connection in list(user.connections):
                        self._hub.detach(connection)
                        connection.close(CloseCode.SIGNED_OUT)

    def _changes(self, seconds: float) -> list[Event]:
        """What changed in the last `seconds` and concerns this hub. Runs in a worker thread; only reads the hub."""
        asked = time.monotonic()
        database_now = models.database_now()
        took = time.monotonic() - asked
        if took < CLOCK_ROUND_TRIP_MAX:
            clock.follow(database_now + timedelta(seconds=took / 2))
        since = database_now - timedelta(seconds=seconds)
        # Rows are stamped as they are written and seen when they are committed. What a transaction that was open at the
        # look before has committed since then may lie further back than any window.
        open_now = dict.fromkeys(_writing(), since)
        since = min([since, *(begun for name, begun in self._writing.items() if name not in open_now)])
        connected = self._hub.users
        events = [
            *self._notifications(since, database_now, connected),
            *self._announcements(since, database_now),
            *self._reads(since, connected),
        ]
        for wish_id, uid in Disconnection.objects.filter(changed_at__gte=since).values_list("id", "uid"):
            if uid in connected and not self._hub.knows(wish_id, Op.DISCONNECT, uid):
                events.append(Event(Op.DISCONNECT, uid, (wish_id,)))
        self._writing = open_now | {name: begun for name, begun in self._writing.items() if name in open_now}
        return events

    def _notifications(self, since: datetime, until: datetime, connected: Collection[str]) -> list[Event]:
        changed = Q(changed_at__gte=since) | Q(expires_at__gt=since, expires_at__lte=until)
        rows = Notification.objects.filter(changed).order_by()
        events, missed = [], []
        for item_id, uid, read_at, retracted_at, expires_at in rows.values_list(
            "id", "uid", "read_at", "retracted_at", "expires_at"
        ):
            if uid not in connected:
                continue
            if retracted_at is not None or (expires_at is not None and expires_at <= until):
                op = Op.RETRACTED
            else:
                op = Op.CREATED if read_at is None else Op.READ
            if self._hub.knows(item_id, op, uid):
                continue
            if op == Op.CREATED:
                missed.append(item_id)
            else:
                events.append(Event(op, uid, (item_id,)))
        for start in range(0, len(missed), 500):
            for row in Notification.objects.unread(until).filter(id__in=missed[start : start + 500]):
                events.append(Event(Op.CREATED, row.uid, (row.id,), head=encode(row.item())))
        return sorted(events, key=lambda event: event.ids)

    def _announcements(self, since: datetime, until: datetime) -> list[Event]:
        recent = (
            Q(changed_at__gte=since)
            | Q(live_at__gt=since, live_at__lte=until)
            | Q(ends_at__gt=since, ends_at__lte=until)
        )
        events = []
        for announcement in Announcement.objects.filter(recent, item_id__isnull=False).order_by("item_id"):
            item = announcement.item()
            status = announcement.status_at(until)
            if status == Announcement.Status.LIVE:
                op = Op.CREATED
            elif status in (Announcement.Status.ENDED, Announcement.Status.WITHDRAWN):
                op = Op.RETRACTED
            else:
                continue
            narrow = announcement.audience != Announcement.EVERYONE
            # One that has been live for longer was changed because somebody came into its audience, or its end was
            # moved: those who were in it have had it.
            begun_lately = announcement.live_at is not None and announcement.live_at > since
            if not self._hub.knows(item.id, op) and (op == Op.RETRACTED or begun_lately):
                head = encode(item) if op == Op.CREATED else ""
                events.append(Event(op, None, (item.id,), head=head, narrow=narrow))
            elif op == Op.CREATED and narrow:
                events += self._joined(announcement, encode(item), since)
        return events

    def _joined(self, announcement: Announcement, head: str, since: datetime) -> list[Event]:
        """Who came into its audience lately, after it had been published."""
        rows = Recipient.objects.filter(announcement=announcement, joined_at__gte=since)
        item_id = announcement.item().id
        return [
            Event(Op.CREATED, uid, (item_id,), head=head, narrow=True)
            for uid in rows.values_list("uid", flat=True)
            if uid in self._hub.users and not self._hub.knows(item_id, Op.CREATED, uid)
        ]

    def _reads(self, since: datetime, connected: Collection[str]) -> list[Event]:
        rows = Receipt.objects.filter(changed_at__gte=since).values_list("uid", "announcement__item_id")
        return [
            Event(Op.READ, uid, (item_id,))
            for uid, item_id in rows
            if item_id is not None and uid in connected and not self._hub.knows(item_id, Op.READ, uid)
        ]


def _writing() -> Collection[str]:
    """The transactions that have written and are still open, each by a name of its own.

    PostgreSQL's alone: in SQLite an open one keeps all others from writing, and ends before their time-outs do.
    """
    return writing.transactions() if database.vendor == "postgresql" else ()


def _concerned(created: dict[UUID, set[str]], gone: dict[UUID, set[str]]) -> dict[Op, set[tuple[UUID, str]]]:
    return {
        Op.CREATED: _still_unread(created) if created else set(),
        Op.RETRACTED: _had(gone) if gone else set(),
    }


def _still_unread(asked: dict[UUID, set[str]]) -> set[tuple[UUID, str]]:
    """Of the items and the uids they may go to, the pairs that are still unread, in a few queries for all."""
    now = clock.now()
    pairs = set(Notification.objects.unread(now).filter(id__in=asked).values_list("id", "uid"))
    live = {a.item_id: a for a in Announcement.objects.live(now).filter(item_id__in=asked)}
    for item_id, announcement in live.items():
        if item_id is None:
            continue
        uids = asked[item_id]
        if announcement.audience != Announcement.EVERYONE:
            uids = {uid for uid, _ in audiences.reached(uids, [announcement.pk])}
        elif not announcement.late_join and announcement.live_at is not None:
            late = {uid for uid, at in users.joined(uids).items() if at > announcement.live_at}
            uids = uids - late
        read = set(Receipt.objects.filter(announcement=announcement, uid__in=uids).values_list("uid", flat=True))
        pairs |= {(item_id, uid) for uid in uids - read}
    return pairs


def _had(asked: dict[UUID, set[str]]) -> set[tuple[UUID, str]]:
    """Of announcements for audiences that are over and the uids that may have had them, the pairs that had."""
    rows = Announcement.objects.filter(item_id__in=asked).values_list("item_id", "pk")
    return {(item_id, uid) for item_id, pk in rows if item_id for uid, _ in audiences.reached(asked[item_id], [pk])}


async def _in_turns(each: list[Any], serve: Callable[[list[Any]], object]) -> None:
    """Serve as many as a broadcast does between two yields to the event loop: there may be as many as sockets."""
    for start in range(0, len(each), SENDS_PER_TURN):
        if start:
            await asyncio.sleep(0)
        serve(each[start : start + SENDS_PER_TURN])
