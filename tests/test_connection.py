"""A connection that never makes anybody wait."""

import asyncio
import json
import time
from typing import Any

import pytest

from notifications import connection as module
from notifications.connection import Connection


class Server:
    """The server's side of a socket: takes messages, unless `blocked`; `broken` is what `send` raises."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.free = asyncio.Event()
        self.free.set()
        self.broken: Exception | None = None
        self.aborted = asyncio.Event()

    async def send(self, message: dict[str, Any]) -> None:
        """ASGI's `send`, which waits for the peer as uvicorn's does."""
        await self.free.wait()
        if self.broken is not None:
            raise self.broken
        self.sent.append(message)

    @property
    def texts(self) -> list[str]:
        """The frames that it took."""
        return [message["text"] for message in self.sent if message["type"] == "websocket.send"]

    @property
    def code(self) -> int | None:
        """The code it was closed with."""
        return next((message["code"] for message in self.sent if message["type"] == "websocket.close"), None)

    def connect(self, *, outbox_bytes: int = 100, welcome: bool = True, abort: bool = True) -> Connection:
        """A connection over it."""
        made = Connection(
            "7",
            time.time() + 600,
            self.send,
            outbox_bytes=outbox_bytes,
            on_resync=lambda: None,
            abort=self.aborted.set if abort else None,
        )
        if welcome:
            made.welcome()
        return made


def blocked(connection: Connection) -> bool:
    """Whether its peer holds it up."""
    return connection.blocked_since is not None


async def settle() -> None:
    """Let every task that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_frames_go_out_at_once_and_in_order() -> None:
    """A server that takes them needs no task and no wait."""
    server = Server()
    connection = server.connect()
    tasks = len(asyncio.all_tasks())
    for number in range(3):
        connection.send(str(number))
    assert server.texts == ["0", "1", "2"]
    assert len(asyncio.all_tasks()) == tasks
    assert not blocked(connection)


async def test_nothing_comes_before_welcome() -> None:
    """What is sent earlier waits, and comes right after it; later frames come at once."""
    server = Server()
    connection = server.connect(welcome=False)
    connection.send("pong")
    connection.send("error")
    assert server.texts == []
    connection.welcome("welcome", "inbox")
    assert server.texts == ["welcome", "inbox", "pong", "error"]
    connection.send("next")
    assert server.texts[-1] == "next"


async def test_a_socket_that_ends_before_welcome_is_told_why() -> None:
    """The error that waited comes before the close."""
    server = Server()
    connection = server.connect(welcome=False)
    connection.send("error")
    connection.close(4007)
    assert (server.texts, server.code) == (["error"], 4007)
    connection.welcome("welcome")
    assert server.texts == ["error"]


async def test_a_slow_reader_gets_everything_in_order() -> None:
    """What does not go out waits in the outbox, with all that follow, and is counted."""
    server = Server()
    connection = server.connect()
    server.free.clear()
    for text in ("a", "bb", "\u7ef4", "d"):
        connection.send(text)
    assert server.texts == []
    assert connection.held_bytes == 6
    assert blocked(connection)
    server.free.set()
    await settle()
    assert server.texts == ["a", "bb", "\u7ef4", "d"]
    assert connection.held_bytes == 0
    assert not blocked(connection)
    connection.send("e")
    assert server.texts[-1] == "e"


@pytest.mark.security("S9")
@pytest.mark.parametrize(
    ("text", "fits"), [("x" * 100, True), ("x" * 101, False), ("\u7ef4" * 33, True), ("\u7ef4" * 34, False)]
)
async def test_the_outbox_is_bounded(text: str, fits: bool) -> None:
    """At its size it holds, a byte over closes with 4103; what waited is dropped, and later frames are nothing."""
    server = Server()
    connection = server.connect()
    server.free.clear()
    connection.send("on its way")
    connection.send(text)
    assert connection.closing is not fits
    if not fits:
        connection.send("later")
    server.free.set()
    await settle()
    if fits:
        assert server.texts == ["on its way", text]
    else:
        assert connection.held_bytes == 0
        assert server.code == connection.close_code == 4103
        assert "later" not in server.texts


async def test_close_is_once() -> None:
    """The first code counts; afterwards nothing is sent."""
    server = Server()
    connection = server.connect()
    connection.close(4003)
    connection.close(4200)
    connection.send("late")
    assert server.sent == [{"type": "websocket.close", "code": 4003}]


async def test_a_socket_that_does_not_go_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a close the server may wait for its peer for ever: soon the socket is aborted, if the server can."""
    monkeypatch.setattr(module, "CLOSE_PATIENCE", 0.02)
    monkeypatch.setattr(module, "STUCK_PATIENCE", 0.2)
    server = Server()
    server.connect().close(4003)
    async with asyncio.timeout(15):
        await server.aborted.wait()
    stuck = Server()
    connection = stuck.connect()
    stuck.free.clear()
    connection.send("on its way")
    begun = time.monotonic()
    connection.close(4103)
    async with asyncio.timeout(15):
        await stuck.aborted.wait()
    assert time.monotonic() - begun > 0.15
    assert stuck.code is None
    helpless = Server()
    helpless.connect(abort=False).close(4003)
    assert helpless.code == 4003


async def test_a_peer_that_comes_back_learns_why_it_was_closed() -> None:
    """One that reads again before it is cut gets its close frame."""
    server = Server()
    connection = server.connect()
    server.free.clear()
    connection.send("on its way")
    connection.close(4103)
    await settle()
    server.free.set()
    await settle()
    assert server.code == 4103


@pytest.mark.parametrize("when", ["send", "close", "outbox", "blocked close"])
async def test_a_server_that_cannot_send_is_no_error_of_ours(when: str) -> None:
    """The peer has gone: nothing is raised, nothing held, and the socket is cut should it still be there."""
    server = Server()
    connection = server.connect()
    if when in ("outbox", "blocked close"):
        server.free.clear()
        connection.send("on its way")
        connection.send("held")
    server.broken = ConnectionResetError("gone")
    if when == "send":
        connection.send("x")
    elif when != "outbox":
        connection.close(4003)
    server.free.set()
    await settle()
    assert connection.closing
    assert connection.held_bytes == 0
    assert server.aborted.is_set()
    connection.send("later")
    assert server.sent == []


async def test_a_peer_that_has_gone_takes_its_outbox_along() -> None:
    """`gone` ends what is under way and drops what waits; repeating is harmless."""
    server = Server()
    connection = server.connect()
    server.free.clear()
    connection.send("on its way")
    connection.send("held")
    connection.gone()
    connection.gone()
    await settle()
    server.free.set()
    await settle()
    assert server.sent == []
    assert connection.held_bytes == 0
    connection.close(4003)
    assert server.sent == []


async def test_a_server_that_waits_more_than_once() -> None:
    """The first step is taken by hand and the rest in a task: each wait gets its own answer or exception."""
    steps: list[str] = []
    loop = asyncio.get_running_loop()
    first, second = loop.create_future(), loop.create_future()

    async def send(message: dict[str, Any]) -> None:
        steps.append(await first)
        try:
            await second
        except ValueError as error:
            steps.append(str(error))
        await asyncio.sleep(0)
        steps.append(json.dumps(message))

    connection = Connection("7", 0, send, outbox_bytes=100, on_resync=lambda: None)
    connection.welcome("x")
    first.set_result("one")
    await settle()
    second.set_exception(ValueError("two"))
    await settle()
    assert steps == ["one", "two", '{"type": "websocket.send", "text": "x"}']
    assert not blocked(connection)
