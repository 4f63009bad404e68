"""The load client: a process that holds thousands of sockets for less CPU than any server it measures.

Raw asyncio protocols on uvloop that parse no more of a frame than they must. One process holds at most some 19,000
sockets (`nofile`), so a load is spread over several; each source address 127.0.x.y has 28,000 ports of its own.
"""

import asyncio
import base64
import os
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from typing import Any

import uvloop

# A masked frame whose mask is zero reads as it is written (RFC 6455 section 5.3 asks for a mask, not for which).
PONG = b"\x81\x8f\x00\x00\x00\x00" + b'{"type":"pong"}'
# The protocol's own ping: no limit counts it, and a server answers it as soon as its event loop gets there.
PING = b"\x89\x80\x00\x00\x00\x00"
# Handshakes under way at once in one process: enough to keep the server busy, few enough to fit its backlog.
OPENING_AT_ONCE = 256
OPEN_SECONDS = 30.0
OPEN_TRIES = 5
NOTIFICATION = b'{"type":"notification","id":"'
ID_LENGTH = 36


@dataclass(slots=True)
class Opened:
    """How a batch of sockets opened."""

    count: int
    failed: int
    seconds: float


@dataclass(slots=True)
class Arrivals:
    """When what was waited for arrived, by `time.monotonic()`: each in order of arrival, or by item id if asked."""

    times: array = field(default_factory=lambda: array("d"))
    by_id: list[tuple[str, float]] = field(default_factory=list)


class Socket(asyncio.Protocol):
    """One WebSocket. It is open once the server's replay has come, or at once where the server sends none."""

    __slots__ = ("_buffer", "_load", "_request", "_shaken", "opened", "transport")

    def __init__(self, load: "Load", request: bytes, opened: asyncio.Future[bool]) -> None:
        self._load = load
        self._request = request
        self._buffer = b""
        self._shaken = False
        self.opened: asyncio.Future[bool] | None = opened
        self.transport: Any = None

    def connection_made(self, transport: Any) -> None:
        """Ask for the upgrade."""
        self.transport = transport
        transport.write(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        """Whoever waits for it to open waits no more."""
        self._is_open(good=False)
        self._load.lost(self)

    def data_received(self, data: bytes) -> None:
        """Take the frames apart."""
        if self._buffer:
            data = self._buffer + data
            self._buffer = b""
        at = 0
        if not self._shaken:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            if not data.startswith(b"HTTP/1.1 101"):
                self.transport.abort()
                return
            self._shaken = True
            if not self._load.replays:
                self._is_open(good=True)
            at = end + 4
        size = len(data)
        while size - at >= 2:
            length, start = data[at + 1] & 127, at + 2
            if length == 126:
                if size - at < 4:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 4], "big"), at + 4
            elif length == 127:
                if size - at < 10:
                    break
                length, start = int.from_bytes(data[at + 2 : at + 10], "big"), at + 10
            if start + length > size:
                break
            if data[at] == 0x81:
                self._text(data, start)
            else:
                self._control(data[at] & 15, data[start : start + length])
            at = start + length
        if at < size:
            self._buffer = data[at:]

    def _text(self, data: bytes, start: int) -> None:
        load = self._load
        if not load.replays or data.startswith(NOTIFICATION, start):
            load.arrived(data, start)
        elif data.startswith(b'{"type":"ping"', start):
            self.transport.write(PONG)
        elif data.startswith(b'{"type":"inbox"', start):
            self._is_open(good=True)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == 10:
            self._load.ponged()

    def _is_open(self, *, good: bool) -> None:
        if self.opened is not None and not self.opened.done():
            self.opened.set_result(good)
        self.opened = None


