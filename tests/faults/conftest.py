"""A cluster that the tests of one file share, and break, and leave whole."""

from collections.abc import Callable, Iterator
from itertools import count

import pytest

from tests.faults.run import Cluster

_numbers = count(1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Two uvicorn nodes behind nginx; the second reaches Redis and the database by links that can be broken."""
    with Cluster(nodes=2) as cluster:
        yield cluster


@pytest.fixture
def new_uid() -> Callable[[], str]:
    """A uid that no test has used."""
    return lambda: f"u{next(_numbers)}"
