"""The servers of the tests themselves: each starts, breaks and ends as it says."""

import socket
from collections.abc import Callable

import httpx
import pytest

from tests.servers.nginx import Nginx
from tests.servers.node import Business, BusinessError, Node, Platform
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import HOST, accepts, eventually, free_port
from tests.servers.proxy import Proxy
from tests.servers.redis import Redis
from tests.servers.sockets import Refused, Socket, mint

pytestmark = pytest.mark.server


def test_workers_side_by_side_take_no_port_of_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is free now another one might bind first."""
    monkeypatch.setenv("PYTEST_XDIST_WORKER_COUNT", "4")
    for number in range(4):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        assert {free_port() % 4 for _ in range(20)} == {number}


def test_redis_restarted_is_empty_and_a_full_one_refuses_writes(redis_server: Redis) -> None:
    """Killed and started again nothing is left; with no memory left, writes fail and reads do not."""
    redis_server.ask("SET", "key", "value")
    redis_server.restart_empty()
    assert redis_server.ask("GET", "key") is None
    redis_server.ask("SET", "key", "value")
    redis_server.fill_up()
    with pytest.raises(Exception, match="maxmemory"):
        redis_server.ask("SET", "other", "value")
    assert redis_server.ask("GET", "key") == "value"
    redis_server.limit_memory(0)
    redis_server.ask("SET", "other", "value")


def test_postgresql_gives_a_migrated_database_and_survives_its_crash(postgresql_url: str) -> None:
    """A copy has the tables; after a crash what was committed is there."""
    assert "/test_" in postgresql_url
    with PostgreSQL() as server:
        server.execute("CREATE TABLE kept (n int)")
        server.execute("INSERT INTO kept VALUES (1)")
        server.kill()
        assert not accepts(server.port)
        server.start()
        assert server.execute("SELECT n FROM kept") == [(1,)]


@pytest.mark.parametrize("server", ["uvicorn", "daphne", "embedded"])
async def test_a_node_pushes_what_business_code_sends(
    server: str, sqlite_url: str, start_node: Callable[..., Node], start_business: Callable[..., Business]
) -> None:
    """Each kind of server holds a socket and delivers to it what another process accepted."""
    platform = Platform(sqlite_url)
    business = start_business(platform)
    node = start_node(platform, server)
    uid = business.make_user("dora")
    async with Socket(node.socket_url, mint(uid, platform.jwt_signing_key)) as opened:
        await opened.ready()
        item_id = business.notify(uid, "Hello")
        assert (await opened.wait_item(item_id))["title"] == "Hello"
        assert (await opened.read(item_id))["ids"] == [item_id]
        await opened.silent("notification", "inbox")
    with pytest.raises(Refused) as refused:
        await Socket(node.socket_url, "no-token").open()
    assert refused.value.status == 403
    with pytest.raises(BusinessError, match="InvalidContent"):
        business.notify(uid, "")


async def test_nginx_passes_to_the_nodes_and_logs_no_token(
    sqlite_url: str, start_node: Callable[..., Node], start_nginx: Callable[..., Nginx]
) -> None:
    """A socket through the project's nginx.conf works; the token in its query is in no log."""
    platform = Platform(sqlite_url, standalone=True)
    nginx = start_nginx(start_node(platform))
    token = mint("7", platform.jwt_signing_key)
    async with Socket(f"{nginx.url.replace('http', 'ws')}/ws/notifications/", token, by_query=True) as opened:
        await opened.ready()
    eventually(lambda: any("/ws/notifications/" in line for line in nginx.log_lines()))
    assert token not in "".join(nginx.log_lines()) + nginx.log


def test_proxy_breaks_a_link_in_every_way() -> None:
    """A hole holds what is sent, a reset cuts, a refusal takes no more, a half-close ends one direction."""
    with socket.create_server((HOST, free_port())) as listener, Proxy(listener.getsockname()[1]) as proxy:

        def link() -> tuple[socket.socket, socket.socket]:
            near = socket.create_connection((HOST, proxy.port), timeout=5)
            far, _ = listener.accept()
            far.settimeout(15)
            return near, far

        near, far = link()
        near.sendall(b"one")
        assert far.recv(9) == b"one"
        proxy.hole()
        near.sendall(b"two")
        far.settimeout(0.2)
        with pytest.raises(TimeoutError):
            far.recv(9)
        far.settimeout(15)
        proxy.heal()
        assert far.recv(9) == b"two"
        proxy.half_close()
        assert near.recv(9) == b""
        near.sendall(b"three")
        assert far.recv(9) == b"three"
        near.close()
        far.close()
        near, far = link()
        proxy.reset()
        with pytest.raises(ConnectionResetError):
            near.recv(9)
        near.close()
        far.close()
        proxy.refuse()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((HOST, proxy.port), timeout=5)
        proxy.heal()
        near, far = link()
        near.close()
        far.close()


def test_httpx_reaches_a_node_by_its_url(sqlite_url: str, start_node: Callable[..., Node]) -> None:
    """The sign-in page is served."""
    node = start_node(Platform(sqlite_url))
    assert httpx.get(f"{node.url}/accounts/login/").status_code == 200
