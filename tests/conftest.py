"""Fixtures for every test. Those of servers start the real ones, at first use, and end them with the test (or run)."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker

from tests.databases import orm_on
from tests.servers.nginx import Nginx
from tests.servers.node import Business, Node, Platform, copied_sqlite
from tests.servers.postgresql import PostgreSQL
from tests.servers.proxy import Proxy
from tests.servers.redis import Redis

# A machine that is busy with other things makes no example wrong.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")
# Nor an answer: what stands in for a peer of the consumer would wait a second for it.
for wait in (
    WebsocketCommunicator.connect, WebsocketCommunicator.receive_from, WebsocketCommunicator.receive_output,
):  # fmt: skip
    wait.__defaults__ = (15,)
WebsocketCommunicator.wait.__defaults__ = (15,)
WebsocketCommunicator.disconnect.__defaults__ = (1000, 15)


@pytest.fixture
def alice(db: None) -> User:
    """A user of the platform."""
    return User.objects.create_user("alice", password="demo-alice")


@pytest.fixture
def bob(db: None) -> User:
    """Another user."""
    return User.objects.create_user("bob", password="demo-bob")


@pytest.fixture
def redis_server() -> Iterator[Redis]:
    """A Redis of the test's own."""
    with Redis() as server:
        yield server


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The PostgreSQL of this run. Tests that stop or pause it start one of their own: `with PostgreSQL() as server`."""
    with PostgreSQL() as server:
        yield server


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql: PostgreSQL) -> str:
    """The name of a database with the platform's tables, to be copied."""
    name = postgresql.make_database()
    Platform(postgresql.url(name)).migrate()
    return name


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the platform's tables, to be copied."""
    path = tmp_path_factory.mktemp("sqlite") / "migrated.sqlite3"
    Platform(f"sqlite:///{path}").migrate()
    return path


@pytest.fixture
def postgresql_url(postgresql: PostgreSQL, migrated_postgresql: str) -> str:
    """The DATABASE_URL of a fresh database with the platform's tables, in PostgreSQL."""
    return postgresql.url(postgresql.make_database(migrated_postgresql))


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    """The DATABASE_URL of a fresh database with the platform's tables, in SQLite."""
    return copied_sqlite(migrated_sqlite, tmp_path)


@pytest.fixture
def on_postgresql(postgresql_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The ORM of the test itself is on a fresh database in PostgreSQL. Not together with the mark `django_db`."""
    with django_db_blocker.unblock(), orm_on(postgresql_url):
        yield


@pytest.fixture
def ending() -> Iterator[ExitStack]:
    """What is entered here ends with the test, last first."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def start_node(ending: ExitStack) -> Callable[..., Node]:
    """`start_node(platform, server="uvicorn")`: a node that serves, with variables of its own as further arguments."""

    def start(platform: Platform, server: str = "uvicorn", **extra: str) -> Node:
        return ending.enter_context(Node(platform, server, **extra))

    return start


@pytest.fixture
def start_business(ending: ExitStack) -> Callable[[Platform], Business]:
    """`start_business(platform)`: a process of the platform that runs business code."""
    return lambda platform: ending.enter_context(Business(platform))


@pytest.fixture
def start_nginx(ending: ExitStack) -> Callable[..., Nginx]:
    """`start_nginx(node, node, ...)`: nginx with the project's configuration in front of them."""
    return lambda *nodes: ending.enter_context(Nginx([node.port for node in nodes]))


@pytest.fixture
def start_proxy(ending: ExitStack) -> Callable[[Any], Proxy]:
    """`start_proxy(server)`: a TCP proxy in front of anything that has a `port`."""
    return lambda server: ending.enter_context(Proxy(server.port))
