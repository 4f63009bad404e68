"""Servers come and go: a restart loses nothing, a drain drops nobody, and two processes need no Redis."""

import asyncio
import signal
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress

import httpx
import pytest

from tests.servers.node import Business, Node, Platform
from tests.servers.process import aeventually
from tests.servers.sockets import Refused, Socket, mint

pytestmark = pytest.mark.server

# uvicorn ends by raising the signal again once it is done, as a shell expects of a program that was told to go.
ENDED_BY_SIGTERM = (0, -signal.SIGTERM)


async def open_socket(node: Node, uid: str, stack: AsyncExitStack) -> Socket:
    """An open socket that has had its inbox."""
    socket = await stack.enter_async_context(Socket(node.socket_url, mint(uid, node.platform.jwt_signing_key)))
    await socket.ready()
    return socket


async def test_two_processes_on_one_sqlite_deliver_to_each_other(
    sqlite_url: str, start_node: Callable[..., Node], start_business: Callable[..., Business]
) -> None:
    """Without Redis the tail brings within 2 s what another process accepted, read and retracted."""
    platform = Platform(sqlite_url, standalone=True)
    one, two = start_node(platform, "embedded"), start_node(platform, "uvicorn")
    business = start_business(platform)
    async with AsyncExitStack() as stack:
        first, second = await open_socket(one, "7", stack), await open_socket(two, "7", stack)
        stranger = await open_socket(two, "8", stack)
        sent_at = time.monotonic()
        item_id = business.notify("7", "Hello")
        announcement_id = business.announce("To all")
        for socket in (first, second):
            await socket.wait_item(item_id, 3)
            await socket.wait_item(announcement_id, 3)
        await stranger.wait_item(announcement_id, 3)
        assert time.monotonic() - sent_at < 2.2
        read_at = time.monotonic()
        await first.read(item_id)
        await second.wait_for(lambda f: f["type"] == "read" and f["ids"] == [item_id], 3)
        assert time.monotonic() - read_at < 2.2
        business.withdraw(announcement_id)
        for socket in (first, second, stranger):
            await socket.wait_for(lambda f: f["type"] == "retracted" and f["ids"] == [announcement_id], 3)
            assert socket.items.count(announcement_id) == 1
        await stranger.silent("notification")
        assert stranger.pushed == [announcement_id]


@pytest.mark.parametrize("server", ["uvicorn", "embedded"])
async def test_a_server_that_is_stopped_and_started_loses_and_doubles_nothing(
    server: str, sqlite_url: str, start_node: Callable[..., Node], start_business: Callable[..., Business]
) -> None:
    """What was read stays read, what was unread is replayed, and what came while it was down is there."""
    platform = Platform(sqlite_url, standalone=True)
    node, business = start_node(platform, server), start_business(platform)
    async with AsyncExitStack() as stack:
        socket = await open_socket(node, "7", stack)
        ids = [business.notify("7", f"Item {n}") for n in range(4)]
        await socket.wait_item(ids[-1], 3)
        assert (await socket.read(ids[0], ids[1]))["ids"] == ids[:2]
        node.kill()
        assert await socket.wait_closed() == 1006
    ids.append(business.notify("7", "While it was down"))
    node.start()
    async with AsyncExitStack() as stack:
        socket = await open_socket(node, "7", stack)
        assert socket.replayed == ids[2:]
        await asyncio.sleep(2.2)  # two looks of the tail, which must not bring again what was replayed
        await socket.silent("notification", "inbox")


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
async def test_sigterm_sends_every_socket_away_and_drops_none(
    server: str, sqlite_url: str, start_node: Callable[..., Node], start_business: Callable[..., Business]
) -> None:
    """`reconnect`, then 4200, for each socket; new ones are refused, `/readyz` says so; nothing is lost meanwhile."""
    platform = Platform(sqlite_url, standalone=True)
    node, other, business = start_node(platform, server), start_node(platform), start_business(platform)
    count = 120
    async with AsyncExitStack() as stack:
        sockets = [await open_socket(node, str(n), stack) for n in range(count)]
        async with httpx.AsyncClient() as client:
            assert (await client.get(f"{node.url}/readyz")).status_code == 200
            node.signal(signal.SIGTERM)
            first = await sockets[0].wait_type("reconnect", 5)
            assert first["after_ms"] >= 0
            began = time.monotonic()
            # Or nobody listens any more.
            with suppress(httpx.ConnectError):
                assert (await client.get(f"{node.url}/readyz")).status_code == 503
        with pytest.raises(Refused):
            await Socket(node.socket_url, mint("new", platform.jwt_signing_key)).open()
        during = [business.notify(str(n), "While draining") for n in range(0, count, 10)]
        codes = [await socket.wait_closed(20) for socket in sockets]
        assert set(codes) == {4200}
        assert all(len(socket.of_type("reconnect")) == 1 for socket in sockets)
        assert node.wait_ended(20) in ENDED_BY_SIGTERM
        assert time.monotonic() - began < 20
        for n, item_id in zip(range(0, count, 10), during, strict=True):
            again = await open_socket(other, str(n), stack)
            await again.wait_item(item_id, 3)


async def test_an_idle_node_ends_at_once(sqlite_url: str, start_node: Callable[..., Node]) -> None:
    """With no socket to send away, SIGTERM ends both kinds of server within a second or two."""
    platform = Platform(sqlite_url, standalone=True)
    for server in ("uvicorn", "daphne"):
        node = start_node(platform, server)
        node.signal(signal.SIGTERM)
        assert node.wait_ended(5) in ENDED_BY_SIGTERM


async def test_a_bad_environment_ends_a_node_with_a_line_for_each_variable(sqlite_url: str) -> None:
    """No traceback: the names and the mends."""
    node = Node(Platform(sqlite_url), SECRET_KEY="short", ALLOWED_ORIGINS="*")
    try:
        node.launch()
        await aeventually(lambda: not node.running, 10)
        assert node.returncode == 1
        assert "SECRET_KEY" in node.log
        assert "ALLOWED_ORIGINS" in node.log
        assert "Traceback" not in node.log
    finally:
        node.close()
