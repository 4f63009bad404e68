"""Fixtures of the RPC tests."""

from collections.abc import Iterator

import pytest

from notifications.rpc import rate
from tests.rpc.caller import Caller, make_caller


@pytest.fixture
def billing(transactional_db: None) -> Caller:
    """A service with every scope."""
    return make_caller()


@pytest.fixture(autouse=True)
def full_buckets() -> Iterator[None]:
    """No test pays for the calls of another."""
    rate.forget()
    yield
    rate.forget()
