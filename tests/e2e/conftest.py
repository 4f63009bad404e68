"""Deployments that the tests here share: each kind is started once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers.deployment import Deployment
from tests.servers.node import Platform, copied_sqlite
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis


@pytest.fixture(scope="package")
def uvicorn_deployment(postgresql: PostgreSQL, migrated_postgresql: str) -> Iterator[Deployment]:
    """Two uvicorn nodes with PostgreSQL and Redis: production."""
    with Redis() as redis:
        platform = Platform(postgresql.url(postgresql.make_database(migrated_postgresql)), redis.url)
        with Deployment(platform, ["uvicorn", "uvicorn"], redis) as deployment:
            yield deployment


@pytest.fixture(scope="package")
def daphne_deployment(postgresql: PostgreSQL, migrated_postgresql: str) -> Iterator[Deployment]:
    """Two Daphne nodes with PostgreSQL and Redis."""
    with Redis() as redis:
        platform = Platform(postgresql.url(postgresql.make_database(migrated_postgresql)), redis.url)
        with Deployment(platform, ["daphne", "daphne"], redis) as deployment:
            yield deployment


@pytest.fixture(scope="package")
def embedded_deployment(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """What `make run` starts: one Daphne node on SQLite, without Redis."""
    platform = Platform(copied_sqlite(migrated_sqlite, tmp_path_factory.mktemp("embedded")))
    with Deployment(platform, ["embedded"]) as deployment:
        yield deployment


@pytest.fixture(params=["uvicorn", "daphne", "embedded"])
def deployment(request: pytest.FixtureRequest) -> Any:
    """Each kind of deployment in turn."""
    return request.getfixturevalue(f"{request.param}_deployment")


@pytest.fixture(params=["uvicorn", "embedded"])
def two_kinds(request: pytest.FixtureRequest) -> Any:
    """The two deployments that have least in common, for what is about the app and not the server."""
    return request.getfixturevalue(f"{request.param}_deployment")
