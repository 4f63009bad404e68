"""The WebSocket consumer: opens, replays, answers frames. What the hub pushes goes straight to its connection."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from notifications import clock, inbox, log_ids, metrics, node, replay
from notifications.conf import conf
from notifications.connection import Connection
from notifications.database import in_thread
from notifications.exceptions import (
    InvalidFrame,
    InvalidJSON,
    NotificationsError,
    TokenRefused,
    TooLarge,
    Unavailable,
)
from notifications.gather import GatherPerLoop
from notifications.middleware import require_active
from notifications.protocol import frames
from notifications.protocol.events import Event, Op
from notifications.protocol.frames import SUBPROTOCOL, CloseCode
from notifications.protocol.items import encode
from notifications.replay import Snapshot
from notifications.tokens import Claims, averify

logger = logging.getLogger(__name__)

# Requests of one socket that may wait for the database; a client with more under way is told to slow down.
JOBS_MAX = 32

Job = Callable[[], Coroutine[Any, Any, None]]


class NotificationConsumer(AsyncWebsocketConsumer):
    """One socket of the uid in `scope["claims"]`, which the middleware has put there.

    It takes no channel of its own: the hub has one for the whole process. Frames that need the database are done one
    after the other beside the receive loop, so that a slow database never holds up a heartbeat.
    """

    channel_layer_alias = None
    _code: int | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """The ASGI application. Channels' own loop makes two helper tasks per connection; nothing here needs them."""
        self.scope = scope
        self.base_send = send
        try:
            while True:
                await self.dispatch(await receive())
        except StopConsumer:
            return
        finally:
            # Also where the server ends the application without a disconnect event.
            self._end()

    async def dispatch(self, message: dict[str, Any]) -> None:
        """Channels' dispatch without its hop to a thread on every event: no handler here uses the ORM itself."""
        match message["type"]:
            case "websocket.receive":
                self._frame(message)
            case "websocket.connect":
                await self.websocket_connect(message)
            case "websocket.disconnect":
                self._code = message.get("code")
                raise StopConsumer

    async def connect(self) -> None:
        """Accept, join, replay."""
        claims: Claims = self.scope["claims"]
        self._node = node.current()
        self._jobs: deque[Job] = deque()
        self._worker: asyncio.Task[None] | None = None
        self._meter = _Meter()
        await self.accept(SUBPROTOCOL if SUBPROTOCOL in self.scope["subprotocols"] else None)
        extensions = self.scope.get("extensions", {})
        self._connection = Connection(
            claims.uid,
            claims.expires_at,
            self.base_send,
            # What is held for a reader that has stopped is bounded in all: of that the server has its part.
            outbox_bytes=max(0, conf().outbox_bytes - extensions.get("notifications.held", 0)),
            on_resync=self._resync,
            abort=extensions.get("notifications.abort"),
            write=extensions.get("notifications.write"),
        )
        log_ids.connection_id.set(self._connection.id)
        self._connection.next_ping += conf().heartbeat_interval
        metrics.opens.inc()
        self._do(self._open)

    # --- opening and replay: one path for the first time and for every time after a gap

    async def _open(self) -> None:
        hub = self._node.hub
        await hub.attach(self._connection)
        if self._connection.closing:
            hub.detach(self._connection)
            return
        await self._replay(first=True)

    async def _again(self) -> None:
        try:
            await self._replay()
        except Unavailable:
            # A socket that is open stays open; until the inbox is there events are buffered. What its client asks does
            # not wait for that: it is told `unavailable`, and repeats.
            asyncio.get_running_loop().call_later(conf().tail_interval, self._resync)

    async def _replay(self, *, first: bool = False) -> None:
        connection = self._connection
        connection.opening = True
        connection.snapshot_ms = clock.now_ms()
        snapshot = await _snapshot_of(connection.uid)
        metrics.replayed.observe(len(snapshot.ids))
        inbox_now = frames.inbox(snapshot.heads, snapshot.unread, more=snapshot.unread > len(snapshot.ids))
        if first:
            connection.welcome(self._welcome(snapshot), inbox_now)
        else:
            connection.send(inbox_now)
        self._node.hub.activate(connection, snapshot)

    def _welcome(self, snapshot: Snapshot) -> str:
        connection, settings = self._connection, conf()
        return frames.welcome(
            connection=connection.id,
            uid=connection.uid,
            server_time=clock.now(),
            interval=settings.heartbeat_interval,
            timeout=settings.heartbeat_timeout,
            token_expires_at=_moment(connection.expires_at),
            unread=snapshot.unread,
        )

    def _resync(self) -> None:
        # Also while a replay is under way: what it read may be from before the gap.
        if self._again not in self._jobs:
            self._do(self._again)

    # --- frames from the client

    def _frame(self, message: dict[str, Any]) -> None:
        connection = self._connection
        if connection.closing:
            return
        connection.last_seen = time.monotonic()
        text = message.get("text")
        if not self._within_rate(text) or text == frames.PONG:
            return
        try:
            if text is None:
                raise InvalidFrame("frames are text")
            request = frames.parse(text, conf().max_frame_bytes)
        except (InvalidFrame, InvalidJSON) as error:
            connection.send(frames.error(error.code, error.message, getattr(error, "ref", None)))
            if self._meter.invalid() >= conf().invalid_frames_per_minute:
                self._close(CloseCode.PROTOCOL_VIOLATION)
            return
        except TooLarge as error:
            connection.send(frames.error(error.code, error.message))
            return
        if isinstance(request, frames.Pong):
            return
        if isinstance(request, frames.Ping):
            connection.send(frames.pong(clock.now(), request.ref))
        elif len(self._jobs) >= JOBS_MAX:
            connection.send(frames.error("rate_limited", "too many requests are waiting", request.ref))
        else:
            self._do(lambda: self._answer(request))

    def _within_rate(self, text: str | None) -> bool:
        settings = conf()
        over = self._meter.frame() - settings.frames_per_minute
        if over > settings.frames_over_rate:
            self._close(CloseCode.RATE_LIMITED)
        elif over > 0:
            message = f"more than {settings.frames_per_minute} frames a minute"
            self._connection.send(frames.error("rate_limited", message, frames.ref_of(text, settings.max_frame_bytes)))
        return over <= 0

    async def _answer(self, request: frames.Request) -> None:
        connection = self._connection
        uid = connection.uid
        try:
            match request:
                case frames.Read(ref, ids, via, confirm):
                    result = await in_thread(inbox.read, uid, ids, via=via, confirm=confirm, origin=connection.id)
                    await self._confirm(result, ref)
                case frames.ReadAll(ref, before):
                    result = await in_thread(inbox.read_until, uid, before, origin=connection.id)
                    await self._confirm(result, ref)
                case frames.ListItems(ref, before, limit, unread, kind):
                    page = await in_thread(inbox.page, uid, before=before, limit=limit, unread=unread, kind=kind)
                    connection.send(frames.listed(map(encode, page.items), page.next, ref))
                case frames.Auth(ref, token):
                    await self._renew(token, ref)
        except NotificationsError as error:
            connection.send(frames.error(error.code, error.message, request.ref))

    async def _confirm(self, result: inbox.ReadResult, ref: frames.Ref) -> None:
        connection = self._connection
        if result.fresh:
            # Not by way of the channel layer alone: a push that is late must find here that its item was read.
            self._node.hub.handle(Event(Op.READ, connection.uid, result.fresh, origin=connection.id))
        await asyncio.sleep(result.confirm_after)
        connection.send(frames.read(result.ids, result.unread, ref))

    async def _renew(self, token: str, ref: frames.Ref) -> None:
        claims = await averify(token)
        if claims.uid != self._connection.uid:
            self._close(CloseCode.TOKEN_INVALID)
            return
        if claims.expires_at <= clock.now_ms() / 1000:
            raise TokenRefused("this token has expired")
        await require_active(claims.uid)
        self._connection.expires_at = claims.expires_at
        self._connection.due = 0.0
        self._connection.warned = False
        self._connection.send(frames.auth(_moment(claims.expires_at), ref))

    # --- jobs and the end

    def _do(self, job: Job) -> None:
        self._jobs.append(job)
        if self._worker is None:
            self._worker = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        try:
            while self._jobs and not self._connection.closing:
                await self._jobs.popleft()()
        except Unavailable:
            # Only opening gets here: the client backs off and comes again.
            self._close(CloseCode.SERVER_ERROR)
        except Exception:
            logger.exception("connection %s", self._connection.id)
            self._close(CloseCode.SERVER_ERROR)
        finally:
            self._worker = None

    def _close(self, code: CloseCode) -> None:
        self._node.hub.detach(self._connection)
        self._connection.close(code)

    def _end(self) -> None:
        connection: Connection | None = getattr(self, "_connection", None)
        if connection is None:
            return
        metrics.closes.labels(connection.close_code or metrics.client_close(self._code)).inc()
        connection.gone()
        self._jobs.clear()
        if self._worker is not None:
            self._worker.cancel()
        self._node.hub.detach(connection)


class _Meter:
    """Counts a connection's frames and its invalid frames, each within a minute from the first of them."""

    __slots__ = ("_frames", "_frames_since", "_invalid", "_invalid_since")

    def __init__(self) -> None:
        self._frames = self._invalid = 0
        self._frames_since = self._invalid_since = -60.0

    def frame(self) -> int:
        """Count one frame; gives how many there were in its minute."""
        now = time.monotonic()
        if now - self._frames_since >= 60:
            self._frames_since, self._frames = now, 0
        self._frames += 1
        return self._frames

    def invalid(self) -> int:
        """Count one invalid frame; gives how many there were in its minute."""
        now = time.monotonic()
        if now - self._invalid_since >= 60:
            self._invalid_since, self._invalid = now, 0
        self._invalid += 1
        return self._invalid


async def _look_up(uids: list[str]) -> dict[str, Snapshot]:
    return await in_thread(replay.snapshots, uids)


_snapshot_of = GatherPerLoop(_look_up, seconds=lambda: conf().gather_seconds)


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
