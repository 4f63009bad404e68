"""Sign-out, ban and `connections.disconnect` close every socket of the user on all nodes, also without Redis."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.servers.deployment import Deployment
from tests.servers.node import Platform
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

# Instead of a minute: how often a node looks whether the users of its sockets are still to be let in.
RECHECK_SECONDS = 1.5


@pytest.fixture(scope="module")
def deployment(postgresql: PostgreSQL, migrated_postgresql: str) -> Iterator[Deployment]:
    """A node on either server, with a user table."""
    with Redis() as redis:
        platform = Platform(
            postgresql.url(postgresql.make_database(migrated_postgresql)),
            redis.url,
            settings="tests.faults.settings",
            extra={"TEST_NOTIFICATIONS": f'{{"RECHECK_INTERVAL": {RECHECK_SECONDS}}}'},
        )
        with Deployment(platform, ["uvicorn", "daphne"], redis) as deployment:
            yield deployment


async def sign_out(deployment: Deployment, uid: str) -> None:
    """As a person does: through the pages of the first node."""
    name = deployment.business.run("result = User.objects.get(pk=uid).username", uid=uid)
    async with httpx.AsyncClient(base_url=deployment.nodes[0].url, timeout=20) as client:
        await client.get("/accounts/login/")
        form = {"username": name, "password": f"demo-{name}", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        assert (await client.post("/accounts/login/", data=form)).status_code == 302
        form = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
        assert (await client.post("/accounts/logout/", data=form)).status_code == 302


async def ban(deployment: Deployment, uid: str) -> None:
    """As staff do, by way of the model."""
    deployment.business.run("u = User.objects.get(pk=uid)\nu.is_active = False\nu.save()", uid=uid)


async def ban_in_the_table(deployment: Deployment, uid: str) -> None:
    """Past the model: nobody is told, and the nodes find out by themselves."""
    deployment.business.run("User.objects.filter(pk=uid).update(is_active=False)", uid=uid)


async def disconnect(deployment: Deployment, uid: str) -> None:
    """As a service does."""
    async with deployment.rpc(deployment.service_key("connections")) as rpc:
        await rpc.call("connections.disconnect", uid=uid)


@pytest.mark.security("S6")
@pytest.mark.parametrize("redis", ["up", "killed", "paused"])
async def test_every_socket_on_every_node(deployment: Deployment, redis: str) -> None:
    """4003 within 2 s of the call, with Redis or without it; what nobody is told of, within the recheck's time."""
    ways = [sign_out, ban, ban_in_the_table, disconnect]
    assert deployment.redis is not None
    async with AsyncExitStack() as stack:
        uids = [deployment.new_user() for _ in (*ways, None)]
        sockets = {uid: [deployment.socket(uid, node) for node in (0, 1)] for uid in uids}
        for both in sockets.values():
            for socket in both:
                await stack.enter_async_context(socket)
                await socket.ready()
        if redis != "up":
            getattr(deployment.redis, {"killed": "kill", "paused": "pause"}[redis])()
        try:
            for way, uid in zip(ways, uids, strict=False):
                await way(deployment, uid)
                acted = time.monotonic()
                codes = await asyncio.gather(*(socket.wait_closed(10) for socket in sockets[uid]))
                assert codes == [4003, 4003], way.__name__
                # The recheck is part of the tail's look, which comes once a second.
                bound = RECHECK_SECONDS + 2.5 if way is ban_in_the_table else 2.5
                assert max(socket.closed_at for socket in sockets[uid]) - acted < bound, way.__name__
            for bystander in sockets[uids[-1]]:
                await bystander.ping()
        finally:
            if redis == "killed":
                await asyncio.to_thread(deployment.redis.start)
            else:
                deployment.redis.resume()
