"""Every site of the benchmark is opened, broadcast to and pushed to, small."""

import pytest

from bench import cases, rpc
from bench.__main__ import PEERS
from bench.sites import ours, peer

pytestmark = pytest.mark.server

SOCKETS = 20


@pytest.mark.parametrize(("module", "name"), PEERS)
def test_peers_are_measured(module: str, name: str) -> None:
    """Each opens all sockets and delivers every broadcast to each of them."""
    with peer(module, name) as site:
        found = cases.broadcast(site, SOCKETS, rounds=2)
    assert (found.site, found.sockets, found.missing) == (name, SOCKETS, 0)
    assert 0 < found.last_ms <= found.worst_last_ms < 10_000


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
