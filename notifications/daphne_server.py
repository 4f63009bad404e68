"""Daphne with what this app needs and it lacks: respect for slow readers, a way to cut them, and a drain.

Imported only to serve by Daphne: doing so installs Twisted's asyncio reactor for the whole process.
"""

import asyncio
import socket
import time
from http import HTTPStatus
from typing import Any

from autobahn.websocket.types import ConnectionDeny
from daphne import http_protocol
from daphne.server import Server
from daphne.ws_protocol import WebSocketProtocol
from twisted.internet import defer
from twisted.internet.interfaces import IPushProducer
from zope.interface import implementer

from notifications import node
from notifications.conf import conf

# Longer than a connection waits for the answer to its close before it cuts the socket: autobahn's own 1 s would throw
# away what a slow reader has still to read, the close frame included.
CLOSE_HANDSHAKE_SECONDS = 30.0


class Request(http_protocol.WebRequest):
    """Daphne's request, whose body nobody reads but Django.

    Twisted would parse forms first, on the event loop and for nothing, and drop the connection over some bad ones
    without an answer.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, parsePOSTFormSubmission=False, **kwargs)


# Daphne's factory takes the class from its module, and has no option for another.
http_protocol.WebRequest = Request


@implementer(IPushProducer)
class Flow:
    """Whether a transport takes more: Twisted pauses and resumes it as its buffer fills and empties."""

    def __init__(self) -> None:
        self._open = asyncio.Event()
        self._open.set()

    async def open(self) -> None:
        """Wait until the transport takes more, or is gone."""
        await self._open.wait()

    def pauseProducing(self) -> None:  # noqa: N802  Twisted's name
        """The peer does not read."""
        self._open.clear()

    def resumeProducing(self) -> None:  # noqa: N802  Twisted's name
        """It does again."""
        self._open.set()

    def stopProducing(self) -> None:  # noqa: N802  Twisted's name
        """It has gone: whoever waits finds that out."""
        self._open.set()


class SocketProtocol(WebSocketProtocol):
    """Daphne's WebSocket with the flow of its transport, and ASGI's "WebSocket Denial Response"."""

    def onConnect(self, request: Any) -> Any:  # noqa: N802  autobahn's name
        """Take the transport over from the HTTP channel, which would stop reading when writing stops."""
        self.flow = Flow()
        sock = self.transport.getHandle()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.factory.server_class.send_buffer_bytes)
        self.transport.bufferSize = self.factory.server_class.write_buffer_bytes
        self._status = 403
        self._after_close = self._controls = 0
        self._controls_since = 0.0
        self.transport.unregisterProducer()
        self.transport.registerProducer(self.flow, True)  # noqa: FBT003  Twisted takes it by position
        return super().onConnect(request)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802  Twisted's name
        """Take what the peer sends; who goes on writing after the close is read no more, only cut."""
        if self.state == self.STATE_CLOSING:
            self._after_close += len(data)
            if self._after_close > self.server.after_close_bytes:
                self.transport.pauseProducing()
                return
        super().dataReceived(data)

    def onPing(self, payload: bytes) -> None:  # noqa: N802  autobahn's name
        """Answer a ping; cut who floods."""
        self._count_control()
        super().onPing(payload)

    def onPong(self, payload: bytes) -> None:  # noqa: N802  autobahn's name
        """Take a pong; cut who floods."""
        self._count_control()
        super().onPong(payload)

    def _count_control(self) -> None:
        now = time.monotonic()
        if now - self._controls_since > 1:
            self._controls_since, self._controls = now, 0
        self._controls += 1
        if self._controls > self.server.controls_per_second:
            self.transport.abortConnection()

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:  # noqa: N802, N803
        """Refuse an `Origin` that is no origin at all with 403, as our own check does any other that is not allowed."""
        if reason.startswith("HTTP Origin header"):
            reason, code = HTTPStatus.FORBIDDEN.phrase, HTTPStatus.FORBIDDEN.value
        super().failHandshake(reason, code, responseHeaders)

    def handle_reply(self, message: dict[str, Any]) -> None:
        """Do what the application says."""
        match message["type"]:
            case "websocket.http.response.start":
                self._status = message["status"]
            case "websocket.http.response.body":
                denial = ConnectionDeny(code=self._status, reason=HTTPStatus(self._status).phrase)
                self.handshake_deferred.errback(denial)
                del self.handshake_deferred
                self.server.protocol_disconnected(self)
            case _:
                super().handle_reply(message)


class DaphneServer(Server):
    """Daphne's server: `send` waits for slow readers as uvicorn's does, and SIGTERM drains instead of dropping all.

    `handshake_seconds`: how long a client may say nothing before its request is whole. `leave_seconds`: how long, after
    the drain, what is under way may take to end. `send_buffer_bytes`, `write_buffer_bytes`: what the kernel and Twisted
    may hold for one that does not read, `held_bytes`: what that comes to. `after_close_bytes`: how much of a peer is
    still read after a close.
    `controls_per_second`: how many pings and pongs of the protocol's own a peer may send.
    """

    def __init__(
        self,
        application: Any,
        *,
        handshake_seconds: float,
        leave_seconds: float,
        send_buffer_bytes: int,
        write_buffer_bytes: int,
        held_bytes: int,
        after_close_bytes: int,
        controls_per_second: int,
        **options: Any,
    ) -> None:
        super().__init__(application, ready_callable=self._ready, **options)
        self.send_buffer_bytes = send_buffer_bytes
        self.write_buffer_bytes = write_buffer_bytes
        self.held_bytes = held_bytes
        self.after_close_bytes = after_close_bytes
        self.controls_per_second = controls_per_second
        self._handshake_seconds = handshake_seconds
        self._leave_seconds = leave_seconds

    def _ready(self) -> None:
        self.http_factory.timeOut = self._handshake_seconds
        self.ws_factory.protocol = SocketProtocol
        # Who breaks the protocol is told so by a close frame, as by uvicorn, instead of being dropped with 1006.
        # `Origin: null` is for our own check to refuse with 403: left out here, it would be 400 (autobahn resets it).
        self.ws_factory.setProtocolOptions(
            closeHandshakeTimeout=CLOSE_HANDSHAKE_SECONDS, failByDrop=False, allowNullOrigin=True
        )
        # The node begins with its server: it must hear of a wish to drain before the first socket comes.
        asyncio.get_event_loop().call_soon(node.current)

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        """Begin an application, with what its server can do in the scope's extensions."""
        if isinstance(protocol, SocketProtocol):
            scope["extensions"] = {
                "websocket.http.response": {},
                "notifications.abort": protocol.transport.abortConnection,
                "notifications.held": self.held_bytes,
            }
        return super().create_application(protocol, scope)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Hand a message to the protocol, once its transport takes more."""
        if isinstance(protocol, SocketProtocol):
            await protocol.flow.open()
        await super().handle_reply(protocol, message)

    def kill_all_applications(self) -> Any:
        """Twisted waits for the Deferred of a `before shutdown` trigger: drain, and only then end what is left."""
        return defer.Deferred.fromFuture(asyncio.ensure_future(self._leave()))

    async def _leave(self) -> None:
        await node.current().drain(conf().drain_seconds)
        deadline = time.monotonic() + self._leave_seconds
        while self._under_way() and time.monotonic() < deadline:  # noqa: ASYNC110  Daphne has no event for it
            await asyncio.sleep(0.05)
        await node.stop()
        rest = self._under_way()
        for application in rest:
            application.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    def _under_way(self) -> list[asyncio.Future[None]]:
        # Of a socket that is closing, until its peer has answered: ending earlier could lose it the close frame.
        applications = [details.get("application_instance") for details in self.connections.values()]
        return [application for application in applications if application is not None and not application.done()]
