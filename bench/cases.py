"""The cases of the benchmark: what is done to a site, and what comes out of it."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace

from bench.fleet import Fleet, Share
from bench.processes import cpu_seconds, resident_bytes
from bench.sites import Ours, Site

COLLECT_SECONDS = 60.0
# What is over before the next measurement begins: the servers are quiet when their CPU has not moved for so long.
QUIET_SECONDS = 0.5
# So long a site is measured between two broadcasts.
IDLE_SECONDS = 1.0


@dataclass(slots=True)
class Broadcast:
    """What opening and broadcasting cost on one site; medians over the rounds.

    CPU is the servers', without what they spend in the same time while nothing is sent (`idle_percent` of a core);
    `client_ms_per_1000` and `client_connect_us` are the load clients'.
    """

    site: str
    sockets: int
    opened_per_second: float
    connect_us: float
    client_connect_us: float
    idle_kib: float
    idle_percent: float
    cpu_ms_per_1000: float
    client_ms_per_1000: float
    last_ms: float
    worst_last_ms: float
    missing: int


def broadcast(site: Site, sockets: int, rounds: int) -> Broadcast:
    """Open the sockets, then send to all of them, several times over."""
    shares = site.shares(sockets)
    with Fleet(len(shares), replays=site.replays) as fleet:
        fleet.expect([0] * len(shares))  # they have begun
        empty, cpu, client_cpu = resident_bytes(site.pids), cpu_seconds(site.pids), cpu_seconds(fleet.pids)
        opened = fleet.open(shares)
        settle(site)
        connect, client_connect = cpu_seconds(site.pids) - cpu, cpu_seconds(fleet.pids) - client_cpu
        idle = resident_bytes(site.pids) - empty
        # The first one pays what is paid once, and is not counted.
        _round(site, fleet, shares)
        # The time without a broadcast is measured between those with one, so that both have the same heartbeats.
        sent, idles = [], []
        for _ in range(rounds):
            sent.append(_round(site, fleet, shares))
            before, at = cpu_seconds(site.pids), time.monotonic()
            time.sleep(IDLE_SECONDS)
            idles.append((cpu_seconds(site.pids) - before) / (time.monotonic() - at))
        idle_share = statistics.median(idles)
        lasts = [one.last for one in sent]
        return Broadcast(
            site=site.name,
            sockets=sockets,
            opened_per_second=opened.count / opened.seconds,
            connect_us=connect / sockets * 1e6,
            client_connect_us=client_connect / sockets * 1e6,
            idle_kib=idle / sockets / 1024,
            idle_percent=idle_share * 100,
            cpu_ms_per_1000=statistics.median(one.cpu - idle_share * one.seconds for one in sent) / sockets * 1e6,
            client_ms_per_1000=statistics.median(one.client_cpu for one in sent) / sockets * 1e6,
            last_ms=statistics.median(lasts) * 1e3,
            worst_last_ms=max(lasts) * 1e3,
            missing=sum(one.missing for one in sent),
        )


@dataclass(frozen=True, slots=True)
class _Sent:
    """One broadcast: CPU seconds of servers and clients, how long that was measured, when the last client had it."""

    cpu: float
    client_cpu: float
    seconds: float
    last: float
    missing: int


def _round(site: Site, fleet: Fleet, shares: Sequence[Share]) -> _Sent:
    fleet.expect([len(share.paths) for share in shares])
    cpu, client_cpu, begun = cpu_seconds(site.pids), cpu_seconds(fleet.pids), time.monotonic()
    sent = site.broadcast()
    arrivals = fleet.collect(COLLECT_SECONDS)
    settle(site)
    return _Sent(
        cpu=cpu_seconds(site.pids) - cpu,
        client_cpu=cpu_seconds(fleet.pids) - client_cpu,
        seconds=time.monotonic() - begun,
        last=max(max(a.times, default=sent + COLLECT_SECONDS) for a in arrivals) - sent,
        missing=sum(len(share.paths) for share in shares) - sum(len(a.times) for a in arrivals),
    )


def median_of(runs: Sequence[Broadcast]) -> Broadcast:
    """Of several runs, each on servers of its own, the median of each figure, the worst last, all that was missing."""
    first = runs[0]
    names = [f.name for f in fields(Broadcast) if f.type is float]
    medians = {name: statistics.median(getattr(run, name) for run in runs) for name in names}
    medians["worst_last_ms"] = max(run.worst_last_ms for run in runs)
    return replace(first, **medians, missing=sum(run.missing for run in runs))


@dataclass(slots=True)
class Targeted:
    """Latency from the commit of `notify()` to the client, in milliseconds."""

    sockets: int
    per_second: float
    p50_ms: float
    p99_ms: float
    missing: int
    latencies: list[float] = field(repr=False, default_factory=list)


def targeted(site: Ours, sockets: int, seconds: float, per_second: int = 200) -> Targeted:
    """So many `notify()` a second, each to another of the idle sockets."""
    shares = site.shares(sockets)
    count = int(seconds * per_second)
    with Fleet(len(shares), replays=True) as fleet:
        fleet.open(shares)
        settle(site)
        fleet.expect([count] * len(shares), ids=True)
        committed: dict[str, float] = site.run(
            """
