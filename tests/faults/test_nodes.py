"""Nodes killed, drained, with a wrong clock; crash points; the way through nginx."""

import asyncio
import signal
import statistics
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.faults.run import Cluster
from tests.faults.sabotage import CRASH_MARK
from tests.faults.test_redis import open_on, unread
from tests.servers.nginx import Nginx
from tests.servers.node import BusinessError, Node
from tests.servers.process import HOST
from tests.servers.sockets import Refused, Socket

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


@pytest.mark.parametrize("point", ["crash_before_commit", "crash_before_index", "crash_before_push"])
async def test_killed_between_commit_and_push(cluster: Cluster, new_uid: Callable[[], str], point: str) -> None:
    """A node that dies after the commit: delivered by the others within 2 s, and on reconnect. Before it: never."""
    uid = new_uid()
    with Node(cluster.platform, SABOTAGE=point) as dying:
        async with AsyncExitStack() as stack:
            rpc = await stack.enter_async_context(cluster.rpc())
            sockets = [await open_on(cluster, n, uid, stack) for n in (0, 1)]
            own = await stack.enter_async_context(Socket(dying.socket_url, cluster.token(uid)))
            await own.ready()
            call = {"uid": uid, "title": f"{CRASH_MARK} {uid}", "idempotency_key": uid}
            rpc.url, good_url = f"{dying.url}/rpc/", rpc.url
            with pytest.raises(httpx.HTTPError):
                await rpc.call("notifications.send", **call)
            died_at = time.monotonic()
            assert dying.wait_ended(5) == -signal.SIGKILL
            assert await own.wait_closed() == 1006
            if point == "crash_before_commit":
                assert await unread(cluster, 0, uid) == []
                assert not sockets[0].pushed
            else:
                for socket in sockets:
                    await socket.wait_for(lambda f: CRASH_MARK in str(f), 5)
                    assert socket.moment_of(lambda f: CRASH_MARK in str(f)) - died_at < 2.5
                    assert len(await unread(cluster, sockets.index(socket), uid)) == 1
            # The caller does not know; it repeats the call with its key, elsewhere.
            rpc.url = good_url
            again = await rpc.call("notifications.send", **call)
            assert again["duplicate"] is (point != "crash_before_commit")
            for socket in sockets:
                await socket.wait_item(again["id"], 3)
            # And the index that the dead one was about to change is not believed.
            await sockets[0].read(again["id"])
            assert await unread(cluster, 1, uid) == []


