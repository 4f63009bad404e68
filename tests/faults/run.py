"""The randomized run: real nginx, nodes, Redis and PostgreSQL; clients, services and a nemesis; and the verdict.

`python -m tests.faults.run --seeds 20 --seconds 300` prints a line for each seed and ends with 1 if any was violated.
"""

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.faults.checker import HEALED_SECONDS, SLACK_SECONDS, Violation, check
from tests.faults.history import History, Row
from tests.faults.nemesis import Nemesis
from tests.faults.workload import Workload
from tests.servers.nginx import Nginx
from tests.servers.node import Business, Node, Platform, RpcClient
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import HOST
from tests.servers.proxy import Proxy
from tests.servers.redis import Redis
from tests.servers.sockets import mint

# A drain within the patience of a short run, and no limit to what its services call.
SETTINGS = '{"DRAIN_SECONDS": 3, "RPC_CALLS_PER_MINUTE": 100000}'


@dataclass(slots=True)
class Verdict:
    """What came of one run."""

    seed: int
    violations: list[Violation]
    accepted: int
    unknown: int
    refused: int
    reads: int
    connections: int
    faults: Counter[str]
    latencies: list[float]
    seconds: float
    codes: Counter[int | None] = field(default_factory=Counter)

    def __str__(self) -> str:
        latency = sorted(self.latencies) or [float("nan")]
        p50, p99 = statistics.median(latency), latency[int(len(latency) * 0.99)]
        return (
            f"seed {self.seed}: {len(self.violations)} violations; {self.accepted} accepted, {self.unknown} unknown, "
            f"{self.refused} refused, {self.reads} reads, {self.connections} connections, "
            f"{self.faults.total()} faults ({', '.join(f'{n} {c}' for n, c in sorted(self.faults.items()))}); "
            f"accepted to received p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms; {self.seconds:.0f} s"
        )


class Cluster:
    """nginx in front of `nodes` nodes; the last one reaches Redis and the database by links that can be broken."""

    def __init__(self, nodes: int = 2, sabotage: str = "", servers: tuple[str, ...] = ("uvicorn",)) -> None:
        self._stack = ExitStack()
        self._count = nodes
        self._sabotage = sabotage
        self._servers = servers

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.postgresql = stack.enter_context(PostgreSQL())
            self.redis = stack.enter_context(Redis())
            self.database = self.postgresql.make_database()
            self.platform = Platform(
                self.postgresql.url(self.database),
                self.redis.url,
                standalone=True,
                settings="tests.faults.settings",
                extra={"TEST_NOTIFICATIONS": SETTINGS, "SABOTAGE": self._sabotage},
            )
            self.platform.migrate()
            self.redis_link = stack.enter_context(Proxy(self.redis.port))
            self.database_link = stack.enter_context(Proxy(self.postgresql.port))
            self.nodes = [Node(self.platform, self._servers[n % len(self._servers)]) for n in range(self._count - 1)]
            self.nodes.append(
                Node(
                    self.platform,
                    self._servers[-1],
                    REDIS_URL=self.redis.url.replace(str(self.redis.port), str(self.redis_link.port)),
                    DATABASE_URL=self.postgresql.url(self.database, self.database_link.port),
                )
            )
            for node in self.nodes:
                stack.callback(node.close)
                node.launch()
            self.nginx = stack.enter_context(Nginx([node.port for node in self.nodes]))
            with Business(self.platform) as business:
                self.key = business.run(
                    "from notifications import service_keys\nresult = service_keys.create('run', scopes)[1]",
                    scopes=["notify", "announce", "inbox", "connections"],
                )
            for node in self.nodes:
                node.wait_ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stack.close()

    def token(self, uid: str) -> str:
        """An access token."""
        return mint(uid, self.platform.jwt_signing_key)

    def rpc(self, node: int = 0) -> RpcClient:
        """A client of the JSON-RPC of one node, to be entered."""
        return RpcClient(f"{self.nodes[node].url}/rpc/", self.key)

    def business(self, **extra: str) -> Business:
        """A process of business code, with variables of its own, to be entered."""
        return Business(replace(self.platform, extra={**self.platform.extra, **extra}))

    def rows(self) -> list[Row]:
        """Every item as it is stored."""
        personal = self.postgresql.execute(
            "SELECT id::text, uid, title, read_at IS NOT NULL FROM notifications_notification", self.database
        )
        general = self.postgresql.execute(
            "SELECT item_id::text, '', title, false FROM notifications_announcement WHERE item_id IS NOT NULL",
            self.database,
        )
        return [Row(str(i), str(uid), str(title), bool(read)) for i, uid, title, read in personal + general]


