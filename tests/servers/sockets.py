"""A WebSocket client for tests: collects every frame with its moment, and waits with deadlines."""

import asyncio
import json
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import jwt
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Origin, Subprotocol

Frame = dict[str, Any]


def mint(uid: str | int, key: str, *, lifetime: float = 3600, algorithm: str = "HS256", **claims: Any) -> str:
    """An access token as simplejwt makes them; `claims` replace its own, None takes one out."""
    now = int(time.time())
    payload = {"token_type": "access", "exp": now + lifetime, "iat": now, "jti": f"{now}-{id(claims)}", "user_id": uid}
    payload = {name: value for name, value in {**payload, **claims}.items() if value is not None}
    return jwt.encode(payload, key, algorithm=algorithm)


@dataclass(frozen=True, slots=True)
class Received:
    """One frame, with the monotonic clock's seconds at which it came."""

    at: float
    frame: Frame


class Refused(Exception):
    """The handshake was refused: with an HTTP status, or None where the connection itself failed."""

    def __init__(self, status: int | None) -> None:
        super().__init__(f"handshake refused with {status}")
        self.status = status


class Socket:
    """An open WebSocket to `url`. `async with Socket(url, token) as socket: ...`; answers the server's pings.

    `received` has every frame in order. What waits gives the first frame that fits, of those that came already too.
    """

    def __init__(
        self,
        url: str,
        token: str = "",
        *,
        by_query: bool = False,
        origin: str | None = None,
        local_address: str | None = None,
        answer_pings: bool = True,
        headers: Sequence[tuple[str, str]] = (),
        receive_buffer: int | None = None,
    ) -> None:
        self._url = f"{url}?token={token}" if by_query else url
        self._subprotocols = None
        if token and not by_query:
            self._subprotocols = [Subprotocol("notifications.v1"), Subprotocol(f"bearer.{token}")]
        self._origin = Origin(origin) if origin is not None else None
        self._local = (local_address, 0) if local_address else None
        self._answer_pings = answer_pings
        self._headers = list(headers)
        self._receive_buffer = receive_buffer
        self._refs = count(1)
        self._news = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self.received: list[Received] = []
        self.opened_at = self.closed_at = 0.0
        self.websocket: ClientConnection

    async def open(self) -> Self:
        """Do the handshake and begin to read; raises `Refused`."""
        options: dict[str, Any] = {}
        if self._local:
            options["local_addr"] = self._local
        if self._receive_buffer:
            # Before it connects: the kernel only then keeps to it.
            options["sock"] = raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            raw.setblocking(False)
            address = urlsplit(self._url)
            await asyncio.get_running_loop().sock_connect(raw, (address.hostname, address.port))
        try:
            self.websocket = await connect(
                self._url,
                subprotocols=self._subprotocols,
                origin=self._origin,
                additional_headers=self._headers,
                compression=None,
                # The heartbeat is the protocol's own, and nothing of ours is near the limit.
                ping_interval=None,
                open_timeout=20,
                close_timeout=1,
                max_size=None,
                user_agent_header=None,
                proxy=None,
                **options,
            )
        except InvalidHandshake as error:
            response = getattr(error, "response", None)
            raise Refused(response.status_code if response is not None else None) from error
        except (OSError, EOFError) as error:
            raise Refused(None) from error
        self.opened_at = time.monotonic()
        self._reader = asyncio.get_running_loop().create_task(self._read())
        return self

    async def close(self) -> None:
        """Close it (1000) and stop reading."""
        await self.websocket.close()
        if self._reader is not None:
            with suppress(asyncio.CancelledError):
                await self._reader

    def stop_reading(self) -> None:
        """From now on take nothing that the server sends; what is sent to it still goes out."""
        assert self._reader is not None
        self._reader.cancel()
        self.websocket.transport.pause_reading()

    def abort(self) -> None:
        """Cut the connection without a word."""
        self.websocket.transport.abort()

    async def __aenter__(self) -> Self:
        return await self.open()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()

    async def _read(self) -> None:
        try:
            async for text in self.websocket:
                frame = json.loads(text)
                self.received.append(Received(time.monotonic(), frame))
                self._tell()
                if frame["type"] == "ping" and self._answer_pings:
                    await self.send(type="pong")
        except ConnectionClosed:
            pass
        finally:
            self.closed_at = time.monotonic()
            self._tell()

    def _tell(self) -> None:
        self._news.set()

    # --- what came

    @property
    def frames(self) -> list[Frame]:
        """Every frame so far."""
        return [received.frame for received in self.received]

    def of_type(self, kind: str) -> list[Frame]:
        """Every frame of this type so far."""
        return [frame for frame in self.frames if frame["type"] == kind]

    @property
    def pushed(self) -> list[str]:
        """The ids of the items that were pushed live, in the order of their coming."""
        return [frame["id"] for frame in self.of_type("notification")]

    @property
    def replayed(self) -> list[str]:
        """The ids of the items of all `inbox` frames."""
        return [item["id"] for frame in self.of_type("inbox") for item in frame["items"]]

    @property
    def items(self) -> list[str]:
        """The ids of every item that came, pushed or replayed, as often as it came."""
        return self.replayed + self.pushed

    def moment_of(self, predicate: Callable[[Frame], bool]) -> float:
        """When the first frame that fits came; raises `StopIteration` if none did."""
        return next(received.at for received in self.received if predicate(received.frame))

    def moment_of_item(self, item_id: str) -> float:
        """When an item first came, pushed or replayed."""
        return self.moment_of(lambda f: item_id in (f.get("id"), *(item["id"] for item in f.get("items", ()))))

    # --- waiting

    async def wait_for(
        self, predicate: Callable[[Frame], bool], seconds: float = 15.0, *, after: int = 0, what: str = ""
    ) -> Frame:
        """The first frame from index `after` on that fits; raises `AssertionError` after `seconds` or at the close."""
        deadline = time.monotonic() + seconds
        looked_at = after
        while True:
            self._news.clear()
            while looked_at < len(self.received):
                frame = self.received[looked_at].frame
                looked_at += 1
                if predicate(frame):
                    return frame
            left = deadline - time.monotonic()
            if self.closed or left <= 0:
                end = f"closed with {self.code}" if self.closed else f"{seconds} s passed"
                raise AssertionError(f"{end} without {what or 'the frame'}; came: {json.dumps(self.frames)[-3000:]}")
            try:
                async with asyncio.timeout(left):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def wait_type(self, kind: str, seconds: float = 15.0, *, after: int = 0) -> Frame:
        """The first frame of a type."""
        return await self.wait_for(lambda frame: frame["type"] == kind, seconds, after=after, what=kind)

    async def wait_item(self, item_id: str, seconds: float = 15.0) -> Frame:
        """The item with this id, pushed or in an `inbox`."""

        def has(frame: Frame) -> bool:
            entries = frame["items"] if frame["type"] == "inbox" else [frame]
            return any(entry.get("id") == item_id for entry in entries)

        frame = await self.wait_for(has, seconds, what=f"item {item_id}")
        entries: list[Frame] = frame["items"] if frame["type"] == "inbox" else [frame]
        return next(entry for entry in entries if entry["id"] == item_id)

    async def ready(self, seconds: float = 15.0) -> Frame:
        """Wait for `welcome` and the first `inbox`, which is given."""
        return await self.wait_type("inbox", seconds)

    async def silent(self, *kinds: str) -> None:
        """Assert that nothing of these types is under way: a ping that is sent now is answered before any of them."""
        before = len(self.received)
        await self.ping()
        came = [frame for frame in self.frames[before:] if frame["type"] in kinds]
        assert not came, came

    @property
    def closed(self) -> bool:
        """Whether it is closed, by whichever side."""
        return (self._reader is not None and self._reader.done()) or self.closed_at > 0

    @property
    def code(self) -> int | None:
        """The close code, 1006 where there was none; None while it is open."""
        return self.websocket.close_code

    async def wait_closed(self, seconds: float = 15.0) -> int:
        """Wait for the other side to close; gives the code."""
        assert self._reader is not None
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(self._reader)
        except TimeoutError:
            raise AssertionError(f"still open after {seconds} s; came: {self.frames[-5:]}") from None
        assert self.code is not None
        return self.code

    # --- what a client says

    async def send(self, **frame: Any) -> None:
        """Send one frame; a socket that is closed swallows it."""
        await self.send_raw(json.dumps(frame))

    async def send_raw(self, data: str | bytes) -> None:
        """Send text, or bytes in a binary frame; a socket that is closed swallows it."""
        with suppress(ConnectionClosed):
            await self.websocket.send(data)

    async def ask(self, type_: str, /, seconds: float = 15.0, **fields: Any) -> Frame:
        """Send a request with a `ref` of its own, and give the answer: whatever carries that `ref`."""
        ref = fields.pop("ref", f"r{next(self._refs)}")
        before = len(self.received)
        await self.send(type=type_, ref=ref, **fields)
        return await self.wait_for(lambda f: f.get("ref") == ref, seconds, after=before, what=f"the answer to {type_}")

    async def ping(self, seconds: float = 15.0) -> Frame:
        """`ping`; gives the `pong`."""
        return await self.ask("ping", seconds)

    async def read(self, *ids: str, via: str = "list", confirm: bool = False, seconds: float = 15.0) -> Frame:
        """`read`; gives the answer."""
        return await self.ask("read", seconds, ids=list(ids), via=via, confirm=confirm)

    async def read_all(self, before: str) -> Frame:
        """`read_all`; gives the answer."""
        return await self.ask("read_all", before=before)

    async def list(self, **fields: Any) -> Frame:
        """`list`; gives the answer."""
        return await self.ask("list", **fields)

    async def auth(self, token: str) -> Frame:
        """`auth`; gives the answer."""
        return await self.ask("auth", token=token)
