"""Every site of the benchmark is opened, broadcast to and pushed to, small."""

from dataclasses import fields

import pytest

from bench import cases, rpc
from bench.__main__ import PEERS, growth
from bench.sites import ours, peer

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

SOCKETS = 20


@pytest.mark.parametrize(("module", "name"), PEERS)
def test_peers_are_measured(module: str, name: str) -> None:
    """Each opens all sockets and delivers every broadcast to each of them."""
    with peer(module, name) as site:
        found = cases.broadcast(site, SOCKETS, rounds=2)
    assert (found.site, found.sockets, found.missing) == (name, SOCKETS, 0)
    assert 0 < found.last_ms <= found.worst_last_ms < 10_000
    # Of the site and of the load client; so few deliveries may cost no tick at all.
    assert found.client_connect_us >= 0
    assert found.idle_percent >= 0


def test_our_nodes_are_measured() -> None:
    """Two nodes, their replays, broadcasts, targeted pushes, pings beside a broadcast, and the JSON-RPC service."""
    with ours("ours", nodes=2) as site:
        site.fill_inboxes(SOCKETS)
        found = cases.broadcast(site, SOCKETS, rounds=2)
        assert (found.missing, found.sockets) == (0, SOCKETS)
        pushed = cases.targeted(site, SOCKETS, 0.5, per_second=40)
        assert pushed.missing == 0
        assert 0 < pushed.p50_ms <= pushed.p99_ms
        assert cases.stall(site, SOCKETS, rounds=1).worst_ms > 0
        assert cases.idle(site, SOCKETS, 0.5).core_percent >= 0
        called = rpc.calls(site, 20)
        assert min(called.send_per_second, called.many_100_per_second, called.multicast_per_second) > 0
    with ours("ours, Daphne", server="daphne") as site:
        assert cases.broadcast(site, SOCKETS, rounds=1).missing == 0


def test_the_medians_of_several_runs_count() -> None:
    """But the worst is the worst of all, and what was missing in any is missing."""
    figures = {f.name: 1.0 for f in fields(cases.Broadcast)} | {"site": "ours", "sockets": 10}
    runs = [
        cases.Broadcast(**{**figures, "cpu_ms_per_1000": cpu, "worst_last_ms": worst, "missing": missing})  # type: ignore[arg-type]
        for cpu, worst, missing in ((30.0, 5.0, 0), (10.0, 90.0, 2), (11.0, 4.0, 0))
    ]
    found = cases.median_of(runs)
    assert (found.site, found.cpu_ms_per_1000, found.worst_last_ms, found.missing) == ("ours", 11.0, 90.0, 2)


@pytest.mark.parametrize(("costs", "found"), [((20, 16, 12), 0.8), ((10, 12, 11), 1.2), ((10, 8, 12), 1.5)])
def test_growth_is_what_larger_ones_cost_more(costs: tuple[float, ...], found: float) -> None:
    """Of any two, the later by the earlier; that it gets cheaper is no growth."""
    assert growth(costs) == pytest.approx(found)
