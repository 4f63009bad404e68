"""Redis killed, paused, full, emptied, cut off: everything right, only slower."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from tests.faults.run import Cluster
from tests.servers.sockets import Socket

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


async def open_on(cluster: Cluster, node: int, uid: str, stack: AsyncExitStack) -> Socket:
    """An open socket of `uid` on a node, with its inbox."""
    socket = await stack.enter_async_context(Socket(cluster.nodes[node].socket_url, cluster.token(uid)))
    await socket.ready()
    return socket


async def unread(cluster: Cluster, node: int, uid: str) -> list[str]:
    """What a fresh client on that node is sent."""
    async with Socket(cluster.nodes[node].socket_url, cluster.token(uid)) as socket:
        return [item["id"] for item in (await socket.ready())["items"]]


async def test_killed_and_restarted_empty(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """Sockets stay, calls are accepted, everything is delivered within 2 s, and pushes are quick again afterwards."""
    uid = new_uid()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc())
        sockets = [await open_on(cluster, n, uid, stack) for n in (0, 1)]
        read_id = (await rpc.call("notifications.send", uid=uid, title="Read before"))["id"]
        for socket in sockets:
            await socket.wait_item(read_id)
        await sockets[0].read(read_id)
        cluster.redis.kill()
        try:
            sent: list[tuple[str, float]] = []
            for n in range(8):
                accepted = await rpc.call("notifications.send", uid=uid, title=f"Without Redis {n}")
                sent.append((accepted["id"], time.monotonic()))
            for socket in sockets:
                for item_id, at in sent:
                    await socket.wait_item(item_id, 5)
                    assert socket.moment_of_item(item_id) - at < 2.5
            # What is read while Redis is away stays read.
            answer = await sockets[1].read(sent[0][0])
            assert answer["ids"] == [sent[0][0]]
        finally:
            cluster.redis.start()
        back = time.monotonic()
        item_id = (await rpc.call("notifications.send", uid=uid, title="Redis is back"))["id"]
        for socket in sockets:
            await socket.wait_item(item_id, 5)
        assert time.monotonic() - back < 5
        # And it is milliseconds again, once the nodes have found it.
        for _ in range(20):
            at = time.monotonic()
            item_id = (await rpc.call("notifications.send", uid=uid, title="Quick?"))["id"]
            await sockets[1].wait_item(item_id, 3)
            if time.monotonic() - at < 0.3:
                break
        else:
            pytest.fail("pushes are still slow")
        for socket in sockets:
            assert not socket.closed
            assert len(set(socket.pushed)) == len(socket.pushed)
            assert read_id not in socket.replayed
    for node in (0, 1):
        found = await unread(cluster, node, uid)
        assert read_id not in found
        assert sent[0][0] not in found
        assert set(found) >= {item_id for item_id, _ in sent[1:]}


async def test_paused_for_13_seconds(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """No caller waits a second, everything comes within 2 s, and nothing is shown twice when it goes on."""
    uid = new_uid()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc())
        sockets = [await open_on(cluster, n, uid, stack) for n in (0, 1)]
        cluster.redis.pause()
        took, ids = [], []
        try:
            until = time.monotonic() + 13
            while time.monotonic() < until:
                at = time.monotonic()
                ids.append((await rpc.call("notifications.send", uid=uid, title="Paused"))["id"])
                took.append(time.monotonic() - at)
                at = time.monotonic()
                await sockets[0].read(ids[-1])
                await unread(cluster, 0, uid)
                took.append((time.monotonic() - at) / 2)
                await asyncio.sleep(0.4)  # a caller every half a second, for as long as it lasts
        finally:
            cluster.redis.resume()
        assert sorted(took)[int(len(took) * 0.99) - 1] < 1.0, took
        last = (await rpc.call("notifications.send", uid=uid, title="Goes on"))["id"]
        for socket in sockets:
            await socket.wait_item(last, 5)
            await asyncio.sleep(1.5)  # whatever Redis held back comes now
            await socket.ping()
            assert len(set(socket.pushed)) == len(socket.pushed)
            assert not socket.closed
    for node in (0, 1):
        assert await unread(cluster, node, uid) == [last]


@pytest.mark.parametrize("fault", ["full", "flushed"])
async def test_full_or_flushed(cluster: Cluster, new_uid: Callable[[], str], fault: str) -> None:
    """Publishing and reading go on, and what was read is not pushed again, by no node."""
    uid = new_uid()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc())
        socket = await open_on(cluster, 0, uid, stack)
        ids = [(await rpc.call("notifications.send", uid=uid, title=f"Item {n}"))["id"] for n in range(4)]
        await socket.wait_item(ids[-1])
        await socket.read(ids[0])
        if fault == "full":
            cluster.redis.fill_up()
        try:
            if fault == "flushed":
                cluster.redis.ask("FLUSHALL")
            assert (await socket.read(ids[1]))["ids"] == [ids[1]]
            assert await unread(cluster, 1, uid) == ids[2:]
            ids.append((await rpc.call("notifications.send", uid=uid, title="During"))["id"])
            await socket.wait_item(ids[-1], 3)
            assert (await socket.read(ids[2]))["ids"] == [ids[2]]
            for node in (0, 1):
                assert await unread(cluster, node, uid) == ids[3:]
        finally:
            cluster.redis.limit_memory(0)
        assert await unread(cluster, 0, uid) == ids[3:]
        await socket.ping()
        assert sorted(socket.pushed) == ids


@pytest.mark.parametrize("how", ["hole", "refuse"])
async def test_a_node_cut_off_from_redis(cluster: Cluster, new_uid: Callable[[], str], how: str) -> None:
    """Its tail serves its clients within 2 s; what they read is read everywhere; healed, it is quick again."""
    uid = new_uid()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc(0))
        other = await open_on(cluster, 0, uid, stack)
        socket = await open_on(cluster, 1, uid, stack)
        getattr(cluster.redis_link, how)()
        try:
            for n in range(3):
                item_id = (await rpc.call("notifications.send", uid=uid, title=f"Cut off {n}"))["id"]
                at = time.monotonic()
                await other.wait_item(item_id, 1)
                await socket.wait_item(item_id, 4)
                assert time.monotonic() - at < 2.5
                assert (await socket.read(item_id))["ids"] == [item_id]
                # Confirmed there, it is replayed by neither node.
                assert await unread(cluster, 0, uid) == []
                assert await unread(cluster, 1, uid) == []
            announcement = await rpc.call("announcements.create", title="To all", ends_at="2099-01-01T00:00:00Z")
            await socket.wait_item(announcement["id"], 4)
            await rpc.call("announcements.retract", id=announcement["id"])
            await socket.wait_for(lambda f: f["type"] == "retracted", 4)
        finally:
            cluster.redis_link.heal()
        assert not socket.closed
        item_id = (await rpc.call("notifications.send", uid=uid, title="Healed"))["id"]
        await socket.wait_item(item_id, 5)


@pytest.mark.security("S6")
async def test_sockets_are_closed_everywhere_though_redis_is_away(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """`connections.disconnect` closes all sockets of the uid on both nodes within the tail's 2 s."""
    uid = new_uid()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc())
        sockets = [await open_on(cluster, n, uid, stack) for n in (0, 1)]
        cluster.redis.kill()
        try:
            await rpc.call("connections.disconnect", uid=uid)
            at = time.monotonic()
            for socket in sockets:
                assert await socket.wait_closed(5) == 4003
                assert socket.closed_at - at < 2.5
        finally:
            cluster.redis.start()


