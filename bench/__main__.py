"""`make bench`: measure our nodes and their peers in one run, print one table, write JSON and a chart."""

import argparse
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import cases, rpc
from bench.report import BROADCAST_CPU, LAST, Row, comparison, table, write
from bench.sites import Site, ours, peer

PEERS = (
    ("floor", "floor: raw writes in a loop"),
    ("websockets_server", "websockets broadcast(), bare"),
    ("tornado_server", "Tornado, the original's way"),
    ("stock_channels", "stock Channels groups, Daphne"),
)
OURS = "ours, uvicorn"
OURS_DAPHNE = "ours, Daphne"
SERVERS = "x the node's"


@dataclass(frozen=True, slots=True)
class Scale:
    """How large a run is."""

    one_node: int
    two_nodes: int
    stall: int
    growth: Sequence[int]
    rounds: int
    peer_rounds: int
    runs: int
    """How often our node and the floor are begun anew; the medians count."""
    seconds: float
    pushing: float
    calls: int
    sustained: int


FULL = Scale(10_000, 30_000, 15_000, (1_000, 3_000), 10, 5, 3, 50.0, 20.0, 3_000, 20_000)
QUICK = Scale(3_000, 6_000, 3_000, (1_000,), 5, 2, 1, 25.0, 10.0, 600, 6_000)


