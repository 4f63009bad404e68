"""What the JSON-RPC service carries: calls over kept-alive connections, and pushes that they set off."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bench.cases import settle
from bench.fleet import Fleet
from bench.sites import Ours

# Callers at once: enough that one process is never idle.
CALLERS = 16
# A call that takes longer is not slow but stuck.
CALL_SECONDS = 60.0
ITEM = {"title": "Top-up arrived", "body": "50.00 was added to your balance.", "kind": "recharge.succeeded"}


@dataclass(slots=True)
class Calls:
    """Calls or items a second that one node accepts, PostgreSQL beneath; none of the users is connected."""

    send_per_second: float
    many_100_per_second: float
    many_1000_per_second: float
    multicast_per_second: float


def calls(site: Ours, count: int) -> Calls:
    """`count` single sends, then bulk calls that carry as many items or more."""
    key = _key(site)
    send = [("notifications.send", {"uid": str(n), **ITEM}) for n in range(count)]
    many = {
        size: [
            ("notifications.send_many", {"items": [{"uid": str(n), **ITEM} for n in range(size)]})
            for _ in range(max(2, 3 * count // size))
        ]
        for size in (100, 1_000)
    }
    multicast = [("notifications.multicast", {"uids": [str(n) for n in range(10_000)], **ITEM})] * 2
    return Calls(
        count / _carry(site, key, send, CALLERS),
        100 * len(many[100]) / _carry(site, key, many[100], 4),
        1_000 * len(many[1_000]) / _carry(site, key, many[1_000], 2),
        10_000 * len(multicast) / _carry(site, key, multicast, 1),
    )


@dataclass(slots=True)
class Sustained:
    """Targeted pushes a second that reach their clients when a service sends by `send_many`."""

    pushed_per_second: float
    missing: int


def sustained(site: Ours, sockets: int = 5_000, pushes: int = 20_000) -> Sustained:
    """`send_many` by 500 to as many connected users, each in turn; timed from the first call to the last arrival."""
    key = _key(site)
    share = site.shares(sockets)[0]
    batches = [
        ("notifications.send_many", {"items": [{"uid": str(n % sockets), **ITEM} for n in range(at, at + 500)]})
        for at in range(0, pushes, 500)
    ]
    with Fleet(1, replays=True) as fleet:
        fleet.open([share])
        settle(site)
        fleet.expect([pushes])
        begun = time.monotonic()
        _carry(site, key, batches, 2)
        times = fleet.collect(30)[0].times
    return Sustained(len(times) / (max(times) - begun), pushes - len(times))


def _key(site: Ours) -> str:
    made = site.deployment.platform.manage("create_service_key", "bench", "--scope", "notify", "--json")
    return str(json.loads(made.stdout)["key"])


def _carry(site: Ours, key: str, todo: Sequence[tuple[str, dict[str, Any]]], callers: int) -> float:
    """Make all calls to the first node, so many at once; gives the seconds they took.

    Raises `RuntimeError` for an error answer, and for a call without one, with what the node was at instead.
    """
    node = site.deployment.nodes[0]
    begun = time.monotonic()
    try:
        asyncio.run(_all(node.port, key, todo, callers))
    except* TimeoutError:
        raise RuntimeError(f"no answer within {CALL_SECONDS:.0f} s; the node:\n{node.threads()}") from None
    return time.monotonic() - begun


async def _all(port: int, key: str, todo: Sequence[tuple[str, dict[str, Any]]], callers: int) -> None:
    left = list(enumerate(todo))[::-1]

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=16 * 2**20)
        while left:
            number, (method, params) = left.pop()
            body = json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode()
            head = (
                f"POST /rpc/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
            )
            writer.write(head.encode() + body)
            async with asyncio.timeout(CALL_SECONDS):
                answered = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    int(line.split(b":")[1])
                    for line in answered.split(b"\r\n")
                    if line.lower().startswith(b"content-length:")
                )
                answer = json.loads(await reader.readexactly(length))
            if "error" in answer:
                raise RuntimeError(f"{method}: {answer['error']}")
        writer.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(callers):
            group.create_task(caller())
