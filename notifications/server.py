"""Running a node: uvicorn, or Daphne, each with what this app needs of it and the server itself lacks.

`run(application, server="uvicorn", host=..., port=...)` serves until SIGTERM, then drains: sockets are sent to other
nodes with `reconnect` and 4200 instead of being dropped (Daphne: 1006 for all at once; uvicorn: 1012).
"""

import asyncio
import faulthandler
import gc
import logging
import resource
import signal
import socket
import time
from asyncio import TimerHandle, Transport
from threading import Thread
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from notifications import node, unread_index
from notifications.conf import conf

logger = logging.getLogger(__name__)
_socket_logger = logging.getLogger("uvicorn.error.socket")

# Bigger frames are not even assembled: the server itself closes with 1009.
WS_MAX_BYTES = 64 * 1024
BACKLOG = 2_048
# What the kernel may hold for a peer that does not read. Left to itself it takes up to 4 MB (net.ipv4.tcp_wmem), and
# only what it refuses is seen to wait.
SEND_BUFFER_BYTES = 32 * 1024
# What the server itself takes beyond that before `send` is seen to wait; the frame that goes past it comes on top.
WRITE_BUFFER_BYTES = 16 * 1024
# All that a server may hold for such a peer before anything of it is in the outbox: the kernel keeps its own records in
# as much again (socket(7)), and frames are at most as big as the write buffer. The outbox is smaller by this.
HELD_BYTES = 2 * SEND_BUFFER_BYTES + 2 * WRITE_BUFFER_BYTES
# What a peer may have had on its way when we closed; past that it is not read any more, only cut.
AFTER_CLOSE_BYTES = 64 * 1024
# The protocol's own pings and pongs, which no limit of the application sees. Nobody who means well sends so many.
CONTROLS_PER_SECOND = 1_000
# A client that has not said by then what it wants is cut: slow handshakes hold descriptors.
HANDSHAKE_SECONDS = 10.0
# After the drain, what is under way (requests, peers that have still to answer a close) may take so long to end.
LEAVE_SECONDS = 5.0
# Frames of one peer that wait for the application before no more of it is read.
READ_AHEAD = 4
# What opens with a socket lives as long, and the collector walks through all of it whenever there is a quarter more:
# with Python's own thresholds (700, 10, 10) that was a quarter of the CPU of opening.
GC_THRESHOLDS = (10_000, 50, 10)
# Descriptors that a process needs besides one per socket.
SPARE_DESCRIPTORS = 200


def run(application: Any, *, server: str, host: str, port: int) -> None:
    """Serve `application` on `host` and `port` by "uvicorn" or "daphne" until SIGTERM or SIGINT, then drain."""
    # Of a node that does not answer, what its threads are at: docs/incidents.md.
    faulthandler.register(signal.SIGUSR1)
    raise_descriptor_limit()
    spare_the_collector()
    # Beside the start: a Redis that is away answers late.
    Thread(target=warn_of_eviction, name="notifications-eviction", daemon=True).start()
    {"uvicorn": _run_uvicorn, "daphne": _run_daphne}[server](application, host, port)


def raise_descriptor_limit() -> int:
    """Raise the soft limit of open files to the hard one; gives how many sockets this process can then hold."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    sockets = hard - SPARE_DESCRIPTORS
    logger.info("up to %d sockets (open files limit %d)", sockets, hard)
    return sockets


def spare_the_collector() -> None:
    """Let the garbage collector leave alone what is there for good, and look less often at the rest."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def warn_of_eviction() -> None:
    """Log a warning for each Redis that would drop the index or groups when it is full."""
    for state in unread_index.server_states():
        if state.maxmemory_policy not in ("", "noeviction"):
            logger.warning(
                "Redis at %s evicts (%s): set its maxmemory-policy to noeviction", state.address, state.maxmemory_policy
            )


class NodeProtocol(WebSocketsSansIOProtocol):
    """uvicorn's sans-I/O WebSocket with three things more in the scope's extensions, which ASGI does not have.

    `notifications.abort` cuts a peer that does not even take a close frame. Without it such a socket would stay until
    TCP gives up, which a peer that still acknowledges can put off for ever. `notifications.write` sends a frame that
    was made once for many. `notifications.held` says how many bytes the server may hold for a peer that does not read.
    Given as `ws=` class, uvicorn's documented way to replace the protocol.

    A handshake whose request line or headers are too long is answered, and its socket closed.

    Who goes on writing after the close is read no more: three such peers, with a million small frames each, held up
    everybody else for ten seconds.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = self.conn.logger = _socket_logger

    _after_close = 0
    _controls = 0
    _controls_since = 0.0

    def data_received(self, data: bytes) -> None:
        """Take what the peer sends."""
        if self.close_sent:
            self._after_close += len(data)
            if self._after_close > AFTER_CLOSE_BYTES:
                self.transport.pause_reading()
                return
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_complete:
            self._answer_refusal()

    def _answer_refusal(self) -> None:
        """Send 414 or 431, which websockets has made and uvicorn leaves lying, with the socket open for ever."""
        self.handshake_complete = self.close_sent = True
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def handle_ping(self) -> None:
        """Answer a ping; cut who floods."""
        self._count_control()
        super().handle_ping()

    def handle_pong(self, event: Any) -> None:
        """Take a pong; cut who floods."""
        self._count_control()
        super().handle_pong(event)

    def _count_control(self) -> None:
        now = self.loop.time()
        if now - self._controls_since > 1:
            self._controls_since, self._controls = now, 0
        self._controls += 1
        if self._controls > CONTROLS_PER_SECOND:
            self.transport.abort()

    def handle_connect(self, event: Any) -> None:
        """Begin the application, with ours among the scope's extensions."""
        super().handle_connect(event)
        if hasattr(self, "scope"):
            extensions: dict[str, Any] = self.scope["extensions"]
            extensions["notifications.abort"] = self.transport.abort
            extensions["notifications.write"] = self.write
            extensions["notifications.held"] = HELD_BYTES
            self.transport.set_write_buffer_limits(WRITE_BUFFER_BYTES)

    def send_receive_event_to_app(self) -> None:
        """Hand on what the peer sent; stop reading only once some of it waits.

        uvicorn itself stops at every message until the application has taken it: two system calls for each heartbeat.
        """
        ahead = not self.read_paused and self.queue.qsize() < READ_AHEAD
        self.read_paused |= ahead
        super().send_receive_event_to_app()
        if ahead:
            self.read_paused = False

    def write(self, frame: bytes) -> bool:
        """Send a whole frame if the peer takes it now; False where it has to go the ordinary way, or nowhere."""
        if not self.handshake_complete or self.close_sent or self.disconnected or not self.writable.is_set():
            return False
        self.transport.write(frame)
        return True


