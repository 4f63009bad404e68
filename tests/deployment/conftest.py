"""The installation that the tests here share: three nodes behind nginx, with Redis and PostgreSQL."""

import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from itertools import count
from typing import Any

import httpx
import pytest

from tests.servers.deployment import Deployment
from tests.servers.nginx import Nginx
from tests.servers.node import Node, Platform
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis
from tests.servers.sockets import Socket

Opener = Callable[..., Awaitable[Socket]]

_numbers = count(1)


@pytest.fixture(scope="package")
def three_nodes(postgresql: PostgreSQL, migrated_postgresql: str) -> Iterator[Deployment]:
    """Two uvicorn nodes and a Daphne one."""
    with Redis() as redis:
        platform = Platform(postgresql.url(postgresql.make_database(migrated_postgresql)), redis.url, standalone=True)
        with Deployment(platform, ["uvicorn", "daphne", "uvicorn"], redis) as deployment:
            yield deployment


@pytest.fixture(scope="package")
def proxy(three_nodes: Deployment) -> Iterator[Nginx]:
    """Nginx in front of the three."""
    with Nginx([node.port for node in three_nodes.nodes]) as nginx:
        yield nginx


def socket_url(nginx: Nginx) -> str:
    """Where sockets open by way of the proxy."""
    return nginx.url.replace("http", "ws") + "/ws/notifications/"


def figure(node: Node, name: str) -> float:
    """One of the figures of a node's /metrics, all labels added up."""
    text = httpx.get(f"{node.url}/metrics").text
    return sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", text, re.MULTILINE))


@pytest.fixture
def new_uid() -> Callable[[], str]:
    """A uid that no test has used."""
    return lambda: f"u{next(_numbers)}"


@pytest.fixture
def opened(three_nodes: Deployment) -> Opener:
    """To be called with a stack, a URL, a uid and options of `Socket`: an open socket that has had its inbox."""

    async def open_(stack: AsyncExitStack, url: str, uid: str, **options: Any) -> Socket:
        socket = Socket(url, three_nodes.token(uid), **options)
        await stack.enter_async_context(socket)
        await socket.ready()
        return socket

    return open_
