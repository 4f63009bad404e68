"""What Redis is trusted with: few rights, texts that it cannot read, and no eviction unnoticed (S16)."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
import redis

from tests.servers.deployment import Deployment
from tests.servers.node import Node, Platform
from tests.servers.process import HOST, ROOT, eventually
from tests.servers.redis import Redis

pytestmark = [pytest.mark.server, pytest.mark.security("S16")]

# What the shipped compose and the docs tell operators to give the app's user.
(RIGHTS,) = re.findall(r"^ACL SETUSER notifications (.+)$", (ROOT / "docs" / "operations.md").read_text(), re.MULTILINE)


@pytest.fixture
def platform(sqlite_url: str) -> Platform:
    """Without users, to be given a Redis."""
    return Platform(sqlite_url, standalone=True)


async def use_everything(deployment: Deployment) -> None:
    """Open, push, announce, read, ask who is online, close: across two nodes."""
    async with (
        deployment.socket("7", 0) as here,
        deployment.socket("7", 1) as there,
        deployment.rpc(deployment.service_key(), 0) as rpc,
    ):
        await here.ready(20)
        await there.ready(20)
        item_id = (await rpc.call("notifications.send", uid="7", title="Secret title"))["id"]
        for socket in (here, there):
            await socket.wait_item(item_id, 10)
        await rpc.call("announcements.create", title="For all", ends_at="2099-01-01T00:00:00Z")
        assert (await here.ask("read", ids=[item_id]))["ids"] == [item_id]
        assert (await rpc.call("connections.online", uids=["7", "8"])) == {"7": 2, "8": 0}
        await rpc.call("connections.disconnect", uid="7")
        assert await here.wait_closed(10) == 4003
        assert await there.wait_closed(10) == 4003


async def test_a_user_with_the_documented_rights_is_enough(platform: Platform, redis_server: Redis) -> None:
    """Two nodes do everything by it, and Redis refuses them nothing; the doctor is content."""
    redis_server.ask("ACL", "SETUSER", "notifications", *RIGHTS.replace("PASSWORD", "secret").split())
    url = redis_server.url.replace("redis://", "redis://notifications:secret@")
    with Deployment(replace(platform, redis_url=url), ["uvicorn", "daphne"], redis_server) as deployment:
        await use_everything(deployment)
        assert redis_server.ask("ACL", "LOG") == []
        found = json.loads(deployment.platform.manage("notifications_doctor", "--json", check=False).stdout)
        assert [f for f in found["findings"] if f["examination"] in ("redis", "channel layer", "clocks")] == []
    with redis.Redis.from_url(url) as client, pytest.raises(redis.exceptions.NoPermissionError):
        client.set("somebody-elses", "key")


@pytest.mark.parametrize("keys", ["", "k" * 32])
async def test_between_nodes_texts_are_encrypted(platform: Platform, redis_server: Redis, keys: str) -> None:
    """With CHANNEL_ENCRYPTION_KEYS whoever listens to Redis reads no title; without, a title is there to be read."""
    platform = replace(platform, redis_url=redis_server.url, extra={"CHANNEL_ENCRYPTION_KEYS": keys})
    with (
        Deployment(platform, ["uvicorn", "uvicorn"], redis_server) as deployment,
        redis.Redis.from_url(redis_server.url, socket_timeout=20) as client,
        client.pubsub() as listener,
    ):
        listener.psubscribe("*")
        heard: list[bytes] = []
        await use_everything(deployment)
        while message := listener.get_message(timeout=1):
            if message["type"] == "pmessage":
                heard.append(message["data"])
        assert heard
        assert any(b"Secret title" in data for data in heard) is not bool(keys)


async def test_a_key_of_its_own_costs_time_and_nothing_else(platform: Platform, redis_server: Redis) -> None:
    """A node that cannot decrypt what the other sends serves its users from the database."""
    other = replace(platform, redis_url=redis_server.url, extra={"CHANNEL_ENCRYPTION_KEYS": "o" * 32})
    platform = replace(platform, redis_url=redis_server.url, extra={"CHANNEL_ENCRYPTION_KEYS": "k" * 32})
    with Deployment(platform, ["uvicorn"], redis_server) as deployment, Node(other) as node:
        deployment.nodes.append(node)
        async with deployment.socket("7", 1) as socket, deployment.rpc(deployment.service_key(), 0) as rpc:
            await socket.ready(20)
            item_id = (await rpc.call("notifications.send", uid="7", title="Hello"))["id"]
            await socket.wait_item(item_id, 20)


def test_a_redis_that_evicts_is_warned_of_at_the_start(
    platform: Platform, redis_server: Redis, start_node: Callable[..., Node]
) -> None:
    """With its mend; one that does not is no news, nor is one that is away."""
    platform = replace(platform, redis_url=redis_server.url)
    quiet = start_node(platform)
    redis_server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    warned = start_node(platform)
    eventually(lambda: f"Redis at {HOST}:{redis_server.port} evicts (allkeys-lru)" in warned.log)
    assert "noeviction" in warned.log
    redis_server.stop()
    httpx.get(f"{start_node(platform).url}/healthz").raise_for_status()
    assert "evicts" not in quiet.log


def test_compose_has_what_the_docs_say() -> None:
    """The Redis of compose.yaml is reached by nodes alone: it publishes no port."""
    text = Path(ROOT / "docker" / "compose.yaml").read_text()
    redis_service = text.split("\n  redis:", 1)[1].split("\n  postgres:", 1)[0]
    assert "ports:" not in redis_service
