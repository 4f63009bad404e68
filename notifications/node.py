"""The node: what one server process runs besides its sockets. Hub, tail, one sweep for heartbeats and expiries."""

import asyncio
import logging
import random
import time
from contextlib import suppress
from contextvars import Context
from datetime import timedelta
from math import ceil
from weakref import WeakKeyDictionary

from django.db.models import Max

from notifications import audiences, clock, key_usage, metrics, presence, replay, roll, unread_index
from notifications.channel_layer import publisher
from notifications.conf import conf
from notifications.connection import Connection
from notifications.database import in_thread
from notifications.exceptions import Unavailable
from notifications.hub import SENDS_PER_TURN, Hub, prune_replayed
from notifications.models import Drain
from notifications.protocol import frames
from notifications.protocol.frames import CloseCode
from notifications.tail import Tail

logger = logging.getLogger(__name__)

SWEEP_SECONDS = 1.0
# A sweep looks at a connection when something is due there, and at least so often.
LOOK_SECONDS = 5.0
_PING_FRAME = frames.framed(frames.PING)
# Who was replayed so lately may have been answered from an index that a poll found stale just now.
YOUNG_SECONDS = 2.0
WARM_SECONDS = 0.5
WARM_BATCH = 20
# A drain sends sockets away at least this quickly: any node takes so many newcomers without noticing.
GENTLE_CLOSES_PER_SECOND = 100


