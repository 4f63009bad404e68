"""Who is online: this process's own sockets, and everybody's by way of Redis."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest

from notifications import presence
from notifications.exceptions import Unavailable
from notifications.presence import Here
from tests.servers.process import eventually
from tests.servers.redis import Redis


@pytest.fixture(autouse=True)
def nobody() -> Iterator[None]:
    """No test leaves its sockets to the next."""
    yield
    presence.serve(None)


@pytest.fixture
def shards(redis_server: Redis, settings: Any) -> Redis:
    """A Redis that presence is written to."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": [redis_server.url]}
    return redis_server


def test_without_redis_this_process_answers_from_its_own_sockets() -> None:
    """And before it has any, for nobody."""
    assert presence.online(["7"]) == {"7": 0}
    here = Here()
    presence.serve(here)
    here.note("7", 2)
    here.note("8", 1)
    here.note("8", 0)
    assert presence.online(["7", "8", "9"]) == presence.known(["7", "8", "9"]) == {"7": 2, "8": 0, "9": 0}


@pytest.mark.server
async def test_nodes_see_each_others_sockets(shards: Redis) -> None:
    """Summed; a node knows its own at once, whatever it has written."""
    one, two = Here(), Here()
    one.note("7", 2)
    two.note("7", 1)
    two.note("8", 3)
    await one.write()
    await two.write()
    assert presence.online(["7", "8", "9"]) == {"7": 3, "8": 3, "9": 0}
    presence.serve(two)
    two.note("7", 5)
    assert presence.online(["7"]) == {"7": 7}
    two.note("7", 0)
    await two.write()
    presence.serve(None)
    assert presence.online(["7"]) == {"7": 2}
    assert shards.ask("HLEN", "notifications:online:7") == 1


@pytest.mark.server
async def test_a_user_on_two_nodes_is_one_user(shards: Redis, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many keys of all sorts the scan walks through; who has gone, or was on a dead node, is not counted."""
    monkeypatch.setattr(presence, "SCANNED", 10)
    shards.ask("MSET", *(text for n in range(100) for text in (f"notifications:other:{n}", "x")))
    one, two, dead = Here(), Here(), Here()
    for number in range(40):
        one.note(str(number), 1)
    for number in range(30, 50):
        two.note(str(number), 2)
    dead.note("99", 1)
    for here in (one, two, dead):
        await here.write()
    shards.ask("DEL", f"notifications:node:{dead.node}")
    assert presence.users() == 50
    presence.serve(two)
    two.note("49", 0)
    two.note("100", 1)
    await two.write()
    assert presence.users() == 50
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": []}
    assert presence.users() == 20
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": ["redis://127.0.0.1:1"]}
    with pytest.raises(Unavailable):
        presence.users()


@pytest.mark.server
async def test_what_a_dead_node_left_counts_for_nothing_and_is_taken_away(shards: Redis) -> None:
    """Its key has run out."""
    dead = Here()
    dead.note("7", 2)
    await dead.write()
    shards.ask("DEL", f"notifications:node:{dead.node}")
    assert presence.online(["7"]) == {"7": 0}
    assert shards.ask("EXISTS", "notifications:online:7") == 0


@pytest.mark.server
async def test_keys_end_by_themselves(shards: Redis) -> None:
    """A node's within seconds, a uid's within hours."""
    here = Here()
    here.note("7", 2)
    await here.write()
    assert 0 < shards.ask("PTTL", f"notifications:node:{here.node}") <= presence.NODE_SECONDS * 1000
    assert 0 < shards.ask("TTL", "notifications:online:7") <= presence.HASH_SECONDS


@pytest.mark.server
async def test_a_node_that_ends_says_so(shards: Redis) -> None:
    """Its sockets count no more at once."""
    here = Here()
    here.note("7", 2)
    await here.write()
    here.goodbye()
    assert presence.online(["7"]) == {"7": 0}


@pytest.mark.server
async def test_a_redis_that_comes_back_empty_is_told_everything(shards: Redis) -> None:
    """As is one whose node key ran out while the node was paused."""
    here = Here()
    here.note("7", 2)
    await here.write()
    shards.ask("FLUSHALL")
    assert presence.online(["7"]) == {"7": 0}
    await here.write()
    assert presence.online(["7"]) == {"7": 2}


@pytest.mark.server
async def test_the_task_writes_changes_together_within_moments(shards: Redis) -> None:
    """And keeps the node's key alive; what a Redis missed it is told when it is back."""
    here = Here()
    task = asyncio.create_task(here.keep())
    try:
        for index in range(1_200):
            here.note(f"u{index}", 1)
        uids = [f"u{index}" for index in range(1_200)]
        await _until(lambda: sum(presence.online(uids).values()) == 1_200)
        shards.kill()
        here.note("late", 1)
        with pytest.raises(Unavailable):
            await asyncio.to_thread(presence.online, ["late"])
        shards.start()
        await _until(lambda: _quietly(["late"]) == {"late": 1}, 15)
        await _until(lambda: _quietly(uids) == dict.fromkeys(uids, 1), 15)
    finally:
        task.cancel()


@pytest.mark.server
async def test_a_redis_that_is_away_holds_nobody_up(shards: Redis) -> None:
    """`online` says that it cannot be said, `known` answers for this node; paused as well as dead."""
    here = Here()
    presence.serve(here)
    here.note("7", 2)
    await here.write()
    shards.pause()
    try:
        begun = time.monotonic()
        with pytest.raises(Unavailable):
            presence.online([f"{i}" for i in range(1_500)])
        assert presence.known(["7", "8"]) == {"7": 2, "8": 0}
        assert time.monotonic() - begun < 10
        begun = time.monotonic()
        await here.write()
        assert time.monotonic() - begun < 10
    finally:
        shards.resume()
    eventually(lambda: _quietly(["7"]) == {"7": 2})


@pytest.mark.server
async def test_a_redis_that_refuses_to_write_is_tried_again(shards: Redis) -> None:
    """Full, without eviction: reading goes on, what could not be written is kept for later."""
    here = Here()
    await here.write()
    shards.ask("CONFIG", "SET", "maxmemory", 1)
    here.note("7", 2)
    await here.write()
    assert presence.known(["7"]) == {"7": 0}
    shards.ask("CONFIG", "SET", "maxmemory", 0)
    await here.write()
    assert presence.online(["7"]) == {"7": 2}


@pytest.mark.server
async def test_uids_are_spread_over_shards_as_the_unread_index_spreads_them(
    shards: Redis, settings: Any, redis_server: Redis
) -> None:
    """One that is away takes only its own uids with it."""
    with Redis() as second:
        settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": [redis_server.url, second.url]}
        here = Here()
        uids = [f"u{index}" for index in range(40)]
        for uid in uids:
            here.note(uid, 1)
        await here.write()
        assert presence.online(uids) == dict.fromkeys(uids, 1)
        on_first = redis_server.ask("KEYS", "notifications:online:*")
        on_second = second.ask("KEYS", "notifications:online:*")
        assert len(on_first) + len(on_second) == 40
        assert min(len(on_first), len(on_second)) > 5
        second.kill()
        known = presence.known(uids)
        assert sum(known.values()) == len(on_first)


def _quietly(uids: list[str]) -> dict[str, int]:
    try:
        return presence.online(uids)
    except Unavailable:
        return {}


async def _until(ask: Any, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not await asyncio.to_thread(ask):
            pass
