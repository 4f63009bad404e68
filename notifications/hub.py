"""The hub: all live connections of this process by uid, and the fan-out of events to them.

Stock Channels wakes a task, hops to a thread and decodes the payload for every delivery: 500-700 ms of CPU for 1,000.
Here one channel per process is in the groups, a text is encoded once, each connection's send is called directly: 16.
"""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from uuid import UUID

from notifications import clock, metrics, unread_index
from notifications.channel_layer import Membership
from notifications.conf import conf
from notifications.connection import Connection
from notifications.delivered import Delivered
from notifications.presence import Here
from notifications.protocol import frames
from notifications.protocol.events import Event, Op
from notifications.protocol.frames import CloseCode
from notifications.replay import Snapshot

logger = logging.getLogger(__name__)

# Sends between two yields to the event loop. At 16 us a send this is a stall of 4 ms.
SENDS_PER_TURN = 250
# An item made at least so long after a connection's replay cannot have been read before it. Nodes' clocks follow the
# database's to within 250 ms each.
DOUBT_MS = 1_000

Texts = dict[int, tuple[str, bytes]]
"""By unread count, a text and its WebSocket frame."""


class User:
    """A uid that has connections here: they, oldest first, and which of its items are unread.

    The unread known one by one are in `unread`; `older` counts those before `horizon`, which the replay left out. Sets,
    because the same event may come twice and in any order.
    """

    __slots__ = ("connections", "horizon", "older", "unread")

    def __init__(self) -> None:
        self.connections: list[Connection] = []
        self.unread: set[UUID] = set()
        self.older = 0
        self.horizon: UUID | None = None

    @property
    def count(self) -> int:
        """How many items are unread."""
        return self.older + len(self.unread)

    def replace(self, snapshot: Snapshot) -> None:
        """Begin anew with what the database says."""
        self.unread = set(snapshot.ids)
        self.older = snapshot.unread - len(snapshot.ids)
        self.horizon = snapshot.ids[0] if self.older else None

    def horizon_passes(self, ids: Iterable[UUID]) -> bool:
        """Whether any of `ids` is among the older ones, which are only counted."""
        return self.horizon is not None and any(i < self.horizon and i not in self.unread for i in ids)

    def take_away(self, ids: Iterable[UUID]) -> None:
        """These are unread no more."""
        for item_id in ids:
            if item_id in self.unread:
                self.unread.discard(item_id)
            elif self.horizon is not None and item_id < self.horizon:
                self.older = max(0, self.older - 1)