import random, time
result, begun = {}, time.monotonic()
for number in range(count):
    wait = begun + number / per_second - time.monotonic()
    if wait > 0:
        time.sleep(wait)
    moments = []
    with transaction.atomic():
        transaction.on_commit(lambda: moments.append(time.monotonic()))
        accepted = notify(str(random.randrange(sockets)), "Top-up arrived", "50.00 was added to your balance.")
    result[str(accepted.id)] = moments[0]
""",
            count=count,
            per_second=per_second,
            sockets=sockets,
        )
        arrivals = fleet.collect(3)
    came = {item_id: at for a in arrivals for item_id, at in a.by_id}
    latencies = sorted((came[i] - at) * 1e3 for i, at in committed.items() if i in came)
    took = max(committed.values()) - min(committed.values())
    return Targeted(
        sockets,
        (count - 1) / took,
        percentile(latencies, 50),
        percentile(latencies, 99),
        count - len(latencies),
        latencies,
    )


@dataclass(slots=True)
class Stall:
    """How long a ping waited for its pong while a broadcast ran, in milliseconds; without one beside it."""

    sockets: int
    quiet_ms: float
    worst_ms: float


def stall(site: Ours, sockets: int, rounds: int) -> Stall:
    """A socket in a process of its own pings all the time while an announcement goes out to the others."""
    shares = site.shares(sockets)
    probe_share = site.shares(len(site.pids))[:1]
    with Fleet(len(shares), replays=True) as fleet, Fleet(1, replays=True) as prober:
        fleet.open(shares)
        prober.open(probe_share)
        settle(site)
        prober.begin("probe", 1.0, 0.002)
        quiet = max(prober.end()[0])
        worst = 0.0
        for _ in range(rounds):
            fleet.expect([len(share.paths) for share in shares])
            prober.begin("probe", 2.0, 0.002)
            site.broadcast()
            fleet.collect(COLLECT_SECONDS)
            worst = max(worst, *prober.end()[0])
    return Stall(sockets, quiet * 1e3, worst * 1e3)


@dataclass(slots=True)
class Idle:
    """CPU of a node whose sockets do nothing but answer heartbeats, as a share of one core."""

    sockets: int
    core_percent: float


def idle(site: Ours, sockets: int, seconds: float) -> Idle:
    """Open, wait, count. `seconds` should be a multiple of the heartbeat's 25."""
    shares = site.shares(sockets)
    with Fleet(len(shares), replays=True) as fleet:
        fleet.open(shares)
        settle(site)
        before, begun = cpu_seconds(site.pids), time.monotonic()
        time.sleep(seconds)
        used = cpu_seconds(site.pids) - before
        return Idle(sockets, used / (time.monotonic() - begun) / len(site.pids) * 100)


def settle(site: Site) -> None:
    """Wait until the servers have nothing left to do: no CPU but the ticks of their sweeps for half a second."""
    wait_quiet(lambda: cpu_seconds(site.pids), len(site.pids))


def wait_quiet(used: Callable[[], float], processes: int) -> None:
    """Wait until `used` grows by no more than 10 % of a core for each process."""
    last = used()
    for _ in range(120):
        time.sleep(QUIET_SECONDS)
        now = used()
        if now - last <= 0.1 * QUIET_SECONDS * processes:
            return
        last = now


def percentile(ordered: list[float], percent: float) -> float:
    """The value below which so many percent of an ordered list lie; NaN of none."""
    if not ordered:
        return float("nan")
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]
