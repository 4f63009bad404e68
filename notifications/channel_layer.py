"""The channel layer: the only module that talks to it. Group names, the publisher, a node's membership in groups."""

import asyncio
import atexit
import hashlib
import logging
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Sequence
from itertools import islice
from typing import Any

from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer

from notifications import metrics
from notifications.conf import conf
from notifications.protocol.events import Event, from_message, to_message

logger = logging.getLogger(__name__)

EVERYONE = "everyone"
# After so long the tail has delivered what a message would have told: it is not worth sending any more.
STALE_SECONDS = 5.0
RETRY_SECONDS = 1.0
# Groups that are joined or left before whoever waits for them goes on.
JOINS_AT_ONCE = 200
# So many events at once are one user's matter, or few users'; more are sent in turn with what others send.
BULK = 100
# The in-memory and the core Redis layer forget members after a day (`group_expiry` 86,400 s).
REJOIN_SECONDS = 3_600.0


def group_of(uid: str | None) -> str:
    """The group of a uid (None: of everyone). Distinct for distinct uids, and a good group name for any uid.

    Letters, digits and hyphens stay; any other byte of the UTF-8 form becomes `_xx`. A name that would be too long for
    the layer (100 characters) becomes `_h` and a SHA-256, which no spelled-out name can start with.
    """
    if uid is None:
        return EVERYONE
    raw = uid.encode("utf-8", "surrogatepass")
    name = _PLAIN.sub(lambda byte: b"_%02x" % byte[0][0], raw).decode()
    return f"user.{name}" if len(name) <= 80 else f"user._h{hashlib.sha256(raw).hexdigest()}"


_PLAIN = re.compile(rb"[^A-Za-z0-9-]")


