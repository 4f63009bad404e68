"""The randomized run, short: whole it holds, and with any one mechanism switched off it goes red."""

from pathlib import Path

import pytest

from tests.faults.run import Cluster, run

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]


@pytest.mark.parametrize("seed", [1])
async def test_nothing_is_violated_under_random_faults(seed: int, tmp_path: Path) -> None:
    """A minute of clients, services and faults: every invariant holds."""
    with Cluster(nodes=2, servers=("daphne", "uvicorn")) as cluster:
        verdict = await run(cluster, seed, 45, users=30, report=tmp_path / "history.json")
        print(verdict)
        assert not verdict.violations, "\n".join(map(str, [verdict, tmp_path, *verdict.violations[:20]]))
        # It was no idle minute.
        assert verdict.accepted > 200
        assert verdict.reads > 50
        assert verdict.faults.total() > 5


@pytest.mark.parametrize(
    ("switched_off", "broken", "nodes", "users", "announcements"),
    [
        # Half of the announcements are to begin later, which only the tail sees to.
        ("tail_off", {"I1", "I7", "I10"}, 2, 12, 2),
        ("join_after_read", {"I1"}, 1, 6, 0.1),
        ("unscoped_read", {"I9"}, 1, 12, 0.1),
        # Every announcement voids every index: none is stale for long where there are many.
        ("index_over_database", {"I5", "I7", "I10"}, 2, 12, 0.01),
    ],
)
async def test_a_mechanism_that_is_switched_off_is_missed(
    switched_off: str, broken: set[str], nodes: int, users: int, announcements: float
) -> None:
    """Without the tail, the join before the read, the scope of a read, or the index's rules, invariants break."""
    with Cluster(nodes=nodes, sabotage=switched_off) as cluster:
        verdict = await run(
            cluster,
            1,
            8,
            users=users,
            publishes_per_second=30,
            announcements_per_second=announcements,
            life=2,
            faults=None,
        )
    assert {violation.invariant for violation in verdict.violations} & broken, verdict
