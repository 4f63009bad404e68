"""Clients and networks that misbehave: half-open, slow, absent for a week, hammering."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.run import Cluster
from tests.faults.test_redis import open_on
from tests.servers.node import Node
from tests.servers.process import aeventually
from tests.servers.proxy import Proxy
from tests.servers.sockets import Refused, Socket

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

# A heartbeat shorter than in earnest, so that a test need not wait a minute; the ratio is about the real one.
QUICK = '{"HEARTBEAT_INTERVAL": 4, "HEARTBEAT_TIMEOUT": 6, "OUTBOX_PATIENCE": 4, "FRAMES_PER_MINUTE": 10000}'


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def quick(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Node]:
    """A node with a quick heartbeat, on either server."""
    platform = replace(cluster.platform, extra={"TEST_NOTIFICATIONS": QUICK})
    with Node(platform, request.param) as node:
        yield node


def memory(node: Node) -> int:
    """The resident memory of a node, in bytes."""
    pages = Path(f"/proc/{node.pid}/statm").read_text().split()[1]
    return int(pages) * 4096


def connections(node: Node) -> int:
    """How many TCP connections a node has accepted and not closed."""
    fields = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    # The local address and port in hexadecimal; 01 is ESTABLISHED.
    return sum(f[1].endswith(f":{node.port:04X}") and f[3] == "01" for f in fields)


async def test_a_half_open_connection_is_given_up_and_freed(
    cluster: Cluster, quick: Node, new_uid: Callable[[], str]
) -> None:
    """With everything swallowed both ways, the server ends the socket within the heartbeat's time-out and a sweep."""
    with Proxy(quick.port) as proxy:
        url = quick.socket_url.replace(str(quick.port), str(proxy.port))
        before = connections(quick)
        sockets = [await Socket(url, cluster.token(new_uid())).open() for _ in range(5)]
        for socket in sockets:
            await socket.ready()
        assert connections(quick) == before + 5
        proxy.hole()
        # 6 s, the sweep's second, and the 5 s that a close frame is given before the socket is cut.
        await aeventually(lambda: connections(quick) <= before, 16)
        proxy.heal()
        for socket in sockets:
            await socket.wait_closed(10)


async def test_a_silent_client_gets_4105(cluster: Cluster, quick: Node, new_uid: Callable[[], str]) -> None:
    """One that answers no pings is closed with 4105; one that does stays."""
    async with (
        Socket(quick.socket_url, cluster.token(new_uid()), answer_pings=False) as silent,
        Socket(quick.socket_url, cluster.token(new_uid())) as lively,
    ):
        await lively.ready()
        assert await silent.wait_closed(10) == 4105
        assert len(silent.of_type("ping")) >= 1
        await lively.wait_for(lambda f: f["type"] == "ping", 8)
        assert not lively.closed


async def test_a_slow_reader_that_still_speaks_is_sent_away(
    cluster: Cluster, quick: Node, new_uid: Callable[[], str]
) -> None:
    """It sends heartbeats and reads nothing: bounded memory, gone within 30 s, and nobody else waits."""
    slow_uid, other_uid = new_uid(), new_uid()
    # A megabyte. The kernel holds up to four for one socket, and only then is it the server's turn.
    flood = "with transaction.atomic():\n for _ in range(100): notify(uid, 'Big', 'x' * 4000, data={'y': 'y' * 7000})"
    async with AsyncExitStack() as stack:
        business = stack.enter_context(cluster.business())
        other = await stack.enter_async_context(Socket(quick.socket_url, cluster.token(other_uid)))
        slow = await Socket(quick.socket_url, cluster.token(slow_uid), receive_buffer=8192).open()
        await slow.ready()
        await other.ready()
        before, held = memory(quick), connections(quick)
        slow.stop_reading()
        worst, most = 0.0, 0
        for n in range(8):
            await asyncio.to_thread(business.run, flood, uid=slow_uid)
            at = time.monotonic()
            await other.wait_item(await asyncio.to_thread(business.notify, other_uid, f"Quick {n}"), 5)
            worst = max(worst, time.monotonic() - at)
            await slow.send(type="ping")
            most = max(most, memory(quick))
        stuck = time.monotonic()
        while connections(quick) >= held and time.monotonic() - stuck < 30:
            await slow.send(type="ping")
            await other.ping()
            await asyncio.sleep(0.5)  # heartbeats go on
            most = max(most, memory(quick))
        assert connections(quick) < held, "still there after 30 s"
        assert not other.closed
        assert worst < 2.5
        # Eight megabytes were sent to it; what was held is the outbox, the transport's buffer, and what passes through.
        assert most - before < 30 * 1024 * 1024
        slow.abort()
        await slow.close()