class Node:
    """This process's hub with the tasks that keep it going. It begins with the first socket: Daphne has no lifespan."""

    def __init__(self) -> None:
        self.hub = Hub()
        self.tail = Tail(self.hub)
        self.draining = False
        self._on_the_roll = roll.Entry()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin on the running event loop."""
        loop = asyncio.get_running_loop()
        publisher.serve_on(loop)
        presence.serve(self.hub.here)
        self._tasks = [
            loop.create_task(self.hub.membership.receive(), name="notifications-receive"),
            loop.create_task(self.hub.membership.keep(), name="notifications-membership"),
            loop.create_task(self.tail.run(), name="notifications-tail"),
            loop.create_task(self._sweep(), name="notifications-sweep"),
            loop.create_task(self._obey(), name="notifications-obey"),
            loop.create_task(self._report(), name="notifications-report"),
            loop.create_task(self._grow(), name="notifications-audiences"),
            loop.create_task(self.hub.delivered.keep(), name="notifications-delivered"),
        ]
        if conf().redis_urls:
            self._tasks += [
                loop.create_task(self._guard(), name="notifications-index-guard"),
                loop.create_task(self._warm(), name="notifications-index-warm"),
                loop.create_task(self.hub.here.keep(), name="notifications-presence"),
            ]

    async def stop(self) -> None:
        """End the tasks. Connections are left to the server."""
        publisher.serve_on(None)
        presence.serve(None)
        rest = set(self._tasks)
        while rest:
            for task in rest:
                task.cancel()
            # Once is not enough: until Python 3.12 `wait_for`, by which redis-py sends, may swallow it (gh-86296).
            _, rest = await asyncio.wait(rest, timeout=1)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Nobody has to wait for the last news of a node: what cannot be told now ends by itself.
        with suppress(Exception):
            await asyncio.to_thread(self.hub.here.goodbye)
        with suppress(Exception):
            await self.hub.delivered.flush()
            await key_usage.flush()
            await in_thread(self._on_the_roll.leave)

    async def drain(self, seconds: float) -> None:
        """Send every socket away within `seconds`: `reconnect` now, then a close with 4200 at a moment of its own.

        The moments are spread evenly, so that other nodes see a stream of arrivals and not a wave; a few sockets are
        no wave, and take less than `seconds`. From now on new handshakes are refused and `/readyz` answers 503. What
        happens meanwhile is still pushed.
        """
        self.draining = True
        connections = self.hub.connections()
        seconds = min(seconds, len(connections) / GENTLE_CLOSES_PER_SECOND)
        random.shuffle(connections)
        begun = time.monotonic()
        step = seconds / max(1, len(connections))
        for index, connection in enumerate(connections):
            connection.send(frames.reconnect(int(index * step * 1000)))
            if index % SENDS_PER_TURN == SENDS_PER_TURN - 1:
                await asyncio.sleep(0)
        for index, connection in enumerate(connections):
            wait = begun + index * step - time.monotonic()
            if wait > 0:
                # Closes less than 10 ms apart go together: a timer for each of 15,000 would be no gentler.
                await asyncio.sleep(max(wait, 0.01))
            self._end(connection, CloseCode.RESTARTING)
        # Who was let in before the refusals began, and has come since.
        for connection in self.hub.connections():
            self._end(connection, CloseCode.RESTARTING)

    def measure(self) -> None:
        """Set the gauges to what is true now."""
        metrics.connections.set(self.hub.size)
        metrics.users.set(len(self.hub.users))
        metrics.tail_age.set(self.tail.age)

    async def _obey(self) -> None:
        """Drain once an operator wishes it (`manage.py drain`), whichever process the wish was made in."""
        newest: int | None = None
        while True:
            try:
                if newest is None:
                    newest = await in_thread(_newest_wish)
                elif await in_thread(_newest_wish) > newest:
                    await self.drain(conf().drain_seconds)
                    return
            except Exception as error:  # the tail tells of the database; a wish is there when it is back
                logger.debug("wishes to drain could not be read (%s)", error)
            await asyncio.sleep(conf().tail_interval)

    async def _report(self) -> None:
        """Tell operators how this node is doing, every few seconds."""
        wait = SWEEP_SECONDS
        while True:
            await asyncio.sleep(wait)
            wait = roll.REPORT_SECONDS
            figures = roll.Figures(self.hub.size, len(self.hub.users), self.tail.age, self.draining)
            try:
                await in_thread(self._on_the_roll.report, figures)
            except Exception as error:  # the tail tells of the database
                logger.debug("the node could not report (%s)", error)

    async def _grow(self) -> None:
        """Let late joiners have the announcements for audiences that they have come into."""
        while True:
            every = conf().recheck_interval
            await asyncio.sleep(every / 2)
            try:
                await in_thread(audiences.grow, timedelta(seconds=every))
            except Exception as error:  # the tail tells of the database
                logger.debug("audiences could not be looked up (%s)", error)

    async def _guard(self) -> None:
        """Keep asking the database whose unread index is not to be trusted."""
        while True:
            try:
                self.hub.resync_young(await in_thread(unread_index.poll), YOUNG_SECONDS)
            except Exception as error:  # the index is not used until the database answers again
                logger.warning("unread index: the guard could not ask the database (%s)", error)
            await asyncio.sleep(unread_index.POLL_SECONDS)

    async def _warm(self) -> None:
        """Fill hashes of the unread index that a change has left void, at most 40 a second."""
        while True:
            await asyncio.sleep(WARM_SECONDS)
            uids = unread_index.take_cold(WARM_BATCH)
            if uids:
                with suppress(Unavailable):  # then the next to ask fills them
                    await in_thread(replay.snapshots, uids)

    async def _sweep(self) -> None:
        """Once a second look at every connection: pings due, peers silent, readers stuck, tokens ending.

        One sweep costs less than a timer per socket, and yields like a broadcast does.
        """
        while True:
            due = time.monotonic() + SWEEP_SECONDS
            await asyncio.sleep(SWEEP_SECONDS)
            metrics.loop_lag.observe(max(0.0, time.monotonic() - due))
            self.measure()
            try:
                connections = self.hub.connections()
                for start in range(0, len(connections), SENDS_PER_TURN):
                    monotonic, now = time.monotonic(), clock.now_ms() / 1000
                    for connection in connections[start : start + SENDS_PER_TURN]:
                        if connection.due <= monotonic:
                            self._look_at(connection, monotonic, now)
                    await asyncio.sleep(0)
            except Exception:
                logger.exception("sweep")

    def _look_at(self, connection: Connection, monotonic: float, now: float) -> None:
        settings = conf()
        if connection.closing:
            return
        blocked_since = connection.blocked_since
        if monotonic - connection.last_seen > settings.heartbeat_timeout:
            self._end(connection, CloseCode.NO_HEARTBEAT)
        elif blocked_since is not None and monotonic - blocked_since > settings.outbox_patience:
            self._end(connection, CloseCode.TOO_SLOW)
        elif now >= connection.expires_at:
            self._end(connection, CloseCode.TOKEN_EXPIRED)
        else:
            if not connection.warned and connection.expires_at - now <= settings.token_warning:
                connection.warned = True
                connection.send(frames.token_expiring(ceil(connection.expires_at - now)))
            if monotonic >= connection.next_ping:
                connection.next_ping = monotonic + settings.heartbeat_interval
                connection.send(frames.PING, _PING_FRAME)
            prune_replayed(connection, 2 * settings.tail_deep_window)
            if blocked_since is None:
                silent_at = connection.last_seen + settings.heartbeat_timeout
                ends = connection.expires_at - (0 if connection.warned else settings.token_warning)
                connection.due = min(monotonic + LOOK_SECONDS, connection.next_ping, silent_at, monotonic + ends - now)

    def _end(self, connection: Connection, code: CloseCode) -> None:
        self.hub.detach(connection)
        connection.close(code)


def _newest_wish() -> int:
    """The number of the newest wish that the nodes of this machine drain; 0 if there is none."""
    return Drain.objects.filter(host__in=(roll.HOST, "")).aggregate(newest=Max("id"))["newest"] or 0


def running() -> Node | None:
    """The node of the running event loop, if it has begun."""
    return _nodes.get(asyncio.get_running_loop())


def draining() -> bool:
    """Whether the node of the running event loop is on its way out."""
    node = running()
    return node is not None and node.draining


_nodes: WeakKeyDictionary[asyncio.AbstractEventLoop, Node] = WeakKeyDictionary()


def current() -> Node:
    """The node of the running event loop, begun if there is none yet."""
    loop = asyncio.get_running_loop()
    node = _nodes.get(loop)
    if node is None:
        node = _nodes[loop] = Node()
        # Not in the context of whoever came first: what the tasks log belongs to no request and no connection.
        Context().run(node.start)
    return node


async def stop() -> None:
    """End the node of the running event loop, if there is one."""
    node = _nodes.pop(asyncio.get_running_loop(), None)
    if node is not None:
        await node.stop()
