"""The database away, locked, slow: calls say so, sockets stay, the event loop never waits."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, ExitStack

import httpx
import psycopg
import pytest

from tests.faults.conftest import p99
from tests.faults.run import Cluster
from tests.faults.test_redis import open_on, unread
from tests.servers.nginx import Nginx
from tests.servers.node import Node, RpcError
from tests.servers.process import HOST, aeventually
from tests.servers.sockets import Refused, Socket

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


async def heartbeats(cluster: Cluster, uid: str, opened: asyncio.Event, done: asyncio.Event) -> list[float]:
    """How long pings took, ten a second on each of six sockets, from when these are `opened` until `done`."""
    took: list[float] = []

    async def beat(socket: Socket) -> None:
        # Its frames of a minute, at most.
        for _ in range(110):
            at = time.monotonic()
            await socket.ping(10)
            took.append(time.monotonic() - at)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await done.wait()
            if done.is_set():
                return

    async with AsyncExitStack() as stack:
        sockets = [await open_on(cluster, n % 2, uid, stack) for n in range(6)]
        opened.set()
        await asyncio.gather(*(beat(socket) for socket in sockets))
    return took


async def test_down(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """Calls fail with `unavailable` and are not accepted; sockets stay; a read is told so and succeeds repeated."""
    uid = new_uid()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc())
        sockets = [await open_on(cluster, n, uid, stack) for n in (0, 1)]
        item_id = (await rpc.call("notifications.send", uid=uid, title="Before"))["id"]
        for socket in sockets:
            await socket.wait_item(item_id)
        cluster.postgresql.kill()
        try:
            for _ in range(3):
                with pytest.raises(RpcError) as refused:
                    await rpc.call("notifications.send", uid=uid, title="Not accepted")
                assert refused.value.code == -32050
                assert refused.value.data["retryable"] is True
            answers = await asyncio.gather(*(socket.read(item_id, seconds=15) for socket in sockets))
            assert [(a["type"], a["code"]) for a in answers] == [("error", "unavailable")] * 2
            listed = await sockets[0].ask("list", 15)
            assert listed["code"] == "unavailable"
            for socket in sockets:
                await socket.ping()
            async with httpx.AsyncClient(timeout=15) as client:
                assert (await client.get(f"{cluster.nodes[0].url}/healthz")).status_code == 200
                assert (await client.get(f"{cluster.nodes[0].url}/readyz")).status_code == 503
                page = await client.get(f"{cluster.nodes[0].url}/", headers={"Cookie": f"sessionid={'x' * 32}"})
                assert (page.status_code, page.headers["Retry-After"]) == (503, "1")
                assert "The database cannot be reached" in page.text
        finally:
            cluster.postgresql.start()
        deadline = time.monotonic() + 8
        while (answer := await sockets[0].read(item_id, seconds=15))["type"] == "error":
            assert time.monotonic() < deadline
            await asyncio.sleep(0.2)
        assert answer["ids"] == [item_id]
        after = (await rpc.call("notifications.send", uid=uid, title="After"))["id"]
        for socket in sockets:
            await socket.wait_item(after, 5)
            assert "Not accepted" not in str(socket.frames)
    assert await unread(cluster, 1, uid) == [after]


async def test_the_proxy_gives_up_no_node_for_that(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """While the database is down nginx passes on what nodes say, and not a 502; when it is back they serve at once."""
    uid = new_uid()
    # With a user table, so that a handshake is a question to the database, and refused with 503 while it is down.
    with ExitStack() as servers:
        with cluster.business(STANDALONE="0") as business:
            user = business.make_user(uid)
        nodes = [servers.enter_context(Node(cluster.platform, STANDALONE="0")) for _ in range(2)]
        nginx = servers.enter_context(Nginx([node.port for node in nodes]))
        url = f"ws://{HOST}:{nginx.port}/ws/notifications/"
        me = {"Authorization": f"Bearer {cluster.token(user)}"}

        async def handshake() -> int | None:
            try:
                async with Socket(url, cluster.token(user)):
                    return 101
            except Refused as refused:
                return refused.status

        async with cluster.rpc() as rpc, httpx.AsyncClient(base_url=nginx.url, headers=me, timeout=15) as http:
            rpc.url = f"{nginx.url}/rpc/"
            assert await handshake() == 101
            cluster.postgresql.kill()
            try:
                for _ in range(2):
                    handshakes = await asyncio.gather(*(handshake() for _ in range(4)))
                    assert set(handshakes) <= {502, 503}
                    answers = await asyncio.gather(*(http.get("/api/notifications/unread/") for _ in range(4)))
                    assert [answer.status_code for answer in answers] == [503] * 4
                    assert [answer.json()["code"] for answer in answers] == ["unavailable"] * 4
                    with pytest.raises(RpcError) as refused:
                        await rpc.call("notifications.send", uid=user, title="Not accepted")
                    assert refused.value.code == -32050
            finally:
                cluster.postgresql.start()

            async def served() -> bool:
                answer = await http.get(f"{nodes[0].url}/readyz")
                return answer.status_code == 200

            deadline = time.monotonic() + 10
            while not await served():
                assert time.monotonic() < deadline
            # Nobody waits for the proxy to try a node again.
            assert await handshake() == 101
            assert (await http.get("/api/notifications/unread/")).status_code == 200


@pytest.mark.parametrize("fault", ["locked", "paused"])
async def test_locked_or_stuck(cluster: Cluster, new_uid: Callable[[], str], fault: str) -> None:
    """While nobody can write, or the whole database is stopped, heartbeats go on: p99 under a second."""
    uid, writer = new_uid(), new_uid()
    opened, done = asyncio.Event(), asyncio.Event()
    beating = asyncio.create_task(heartbeats(cluster, uid, opened, done))
    await opened.wait()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc())
        busy = await open_on(cluster, 0, writer, stack)
        item_id = (await rpc.call("notifications.send", uid=writer, title="To be read"))["id"]
        await busy.wait_item(item_id)
        connection = await psycopg.AsyncConnection.connect(cluster.postgresql.url(cluster.database))
        async with connection:
            if fault == "locked":
                await connection.execute("LOCK TABLE notifications_notification IN ACCESS EXCLUSIVE MODE")
            else:
                cluster.postgresql.pause()
            calls = [
                asyncio.create_task(rpc.call("notifications.send", uid=writer, title=f"Stuck {n}")) for n in range(10)
            ]
            reading = asyncio.create_task(busy.read(item_id, seconds=20))
            await asyncio.sleep(4)  # how long it lasts: below the lock time-out of 5 s
            await busy.ping(1)
            if fault == "paused":
                cluster.postgresql.resume()
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert (await reading)["ids"] == [item_id]
        accepted = [r["id"] for r in results if isinstance(r, dict)]
        assert len(accepted) == 10, results
        for accepted_id in accepted:
            await busy.wait_item(accepted_id, 5)
    done.set()
    took = await beating
    assert p99(took) < 1.0, sorted(took)[-5:]


async def test_connections_cut_in_the_middle(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """With its links to the database cut again and again, a node loses and doubles nothing that it accepted."""
    uid = new_uid()
    accepted: list[str] = []
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc(1))
        socket = await open_on(cluster, 1, uid, stack)
        for n in range(20):
            if n % 3 == 0:
                cluster.database_link.reset()
            for _ in range(20):
                try:
                    call = {"uid": uid, "title": f"Item {n}", "idempotency_key": f"{uid}-{n}"}
                    accepted.append((await rpc.call("notifications.send", **call))["id"])
                    break
                except RpcError:
                    await asyncio.sleep(0.05)
        assert len(accepted) == 20
        for item_id in accepted:
            await socket.wait_item(item_id, 5)
    assert await unread(cluster, 0, uid) == sorted(accepted)


async def test_a_commit_that_comes_late_is_found(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """An item whose transaction stays open for seconds, while later ones are pushed, is not passed over."""
    uid = new_uid()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc())
        socket = await open_on(cluster, 0, uid, stack)
        with cluster.business(SABOTAGE="push_never") as business:
            slow = asyncio.create_task(
                asyncio.to_thread(
                    business.run,
                    "import time\nwith transaction.atomic():\n result = notify(uid, 'Slow').id\n time.sleep(4)",
                    uid=uid,
                )
            )
            await asyncio.sleep(0.5)  # the slow one has its id by now
            quick = (await rpc.call("notifications.send", uid=uid, title="Quick"))["id"]
            await socket.wait_item(quick, 2)
            item_id = await slow
            committed = time.monotonic()
        await socket.wait_item(item_id, 4)
        assert time.monotonic() - committed < 2.5
        await aeventually(lambda: len(socket.pushed) == 2)
