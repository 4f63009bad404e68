"""Two Redis servers share the users by hash: groups, unread index and presence, seen from two nodes."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack

import pytest
from channels_redis.utils import _consistent_hash

from notifications.channel_layer import EVERYONE, group_of
from tests.deployment.conftest import figure
from tests.servers.deployment import Deployment
from tests.servers.node import Platform, RpcError
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import aeventually
from tests.servers.redis import Redis
from tests.servers.sockets import Socket

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


def shard_of(group: str) -> int:
    """Which of the two carries a group's messages: channels_redis hashes the name of the group's channel."""
    return int(_consistent_hash(f"asgi__group__{group}", 2))


@pytest.fixture(scope="module")
def shards() -> Iterator[list[Redis]]:
    """The two."""
    with Redis() as one, Redis() as two:
        yield [one, two]


@pytest.fixture(scope="module")
def deployment(shards: list[Redis], postgresql: PostgreSQL, migrated_postgresql: str) -> Iterator[Deployment]:
    """Two nodes over them."""
    platform = Platform(
        postgresql.url(postgresql.make_database(migrated_postgresql)),
        ",".join(redis.url for redis in shards),
        standalone=True,
    )
    with Deployment(platform, ["uvicorn", "daphne"]) as deployment:
        yield deployment


@pytest.fixture
def uids(new_uid: Callable[[], str]) -> list[str]:
    """Eight users: the messages of four go by either shard."""
    found: list[list[str]] = [[], []]
    while min(map(len, found)) < 4:
        uid = new_uid()
        found[shard_of(group_of(uid))].append(uid)
    return found[0][:4] + found[1][:4]


async def open_everywhere(deployment: Deployment, uids: list[str], stack: AsyncExitStack) -> dict[str, list[Socket]]:
    """By uid, a socket on each node."""
    sockets = {uid: [deployment.socket(uid, node) for node in (0, 1)] for uid in uids}
    for both in sockets.values():
        for socket in both:
            await stack.enter_async_context(socket)
            await socket.ready()
    # Which items are new beyond doubt is known a second after a replay (`hub.DOUBT_MS`).
    settled = time.monotonic() + 1.2
    await aeventually(lambda: time.monotonic() > settled)
    return sockets


def arrival(socket: Socket, item_id: str) -> float:
    """When the item was pushed."""
    return socket.moment_of(lambda frame: frame.get("id") == item_id)


def repairs(deployment: Deployment) -> float:
    """What only the tails brought."""
    return sum(figure(node, "notifications_tail_repairs_total") for node in deployment.nodes)


async def test_each_carries_its_share(deployment: Deployment, shards: list[Redis], uids: list[str]) -> None:
    """Pushes and announcements arrive by message across nodes, online and unread are right, and both are in use."""
    key = deployment.service_key()
    async with AsyncExitStack() as stack:
        rpcs = [await stack.enter_async_context(deployment.rpc(key, node)) for node in (0, 1)]
        sockets = await open_everywhere(deployment, uids, stack)
        before = repairs(deployment)
        for number, uid in enumerate(uids):
            item_id = (await rpcs[number % 2].call("notifications.send", uid=uid, title="Hello"))["id"]
            for socket in sockets[uid]:
                await socket.wait_item(item_id)
        late = {"ends_at": "2099-01-01T00:00:00Z", "late_join": True}
        general = (await rpcs[0].call("announcements.create", title="To all", **late))["id"]
        for both in sockets.values():
            for socket in both:
                await socket.wait_item(general)
                assert len(socket.pushed) == 2
        assert repairs(deployment) - before <= len(uids) / 2
        online = dict.fromkeys(uids, 2)
        for rpc in rpcs:
            assert await rpc.call("connections.online", uids=[*uids, "nobody"]) == online | {"nobody": 0}
        # Fills the index of each, and is answered from it when a second socket opens.
        for uid in uids:
            for node in (0, 1):
                async with deployment.socket(uid, node) as again:
                    assert [item["title"] for item in (await again.ready())["items"]] == ["Hello", "To all"]
        for kind in ("unread", "online"):
            found = [
                {name.rsplit(":", 1)[1] for name in redis.ask("KEYS", f"notifications:{kind}:*")} for redis in shards
            ]
            assert found[0] & set(uids), kind
            assert found[1] & set(uids), kind
            assert not found[0] & found[1], kind
        for number, redis in enumerate(shards):
            subscribed = redis.ask("PUBSUB", "CHANNELS", "*__group__*")
            mine = [uid for uid in uids if any(name.endswith(group_of(uid)) for name in subscribed)]
            assert mine == [uid for uid in uids if shard_of(group_of(uid)) == number]
        # Read on one node, it is read everywhere.
        for uid in uids:
            assert len((await sockets[uid][0].read(*sockets[uid][0].pushed))["ids"]) == 2
            await sockets[uid][1].wait_type("read")
            async with deployment.socket(uid, 1) as fresh:
                assert (await fresh.ready())["items"] == []
        await rpcs[0].call("announcements.retract", id=general)


@pytest.mark.parametrize("how", ["killed", "paused"])
async def test_one_that_is_away_costs_time_and_nothing_else(
    deployment: Deployment, shards: list[Redis], uids: list[str], how: str
) -> None:
    """Users of either get everything within the tail's 2 s, exactly once; read stays read; healed it is quick again."""
    key = deployment.service_key()
    # The one that carries everyone's group: the worse of the two.
    away = shards[shard_of(EVERYONE)]
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(deployment.rpc(key))
        sockets = await open_everywhere(deployment, uids, stack)
        (away.kill if how == "killed" else away.pause)()
        try:
            sent = {}
            for uid in uids:
                began = time.monotonic()
                sent[uid] = (await rpc.call("notifications.send", uid=uid, title="Meanwhile"))["id"]
                accepted = time.monotonic()
                assert accepted - began < 2
                for socket in sockets[uid]:
                    await socket.wait_item(sent[uid])
                    assert arrival(socket, sent[uid]) - accepted < 2.5
                assert (await sockets[uid][1].read(sent[uid]))["ids"] == [sent[uid]]
                async with deployment.socket(uid, 0) as fresh:
                    assert (await fresh.ready())["items"] == []
            with pytest.raises(RpcError) as unknown:
                await rpc.call("connections.online", uids=uids)
            assert unknown.value.code == -32050
        finally:
            if how == "killed":
                await asyncio.to_thread(away.start)
            else:
                away.resume()
        healed = time.monotonic()

        async def quick() -> bool:
            before = repairs(deployment)
            for uid in uids:
                item_id = (await rpc.call("notifications.send", uid=uid, title="Afterwards"))["id"]
                for socket in sockets[uid]:
                    await socket.wait_item(item_id)
            return repairs(deployment) - before <= len(uids) / 2

        while not await quick():
            assert time.monotonic() - healed < 20
        for uid, both in sockets.items():
            for socket in both:
                assert len(set(socket.pushed)) == len(socket.pushed)
                assert sent[uid] not in socket.replayed
