"""A TCP proxy that breaks a link on purpose, in a thread of its own so that every kind of test can use it."""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from tests.servers.process import HOST, free_port

T = TypeVar("T")

CHUNK = 64 * 1024


class Proxy:
    """Passes TCP from `port` to `target`, until told to do otherwise.

    `hole()` swallows everything both ways, and lets connections be made, as a network that drops packets does once the
    kernel has accepted; `heal()` hands on what was held. `reset()` cuts what is open with RST, `refuse()` also takes no
    new connections, `half_close()` ends only the direction from the server to the client.
    """

    def __init__(self, target: int) -> None:
        self.target = target
        self.port = free_port()
        self.accepted = 0
        self.asked = 0
        """Bytes that have gone to the server."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._links: set[asyncio.Task[None]] = set()
        self._writers: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._server: asyncio.Server | None = None

    @property
    def open_links(self) -> int:
        """How many connections pass through now."""
        return len(self._writers)

    def hole(self) -> None:
        """Nothing gets through either way; nobody is told."""
        self._call(self._dam())

    def heal(self) -> None:
        """Everything gets through again, what was held first, and new connections are taken."""
        self._loop.call_soon_threadsafe(self._flowing.set)
        self._call(self._listen())

    def reset(self) -> None:
        """Cut every open connection with RST; new ones are taken."""
        self._call(self._cut())

    def refuse(self) -> None:
        """Cut every open connection, and refuse new ones until `heal()`."""
        self._call(self._refuse())

    def half_close(self) -> None:
        """Send the client end of every connection a FIN; what the client sends still passes."""
        self._call(self._half_close())

    def start(self) -> None:
        """Begin."""
        self._thread.start()
        self._call(self._listen())

    def close(self) -> None:
        """End, with every connection."""
        if self._thread.is_alive():
            self._call(self._end())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(5)
        self._loop.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _call(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(30)

    async def _dam(self) -> None:
        self._flowing.clear()

    async def _listen(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._link, HOST, self.port, backlog=2048)

    async def _link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        self.accepted += 1
        pair = None
        ended = False
        try:
            await self._flowing.wait()
            far_reader, far_writer = await asyncio.open_connection(HOST, self.target)
            pair = (writer, far_writer)
            self._writers.add(pair)
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pass(reader, far_writer))
                group.create_task(self._pass(far_reader, writer))
            ended = True
        except (OSError, ExceptionGroup, asyncio.CancelledError):
            pass
        finally:
            self._links.discard(task)
            self._writers.discard(pair or (writer, writer))
            for end in set(pair or (writer,)):
                _close(end, gently=ended)

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # An end of one direction is passed on as such: the other may go on.
        while data := await reader.read(CHUNK):
            await self._flowing.wait()
            writer.write(data)
            if writer.get_extra_info("peername")[1] == self.target:
                self.asked += len(data)
            await writer.drain()
        await self._flowing.wait()
        with suppress(OSError, RuntimeError):
            writer.write_eof()

    async def _cut(self) -> None:
        links = list(self._links)
        for task in links:
            task.cancel()
        await asyncio.gather(*links, return_exceptions=True)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _half_close(self) -> None:
        for writer, _ in list(self._writers):
            with suppress(OSError, RuntimeError):
                writer.write_eof()

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()


def _close(writer: asyncio.StreamWriter, *, gently: bool) -> None:
    if not gently:
        # Linger of 0 s: the kernel sends RST instead of FIN.
        with suppress(OSError):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