class Hub:
    """All live connections of one process.

    `settle(event, connections)` is asked, instead of pushing, where an item may already have been read before a young
    connection opened, or is narrow; it looks at the database and calls `push` for those who have still to get it, and
    `tell` for those from whom it goes.
    """

    def __init__(self) -> None:
        self.users: dict[str, User] = {}
        self.membership = Membership(self.users.__contains__, self.handle)
        self.settle: Callable[[Event, list[Connection]], None] = self.push
        self.here = Here()
        self.delivered = Delivered()
        self.size = 0
        self._seen: OrderedDict[tuple[UUID, str | None], tuple[Op, float]] = OrderedDict()
        self._broadcasts: deque[Event] = deque()
        self._broadcasting: asyncio.Task[None] | None = None

    # --- connections come and go

    async def attach(self, connection: Connection) -> None:
        """Take in a connection that is opening: from now on its events are buffered.

        Returns when its uid's group is joined, so that whatever is published later arrives here; then the replay may
        be read.
        """
        user = self.users.get(connection.uid)
        if user is None:
            user = self.users[connection.uid] = User()
        user.connections.append(connection)
        self.size += 1
        self.here.note(connection.uid, len(user.connections))
        while len(user.connections) > conf().max_connections_per_uid:
            oldest = user.connections[0]
            self.detach(oldest)
            oldest.close(CloseCode.TOO_MANY_CONNECTIONS)
        await self.membership.joined(connection.uid)

    def detach(self, connection: Connection) -> None:
        """Forget a connection. Repeating is harmless."""
        user = self.users.get(connection.uid)
        if user is None or connection not in user.connections:
            return
        user.connections.remove(connection)
        self.size -= 1
        self.here.note(connection.uid, len(user.connections))
        if not user.connections:
            del self.users[connection.uid]
            self.membership.left(connection.uid)

    def activate(self, connection: Connection, snapshot: Snapshot) -> None:
        """The replay has been sent: hand on what came in meanwhile, without what the replay held."""
        user = self.users.get(connection.uid)
        if user is None:
            return
        user.replace(snapshot)
        connection.replayed = frozenset(snapshot.ids)
        self.delivered.note(snapshot.ids)
        connection.opening = False
        buffered, connection.buffer = connection.buffer, []
        for event in buffered:
            if event.op == Op.CREATED:
                if event.ids[0] not in connection.replayed:
                    self.settle(event, [connection])
            elif event.op == Op.RESYNC or user.horizon_passes(event.ids):
                # Whether the replay counted these older ones is not known here.
                self.resync(connection)
            else:
                self._tell(event, user, [connection], {})

    def connections(self) -> list[Connection]:
        """Every connection, as of now."""
        return [connection for user in self.users.values() for connection in user.connections]

    # --- events

    def knows(self, item_id: UUID, op: Op, uid: str | None = None) -> bool:
        """Whether `op`, or something later in the item's life, has been handled here lately (`uid` as in the event)."""
        seen = self._seen.get((item_id, uid))
        return seen is not None and seen[0] >= op

    def handle(self, event: Event) -> None:
        """Do what an event asks for, once: from whichever of the channel layer and the tail brings it first."""
        if event.op == Op.RESYNC:
            for connection in self._of(event.uid):
                self.resync(connection)
            return
        if event.uid is not None and event.uid not in self.users:
            return
        fresh = tuple(i for i in event.ids if not self.knows(i, event.op, event.uid))
        if not fresh:
            return
        now = time.monotonic()
        for item_id in fresh:
            self._seen[item_id, event.uid] = (event.op, now)
            self._seen.move_to_end((item_id, event.uid))
        if len(fresh) < len(event.ids):
            event = replace(event, ids=fresh)
        if event.op in (Op.CREATED, Op.RETRACTED):
            self._chill(event)
        if event.uid is None:
            self._broadcasts.append(event)
            if self._broadcasting is None:
                self._broadcasting = asyncio.get_running_loop().create_task(self._broadcast())
            return
        user = self.users[event.uid]
        if event.op == Op.CREATED:
            sent = self._deliver(event, user, event.uid, {})
            if sent:
                self.delivered.note(event.ids)
            _count(event, sent)
        else:
            self._tell(event, user, user.connections, {})

    def push(self, event: Event, connections: Iterable[Connection]) -> None:
        """Send a created item to connections that are known to lack it, unless it was read or retracted meanwhile."""
        item_id = event.ids[0]
        sent = 0
        for connection in connections:
            user = self.users.get(connection.uid)
            if user is None or self._is_over(item_id, event.uid, connection.uid):
                continue
            if connection.opening:
                connection.hold(event)
                continue
            if item_id in connection.replayed:
                continue
            if user.horizon_passes(event.ids):
                self.resync(connection)
                continue
            user.unread.add(item_id)
            connection.send(frames.notification(event.head, user.count))
            sent += 1
        if sent and event.uid is not None:
            self.delivered.note(event.ids)
        _count(event, sent)

    def tell(self, event: Event, uids: Iterable[str]) -> None:
        """Tell connections of these uids that an item of theirs is gone."""
        texts: Texts = {}
        for uid in uids:
            user = self.users.get(uid)
            if user is not None:
                self._tell(event, user, user.connections, texts)

    def resync(self, connection: Connection) -> None:
        """Send a connection its inbox anew; one that is being replayed right now, after that."""
        if connection.opening:
            # What it is about to be replayed may have been read too early.
            connection.hold(Event(Op.RESYNC, connection.uid, ()))
        else:
            connection.on_resync()

    def resync_all(self) -> None:
        """Something may have been missed: every connection gets its inbox anew."""
        for connection in self.connections():
            self.resync(connection)

    def resync_young(self, uids: Collection[str], seconds: float) -> None:
        """Connections of `uids` (the empty one: of all) replayed within `seconds` get their inbox anew."""
        since = clock.now_ms() - seconds * 1000
        for uid in list(self.users) if "" in uids else uids:
            for connection in self._of(uid):
                if connection.snapshot_ms >= since:
                    self.resync(connection)

    def forget_older_than(self, seconds: float) -> None:
        """Drop what was seen longer ago than the deepest look of the tail goes back."""
        horizon = time.monotonic() - seconds
        while self._seen:
            key, (_, at) = next(iter(self._seen.items()))
            if at > horizon:
                break
            del self._seen[key]

    def _chill(self, event: Event) -> None:
        # What is for everyone, or ends by itself, no writer has told the hashes in Redis of.
        if event.uid is not None and event.op == Op.RETRACTED:
            unread_index.cold([event.uid])
        elif event.uid is None and len(self.users) <= unread_index.COLD_MOST:
            unread_index.cold(self.users)

    # --- fan-out

    def _of(self, uid: str | None) -> list[Connection]:
        if uid is None:
            return self.connections()
        user = self.users.get(uid)
        return list(user.connections) if user else []

    def _is_over(self, item_id: UUID, audience: str | None, uid: str) -> bool:
        return self.knows(item_id, Op.RETRACTED, audience) or self.knows(item_id, Op.READ, uid)

    def _deliver(self, event: Event, user: User, uid: str, texts: Texts) -> int:
        """Send a created item to all connections of a user; gives how many were sent it.

        `texts` keeps what is sent per unread count: most users of a broadcast share a few counts, and so the same text.
        """
        item_id = event.ids[0]
        if event.uid is None and self._is_over(item_id, None, uid):
            return 0
        made_ms = item_id.int >> 80
        doubtful: list[Connection] = []
        text = None
        sent = 0
        for connection in user.connections:
            if connection.opening:
                connection.hold(event)
            elif item_id in connection.replayed:
                continue
            elif user.horizon_passes(event.ids):
                # One of those that the replay only counted, or one committed late: in either case no news to pop up.
                self.resync(connection)
            elif event.narrow or made_ms <= connection.snapshot_ms + DOUBT_MS:
                doubtful.append(connection)
            else:
                if text is None:
                    user.unread.add(item_id)
                    count = user.count
                    text = texts.get(count)
                    if text is None:
                        text = texts[count] = _both(frames.notification(event.head, count))
                connection.send(*text)
                sent += 1
        if doubtful:
            self.settle(event, doubtful)
        return sent

    def _tell(self, event: Event, user: User, connections: Iterable[Connection], texts: Texts) -> None:
        """Tell connections of one user that items are read or gone, or that they are to end."""
        if event.op == Op.DISCONNECT:
            moment = event.ids[0].int >> 80
            for connection in list(connections):
                if connection.opened_at_ms <= moment:
                    self.detach(connection)
                    connection.close(CloseCode.SIGNED_OUT)
            return
        if event.op == Op.RETRACTED and user.horizon_passes(event.ids):
            # Whether the older ones were unread is not known here.
            for connection in user.connections:
                self.resync(connection)
        user.take_away(event.ids)
        count = user.count
        text = texts.get(count)
        if text is None:
            build = frames.read if event.op == Op.READ else frames.retracted
            text = texts[count] = _both(build(event.ids, count))
        for connection in connections:
            if connection.opening:
                connection.hold(event)
            elif connection.id != event.origin:
                connection.send(*text)

    async def _broadcast(self) -> None:
        # One broadcast after the other, in order; targeted pushes and heartbeats go out between the turns.
        try:
            while self._broadcasts:
                try:
                    await self._to_everyone(self._broadcasts.popleft())
                except Exception:
                    # It counts as handled, so the tail will not bring it again.
                    logger.exception("a broadcast ended half-way, sending every inbox anew")
                    self.resync_all()
        finally:
            self._broadcasting = None

    async def _to_everyone(self, event: Event) -> None:
        if event.narrow:
            self.settle(event, self.connections())
            return
        texts: Texts = {}
        done = sent = 0
        for uid, user in list(self.users.items()):
            if event.op == Op.CREATED:
                sent += self._deliver(event, user, uid, texts)
            else:
                self._tell(event, user, user.connections, texts)
            done += len(user.connections)
            if done >= SENDS_PER_TURN:
                done = 0
                await asyncio.sleep(0)
        _count(event, sent)


def _both(text: str) -> tuple[str, bytes]:
    return text, frames.framed(text)


def _count(event: Event, sent: int) -> None:
    # Once per event, when the last socket has been served.
    if sent:
        metrics.pushes.inc(sent)
        if event.narrow and event.uid is not None:
            # Somebody came into an audience: the item is as old as its announcement, the push is not late.
            return
        metrics.latency.observe(max(0, clock.now_ms() - (event.ids[0].int >> 80)) / 1000)


def prune_replayed(connection: Connection, seconds: float) -> None:
    """A replay older than every look of the tail needs not be remembered: nothing in it can come again."""
    if connection.replayed and clock.now_ms() - connection.snapshot_ms > seconds * 1000:
        connection.replayed = frozenset()
