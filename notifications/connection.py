"""One live WebSocket as the hub sees it: somewhere to send text that never makes anybody wait."""

import asyncio
import logging
import time
import types
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any, cast
from uuid import UUID

from notifications import clock, metrics
from notifications.protocol.events import Event, Op
from notifications.protocol.frames import CloseCode

logger = logging.getLogger(__name__)

ASGISend = Callable[[dict[str, Any]], Awaitable[None]]

# How long after a close a socket may stay before it is cut: its peer does not answer the close frame, or takes nothing.
CLOSE_PATIENCE = 8.0
# Events held while a socket is replayed its inbox. More come only while the database takes seconds to answer; then the
# inbox is sent anew instead.
BUFFER_EVENTS = 1_000
# A reader that has stopped has at least so long, all in all, to come back and see why it was closed: 4103 within 30 s.
STUCK_PATIENCE = 28.0


class Connection:
    """A socket of `uid`, living until `expires_at` (seconds since the epoch; its token's).

    `write` is the server's short cut, where it has one: it takes a whole WebSocket frame and says whether the socket
    took it. `due` is when the sweep has next to look at it, by `time.monotonic()`; 0: with the next sweep.
    `send` and `close` return at once. A text that the server cannot take at once (uvicorn holds `send` back when the
    peer stops reading) waits in the outbox, with all that follow; an outbox over `outbox_bytes` closes with 4103.
    While `opening`, events are kept in `buffer`: the hub hands them on after the replay. Until `welcome`, which comes
    first on every socket, all frames wait: pongs, errors, news of a token that is about to end.
    """

    __slots__ = (
        "_abort",
        "_early",
        "_held",
        "_outbox",
        "_outbox_bytes",
        "_send",
        "_task",
        "_write",
        "blocked_since",
        "buffer",
        "close_code",
        "closing",
        "due",
        "expires_at",
        "id",
        "last_seen",
        "next_ping",
        "on_resync",
        "opened_at_ms",
        "opening",
        "replayed",
        "snapshot_ms",
        "uid",
        "warned",
    )

    def __init__(
        self,
        uid: str,
        expires_at: float,
        send: ASGISend,
        *,
        outbox_bytes: int,
        on_resync: Callable[[], None],
        abort: Callable[[], None] | None = None,
        write: Callable[[bytes], bool] | None = None,
    ) -> None:
        self.id = str(clock.new_id())
        self.uid = uid
        self.expires_at = expires_at
        self.opened_at_ms = self.snapshot_ms = clock.now_ms()
        self.last_seen = self.next_ping = time.monotonic()
        self.due = 0.0
        self.warned = False
        self.opening = True
        self.closing = False
        self.close_code: int | None = None
        self.buffer: list[Event] = []
        self.replayed: frozenset[UUID] = frozenset()
        self.on_resync = on_resync
        self.blocked_since: float | None = None
        self._send = send
        self._abort = abort
        self._write = write
        self._early: list[str] | None = []
        self._outbox: deque[str] | None = None
        self._outbox_bytes = outbox_bytes
        self._held = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def held_bytes(self) -> int:
        """What waits in the outbox."""
        return self._held

    def send(self, text: str, frame: bytes | None = None) -> None:
        """Send a text, now or as soon as the peer reads again. After `close` it does nothing.

        `frame` is the text's WebSocket frame, where it was made once for many (`frames.framed`).
        """
        if self.closing:
            return
        if self._early is not None:
            self._early.append(text)
            return
        if self._task is None:
            if frame is None or self._write is None or not self._write(frame):
                self._start({"type": "websocket.send", "text": text})
            return
        if self._outbox is None:
            self._outbox = deque()
        self._outbox.append(text)
        self._held += len(text) if text.isascii() else len(text.encode())
        if self._held > self._outbox_bytes:
            metrics.outbox_overflows.inc()
            self.close(CloseCode.TOO_SLOW)

    def hold(self, event: Event) -> None:
        """Keep an event until the replay under way is done; too many become one wish for another replay."""
        if len(self.buffer) >= BUFFER_EVENTS:
            self.buffer = [Event(Op.RESYNC, self.uid, ())]
        self.buffer.append(event)

    def welcome(self, *texts: str) -> None:
        """Send these, and then what had to wait for them."""
        early, self._early = self._early or [], None
        for text in (*texts, *early):
            self.send(text)

    def close(self, code: int) -> None:
        """Close with `code`. What waits in the outbox is dropped: it is stored, and replayed on the next connection."""
        if self._early is not None:
            # It ends before its welcome: the error that says why still comes.
            self.welcome()
        if self.closing:
            return
        self.closing = True
        self.close_code = int(code)
        self._outbox = None
        self._held = 0
        if self._abort is not None:
            # Also where the server took the close frame at once: it waits for ever until the peer takes it.
            patience = CLOSE_PATIENCE
            if self.blocked_since is not None:
                patience = max(patience, STUCK_PATIENCE - (time.monotonic() - self.blocked_since))
            asyncio.get_running_loop().call_later(patience, self._abort)
        if self._task is None:
            self._start({"type": "websocket.close", "code": int(code)})
        else:
            blocked = self._task
            self._task = asyncio.get_running_loop().create_task(self._close_blocked(blocked, int(code)))

    def gone(self) -> None:
        """The peer is away: nothing can be sent any more, and what waits is dropped."""
        self.closing = True
        self._outbox = None
        self._held = 0
        if self._task is not None:
            self._task.cancel()

    def _start(self, message: dict[str, Any]) -> None:
        # The coroutine is stepped by hand. It nearly always ends at the first step, and then no task was made and
        # nothing awaited: awaiting each send in turn would let one reader that stopped hold up all others, and a task
        # per send costs 2.4 times the CPU (38 against 16 ms per 1,000 deliveries).
        coroutine = cast("Coroutine[Any, Any, None]", self._send(message))
        try:
            waited_for = coroutine.send(None)
        except StopIteration:
            return
        except Exception as error:
            self._failed(error)
            return
        self.blocked_since = time.monotonic()
        self.due = 0.0
        self._task = asyncio.get_running_loop().create_task(self._catch_up(coroutine, waited_for))

    async def _catch_up(self, coroutine: Coroutine[Any, Any, None], waited_for: Any) -> None:
        try:
            await _resume(coroutine, waited_for)
            while self._outbox:
                text = self._outbox.popleft()
                self._held -= len(text) if text.isascii() else len(text.encode())
                await self._send({"type": "websocket.send", "text": text})
                self.blocked_since = time.monotonic()
        except Exception as error:
            self._failed(error)
        finally:
            if self._task is asyncio.current_task():
                self._task = None
                self.blocked_since = None

    async def _close_blocked(self, blocked: asyncio.Task[None], code: int) -> None:
        blocked.cancel()
        try:
            await self._send({"type": "websocket.close", "code": code})
        except Exception as error:
            self._failed(error)

    def _failed(self, error: Exception) -> None:
        # The server's way of saying that the peer has gone; its disconnect event follows. Should it ever mean anything
        # else, a socket without frames must not stay open.
        logger.debug("send failed on connection %s", self.id, exc_info=error)
        metrics.push_failures.inc()
        self.closing = True
        self._outbox = None
        self._held = 0
        if self._abort is not None:
            self._abort()


@types.coroutine
def _resume(coroutine: Coroutine[Any, Any, None], waited_for: Any) -> Generator[Any, Any, None]:
    """Go on awaiting `coroutine`, which was stepped by hand up to where it yielded `waited_for`."""
    while True:
        try:
            result = yield waited_for
        except BaseException as error:  # a cancellation belongs to the coroutine first
            step = lambda error=error: coroutine.throw(error)  # noqa: E731
        else:
            step = lambda result=result: coroutine.send(result)  # noqa: E731
        try:
            waited_for = step()
        except StopIteration:
            return