class Load:
    """All sockets of this process, and what they are waiting for."""

    def __init__(self, replays: bool) -> None:
        self.replays = replays
        self.sockets: dict[Socket, None] = {}
        self._none_left = asyncio.Event()
        self._arrivals = Arrivals()
        self._ids = False
        self._wanted = 0
        self._done = asyncio.Event()
        self._pong: asyncio.Future[None] | None = None

    def lost(self, socket: Socket) -> None:
        """A socket ended."""
        self.sockets.pop(socket, None)
        if not self.sockets:
            self._none_left.set()

    def arrived(self, data: bytes, start: int) -> None:
        """A pushed frame has come in."""
        now = time.monotonic()
        if self._ids:
            at = start + len(NOTIFICATION)
            self._arrivals.by_id.append((data[at : at + ID_LENGTH].decode(), now))
            count = len(self._arrivals.by_id)
        else:
            self._arrivals.times.append(now)
            count = len(self._arrivals.times)
        if count == self._wanted:
            self._done.set()

    def ponged(self) -> None:
        """The probe's ping was answered."""
        if self._pong is not None and not self._pong.done():
            self._pong.set_result(None)

    async def open(
        self, port: int, paths: Sequence[str], sources: Sequence[str], at_once: int = OPENING_AT_ONCE
    ) -> Opened:
        """Open a socket for each of `paths`, from the `sources` in turn."""
        gate = asyncio.Semaphore(at_once)
        begun = time.monotonic()

        async def one(index: int, path: str) -> bool:
            async with gate:
                # A server that cannot keep up refuses some, as stock Channels on Daphne does; clients come again.
                for _ in range(OPEN_TRIES):
                    if await self._one(port, path, sources[index % len(sources)]):
                        return True
                return False

        results = await asyncio.gather(*(one(index, path) for index, path in enumerate(paths)))
        return Opened(sum(results), len(results) - sum(results), time.monotonic() - begun)

    async def _one(self, port: int, path: str, source: str) -> bool:
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[bool] = loop.create_future()
        request = handshake(path, port)
        try:
            _, socket = await loop.create_connection(
                lambda: Socket(self, request, opened), "127.0.0.1", port, local_addr=(source, 0)
            )
            async with asyncio.timeout(OPEN_SECONDS):
                good = await opened
        except (OSError, TimeoutError):
            return False
        if good:
            self.sockets[socket] = None
        return good

    def expect(self, count: int, ids: bool) -> None:
        """From now on collect what arrives, `count` of them; with `ids`, by item id."""
        self._arrivals = Arrivals()
        self._ids = ids
        self._wanted = count
        self._done.clear()

    async def collected(self, seconds: float) -> Arrivals:
        """What has arrived, all of it or what there was after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._done.wait()
        except TimeoutError:
            pass
        self._wanted = 0
        return self._arrivals

    async def probe(self, seconds: float, every: float) -> list[float]:
        """Ping on the first socket again and again; gives the round trips in seconds."""
        trips, end = [], time.monotonic() + seconds
        prober = next(iter(self.sockets))
        while (now := time.monotonic()) < end:
            self._pong = asyncio.get_running_loop().create_future()
            prober.transport.write(PING)
            async with asyncio.timeout(OPEN_SECONDS):
                await self._pong
            trips.append(time.monotonic() - now)
            await asyncio.sleep(every)
        return trips

    async def close(self) -> None:
        """Cut every socket."""
        self._none_left.clear()
        for socket in self.sockets:
            socket.transport.abort()
        if self.sockets:
            await self._none_left.wait()


def handshake(path: str, port: int) -> bytes:
    """The request that opens a WebSocket."""
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n"
    ).encode()


def main(pipe: Pipe, replays: bool) -> None:
    """The process: carries out `(method, arguments)` from the pipe, one after the other, until None."""
    uvloop.run(serve(pipe, Load(replays)))


async def serve(pipe: Pipe, load: "Load") -> None:
    """Carry out commands on `load` until None comes."""
    loop = asyncio.get_running_loop()
    # In a thread: a command with the paths of 15,000 sockets does not come in one piece.
    while (command := await loop.run_in_executor(None, pipe.recv)) is not None:
        name, arguments = command
        try:
            answer = getattr(load, name)(*arguments)
            if asyncio.iscoroutine(answer):
                answer = await answer
        except Exception as error:
            answer = error
        pipe.send(answer)
