"""Clients that come back: they do what the browser client does when a node goes away, thousands in one process.

A close in 4200-4299 means at once, to another node; any other end means after a back-off with full jitter
(`static/notifications/backoff.js`). Each remembers how it lost its socket, when it was back, and every item it saw.
"""

import asyncio
import multiprocessing
import random
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe
from types import TracebackType
from typing import Any, Self

import uvloop

from bench.client import ID_LENGTH, NOTIFICATION, OPENING_AT_ONCE, PONG, Load, Socket, handshake, serve

FLOOR_SECONDS, CAP_SECONDS = 0.3, 30.0
# From the request to the inbox: the browser client's `welcome` within 8 s of opening.
OPEN_SECONDS = 8.0
_IDS = re.compile(rb'"type":"notification","id":"([0-9a-f-]{36})"')


@dataclass(slots=True)
class Return:
    """How one traveller lost a socket and came back, by `time.monotonic()`; `back_at` is 0 until it is."""

    number: int
    code: int
    lost_at: float
    back_at: float = 0.0
    failures: int = 0


@dataclass(slots=True)
class Traveller:
    """One user with one socket."""

    number: int
    path: str
    source: str
    socket: "TravellingSocket | None" = None
    port: int = 0
    returns: list[Return] = field(default_factory=list)
    items: Counter[str] = field(default_factory=Counter)


class TravellingSocket(Socket):
    """A socket that answers a close and keeps its code, and shows its traveller every item."""

    __slots__ = ("code", "traveller")

    def __init__(self, load: "Travellers", traveller: Traveller, request: bytes, opened: asyncio.Future[bool]) -> None:
        super().__init__(load, request, opened)
        self.traveller = traveller
        self.code = 1006

    def _text(self, data: bytes, start: int) -> None:
        if data.startswith(NOTIFICATION, start):
            at = start + len(NOTIFICATION)
            self.traveller.items[data[at : at + ID_LENGTH].decode()] += 1
        elif data.startswith(b'{"type":"ping"', start):
            self.transport.write(PONG)
        elif data.startswith(b'{"type":"inbox"', start):
            self.traveller.items.update(found.decode() for found in _IDS.findall(data, start))
            self._is_open(good=True)

    def _control(self, opcode: int, payload: bytes) -> None:
        if opcode == 8:
            self.code = int.from_bytes(payload[:2], "big") if len(payload) >= 2 else 1005
            self.transport.write(bytes((0x88, 0x80 | len(payload[:2]), 0, 0, 0, 0)) + payload[:2])


class Travellers(Load):
    """All travellers of this process."""

    def __init__(self) -> None:
        super().__init__(replays=True)
        self._travellers: list[Traveller] = []
        self._gate = asyncio.Semaphore(OPENING_AT_ONCE)
        self._ports: Sequence[int] = ()
        self._coming: set[asyncio.Task[None]] = set()
        self._at_home = False

    async def set_out(self, port: int, paths: Sequence[str], sources: Sequence[str]) -> int:
        """A traveller for each of `paths`, all on the node at `port`; gives how many could not open their socket."""
        self._travellers = [Traveller(n, path, sources[n % len(sources)]) for n, path in enumerate(paths)]
        return sum(not good for good in await asyncio.gather(*(self._open(t, port) for t in self._travellers)))

    def leave_for(self, ports: Sequence[int]) -> None:
        """Whoever loses the socket from now on opens another on one of these nodes."""
        self._ports = ports

    def lost(self, socket: Socket) -> None:
        """A socket ended: its traveller sets out for another node."""
        assert isinstance(socket, TravellingSocket)
        traveller = socket.traveller
        if traveller.socket is not socket or self._at_home:
            return
        traveller.socket = None
        traveller.returns.append(Return(traveller.number, socket.code, time.monotonic()))
        task = asyncio.get_running_loop().create_task(self._come_back(traveller, traveller.returns[-1]))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def all_back(self, port: int, seconds: float) -> bool:
        """Wait until nobody is on the node at `port` or on the way; False after `seconds`."""
        deadline = time.monotonic() + seconds
        while any(t.socket is None or t.port == port for t in self._travellers):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(0.05)
        return True

    def on(self, port: int) -> int:
        """How many are on the node at `port`."""
        return sum(t.socket is not None and t.port == port for t in self._travellers)

    def returns(self) -> list[Return]:
        """Every return since this was last asked."""
        found = [one for traveller in self._travellers for one in traveller.returns]
        for traveller in self._travellers:
            traveller.returns = []
        return found

    def unseen(self, items: Sequence[tuple[str, int]]) -> list[str]:
        """Which of these items, each with its traveller's number, that traveller has not seen."""
        return [item_id for item_id, number in items if not self._travellers[number].items[item_id]]

    def items(self) -> int:
        """How many items all of them have seen, each as often as it came."""
        return sum(traveller.items.total() for traveller in self._travellers)

    def go_home(self) -> None:
        """Cut every socket, and come back no more."""
        self._at_home = True
        for task in self._coming:
            task.cancel()
        for traveller in self._travellers:
            if traveller.socket is not None:
                traveller.socket.transport.abort()

    async def _come_back(self, traveller: Traveller, back: Return) -> None:
        wait = 0.0 if 4200 <= back.code < 4300 else _backoff(0)
        while True:
            await asyncio.sleep(wait)
            if await self._open(traveller, random.choice(self._ports)):  # noqa: S311
                back.back_at = time.monotonic()
                return
            wait = _backoff(back.failures)
            back.failures += 1

    async def _open(self, traveller: Traveller, port: int) -> bool:
        loop = asyncio.get_running_loop()
        async with self._gate:
            opened: asyncio.Future[bool] = loop.create_future()
            socket = TravellingSocket(self, traveller, handshake(traveller.path, port), opened)
            try:
                async with asyncio.timeout(OPEN_SECONDS):
                    await loop.create_connection(lambda: socket, "127.0.0.1", port, local_addr=(traveller.source, 0))
                    good = await opened
            except (OSError, TimeoutError):
                good = False
            if good and not socket.transport.is_closing():
                traveller.socket, traveller.port = socket, port
                return True
            if socket.transport is not None:
                socket.transport.abort()
            return False


def _backoff(attempt: int) -> float:
    return FLOOR_SECONDS + random.random() * (min(CAP_SECONDS, 2.0**attempt) - FLOOR_SECONDS)  # noqa: S311


class Crowd:
    """The travellers in a process of their own: `crowd.tell("on", port)` calls the method there, gives its answer."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_main, args=(theirs,), daemon=True)
        self._process.start()

    def tell(self, name: str, *arguments: Any) -> Any:
        """Carry out one method of `Travellers`; raises what it raised."""
        self._pipe.send((name, arguments))
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.is_alive():
            self._pipe.send(None)
        self._process.join(5)
        if self._process.is_alive():
            self._process.terminate()


def _main(pipe: Pipe) -> None:
    uvloop.run(_serve(pipe))


async def _serve(pipe: Pipe) -> None:
    await serve(pipe, Travellers())
