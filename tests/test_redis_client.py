"""The client of one Redis: answers, refusals, and nobody who waits for one that is away."""

from types import SimpleNamespace
from typing import Any

import pytest

from notifications import redis_client
from notifications.redis_client import AWAY_SECONDS, FAILED, Client, one_for_each, shard_of
from tests.servers.redis import Redis

pytestmark = pytest.mark.server


class Some(Client):
    """Of a part that the metrics know."""

    part = "index"


def test_what_was_done_is_answered_and_what_was_not_is_told(redis_server: Redis) -> None:
    """In the order of the commands; no answer is an answer too, and no command asks nothing."""
    client = Some(redis_server.url)
    assert client.ask([]) == []
    commands = [("SET", "a", 1), ("GET", "a"), ("HGET", "a", "x"), ("GET", "b"), ("NONSENSE",)]
    assert client.ask(commands) == [True, b"1", FAILED, None, FAILED]
    # What is refused makes nobody think that it is away.
    assert client.ask([("GET", "a")]) == [b"1"]
    client.close()


def test_one_that_is_away_is_left_alone_for_a_second(redis_server: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not asked just before, asked again just after."""
    at = 1_000.0
    monkeypatch.setattr(redis_client, "time", SimpleNamespace(monotonic=lambda: at))
    client = Some(redis_server.url)
    redis_server.kill()
    assert client.ask([("PING",), ("PING",)]) == [FAILED, FAILED]
    redis_server.start()
    at += AWAY_SECONDS - 0.001
    assert client.ask([("PING",)]) == [FAILED]
    at += 0.001
    assert client.ask([("PING",)]) == [True]
    client.close()


def test_one_for_each_as_the_settings_are_now(redis_server: Redis, settings: Any) -> None:
    """None without a Redis; other addresses end the clients of the old ones."""
    clients = one_for_each(Some)
    settings.NOTIFICATIONS = {}
    assert clients() == ()
    settings.NOTIFICATIONS = {"REDIS_URLS": [redis_server.url, f"{redis_server.url}/1"]}
    first = clients()
    assert len(first) == 2
    assert clients() is first
    assert first[0].ask([("PING",)]) == [True]
    before = int(redis_server.ask("INFO", "clients")["connected_clients"])
    settings.NOTIFICATIONS = {"REDIS_URLS": [redis_server.url]}
    assert int(redis_server.ask("INFO", "clients")["connected_clients"]) == before - 1
    assert len(clients()) == 1


def test_a_uid_has_its_shard_for_good() -> None:
    """What other versions of the app have stored is found there; all are in use; any text has one."""
    assert [shard_of(uid, 3) for uid in ("7", "8", "用户", "")] == [0, 2, 1, 0]
    assert {shard_of(f"u{n}", 3) for n in range(50)} == {0, 1, 2}
    assert shard_of("\ud800", 5) in range(5)