async def run(
    cluster: Cluster,
    seed: int,
    seconds: float,
    *,
    users: int = 40,
    publishes_per_second: float = 15.0,
    announcements_per_second: float = 0.2,
    life: float = 8.0,
    faults: Sequence[str] | None = (),
    report: Path | None = None,
    verbose: bool = False,
) -> Verdict:
    """One run of `seconds` on a whole cluster, and the verdict. The history is kept in `report` if it is bad.

    `life` is how many seconds a connection lasts that is not there to stay. `faults` limits the nemesis to those;
    empty: all there are; None: there is none.
    """
    began = time.monotonic()
    rng = random.Random(seed)
    history = History()
    uids = [f"{seed}-{n}" for n in range(users)]
    say = (
        (lambda text: print(f"  {time.monotonic() - began:6.1f} {text}", flush=True)) if verbose else lambda text: None
    )

    def address() -> tuple[str, str | None]:
        # nginx's ip_hash looks at the first three octets: other addresses of the loopback, other nodes.
        if rng.random() < 0.7:
            return f"ws://{HOST}:{cluster.nginx.port}/ws/notifications/", f"127.0.{rng.randint(0, 250)}.1"
        return rng.choice(cluster.nodes).socket_url, None

    def rpc_address() -> str:
        base = cluster.nginx.url if rng.random() < 0.5 else rng.choice(cluster.nodes).url
        return f"{base}/rpc/"

    workload = Workload(
        rng,
        history,
        uids=uids,
        token=cluster.token,
        key=cluster.key,
        address=address,
        rpc_address=rpc_address,
        publishes_per_second=publishes_per_second,
        announcements_per_second=announcements_per_second,
        life=life,
    )
    nemesis = Nemesis(random.Random(seed * 7919 + 1), cluster, history, say, faults or ())
    async with asyncio.TaskGroup() as group:
        group.create_task(workload.run(seconds))
        if faults is not None:
            group.create_task(nemesis.run(seconds * 0.8))
    # All is whole again: whoever is connected has by now what is his, or never gets it.
    await asyncio.sleep(HEALED_SECONDS + SLACK_SECONDS + 0.5)
    await workload.finish()
    await workload.look()
    history.rows = await asyncio.to_thread(cluster.rows)
    ids = {row.title: row.id for row in history.rows}
    for publish in history.publishes:
        if publish.outcome == "unknown":
            publish.id = ids.get(publish.nonce, "")
    verdict = _verdict(seed, history, time.monotonic() - began)
    if verdict.violations and report is not None:
        history.save(report)
    return verdict


def _verdict(seed: int, history: History, seconds: float) -> Verdict:
    accepted = {p.id: p for p in history.publishes if p.outcome == "ok"}
    latencies = [
        max(0.0, at - accepted[frame["id"]].completed)
        for link in history.links
        for at, frame in link.frames
        if frame["type"] == "notification" and frame["id"] in accepted
    ]
    return Verdict(
        seed,
        check(history),
        len(accepted),
        sum(p.outcome == "unknown" for p in history.publishes),
        sum(p.outcome == "refused" for p in history.publishes),
        sum(bool(r.confirmed) for r in history.reads),
        len(history.links),
        Counter(fault.name for fault in history.faults),
        latencies,
        seconds,
        Counter(link.code for link in history.links),
    )


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.run", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many runs")
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--seconds", type=float, default=300, help="how long the faults of each last")
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--rate", type=float, default=20, help="publications a second")
    parser.add_argument("--server", default="uvicorn", help="uvicorn, daphne, or both separated by a comma")
    parser.add_argument("--sabotage", default="", help="what to switch off, to see it noticed")
    parser.add_argument("--faults", default="", help="only these, separated by commas; none: no fault at all")
    parser.add_argument("--verbose", action="store_true", help="tell of every fault as it ends")
    options = parser.parse_args()
    bad = 0
    for seed in range(options.first, options.first + options.seeds):
        report = Path(tempfile.gettempdir()) / f"faults-{seed}.json"
        with Cluster(options.nodes, options.sabotage, tuple(options.server.split(","))) as cluster:
            verdict = asyncio.run(
                run(
                    cluster,
                    seed,
                    options.seconds,
                    users=options.users,
                    publishes_per_second=options.rate,
                    faults=None if options.faults == "none" else list(filter(None, options.faults.split(","))),
                    report=report,
                    verbose=options.verbose,
                )
            )
            print(verdict, flush=True)
            for violation in verdict.violations[:20]:
                print(f"  {violation}", flush=True)
            if verdict.violations:
                bad += 1
                print(f"  the history is in {report}; the nodes' logs follow", flush=True)
                for node in cluster.nodes:
                    print("\n".join(node.log.splitlines()[-20:]), file=sys.stderr)
    print(f"{options.seeds - bad} of {options.seeds} seeds without a violation")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
