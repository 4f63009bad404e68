"""`make bench-nodes`: what several nodes do together. Pushes across three of them behind nginx; a node that goes.

A node with thousands of sockets is drained (SIGTERM), another one is killed, while a service goes on sending: how soon
are all clients back on the others, how did they lose their socket, is an item missing, what did it cost the database?
"""

import argparse
import asyncio
import json
import random
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.cases import percentile, wait_quiet
from bench.processes import cpu_seconds
from bench.report import Row, table, write
from bench.sites import TOKEN_SECONDS, Ours
from bench.travellers import Crowd
from tests.servers.deployment import Deployment
from tests.servers.nginx import Nginx
from tests.servers.node import Node, Platform, RpcClient
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis
from tests.servers.sockets import Socket

# What is promised: all back within so many seconds, by the fault matrix of guarantees.md.
BACK_SECONDS = 30.0
# The query that looks for what users have unread, and no other, numbers the rows of each.
UNREAD = "%row_number%"
SOURCES = [f"127.0.{third}.{last}" for third in (1, 2, 3) for last in (1, 2)]


class Several(Ours):
    """Nodes over a PostgreSQL that counts its statements."""

    def __init__(self, name: str, deployment: Deployment, postgresql: PostgreSQL, database: str) -> None:
        super().__init__(name, deployment)
        self._postgresql = postgresql
        self._database = database

    def statements(self, like: str = "%") -> int:
        """How many statements all nodes together have run, all or those whose text is like that."""
        ((calls,),) = self._postgresql.execute(
            "SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements JOIN pg_database d ON d.oid = dbid"  # noqa: S608
            f" WHERE datname = current_database() AND query ILIKE '{like}'",
            self._database,
        )
        return int(str(calls))

    def redis_turns(self) -> int:
        """How often Redis has read from its connections: each command or pipeline once."""
        assert self.deployment.redis is not None
        return int(self.deployment.redis.ask("INFO", "stats")["total_reads_processed"])


@contextmanager
def several(
    *, nodes: int, server: str = "uvicorn", settings: Mapping[str, Any] | None = None, standalone: bool = True
) -> Iterator[Several]:
    """So many nodes with a PostgreSQL and a Redis of their own. `settings` replace some of the app's, for tests."""
    extra = {"TEST_NOTIFICATIONS": json.dumps(settings)} if settings else {}
    module = "tests.faults.settings" if settings else "config.settings"
    with PostgreSQL() as postgresql, Redis() as redis:
        postgresql.execute("ALTER SYSTEM SET shared_preload_libraries = 'pg_stat_statements'")
        postgresql.stop()
        postgresql.start()
        database = postgresql.make_database()
        postgresql.execute("CREATE EXTENSION pg_stat_statements", database)
        platform = Platform(postgresql.url(database), redis.url, standalone=standalone, settings=module, extra=extra)
        platform.migrate()
        with Deployment(platform, [server] * nodes, redis) as deployment:
            yield Several(f"{nodes} nodes, {server}", deployment, postgresql, database)


@dataclass(slots=True)
class Pushes:
    """Milliseconds from a call's sending to each of the user's sockets on every node."""

    p50_ms: float
    p99_ms: float
    worst_ms: float
    sockets: int
    calls: int


