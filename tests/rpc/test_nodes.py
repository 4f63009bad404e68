"""The service on several nodes with PostgreSQL and Redis: keys, presence and pushes across them."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from notifications.client import AsyncNotificationsClient, Unavailable
from tests.servers.node import Node, Platform
from tests.servers.redis import Redis
from tests.servers.sockets import Socket, mint

pytestmark = pytest.mark.server
SCOPES = ("notify", "announce", "inbox", "connections")


class Pair:
    """Two nodes of one platform, and a service key."""

    def __init__(self, platform: Platform, nodes: list[Node]) -> None:
        self.platform = platform
        self.nodes = nodes
        made = platform.manage("create_service_key", "billing", *(f"--scope={scope}" for scope in SCOPES), "--json")
        self.key = json.loads(made.stdout)["key"]

    def client(self, node: int, **options: Any) -> AsyncNotificationsClient:
        """A client of one of them."""
        return AsyncNotificationsClient(f"{self.nodes[node].url}/rpc/", self.key, **options)

    def socket(self, node: int, uid: str) -> Socket:
        """A user's socket on one of them."""
        return Socket(self.nodes[node].socket_url, mint(uid, self.platform.jwt_signing_key))


@pytest.fixture
def pair(postgresql_url: str, redis_server: Redis, start_node: Callable[..., Node]) -> Pair:
    """Two nodes."""
    platform = Platform(postgresql_url, redis_server.url, standalone=True)
    return Pair(platform, [start_node(platform) for _ in range(2)])


async def test_fifty_parallel_calls_with_one_key_on_two_nodes_are_one_row(pair: Pair) -> None:
    """One id for all; one of them is the first."""
    async with pair.client(0) as one, pair.client(1) as two:
        sends = [client.notifications.send("7", "x", idempotency_key="k") for client in (one, two) for _ in range(25)]
        results = await asyncio.gather(*sends)
        assert len({sent.id for sent in results}) == 1
        assert sorted(sent.duplicate for sent in results) == [False] + [True] * 49
        assert [item["id"] for item in (await one.inbox.list("7")).items] == [results[0].id]


async def test_fifty_parallel_bulk_calls_with_one_key_are_one(pair: Pair) -> None:
    """The whole first result for each."""
    items = [{"uid": "7", "title": "a"}, {"uid": "7", "title": ""}, {"uid": "8", "title": "b"}]
    async with pair.client(0) as one, pair.client(1) as two:
        calls = [client.notifications.send_many(items, idempotency_key="k") for client in (one, two) for _ in range(25)]
        results = await asyncio.gather(*calls)
        assert len({tuple(outcome.id for outcome in done.results) for done in results}) == 1
        assert sum(not done.duplicate for done in results) == 1
        assert await one.inbox.unread_count(["7", "8"]) == {"7": 1, "8": 1}


async def test_users_are_seen_reached_and_closed_wherever_they_are(pair: Pair) -> None:
    """A call on one node, sockets on both."""
    async with pair.socket(0, "7") as near, pair.socket(1, "7") as far, pair.socket(1, "8") as other:
        for socket in (near, far, other):
            await socket.ready()
        async with pair.client(0) as client:
            async with asyncio.timeout(30):
                while await client.connections.online(["7", "8", "9"]) != {"7": 2, "8": 1, "9": 0}:
                    pass
            sent = await client.notifications.send("8", "x")
            assert sent.online is True
            assert (await other.wait_item(sent.id))["title"] == "x"
            await client.notifications.multicast(["7", "8", "9"], "To all three")
            for socket in (near, far, other):
                await socket.wait_for(lambda frame: frame.get("title") == "To all three")
            many = await client.notifications.send_many([{"uid": "7", "title": "y"}])
            for socket in (near, far):
                await socket.wait_item(many.results[0].id or "")
            assert await client.connections.disconnect("7") == 2
            assert {await near.wait_closed(), await far.wait_closed()} == {4003}
            async with asyncio.timeout(30):
                while await client.connections.online(["7"]) != {"7": 0}:
                    pass


@pytest.mark.security("S13")
async def test_a_call_that_is_too_large_is_answered_before_it_ends(pair: Pair) -> None:
    """With a key or without: the sender said a thousand megabytes, or nothing of its size, and has sent 300 KiB."""
    node = pair.nodes[0]
    for size in ("Content-Length: 1000000000", "Transfer-Encoding: chunked"):
        for key, code in ((pair.key, -32013), ("0123456789ab.made-up", -32001)):
            reader, writer = await asyncio.open_connection("127.0.0.1", node.port)
            head = f"POST /rpc/ HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n{size}\r\n"
            writer.write(f"{head}Content-Type: application/json\r\n\r\n".encode())
            part = b" " * 300 * 1024
            writer.write(part if "Length" in size else b"%x\r\n%s\r\n" % (len(part), part))
            async with asyncio.timeout(60):
                length = re.search(rb"content-length: (\d+)", await reader.readuntil(b"\r\n\r\n"))
                assert length is not None
                assert json.loads(await reader.readexactly(int(length[1])))["error"]["code"] == code
            writer.close()
    async with pair.client(0) as client:
        assert (await client.service.info()).name == "billing"


async def test_a_node_that_was_killed_holds_nobody(pair: Pair) -> None:
    """Its sockets count no more once its key in Redis has run out."""
    async with pair.socket(1, "7") as socket, pair.client(0) as client:
        await socket.ready()
        async with asyncio.timeout(30):
            while await client.connections.online(["7"]) != {"7": 1}:
                pass
        pair.nodes[1].kill()
        async with asyncio.timeout(30):
            while await client.connections.online(["7"]) != {"7": 0}:
                pass


async def test_without_redis_sending_goes_on(pair: Pair, redis_server: Redis) -> None:
    """Killed or paused: no call is held up, who is online cannot be said, and pushes come by the tail."""
    async with pair.socket(1, "7") as socket, pair.client(0, retries=0) as client:
        await socket.ready()
        redis_server.pause()
        try:
            sent = await client.notifications.send("7", "x")
            cast = await client.notifications.multicast(["7", "8"], "y")
            assert cast.accepted == 2
            with pytest.raises(Unavailable):
                await client.connections.online(["7"])
            await socket.wait_item(sent.id)
            # Pushed, or in an inbox sent anew.
            cast_id = (await client.inbox.list("7", limit=1)).items[0]["id"]
            await socket.wait_item(cast_id)
        finally:
            redis_server.resume()
