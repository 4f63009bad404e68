"""`manage.py drain`: nodes that run send their sockets away and refuse new ones; those that start later serve."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from notifications.models import Drain
from notifications.roll import HOST
from tests.management.calling import run, run_json
from tests.servers.node import Node, Platform
from tests.servers.process import eventually
from tests.servers.sockets import Refused, Socket, mint


@pytest.mark.django_db
def test_drain_stores_the_wish() -> None:
    """For this machine, or for all."""
    assert run_json("drain") == {"host": HOST, "seconds": 20.0}
    assert run_json("drain", "--everywhere") == {"host": None, "seconds": 20.0}
    assert [wish.host for wish in Drain.objects.order_by("id")] == [HOST, ""]
    assert run("drain")[0].startswith(f"the nodes of {HOST} refuse new sockets")
    assert run("drain", "--everywhere")[0].startswith("all nodes refuse new sockets")


@pytest.mark.server
@pytest.mark.parametrize(("server", "database"), [("uvicorn", "postgresql_url"), ("daphne", "sqlite_url")])
async def test_drain_of_nodes(
    server: str, database: str, request: pytest.FixtureRequest, start_node: Callable[..., Node]
) -> None:
    """With sockets and without any: `reconnect`, 4200, `/readyz` 503, no newcomer; the processes go on."""
    platform = Platform(request.getfixturevalue(database), standalone=True)
    busy, idle = start_node(platform, server), start_node(platform, server)
    token = mint("7", platform.jwt_signing_key)
    async with httpx.AsyncClient() as http, Socket(busy.socket_url, token) as socket:
        await socket.ready()
        for node in (busy, idle):
            assert (await http.get(f"{node.url}/readyz")).status_code == 200
        platform.manage("drain")
        await socket.wait_type("reconnect")
        assert await socket.wait_closed() == 4200
        for node in (busy, idle):
            await asyncio.to_thread(eventually, lambda node=node: httpx.get(f"{node.url}/readyz").status_code == 503, 5)
            assert (await http.get(f"{node.url}/healthz")).status_code == 200
            with pytest.raises(Refused) as refused:
                await Socket(node.socket_url, token).open()
            # Daphne cannot say 503 at a handshake.
            assert refused.value.status in (403, 503)
            assert node.running
    async with Socket(start_node(platform, server).socket_url, token) as later:
        await later.ready()