async def test_a_week_away_and_5000_unread(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """The count first, the newest 100 of them, the rest by pages; nothing twice, nothing left out."""
    uid = new_uid()
    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc())
        for _ in range(5):
            answer = await rpc.call("notifications.send_many", items=[{"uid": uid, "title": "Item"}] * 1000)
            assert answer["accepted"] == 1000
        at = time.monotonic()
        socket = await open_on(cluster, 0, uid, stack)
        assert time.monotonic() - at < 3
        inbox = await socket.ready()
        assert socket.frames[0]["unread"] == 5000
        assert (len(inbox["items"]), inbox["unread"], inbox["more"]) == (100, 5000, True)
        ids = [item["id"] for item in inbox["items"]]
        for _ in range(49):
            page = await socket.list(before=min(ids), limit=100, unread=True)
            ids += [item["id"] for item in page["items"]]
        assert page["next"] is None
        assert len(set(ids)) == len(ids) == 5000
        answer = await socket.read_all(max(ids))
        assert (answer["unread"], len(answer["ids"])) == (0, 1000)
        again = await open_on(cluster, 1, uid, stack)
        assert again.frames[0]["unread"] == 0


async def test_bad_tokens_by_the_thousand(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """Strangers hammer at the door: no command reaches Redis, and a good user is served as before."""
    uid = new_uid()

    async def stranger() -> None:
        for _ in range(100):
            with pytest.raises(Refused):
                await Socket(cluster.nodes[0].socket_url, "bad.token.here").open()

    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(cluster.rpc(1))
        socket = await open_on(cluster, 0, uid, stack)
        before = cluster.redis.ask("INFO", "stats")["total_commands_processed"]
        began = time.monotonic()
        flood = [asyncio.create_task(stranger()) for _ in range(10)]
        took = []
        while not all(task.done() for task in flood):
            at = time.monotonic()
            await socket.ping(3)
            took.append(time.monotonic() - at)
            await asyncio.sleep(0.1)  # below the rate
        await asyncio.gather(*flood)
        seconds = time.monotonic() - began
        after = cluster.redis.ask("INFO", "stats")["total_commands_processed"]
        # The nodes' signs of life, and not one for each of the 1,000.
        assert after - before < 100 + 30 * seconds
        assert sorted(took)[int(len(took) * 0.99) - 1] < 1.0
        item_id = (await rpc.call("notifications.send", uid=uid, title="Hello"))["id"]
        await socket.wait_item(item_id, 2)


async def test_cut_connections_come_back_to_the_same_inbox(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """Reset or half-closed in the middle of a stream: what was missed is in the next inbox, nothing is missing."""
    uid = new_uid()
    with Proxy(cluster.nodes[0].port) as proxy:
        url = cluster.nodes[0].socket_url.replace(str(cluster.nodes[0].port), str(proxy.port))
        sent, seen = [], set()
        async with cluster.rpc() as rpc:
            for how in ("reset", "half_close", "reset"):
                async with Socket(url, cluster.token(uid)) as socket:
                    await socket.ready()
                    for n in range(10):
                        sent.append((await rpc.call("notifications.send", uid=uid, title=f"{how} {n}"))["id"])
                        if n == 5:
                            getattr(proxy, how)()
                    await socket.wait_closed(10)
                    seen |= set(socket.items)
        async with Socket(url, cluster.token(uid)) as socket:
            assert [item["id"] for item in (await socket.ready())["items"]] == sent
        assert seen <= set(sent)
