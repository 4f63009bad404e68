"""What an item costs does not depend on how many sockets it goes to, as far as can be counted."""

import json
import time
from collections.abc import Iterator

import pytest

from bench.fleet import Fleet
from tests.load.counting import CountedNode, counted_node
from tests.servers.node import RpcClient
from tests.servers.process import eventually
from tests.servers.redis import Redis

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

SOCKETS = 600
ITEMS = 10
# The tail may look just between a commit and the push, once a second, and encode for itself what it then finds pushed.
LOOKS = 5
END = "2099-01-01T00:00:00Z"
# What is made within the first second of a socket is looked up for that socket alone, lest it has been read before.
YOUNG_SECONDS = 1.2


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[CountedNode, Redis, str]]:
    """A node that counts, its Redis, and a service key."""
    with counted_node() as (node, redis):
        scopes = ("--scope", "notify", "--scope", "announce")
        made = node.platform.manage("create_service_key", "load", *scopes, "--json")
        yield node, redis, json.loads(made.stdout)["key"]


def published(redis: Redis) -> int:
    """How many messages Redis was given to hand on."""
    return int(redis.ask("INFO", "commandstats").get("cmdstat_publish", {}).get("calls", 0))


def _grow_up() -> None:
    opened = time.monotonic()
    eventually(lambda: time.monotonic() > opened + YOUNG_SECONDS)


async def test_a_broadcast(site: tuple[CountedNode, Redis, str]) -> None:
    """Encoded once, published once, its frame built once: for six hundred sockets as for one."""
    node, redis, key = site
    with Fleet(1, replays=True) as fleet:
        fleet.open([node.share(range(SOCKETS))])
        _grow_up()
        async with RpcClient(f"{node.url}/rpc/", key) as rpc:
            calls, messages = node.held().calls, published(redis)
            for number in range(ITEMS):
                fleet.expect([SOCKETS])
                await rpc.call(
                    "announcements.create", title=f"Maintenance {number}", body="", ends_at="2099-01-01T00:00:00Z"
                )
                (arrivals,) = fleet.collect(30)
                assert len(arrivals.times) == SOCKETS
            after = node.held().calls
    assert published(redis) - messages == ITEMS
    assert ITEMS <= after["encode"] - calls.get("encode", 0) <= ITEMS + LOOKS
    # All have the same number of unread, and so the same text.
    assert ITEMS <= after["notification"] - calls.get("notification", 0) <= ITEMS + LOOKS


async def test_an_item_to_one_of_many(site: tuple[CountedNode, Redis, str]) -> None:
    """Encoded once, published once, one frame; others who are connected cost nothing."""
    node, redis, key = site
    uids = range(10_000, 10_000 + SOCKETS)
    with Fleet(1, replays=True) as fleet:
        fleet.open([node.share(uids)])
        _grow_up()
        async with RpcClient(f"{node.url}/rpc/", key) as rpc:
            calls, messages = node.held().calls, published(redis)
            for number in range(ITEMS):
                fleet.expect([1])
                await rpc.call("notifications.send", uid=str(uids[number]), title="Hello")
                (arrivals,) = fleet.collect(30)
                assert len(arrivals.times) == 1
            after = node.held().calls
    assert published(redis) - messages == ITEMS
    assert ITEMS <= after["encode"] - calls.get("encode", 0) <= ITEMS + LOOKS
    assert ITEMS <= after["notification"] - calls.get("notification", 0) <= ITEMS + LOOKS
