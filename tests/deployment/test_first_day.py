"""docs/first-day.md: deployed behind nginx, looked over, a Redis that is lost and found, upgraded node by node."""

import asyncio
import json
import signal
from contextlib import ExitStack

import httpx
import pytest

from tests.deployment.conftest import socket_url
from tests.servers.nginx import Nginx
from tests.servers.node import Node, Platform, RpcClient
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ROOT
from tests.servers.redis import Redis
from tests.servers.sockets import Socket, mint

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]


def doctor(platform: Platform, *arguments: str) -> tuple[int, list[dict[str, str]]]:
    """How the doctor ends, and what it finds besides the cookies, which go over plain HTTP here."""
    done = platform.manage("notifications_doctor", "--json", *arguments, check=False)
    findings = json.loads(done.stdout)["findings"]
    return done.returncode, [finding for finding in findings if "security.W" not in finding["message"]]


async def test_the_first_day(postgresql: PostgreSQL) -> None:
    """Each step of the page, and nothing that was accepted is missing at the end."""
    with ExitStack() as servers:
        redis = servers.enter_context(Redis())
        platform = Platform(postgresql.url(postgresql.make_database()), redis.url, standalone=True)
        early = servers.enter_context(Node(platform))
        async with httpx.AsyncClient() as http:
            assert (await http.get(f"{early.url}/readyz")).json()["reasons"] == ["migrations"]
            platform.migrate()
            assert (await http.get(f"{early.url}/readyz")).status_code == 200
        nodes = [early, servers.enter_context(Node(platform))]
        nginx = servers.enter_context(Nginx([node.port for node in nodes]))
        shipped = str(ROOT / "docker" / "nginx" / "nginx.conf")
        assert doctor(platform, "--nginx", shipped) == (0, [])
        key = platform.manage("create_service_key", "shop", "--scope", "notify").stdout.strip()
        async with (
            RpcClient(f"{nginx.url}/rpc/", key) as rpc,
            Socket(socket_url(nginx), mint("7", platform.jwt_signing_key)) as socket,
        ):
            await socket.ready(20)
            sent = [(await rpc.call("notifications.send", uid="7", title="First"))["id"]]
            await socket.wait_item(sent[0], 20)

            redis.kill()
            sent.append((await rpc.call("notifications.send", uid="7", title="Without Redis"))["id"])
            await socket.wait_item(sent[-1], 20)
            status, findings = doctor(platform)
            assert status == 1
            (finding,) = [finding for finding in findings if finding["examination"] == "redis"]
            assert "cannot be asked" in finding["message"]
            assert "Start it" in finding["mend"]
            redis.start()
            assert doctor(platform) == (0, [])

            for number, old in enumerate(nodes):
                old.signal(signal.SIGTERM)
                sent.append((await rpc.call("notifications.send", uid="7", title=f"While {number} drains"))["id"])
                assert await asyncio.to_thread(old.wait_ended, 60) == 0
                await asyncio.to_thread(old.start)
                sent.append((await rpc.call("notifications.send", uid="7", title=f"After {number}"))["id"])
            # Either node sent it away, since both were replaced; a browser comes back by itself.
            assert await socket.wait_closed(20) == 4200
        async with Socket(socket_url(nginx), mint("7", platform.jwt_signing_key)) as again:
            await again.ready(20)
            assert again.replayed == sent