class Publisher:
    """Hands events to the channel layer without making the caller wait: bounded queues and one task that empties them.

    What comes in bulk has a queue of its own, and goes out in turn with the rest: who is told something alone does not
    wait behind ten thousand, and those are not held up by a stream of single ones. In which order two events of an item
    arrive does not matter to the hub.

    The task runs on the loop that serves sockets, if this process does; otherwise (a command, a WSGI worker) on a loop
    of its own in a thread, since the Redis layers open a connection per event loop and short loops would open many.
    What is dropped or fails to be sent is only late: every node's tail finds it in the database.
    """

    def __init__(self) -> None:
        self._queue: deque[tuple[float, Event]] = deque()
        self._bulk: deque[tuple[float, Event]] = deque()
        self._bulk_is_next = False
        self._serving: asyncio.AbstractEventLoop | None = None
        self._own: asyncio.AbstractEventLoop | None = None
        self._lock = threading.Lock()
        self._task: asyncio.Task[None] | None = None
        self.dropped = 0

    def serve_on(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """From now on send from `loop`, the one that runs this process's sockets; None: there is none any more."""
        self._serving = loop

    def put(self, event: Event) -> None:
        """Publish `event` to its uid's group, or everyone's. Returns at once; may be called from any thread."""
        self._put(self._queue, event)

    def put_all(self, events: Collection[Event], *, bulk: bool = False) -> None:
        """`put` each of them; more than a hundred, or what is part of a `bulk`, so that others go out in between."""
        if not bulk and len(events) <= BULK:
            for event in events:
                self.put(event)
            return
        for event in events:
            self._put(self._bulk, event)

    def flush(self, seconds: float) -> bool:
        """Wait, outside of any event loop, until all is sent; False when `seconds` were not enough."""
        deadline = time.monotonic() + seconds
        while self._queue or self._bulk or self._task is not None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def _put(self, queue: deque[tuple[float, Event]], event: Event) -> None:
        if len(queue) >= conf().publish_queue:
            self._drop()
            return
        queue.append((time.monotonic(), event))
        loop = self._loop()
        loop.call_soon_threadsafe(self._kick, loop)

    def _take(self) -> tuple[float, Event]:
        """What is to go out next, from the queues in turn; raises `IndexError` when both are empty."""
        self._bulk_is_next = bool(self._bulk) and (self._bulk_is_next or not self._queue)
        queue = self._bulk if self._bulk_is_next else self._queue
        self._bulk_is_next = not self._bulk_is_next
        return queue.popleft()

    def _drop(self) -> None:
        self.dropped += 1
        metrics.dropped.inc()

    def _loop(self) -> asyncio.AbstractEventLoop:
        if self._serving is not None and self._serving.is_running():
            return self._serving
        with self._lock:
            if self._own is None:
                self._own = asyncio.new_event_loop()
                threading.Thread(target=self._own.run_forever, name="notifications-publisher", daemon=True).start()
                atexit.register(self.flush, conf().channel_layer_timeout)
        return self._own

    def _kick(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._task is None or self._task.done() or self._task.get_loop() is not loop:
            self._task = loop.create_task(self._drain())

    async def _drain(self) -> None:
        layer = get_channel_layer()
        failing = False
        while True:
            try:
                queued_at, event = self._take()
            except IndexError:
                break
            if failing and time.monotonic() - queued_at > STALE_SECONDS:
                self._drop()
                continue
            try:
                async with asyncio.timeout(conf().channel_layer_timeout):
                    await layer.group_send(group_of(event.uid), to_message(event))
                failing = False
            except Exception as error:
                if not failing:
                    logger.warning("channel layer: publishing failed, the tail delivers (%s)", _brief(error))
                failing = True
                metrics.redis_errors.labels("channel_layer").inc()
                self._drop()
        self._task = None


publisher = Publisher()


class Membership:
    """This process's one channel, the groups it is in, and the events that arrive.

    `wanted` is asked whether a uid has connections here; joining and leaving happen one at a time in one task, so that
    quick comings and goings of a uid cannot overtake each other.
    """

    def __init__(self, wanted: Callable[[str], bool], handle: Callable[[Event], None]) -> None:
        self._wanted = wanted
        self._handle = handle
        self._layer: Any = get_channel_layer()
        self._channel: str | None = None
        self._joined: set[str] = set()
        self._joined_at = 0.0
        self._dirty: dict[str, asyncio.Future[None] | None] = {}
        self._wake = asyncio.Event()
        self._away = False

    @property
    def healthy(self) -> bool:
        """Whether the layer answered when it was last asked."""
        return self._channel is not None and not self._away

    async def joined(self, uid: str) -> None:
        """Return once this process is in the group of `uid`, or the layer took too long: then the tail serves it."""
        if uid in self._joined:
            # A leave may be queued from a moment ago; the worker asks `wanted` again before it acts.
            return
        loop = asyncio.get_running_loop()
        future = self._dirty.get(uid)
        if future is None or future.done():
            future = self._dirty[uid] = loop.create_future()
            self._wake.set()
        if self._away:
            return
        # Whoever waits gives up at its time; each is woken by the first to do so, and no task is made for it.
        timer = loop.call_later(conf().channel_layer_timeout, _resolve, future)
        try:
            await asyncio.shield(future)
        finally:
            timer.cancel()

    def left(self, uid: str) -> None:
        """The last connection of `uid` has gone: leave its group soon."""
        self._dirty.setdefault(uid, None)
        self._wake.set()

    async def receive(self) -> None:
        """Hand every arriving event to `handle`, for ever; a layer that fails is tried again every second."""
        while True:
            try:
                if self._channel is None:
                    await self._begin()
                event = from_message(await self._layer.receive(self._channel))
            except Exception as error:
                logger.warning("channel layer: receiving failed, the tail delivers (%s)", _brief(error))
                self._channel = None
                self._fail()
                await asyncio.sleep(RETRY_SECONDS)
                continue
            if event is None:
                logger.warning("channel layer: a message that is no event was ignored")
                continue
            try:
                self._handle(event)
            except Exception:
                logger.exception("an event could not be handled")

    async def keep(self) -> None:
        """Join and leave groups as connections come and go, for ever."""
        while True:
            try:
                async with asyncio.timeout(REJOIN_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                self._rejoin_all()
            self._wake.clear()
            try:
                while self._dirty and self._channel is not None:
                    await self._settle(list(islice(self._dirty, JOINS_AT_ONCE)), self._channel)
            except Exception as error:
                logger.warning("channel layer: joining failed, the tail delivers (%s)", _brief(error))
                self._fail()
                await asyncio.sleep(RETRY_SECONDS)
                self._wake.set()

    def _fail(self) -> None:
        metrics.redis_errors.labels("channel_layer").inc()
        # Nobody waits for a layer that is away; each uid is tried again.
        self._away = True
        for uid, future in self._dirty.items():
            _resolve(future)
            # Whoever asks from now on waits for the next try.
            self._dirty[uid] = None

    async def _begin(self) -> None:
        async with asyncio.timeout(conf().channel_layer_timeout):
            channel = await self._layer.new_channel()
            await self._layer.group_add(EVERYONE, channel)
        self._channel = channel
        self._away = False
        self._rejoin_all()

    def _rejoin_all(self) -> None:
        for uid in self._joined:
            self._dirty.setdefault(uid, None)
        self._joined.clear()
        self._dirty.setdefault("", None)
        self._wake.set()

    async def _settle(self, uids: Sequence[str], channel: str) -> None:
        # The empty uid, which nobody can have, stands for everyone.
        want = {uid: uid == "" or self._wanted(uid) for uid in uids}
        joining = [uid for uid, wanted in want.items() if wanted and uid not in self._joined]
        leaving = [uid for uid, wanted in want.items() if not wanted and uid in self._joined]
        async with asyncio.timeout(conf().channel_layer_timeout):
            if joining:
                await join(self._layer, [group_of(uid or None) for uid in joining], channel)
                if channel != self._channel:
                    # It was lost meanwhile: what was joined by it is joined no more.
                    return
                self._joined.update(joining)
            for uid in leaving:
                self._joined.discard(uid)
                await self._layer.group_discard(group_of(uid or None), channel)
        if channel != self._channel:
            return
        self._away = False
        for uid, wanted in want.items():
            if wanted == (uid == "" or self._wanted(uid)):
                _resolve(self._dirty.pop(uid, None))


async def join(layer: Any, groups: Sequence[str], channel: str) -> None:
    """Put `channel` into each of `groups`.

    Redis takes any number of them in one SUBSCRIBE; the pub/sub layer has no way to say so, and one by one they were a
    tenth of the CPU of opening a socket. So this does what its `group_add` does, for all at once. Any other layer is
    asked for one after the other.
    """
    if not isinstance(layer, RedisPubSubChannelLayer):
        for group in groups:
            await layer.group_add(group, channel)
        return
    own = layer._get_layer()
    by_shard = defaultdict(list)
    for group in groups:
        name = own._get_group_channel_name(group)
        own.groups.setdefault(name, set()).add(channel)
        by_shard[own._get_shard(name)].append(name)
    for shard, names in by_shard.items():
        async with shard._lock:
            new = [name for name in names if name not in shard._subscribed_to]
            if new:
                shard._ensure_redis()
                shard._ensure_receiver()
                await shard._pubsub.subscribe(*new)
                shard._subscribed_to.update(new)


def _resolve(future: asyncio.Future[None] | None) -> None:
    if future is not None and not future.done():
        future.set_result(None)


def _brief(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:200]
