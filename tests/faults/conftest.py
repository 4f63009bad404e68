"""A cluster that the tests of one file share, and break, and leave whole."""

from collections.abc import Callable, Iterator, Sequence
from itertools import count
from math import ceil

import pytest

from tests.faults.run import Cluster

_numbers = count(1)


def p99(samples: Sequence[float]) -> float:
    """What 99 in a hundred do not exceed, by the nearest rank; of fewer than a hundred it would be the worst."""
    assert len(samples) >= 100, f"{len(samples)} samples say nothing of one in a hundred"
    return sorted(samples)[ceil(len(samples) * 0.99) - 1]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two uvicorn nodes behind nginx; the second reaches Redis and the database by links that can be broken."""
    with Cluster(nodes=2) as cluster:
        yield cluster


@pytest.fixture
def new_uid() -> Callable[[], str]:
    """A uid that no test has used."""
    return lambda: f"u{next(_numbers)}"