async def test_poison_in_a_group_harms_nobody(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """Unknown types, methods' names, malformed and huge messages, put straight into the groups, close no socket."""
    from channels_redis.pubsub import RedisPubSubChannelLayer

    uid = new_uid()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc())
        sockets = [await open_on(cluster, n, uid, stack) for n in (0, 1)]
        layer = RedisPubSubChannelLayer(hosts=[cluster.redis.url])
        for group in (f"user.{uid}", "everyone"):
            for message in (
                {"type": "websocket.close"},
                {"type": "websocket.disconnect", "code": 1000},
                {"type": "no.such.handler"},
                {"type": "__init__"},
                {},
                {"type": 7},
                {"type": "notifications.event"},
                {"type": "notifications.event", "event": None},
                {"type": "notifications.event", "op": 1, "uid": uid, "ids": ["x"]},
                {"type": "x" * 100_000, "deep": [[[[[[[[]]]]]]]]},
            ):
                await layer.group_send(group, message)
        await layer.flush()
        prefix = layer.prefix if hasattr(layer, "prefix") else "asgi"
        for raw in (b"", b"\xff\xfe", b"\x81\xa4type", b"[]"):
            cluster.redis.ask("PUBLISH", f"{prefix}__group__everyone", raw.decode("latin-1"))
        item_id = (await rpc.call("notifications.send", uid=uid, title="Still here"))["id"]
        for socket in sockets:
            await socket.wait_item(item_id, 3)
            assert not socket.closed
            assert {f["type"] for f in socket.frames} <= {"welcome", "inbox", "notification", "ping"}
