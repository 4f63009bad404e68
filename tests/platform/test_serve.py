"""`config.serve`, which `make serve` runs: a production node from its environment, by either server."""

import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.servers.node import Node, Platform
from tests.servers.process import HOST, ROOT, free_port
from tests.servers.sockets import Socket, mint

pytestmark = pytest.mark.server


def refused(environment: Mapping[str, str], module: str = "config.serve") -> str:
    """The one line that a node ends with at once."""
    done = subprocess.run(
        [sys.executable, "-m", module],
        cwd=ROOT, env=dict(environment), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("port", ["", "0", "65536", "-1", "http", "80 ", "٣"])
def test_a_bad_port_is_one_line(port: str) -> None:
    """With the mend."""
    line = refused(Platform("").environment() | {"PORT": port})
    assert line == f"PORT is {port!r}; set it to a number from 1 to 65535"


@pytest.mark.parametrize("module", ["config.serve", "config.embedded"])
def test_a_port_in_use_is_one_line(module: str) -> None:
    """Before anything is made, and before `make run` names logins of what is not its own; on either server."""
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        environment = Platform("").environment() | {"PORT": str(port), "SERVER": "daphne"}
        line = refused(environment, module)
    assert line == (
        f"PORT is {port}, which cannot be used on {HOST} (Address already in use); set another, or end what uses it"
    )


def test_a_host_that_is_none_is_one_line() -> None:
    """It names what is wrong."""
    line = refused(Platform("").environment() | {"PORT": "21001", "HOST": "no.such.host.invalid"})
    assert line.startswith("PORT is 21001, which cannot be used on no.such.host.invalid (")


@pytest.mark.parametrize("server", ["", "gunicorn", "Uvicorn"])
def test_an_unknown_server_is_one_line(server: str) -> None:
    """There are two."""
    assert refused(Platform("").environment() | {"SERVER": server}) == (
        f"SERVER is {server!r}; set it to uvicorn or daphne"
    )


@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
async def test_a_node_serves_and_ends_with_sigterm(
    server: str, sqlite_url: str, start_node: Callable[..., Node]
) -> None:
    """Pages, health and sockets; SIGUSR1 prints its threads, SIGTERM sends the sockets away, and the process ends."""
    platform = Platform(sqlite_url, standalone=True)
    node = start_node(platform, server)
    async with httpx.AsyncClient(base_url=node.url) as http:
        assert (await http.get("/healthz")).status_code == 200
        assert (await http.get("/accounts/login/")).status_code == 200
        assert "server" not in (await http.get("/healthz")).headers or server == "daphne"
    async with Socket(node.socket_url, mint("7", platform.jwt_signing_key)) as socket:
        await socket.ready()
        assert "most recent call first" in node.threads()
        await socket.ping()
        node.signal(signal.SIGTERM)
        await socket.wait_type("reconnect")
        assert await socket.wait_closed() == 4200
    # Its supervisor is not to take a drain for a failure.
    assert node.wait_ended() == 0
    assert "Traceback" not in node.log


def test_nothing_is_migrated_or_created(tmp_path: Path, start_node: Callable[..., Node]) -> None:
    """A production node leaves the database as it is: no table, no demo account."""
    node = start_node(Platform(f"sqlite:///{tmp_path}/empty.sqlite3"))
    data = {"username": "alice", "password": "demo-alice"}
    assert httpx.post(f"{node.url}/api/token/", json=data).status_code == 503
    tried = Platform(node.platform.database_url).manage("notify", "7", "--title", "x", check=False)
    assert "no such table" in tried.stderr


@pytest.mark.security("S18")
def test_demo_accounts_are_nobody_in_production(sqlite_url: str, start_node: Callable[..., Node]) -> None:
    """Even where the tables are there."""
    node = start_node(Platform(sqlite_url))
    for name in ("alice", "staff", "admin"):
        answer = httpx.post(f"{node.url}/api/token/", json={"username": name, "password": f"demo-{name}"})
        assert answer.status_code == 401


def test_a_token_in_the_address_is_not_logged(sqlite_url: str, start_node: Callable[..., Node]) -> None:
    """Neither accepted nor refused."""
    platform = Platform(sqlite_url)
    for server in ("uvicorn", "daphne"):
        node = start_node(platform, server)
        httpx.get(f"{node.url}/nothing/?token=canary-in-a-query")
        httpx.get(f"{node.url}/healthz", headers={"Authorization": "Bearer canary-in-a-header"})
        node.stop()
        assert "canary" not in node.log


def test_two_processes_on_one_sqlite_file(sqlite_url: str, start_node: Callable[..., Node]) -> None:
    """Writes of both wait for each other instead of failing."""
    platform = Platform(sqlite_url)
    nodes = [start_node(platform), start_node(platform)]
    made = [platform.manage("create_service_key", f"s{n}", "--scope", "notify").stdout.strip() for n in range(2)]

    def send(n: int) -> int:
        body = {"jsonrpc": "2.0", "id": 1, "method": "notifications.send", "params": {"uid": "7", "title": str(n)}}
        headers = {"Authorization": f"Bearer {made[n % 2]}"}
        answer = httpx.post(f"{nodes[n % 2].url}/rpc/", json=body, headers=headers, timeout=30).json()
        return int("result" in answer)

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(send, range(60))) == 60


def test_it_is_what_the_makefile_runs(sqlite_url: str) -> None:
    """`make serve` hands its variables on, and its process is the server: a signal reaches it."""
    port = free_port()
    environment = replace(Platform(sqlite_url), extra={"PLAIN_HTTP": "1"}).environment()
    command = ["make", "serve", f"PORT={port}", "SERVER=gunicorn"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "SERVER is 'gunicorn'; set it to uvicorn or daphne" in done.stderr
