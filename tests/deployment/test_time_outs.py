"""The limits that the platform sets on PostgreSQL: statements, locks, waiting for a connection of the pool."""

import time
from collections.abc import Callable

import psycopg
import pytest

from tests.servers.node import Business, BusinessError, Node, Platform, RpcClient, RpcError
from tests.servers.postgresql import PostgreSQL

pytestmark = [pytest.mark.server, pytest.mark.timeout(120)]

KEY = "from notifications import service_keys\nresult = service_keys.create('x', ['notify'])[1]"


def test_what_a_connection_is_given(postgresql_url: str, start_business: Callable[..., Business]) -> None:
    """As documented, and overridden by the address; a statement that takes longer is an error."""
    show = (
        "cursor = connection.cursor()\nresult = []\n"
        "for name in ('statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout'):\n"
        "    cursor.execute(f'SHOW {name}')\n    result.append(cursor.fetchone()[0])"
    )
    assert start_business(Platform(postgresql_url)).run(show) == ["15s", "5s", "30s"]
    other = start_business(Platform(f"{postgresql_url}?options=-c%20statement_timeout%3D300"))
    assert other.run(show)[0] == "300ms"
    began = time.monotonic()
    with pytest.raises(BusinessError, match="statement timeout"):
        other.run("connection.cursor().execute('SELECT pg_sleep(20)')")
    assert time.monotonic() - began < 15


async def test_a_lock_that_lasts_is_unavailable(
    postgresql_url: str, start_node: Callable[..., Node], start_business: Callable[..., Business]
) -> None:
    """The call ends after the lock's 5 s with -32050 and nothing was accepted; afterwards it works."""
    platform = Platform(postgresql_url, standalone=True)
    node = start_node(platform)
    key = start_business(platform).run(KEY)
    async with RpcClient(f"{node.url}/rpc/", key) as rpc:
        async with await psycopg.AsyncConnection.connect(postgresql_url) as connection:
            await connection.execute("LOCK TABLE notifications_notification IN ACCESS EXCLUSIVE MODE")
            began = time.monotonic()
            with pytest.raises(RpcError) as refused:
                await rpc.call("notifications.send", uid="7", title="Never")
            assert refused.value.code == -32050
            assert 4 < time.monotonic() - began < 14
        assert (await rpc.call("notifications.send", uid="7", title="Now"))["id"]
        assert [item["title"] for item in await titles(postgresql_url)] == ["Now"]


async def titles(url: str) -> list[dict[str, str]]:
    """What is stored."""
    async with await psycopg.AsyncConnection.connect(url) as connection:
        cursor = await connection.execute("SELECT title FROM notifications_notification")
        return [{"title": row[0]} for row in await cursor.fetchall()]


def test_a_pool_that_is_used_up(
    postgresql: PostgreSQL, postgresql_url: str, start_business: Callable[..., Business]
) -> None:
    """Sixteen connections; whoever finds none within 3 s is told `unavailable`, and gets one later."""
    business = start_business(Platform(postgresql_url))
    result = business.run(
        """
import threading, time
from notifications.database import available
from notifications.exceptions import Unavailable
release, held, outcome = threading.Event(), threading.Barrier(17), []
def hold():
    connection.cursor().execute("SELECT 1")
    held.wait()
    release.wait()
    connection.close()
threads = [threading.Thread(target=hold) for _ in range(16)]
for thread in threads:
    thread.start()
held.wait()
began = time.monotonic()
def ask():
    try:
        with available():
            connection.cursor().execute("SELECT 1")
        outcome.append("served")
    except Unavailable:
        outcome.append("unavailable")
    connection.close()
def once():
    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
once()
took = time.monotonic() - began
release.set()
for thread in threads:
    thread.join()
once()
result = [took, *outcome]
"""
    )
    assert 2.5 < result[0] < 14
    assert result[1:] == ["unavailable", "served"]
