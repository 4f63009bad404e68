"""docs/traps.md names a test for each trap; those that are no single module's are here."""

import asyncio
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from channels.consumer import AsyncConsumer
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from notifications import server as node_server
from notifications.consumers import NotificationConsumer
from tests.servers.redis import Redis

ROOT = Path(__file__).resolve().parent.parent


def test_every_trap_has_its_test() -> None:
    """Which exists."""
    rows = re.findall(r"^\| (.+) \| `(\S+?)::(\w+)` \|$", (ROOT / "docs" / "traps.md").read_text(), re.MULTILINE)
    assert len(rows) > 30
    for trap, path, name in rows:
        assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), trap


def test_a_heartbeat_costs_no_thread() -> None:
    """Channels' own `dispatch`, which closes old database connections in a thread first, is not what runs."""
    assert NotificationConsumer.dispatch is not AsyncConsumer.dispatch
    names = NotificationConsumer.dispatch.__code__.co_names
    assert not [name for name in names if "close_old" in name or "thread" in name]


@pytest.mark.server
async def test_an_idle_reader_of_the_channel_layer_stays(redis_server: Redis) -> None:
    """With the platform's time-outs a blocking read of more than 5 s ends with a message, not an error."""
    host = {
        "address": redis_server.url,
        "socket_timeout": 15,
        "socket_connect_timeout": 5,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.1, cap=2), retries=3),
    }
    settings = (ROOT / "platform" / "config" / "settings.py").read_text()
    for name in ("socket_timeout", "socket_connect_timeout"):
        assert f'"{name}": {host[name]},' in settings
    layer = RedisPubSubChannelLayer(hosts=[host])
    channel = await layer.new_channel()
    await layer.group_add("everyone", channel)
    reading = asyncio.create_task(layer.receive(channel))
    done, _ = await asyncio.wait([reading], timeout=6)
    assert not done
    await layer.group_send("everyone", {"type": "x", "n": 1})
    assert (await asyncio.wait_for(reading, 15))["n"] == 1
    await layer.flush()


@pytest.mark.security("S11")
def test_what_uvicorn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """No access log, no compression, no pings of its own, no trust in forwarded addresses; a backlog for a wave."""
    told: dict[str, Any] = {}

    class Server:
        def __init__(self, config: Any) -> None:
            told.update(vars(config))

        def run(self) -> None:
            pass

    monkeypatch.setattr(node_server, "_UvicornServer", Server)
    node_server._run_uvicorn(lambda: None, "127.0.0.1", 8000)
    assert (told["access_log"], told["ws_per_message_deflate"], told["ws_ping_interval"]) == (False, False, None)
    assert (told["proxy_headers"], told["backlog"], told["loop"]) == (False, 2_048, "uvloop")


@pytest.mark.security("S11")
def test_what_daphne_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets live for ever, the backlog is that of uvicorn, no log of requests, no trust in forwarded addresses."""
    told: dict[str, Any] = {}

    class Server:
        def __init__(self, application: Any, **options: Any) -> None:
            told.update(options)

        def run(self) -> None:
            pass

    # The real module would put Twisted's reactor into this process.
    stand_in = ModuleType("notifications.daphne_server")
    stand_in.DaphneServer = Server  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "notifications.daphne_server", stand_in)
    node_server._run_daphne(lambda: None, "127.0.0.1", 8000)
    assert told["websocket_timeout"] == -1
    assert told["endpoints"] == ["tcp:port=8000:interface=127.0.0.1:backlog=2048"]
    assert told["action_logger"] is None
    assert "proxy_forwarded_address_header" not in told
    assert told["ping_interval"] > 3_600