async def pushes(site: Several, calls: int = 300, every: float = 0.05) -> Pushes:
    """Call each node in turn; the user has a socket on each, and as many by way of nginx, from several networks."""
    deployment = site.deployment
    key = deployment.service_key("notify")
    took = []
    with Nginx([node.port for node in deployment.nodes]) as nginx:
        async with AsyncExitStack() as stack:
            proxied = nginx.url.replace("http", "ws") + "/ws/notifications/"
            sockets = [deployment.socket("u1", number) for number in range(len(deployment.nodes))]
            sockets += [Socket(proxied, deployment.token("u1"), local_address=source) for source in SOURCES[::2]]
            for socket in sockets:
                await stack.enter_async_context(socket)
                await socket.ready()
            clients = [await stack.enter_async_context(deployment.rpc(key, n)) for n in range(len(deployment.nodes))]
            clients.append(await stack.enter_async_context(RpcClient(f"{nginx.url}/rpc/", key)))
            # The first calls of each open its connections, and the first second after a replay is one of doubts.
            for number in range(30 + calls):
                client = clients[number % len(clients)]
                begun = time.monotonic()
                item_id = (await client.call("notifications.send", uid="u1", title=f"Item {number}"))["id"]
                for socket in sockets:
                    await socket.wait_item(item_id)
                if number >= 30:
                    took += [_arrival(socket, item_id) - begun for socket in sockets]
                await asyncio.sleep(every)
    milliseconds = sorted(one * 1e3 for one in took)
    return Pushes(statistics.median(milliseconds), percentile(milliseconds, 99), milliseconds[-1], len(sockets), calls)


def _arrival(socket: Socket, item_id: str) -> float:
    return socket.moment_of(lambda frame: frame.get("id") == item_id)


@dataclass(slots=True)
class Gone:
    """What came of a node's going away. Seconds; counts."""

    how: str
    sockets: int
    last_back: float
    """From the signal until the last client had its inbox from another node."""
    away_p50: float
    away_p99: float
    """From losing a socket to having that inbox."""
    codes: dict[int, int]
    not_back: int
    failures: int
    sent: int
    missing: int
    statements: int
    unread_looked_for: int
    redis_turns: int


class Sender(threading.Thread):
    """A service that sends to random travellers while nodes go; a call that fails is repeated with its key."""

    def __init__(self, site: Several, nodes: list[Node], travellers: int, every: float = 0.02) -> None:
        super().__init__(name="sender", daemon=True)
        self._urls = [f"{node.url}/rpc/" for node in nodes]
        self._key = site.deployment.service_key("notify")
        self._travellers = travellers
        self._every = every
        self._ending = threading.Event()
        self.sent: list[tuple[str, int]] = []

    def run(self) -> None:
        """Send until told to end."""
        asyncio.run(self._send())

    def end(self) -> list[tuple[str, int]]:
        """Send no more; gives the id and the traveller of every item that was accepted."""
        self._ending.set()
        self.join()
        return self.sent

    async def _send(self) -> None:
        async with RpcClient(self._urls[0], self._key) as rpc:
            while not self._ending.is_set():
                number = random.randrange(self._travellers)  # noqa: S311
                rpc.url = random.choice(self._urls)  # noqa: S311
                item = await rpc.call("notifications.send", uid=str(number), title="Meanwhile")
                self.sent.append((item["id"], number))
                await asyncio.sleep(self._every)


def gone(site: Several, crowd: Crowd, node: Node, *, stay: list[Node], travellers: int, how: str) -> Gone:
    """Drain or kill `node`, whose travellers go to those that `stay`."""
    sockets = crowd.tell("on", node.port)
    crowd.tell("leave_for", [other.port for other in stay])
    wait_quiet(lambda: cpu_seconds([other.pid for other in (node, *stay)]), 1 + len(stay))
    sender = Sender(site, stay, travellers)
    before = site.statements(), site.statements(UNREAD), site.redis_turns()
    sender.start()
    begun = time.monotonic()
    node.signal(signal.SIGTERM if how == "drained" else signal.SIGKILL)
    crowd.tell("all_back", node.port, 3 * BACK_SECONDS)
    sent = sender.end()
    after = site.statements(), site.statements(UNREAD), site.redis_turns()
    # What the tail brings comes within 2 s.
    deadline = time.monotonic() + 5
    while (missing := crowd.tell("unseen", sent)) and time.monotonic() < deadline:
        time.sleep(0.2)
    returns = crowd.tell("returns")
    back = [one for one in returns if one.back_at]
    away = sorted(one.back_at - one.lost_at for one in back)
    return Gone(
        how=how,
        sockets=sockets,
        last_back=max((one.back_at for one in back), default=begun) - begun,
        away_p50=percentile(away, 50),
        away_p99=percentile(away, 99),
        codes=dict(Counter(one.code for one in returns)),
        not_back=sockets - len({one.number for one in back}),
        failures=sum(one.failures for one in returns),
        sent=len(sent),
        missing=len(missing),
        statements=after[0] - before[0],
        unread_looked_for=after[1] - before[1],
        redis_turns=after[2] - before[2],
    )