class Run:
    """The rows as they come, with progress on standard error: `steps` is how many there are to be."""

    def __init__(self, scale: Scale, parts: Collection[str]) -> None:
        self.scale = scale
        self.rows: list[Row] = []
        self.details: list[Any] = []
        steps = {"peers": scale.runs + len(PEERS) - 1, "ours": scale.runs + len(scale.growth) + 6, "daphne": 1}
        self._steps = sum(steps[part] for part in parts)
        self._step = 0
        self._begun = time.monotonic()
        self._floor: float | None = None

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return time.monotonic() - self._begun

    def step(self, text: str) -> None:
        """The next step begins."""
        self._step += 1
        self.say(f"{self._step}/{self._steps} {text}")

    def say(self, text: str) -> None:
        """Progress."""
        print(f"[{self.seconds:5.0f} s] {text}", file=sys.stderr, flush=True)

    def add(self, case: str, site: str, value: float, unit: str, *limits: str) -> None:
        """A row; `limits` are what we must and what we aim to reach."""
        must, aim = (*limits, "", "")[:2]
        ratio = value / self._floor if case == BROADCAST_CPU and self._floor else None
        self.rows.append(Row(case, site, value, unit, must, aim, ratio))

    def peers(self) -> None:
        """The floor and the peers: opening, memory, broadcast."""
        scale = self.scale
        for module, name in PEERS:
            runs = []
            for _ in range(1 if self._floor else scale.runs):
                with peer(module, name) as site:
                    runs.append(self._broadcast(site, name, scale.one_node, scale.peer_rounds))
            found = self._median(runs)
            if self._floor is None:
                self._floor = found.cpu_ms_per_1000
            self._opening(found)
            self.add(BROADCAST_CPU, name, found.cpu_ms_per_1000, "ms")
            self.add(LAST, name, found.last_ms, "ms")

    def ours(self) -> None:
        """Our node: everything of one process."""
        scale = self.scale
        runs = []
        for _ in range(scale.runs):
            with ours(OURS) as site:
                site.fill_inboxes(scale.one_node)
                runs.append(self._broadcast(site, OURS, scale.one_node, scale.rounds))
        found = self._median(runs)
        self._opening(found, ">= 800", ">= 3,000", "<= 32", "<= 15")
        self.add(BROADCAST_CPU, OURS, found.cpu_ms_per_1000, "ms", "<= 20", "<= 12")
        self.add(LAST, OURS, found.last_ms, "ms")
        self.add(
            "load client's CPU for a broadcast", OURS, found.client_ms_per_1000 / found.cpu_ms_per_1000, SERVERS, "<= 1"
        )
        self.add("load client's CPU for opening", OURS, found.client_connect_us / found.connect_us, SERVERS, "<= 1")
        grown = [found]
        for sockets in scale.growth:
            with ours(OURS) as site:
                grown.append(self._broadcast(site, OURS, sockets, scale.rounds))
        with ours(OURS) as site:
            self.step(f"targeted pushes to {scale.one_node:,} sockets")
            site.fill_inboxes(scale.one_node)
            pushed = cases.targeted(site, scale.one_node, scale.pushing)
            self.details.append(pushed)
            self.add("notify() committed to client, p50, 200/s", OURS, pushed.p50_ms, "ms", "<= 10", "<= 3")
            self.add("notify() committed to client, p99, 200/s", OURS, pushed.p99_ms, "ms", "<= 100", "<= 20")
        with ours(OURS) as site:
            self.step("JSON-RPC")
            called = rpc.calls(site, scale.calls)
            self.details.append(called)
            self.add("notifications.send, one by one", OURS, called.send_per_second, "/s", ">= 300", ">= 1,500")
            self.add("notifications.send_many by 100", OURS, called.many_100_per_second, "items/s")
            self.add("notifications.send_many by 1,000", OURS, called.many_1000_per_second, "items/s")
            self.add("notifications.multicast to 10,000", OURS, called.multicast_per_second, "items/s")
            self.step("pushes sustained by send_many")
            sustained = rpc.sustained(site, scale.one_node // 2, scale.sustained)
            self.details.append(sustained)
            self.add("send_many to clients", OURS, sustained.pushed_per_second, "pushes/s", ">= 1,000", ">= 5,000")
        with ours(OURS) as site:
            site.fill_inboxes(scale.stall)
            self.step(f"longest stall during broadcasts to {scale.stall:,}")
            stalled = cases.stall(site, scale.stall, scale.rounds)
            self.details.append(stalled)
            self.add(f"longest stall, broadcast to {scale.stall:,}", OURS, stalled.worst_ms, "ms", "<= 50", "<= 10")
            self.step(f"idle CPU of {scale.stall:,} for {scale.seconds:.0f} s")
            idle = cases.idle(site, scale.stall, scale.seconds)
            self.details.append(idle)
            self.add(f"idle CPU of {scale.stall:,} sockets", OURS, idle.core_percent, "% of a core", "<= 10", "<= 3")
        with ours(OURS, nodes=2) as site:
            site.fill_inboxes(scale.two_nodes)
            two = self._broadcast(site, f"{OURS}, two nodes", scale.two_nodes, scale.rounds)
            grown.append(two)
            case = f"{scale.two_nodes:,} sockets on two nodes"
            self.add(f"{case}, last client", OURS, two.last_ms, "ms", "<= 600", "<= 250")
            self.add(f"{case}, opened", OURS, two.opened_per_second, "/s")
            self.add(f"{case}, CPU per 1,000", OURS, two.cpu_ms_per_1000, "ms")
        grown.sort(key=lambda at: at.sockets)
        case = f"cost per delivery, {grown[0].sockets:,} to {grown[-1].sockets:,}"
        self.add(case, OURS, growth([at.cpu_ms_per_1000 for at in grown]), "x", "<= 1.3")

    def daphne(self) -> None:
        """The same application on Daphne."""
        with ours(OURS_DAPHNE, server="daphne") as site:
            site.fill_inboxes(self.scale.one_node)
            found = self._broadcast(site, OURS_DAPHNE, self.scale.one_node, self.scale.peer_rounds)
            self._opening(found)
            self.add(BROADCAST_CPU, OURS_DAPHNE, found.cpu_ms_per_1000, "ms", "<= 90")
            self.add(LAST, OURS_DAPHNE, found.last_ms, "ms")

    def _broadcast(self, site: Site, name: str, sockets: int, rounds: int) -> cases.Broadcast:
        self.step(f"{name}: {rounds} broadcasts to {sockets:,}")
        found = cases.broadcast(site, sockets, rounds)
        self.details.append(found)
        if found.missing:
            self.say(f"{name}: {found.missing} of {rounds * sockets} did not arrive")
        return found

    def _median(self, runs: Sequence[cases.Broadcast]) -> cases.Broadcast:
        found = cases.median_of(runs)
        must = "<= 0" if found.site == OURS else ""
        self.add("broadcasts, deliveries missing", found.site, found.missing, "items", must)
        return found

    def _opening(
        self, found: cases.Broadcast, must: str = "", aim: str = "", memory_must: str = "", memory_aim: str = ""
    ) -> None:
        self.add("sockets opened", found.site, found.opened_per_second, "/s", must, aim)
        self.add("CPU per connect", found.site, found.connect_us, "us")
        self.add("memory per idle socket", found.site, found.idle_kib, "KiB", memory_must, memory_aim)


def growth(costs: Sequence[float]) -> float:
    """By how much one of these costs is dearer than one before it, at most: below 1 where they only fall.

    What a broadcast costs once, whatever its size, makes a delivery of a small one dearer: that is no growth.
    """
    return max(late / early for at, early in enumerate(costs) for late in costs[at + 1 :])


def main() -> None:
    """Measure, print, write; exit status 1 where a "must" is missed."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="3,000 sockets, about three minutes")
    parser.add_argument("--only", choices=("peers", "ours", "daphne"), help="leave the other parts out")
    parser.add_argument("--out", type=Path, default=Path("var/bench"), help="folder of the results (var/bench)")
    options = parser.parse_args()
    parts = [options.only] if options.only else ["peers", "ours", "daphne"]
    run = Run(QUICK if options.quick else FULL, parts)
    for part in parts:
        getattr(run, part)()
    rows = sorted(run.rows, key=lambda row: [r.case for r in run.rows].index(row.case))
    print(table(rows))
    if len(parts) > 1:
        print(f"\n{comparison(rows)}")
    written = write(options.out, rows, run.details, seconds=run.seconds)
    print(f"\nWritten to {written} after {run.seconds / 60:.0f} minutes")
    missed = [row.case for row in rows if row.verdict == "MISSED"]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
