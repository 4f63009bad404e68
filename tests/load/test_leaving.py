"""A node with many sockets is drained, another one killed: everybody is back on the others, and nothing is lost."""

import signal

import pytest

from bench.nodes import BACK_SECONDS, goings, several

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]


@pytest.mark.parametrize(("server", "travellers"), [("uvicorn", 1_000), ("daphne", 400)])
def test_all_are_back_on_the_others(server: str, travellers: int) -> None:
    """In time, by 4200 alone when drained, with every item that was sent meanwhile, and for few queries."""
    with several(nodes=3, server=server, settings={"DRAIN_SECONDS": 5, "RPC_CALLS_PER_MINUTE": 100_000}) as site:
        site.fill_inboxes(travellers)
        drained, killed = goings(site, travellers)
        assert drained.sockets == travellers
        assert drained.codes == {4200: travellers}
        assert killed.codes == {1006: killed.sockets}
        assert killed.sockets > travellers // 4
        for one in (drained, killed):
            print(one)
            assert one.not_back == 0
            assert one.last_back < BACK_SECONDS
            assert one.sent > 0
            assert one.missing == 0
            # One for each would be as many as there are sockets. What is counted beside it is the nodes' own pulse.
            assert one.unread_looked_for <= one.sockets // 10
        assert site.deployment.nodes[0].wait_ended(20) in (0, -signal.SIGTERM)
