"""The profile of a node: what py-spy saw, by function; and that it sees anything."""

from pathlib import Path

import pytest

from bench.profile import functions, opening, text
from bench.sites import ours

STACKS = """\
run (uvloop.py:10);send (connection.py:120);write (server.py:9) 30
run (uvloop.py:10);send (connection.py:121) 50
run (uvloop.py:10);sweep (node.py:7);sweep (node.py:9) 20
"""


def test_functions_are_summed_over_their_lines() -> None:
    """Own samples, and those with what they call; one that calls itself counts once."""
    found = {one.name: (one.own, one.total) for one in functions(STACKS.splitlines())}
    assert found == {
        "send (connection.py)": (0.5, 0.8),
        "write (server.py)": (0.3, 0.3),
        "sweep (node.py)": (0.2, 0.2),
        "run (uvloop.py)": (0.0, 1.0),
    }
    assert " 50.0%  80.0%  send (connection.py)" in text(functions(STACKS.splitlines()))


@pytest.mark.server
def test_a_node_is_sampled(tmp_path: Path) -> None:
    """While sockets open, its own functions are seen."""
    with ours("ours") as site:
        opening(site, 200, tmp_path / "stacks")
    assert any("notifications/" in one.name for one in functions((tmp_path / "stacks").read_text().splitlines()))