async def test_a_publisher_that_serves_no_sockets_is_killed(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """A script dies right after its commit: delivered all the same."""
    uid = new_uid()
    async with AsyncExitStack() as stack:
        sockets = [await open_on(cluster, n, uid, stack) for n in (0, 1)]
        with cluster.business(SABOTAGE="crash_before_push") as business, pytest.raises(BusinessError, match="Ended"):
            business.notify(uid, CRASH_MARK)
        for socket in sockets:
            await socket.wait_for(lambda f: f.get("title") == CRASH_MARK, 3)


async def test_a_clock_that_is_two_hours_ahead(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """Items made on that node and on another sort by time, carry the right moment, and expire when they should."""
    uid = new_uid()
    with Node(cluster.platform, SABOTAGE="clock_ahead") as ahead:
        async with AsyncExitStack() as stack:
            rpc = await stack.enter_async_context(cluster.rpc())
            token = cluster.token(uid)
            here = await open_on(cluster, 0, uid, stack)
            there = await stack.enter_async_context(Socket(ahead.socket_url, token))
            await there.ready()
            urls = [f"{ahead.url}/rpc/", rpc.url]
            ids = []
            for n in range(6):
                # Order is promised within the leeway: nodes' clocks follow the database's to 250 ms.
                await asyncio.sleep(0.3)
                rpc.url = urls[n % 2]
                ids.append((await rpc.call("notifications.send", uid=uid, title=f"Item {n}"))["id"])
                item = await here.wait_item(ids[-1], 3)
                await there.wait_item(ids[-1], 3)
                assert abs(datetime.fromisoformat(item["created_at"]) - datetime.now(UTC)) < timedelta(seconds=2)
            assert ids == sorted(ids)
            rpc.url = urls[0]
            ends = datetime.now(UTC) + timedelta(seconds=3)
            brief = (await rpc.call("notifications.send", uid=uid, title="Brief", expires_at=ends.isoformat()))["id"]
            for socket in (here, there):
                await socket.wait_item(brief, 3)
                await socket.wait_for(lambda f: f["type"] == "retracted" and f["ids"] == [brief], 8)
                assert -0.5 < (datetime.now(UTC) - ends).total_seconds() < 4
            assert not there.closed


@asynccontextmanager
async def crowd(url: str, cluster: Cluster, uids: list[str]) -> AsyncIterator[list[Socket]]:
    """A socket for each uid, 50 opened at a time, closed at the end."""
    sockets = [Socket(url, cluster.token(uid)) for uid in uids]
    try:
        for start in range(0, len(sockets), 50):
            part = sockets[start : start + 50]
            await asyncio.gather(*(socket.open() for socket in part))
            await asyncio.gather(*(socket.ready() for socket in part))
        yield sockets
    finally:
        for socket in sockets:
            with suppress(AttributeError):
                socket.abort()
        await asyncio.sleep(0)
        await asyncio.gather(*(socket.close() for socket in sockets if socket.opened_at), return_exceptions=True)


async def come_back(cluster: Cluster, url: str, uid: str, until: float) -> Socket:
    """What a client does that lost its socket: full jitter, until it is back; gives the socket with its inbox."""
    import random

    attempt = 0
    while True:
        await asyncio.sleep(random.uniform(0, min(8, 0.25 * 2**attempt)))
        attempt += 1
        socket = Socket(url, cluster.token(uid))
        try:
            await socket.open()
            await socket.ready(10)
        except (Refused, AssertionError, TimeoutError):
            assert time.monotonic() < until, f"{uid} is not back"
            continue
        return socket


@pytest.mark.parametrize("how", ["killed", "drained"])
async def test_all_clients_of_a_node_are_back_on_the_others(
    cluster: Cluster, new_uid: Callable[[], str], how: str
) -> None:
    """600 sockets (15,000 in scale to the cores here): all back within 30 s, nothing lost; drained, none with 1006."""
    uids = [new_uid() for _ in range(600)]
    with Nginx([node.port for node in cluster.nodes]) as nginx, Node(cluster.platform) as leaving:
        async with crowd(leaving.socket_url, cluster, uids) as sockets, cluster.rpc() as rpc:
            if how == "killed":
                leaving.kill()
            else:
                leaving.signal(signal.SIGTERM)
                await sockets[0].wait_type("reconnect", 5)
            began = time.monotonic()
            sent = {uid: (await rpc.call("notifications.send", uid=uid, title="Meanwhile"))["id"] for uid in uids[::10]}
            url = f"ws://{HOST}:{nginx.port}/ws/notifications/"

            async def follow(socket: Socket, uid: str) -> Socket:
                code = await socket.wait_closed(25)
                assert code == (1006 if how == "killed" else 4200)
                return await come_back(cluster, url, uid, began + 30)

            back = await asyncio.gather(*(follow(s, uid) for s, uid in zip(sockets, uids, strict=True)))
            assert time.monotonic() - began < 30
            for socket, old, uid in zip(back, sockets, uids, strict=True):
                if uid in sent:
                    assert sent[uid] in old.items or sent[uid] in socket.items
                    await socket.wait_item(sent[uid], 3)
                    assert len(set(socket.items)) == len(socket.items)
                socket.abort()
            await asyncio.gather(*(socket.close() for socket in back))
        if how == "drained":
            assert leaving.wait_ended(10) in (0, -signal.SIGTERM)


async def test_three_nodes_behind_nginx_are_quick(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """A push accepted on any node reaches the user's sockets on every node: p50 and p99, with all of the parts."""
    uid = new_uid()
    with ExitStack() as servers:
        third = servers.enter_context(Node(cluster.platform))
        ports = [*(node.port for node in cluster.nodes), third.port]
        nginx = servers.enter_context(Nginx(ports))
        url = f"ws://{HOST}:{nginx.port}/ws/notifications/"
        async with AsyncExitStack() as stack:
            rpc = await stack.enter_async_context(cluster.rpc())
            rpc.url = f"{nginx.url}/rpc/"
            sockets = []
            for octet in range(6):
                # ip_hash: other networks, other nodes.
                socket = Socket(url, cluster.token(uid), local_address=f"127.0.{octet + 1}.1")
                sockets.append(await stack.enter_async_context(socket))
                await socket.ready()
            direct = [Socket(f"ws://{HOST}:{port}/ws/notifications/", cluster.token(uid)) for port in ports]
            for socket in direct:
                sockets.append(await stack.enter_async_context(socket))
                await socket.ready()
            took = []
            for n in range(60):
                at = time.monotonic()
                item_id = (await rpc.call("notifications.send", uid=uid, title=f"Item {n}"))["id"]
                for socket in sockets:
                    await socket.wait_item(item_id, 3)
                    took.append(socket.moment_of_item(item_id) - at)
            used = {line.rsplit(maxsplit=1)[1] for line in nginx.log_lines() if "/rpc/" in line}
            assert used
            p50, p99 = statistics.median(took), sorted(took)[int(len(took) * 0.99)]
            print(f"call to socket through nginx, 3 nodes: p50 {p50 * 1000:.1f} ms, p99 {p99 * 1000:.1f} ms")
            # Ten times what is promised of a quiet machine: this one runs everything else as well.
            assert p50 < 0.2
            assert p99 < 2.0
