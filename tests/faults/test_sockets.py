"""Clients and networks that misbehave: half-open, slow, absent for a week, hammering."""

import asyncio
import base64
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.conftest import p99
from tests.faults.run import Cluster
from tests.faults.test_redis import open_on
from tests.servers.node import Node
from tests.servers.process import aeventually
from tests.servers.proxy import Proxy
from tests.servers.sockets import Socket, mint
from tests.servers.strangers import strangers

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


def bad_tokens(cluster: Cluster, uid: str) -> list[str]:
    """Some of each kind that is no good."""
    key, past = cluster.platform.jwt_signing_key, int(time.time()) - 60
    good = mint(uid, key)
    header, payload, signature = good.split(".")
    unsigned = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    return [
        "bad.token.here",
        "x" * 500,
        mint(uid, "k" * 48),
        mint(uid, key, exp=past),
        mint(uid, key, token_type="refresh"),
        f"{unsigned}.{payload}.",
        f"{header}.{payload}.{signature[::-1]}",
    ]


async def test_a_hundred_thousand_bad_tokens(cluster: Cluster, new_uid: Callable[[], str]) -> None:
    """Strangers hammer at two nodes: nothing reaches Redis or the database, and good users are served as before."""
    with ExitStack() as servers:
        with cluster.business(STANDALONE="0") as business:
            uid = business.make_user(new_uid())
        # With a user table, which a token that is no good is not to be looked up in.
        nodes = [servers.enter_context(Node(cluster.platform, STANDALONE="0")) for _ in range(2)]
        async with AsyncExitStack() as stack:
            rpc = await stack.enter_async_context(cluster.rpc(1))
            good = [
                await stack.enter_async_context(Socket(nodes[n % 2].socket_url, cluster.token(uid))) for n in range(8)
            ]
            for socket in good:
                await socket.ready()

            def asked() -> tuple[int, int, int]:
                """Commands to Redis for handshakes; look-ups of users; transactions of any kind."""
                redis = cluster.redis.ask("INFO", "commandstats")
                commands = sum(redis.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "subscribe"))
                (users,), (transactions,) = (
                    cluster.postgresql.execute(statement, cluster.database)[0]
                    for statement in (
                        "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_user_tables WHERE relname = 'auth_user'",
                        "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()",
                    )
                )
                return commands, int(str(users)), int(str(transactions))

            async def ping(socket: Socket, done: asyncio.Event) -> list[float]:
                took = []
                while not done.is_set():
                    at = time.monotonic()
                    await socket.ping(10)
                    took.append(time.monotonic() - at)
                    await asyncio.sleep(0.6)  # below the rate
                return took

            tokens = bad_tokens(cluster, uid)
            await asyncio.sleep(1.5)  # PostgreSQL's counters are a second behind
            before, began, done = asked(), time.monotonic(), asyncio.Event()
            pinging = [asyncio.create_task(ping(socket, done)) for socket in good]
            answers = await asyncio.gather(*(strangers(node.port, tokens, 50_000) for node in nodes))
            seconds = time.monotonic() - began
            at = time.monotonic()
            item_id = (await rpc.call("notifications.send", uid=uid, title="Hello"))["id"]
            for socket in good:
                await socket.wait_item(item_id, 2)
            reached = time.monotonic() - at
            done.set()
            took = [each for some in await asyncio.gather(*pinging) for each in some]
            await asyncio.sleep(1.5)  # and again
            after = asked()
        print(f"100,000 refused in {seconds:.0f} s; pong p99 {p99(took) * 1e3:.0f} ms; then an item took "
              f"{reached * 1e3:.0f} ms; commands, users, transactions: {before} -> {after}")  # fmt: skip
        assert sum(answers, Counter()) == {"403": 100_000}
        # The one item that was sent tells the index of itself; its sockets are there.
        assert after[0] - before[0] < 20
        # Each node looks its sockets' users up once a minute.
        assert after[1] - before[1] <= 2 * (1 + seconds // 60)
        # What four nodes ask all the time, and not one for each of the 100,000.
        assert after[2] - before[2] < 100 * (time.monotonic() - began)
        assert p99(took) < 1.0


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