def goings(site: Several, travellers: int) -> Iterator[Gone]:
    """Everybody on the first node, which is drained; then the second is killed with those who came to it."""
    first, second, *rest = site.deployment.nodes
    paths = [
        f"/ws/notifications/?token={site.deployment.token(str(uid), lifetime=TOKEN_SECONDS)}"
        for uid in range(travellers)
    ]
    with Crowd() as crowd:
        failed = crowd.tell("set_out", first.port, paths, SOURCES)
        if failed:
            raise RuntimeError(f"{failed} of {travellers} sockets did not open")
        yield gone(site, crowd, first, stay=[second, *rest], travellers=travellers, how="drained")
        yield gone(site, crowd, second, stay=rest, travellers=travellers, how="killed")
        crowd.tell("go_home")


def main() -> None:
    """Measure, print, write; exit status 1 where a "must" is missed."""
    parser = argparse.ArgumentParser(prog="bench.nodes", description=__doc__)
    parser.add_argument("--sockets", type=int, default=15_000, help="on the node that is drained (15,000)")
    parser.add_argument("--items", type=int, default=3, help="unread items of each user (3)")
    parser.add_argument("--server", default="uvicorn", choices=("uvicorn", "daphne"))
    parser.add_argument("--only", choices=("pushes", "goings"), help="leave the other part out")
    parser.add_argument("--out", type=Path, default=Path("var/bench-nodes"), help="folder of the results")
    options = parser.parse_args()
    rows: list[Row] = []
    details: list[Any] = []
    with several(nodes=3, server=options.server) as site:
        if options.only != "goings":
            found = asyncio.run(pushes(site))
            details.append(found)
            case = "call on any node to sockets on all three, behind nginx"
            rows.append(Row(f"{case}, p50", site.name, found.p50_ms, "ms", "<= 20"))
            rows.append(Row(f"{case}, p99", site.name, found.p99_ms, "ms", "<= 200"))
        if options.only != "pushes":
            site.fill_inboxes(options.sockets, options.items)
            for one in goings(site, options.sockets):
                details.append(one)
                rows += rows_of(one, site.name)
                print(one, file=sys.stderr)
    print(table(rows))
    print(f"\nWritten to {write(options.out, rows, details)}")
    missed = [row.case for row in rows if row.verdict == "MISSED"]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


def rows_of(one: Gone, name: str) -> list[Row]:
    """The lines of one going."""
    case = f"node with {one.sockets:,} sockets {one.how}"
    rows = [
        Row(f"{case}: all back after", name, one.last_back, "s", f"<= {BACK_SECONDS:.0f}"),
        Row(f"{case}: a client is away, p50", name, one.away_p50, "s"),
        Row(f"{case}: a client is away, p99", name, one.away_p99, "s"),
        Row(f"{case}: not back", name, one.not_back, "clients", "<= 0"),
        Row(f"{case}: of {one.sent:,} items sent meanwhile missing", name, one.missing, "items", "<= 0"),
        Row(f"{case}: queries for unread items", name, one.unread_looked_for, "queries", f"<= {one.sockets // 10}"),
        Row(f"{case}: statements of all nodes", name, one.statements, "statements"),
        Row(f"{case}: commands and pipelines read by Redis", name, one.redis_turns, "reads"),
    ]
    if one.how == "drained":
        wrong = sum(count for code, count in one.codes.items() if code != 4200)
        rows.insert(3, Row(f"{case}: closed by another code than 4200", name, wrong, "clients", "<= 0"))
    return rows


if __name__ == "__main__":
    main()