class PromptHTTP(HttpToolsProtocol):
    """uvicorn's HTTP with a time-out for the headers of a request, which it lacks: each handshake begins as one."""

    _late: TimerHandle | None = None

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._wait()

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a later request."""
        super().on_message_begin()
        if self._late is None:
            self._wait()

    def on_headers_complete(self) -> None:
        """It has said what it wants."""
        self._stop_waiting()
        super().on_headers_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone."""
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._late = self.loop.call_later(HANDSHAKE_SECONDS, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None


class WithoutSockets(logging.Filter):
    """Keeps uvicorn's lines about single sockets out of the log.

    Those about handshakes carry the query string, token included; at 30,000 sockets the others are noise, and the one
    about text that is not UTF-8 comes with a traceback, as often as a peer likes.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """False for such a line."""
        message = str(record.msg)
        return '"WebSocket ' not in message and not message.startswith(("connection ", "Invalid UTF-8 "))


class _UvicornServer(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        """Begin the node with the server: it must hear of a wish to drain before the first socket comes."""
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                # Each socket that it accepts inherits it (socket(7)); asked of each, it costs 60 us of opening.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        node.current()

    async def shutdown(self, sockets: Any = None) -> None:
        """Drain first, and let peers answer their close: ending earlier could lose them it. A second SIGINT cuts in."""
        draining = asyncio.ensure_future(node.current().drain(conf().drain_seconds))
        while not draining.done() and not self.force_exit:
            await asyncio.wait([draining], timeout=0.1)
        draining.cancel()
        deadline = time.monotonic() + LEAVE_SECONDS
        while self._sockets() and time.monotonic() < deadline and not self.force_exit:  # noqa: ASYNC110  no event for it
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)
        await node.stop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to stop."""
        super().handle_exit(sig, frame)
        # Kept, the signal would be raised once more at the end: a process that has drained would seem to be killed.
        self._captured_signals.clear()

    def _sockets(self) -> bool:
        return any(isinstance(connection, NodeProtocol) for connection in self.server_state.connections)


def _run_uvicorn(application: Any, host: str, port: int) -> None:
    logging.getLogger("uvicorn.error").addFilter(WithoutSockets())
    _socket_logger.addFilter(WithoutSockets())
    # Not even made: three lines for each socket, 15 us each.
    _socket_logger.setLevel(logging.WARNING)
    config = uvicorn.Config(
        application,
        host=host,
        port=port,
        loop="uvloop",
        http=PromptHTTP,
        ws=NodeProtocol,
        ws_max_size=WS_MAX_BYTES,
        ws_per_message_deflate=False,
        # Heartbeats are the app's own, in one sweep; a timer per socket on top would only cost.
        ws_ping_interval=None,
        lifespan="off",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=BACKLOG,
        timeout_graceful_shutdown=10,
        log_config=None,
    )
    _UvicornServer(config).run()


def _run_daphne(application: Any, host: str, port: int) -> None:
    # Importing it installs Twisted's asyncio reactor for the whole process.
    from notifications.daphne_server import DaphneServer  # noqa: PLC0415

    DaphneServer(
        application,
        handshake_seconds=HANDSHAKE_SECONDS,
        leave_seconds=LEAVE_SECONDS,
        send_buffer_bytes=SEND_BUFFER_BYTES,
        write_buffer_bytes=WRITE_BUFFER_BYTES,
        held_bytes=HELD_BYTES,
        after_close_bytes=AFTER_CLOSE_BYTES,
        controls_per_second=CONTROLS_PER_SECOND,
        endpoints=[f"tcp:port={port}:interface={host}:backlog={BACKLOG}"],
        action_logger=None,
        websocket_timeout=-1,
        # The app's own heartbeat does this.
        ping_interval=86_400,
        websocket_max_message_size=WS_MAX_BYTES,
        websocket_max_frame_size=WS_MAX_BYTES,
        server_name="",
        verbosity=0,
    ).run()
