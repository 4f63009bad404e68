"""Nobody waits long for Redis: every call of users and services, with Redis killed, paused, full and emptied."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest

from tests.servers.deployment import Deployment
from tests.servers.node import Platform
from tests.servers.postgresql import PostgreSQL
from tests.servers.redis import Redis

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]

# A call may meet Redis more than once: index, presence and channel layer give it 0.25, 0.25 and 1 s, once a second each
# at most. Of this, what the machine itself takes for a thousand rows.
BOUND_SECONDS = 3.0
STATES = {
    "killed": (Redis.kill, Redis.start),
    "paused": (Redis.pause, Redis.resume),
    "full": (Redis.fill_up, lambda redis: redis.limit_memory(0)),
    "flushed": (lambda redis: redis.ask("FLUSHALL"), lambda redis: None),
}


@pytest.fixture(scope="module")
def deployment(postgresql: PostgreSQL, migrated_postgresql: str) -> Iterator[Deployment]:
    """A node with a Redis of its own."""
    with Redis() as redis:
        url = postgresql.url(postgresql.make_database(migrated_postgresql))
        with Deployment(Platform(url, redis.url, standalone=True), ["uvicorn"], redis) as deployment:
            yield deployment


@pytest.mark.parametrize("state", STATES)
async def test_every_call_ends_in_time(deployment: Deployment, new_uid: Callable[[], str], state: str) -> None:
    """Each is answered within a bound, rightly, and only who asks for presence may be told to come again."""
    uid, node = new_uid(), deployment.nodes[0]
    assert deployment.redis is not None
    breaks, mends = STATES[state]
    took: dict[str, float] = {}

    async def timed(name: str, call: Awaitable[Any]) -> Any:
        began = time.monotonic()
        try:
            return await call
        finally:
            took[name] = time.monotonic() - began

    async with AsyncExitStack() as stack:
        rpc = await stack.enter_async_context(deployment.rpc(deployment.service_key()))
        me = {"Authorization": f"Bearer {deployment.token(uid)}"}
        http = await stack.enter_async_context(httpx.AsyncClient(base_url=node.url, headers=me, timeout=20))
        socket = await stack.enter_async_context(deployment.socket(uid))
        await socket.ready()
        breaks(deployment.redis)
        try:
            # Twice: at first Redis is found to be away, then that is known.
            for turn in (1, 2):
                content = {"title": f"{state} {turn}", "body": "Text"}
                sent = await timed("send", rpc.call("notifications.send", uid=uid, **content))
                many = [{"uid": new_uid(), **content} for _ in range(200)]
                assert (await timed("send_many", rpc.call("notifications.send_many", items=many)))["accepted"] == 200
                uids = [item["uid"] for item in many]
                await timed("multicast", rpc.call("notifications.multicast", uids=uids, **content))
                (status,) = await timed("status", rpc.call("notifications.status", ids=[sent["id"]]))
                assert status["state"] in ("accepted", "delivered")
                page = await timed("inbox.list", rpc.call("inbox.list", uid=uid, limit=10))
                assert sent["id"] in [item["id"] for item in page["items"]]
                await timed("inbox.unread_count", rpc.call("inbox.unread_count", uids=uids))
                body = {"jsonrpc": "2.0", "id": 1, "method": "connections.online", "params": [[uid, *uids[:50]]]}
                online = (await timed("connections.online", rpc.post(body))).json()
                assert online.get("error", {"code": -32050})["code"] == -32050
                await timed("service.info", rpc.call("service.info"))
                made = await timed(
                    "announcements.create",
                    rpc.call("announcements.create", title=state, ends_at="2099-01-01T00:00:00Z"),
                )
                await timed("announcements.stats", rpc.call("announcements.stats", id=made["id"]))
                await timed("announcements.retract", rpc.call("announcements.retract", id=made["id"]))
                await timed("GET inbox", http.get("/api/notifications/"))
                assert (await timed("GET unread", http.get("/api/notifications/unread/"))).json()["unread"] >= 1
                assert (await http.get("/readyz")).status_code == 200

                async def open_one() -> list[str]:
                    async with deployment.socket(uid) as fresh:
                        return [item["id"] for item in (await fresh.ready())["items"]]

                assert sent["id"] in await timed("open", open_one())
                assert (await timed("list", socket.list(limit=10)))["type"] == "list"
                assert (await timed("read", socket.read(sent["id"])))["ids"] == [sent["id"]]
                assert sent["id"] not in await timed("open again", open_one())
                again = (await rpc.call("notifications.send", uid=uid, **content))["id"]
                await timed("POST read", http.post("/api/notifications/read/", json={"ids": [again], "via": "list"}))
                gone = (await rpc.call("notifications.send", uid=uid, **content))["id"]
                await timed("retract", rpc.call("notifications.retract", id=gone))
                ids = [(await rpc.call("notifications.send", uid=uid, **content))["id"]]
                await timed("inbox.mark_read", rpc.call("inbox.mark_read", uid=uid, ids=ids))
                other = new_uid()
                await timed("connections.disconnect", rpc.call("connections.disconnect", uid=other))
                assert max(took.values()) < BOUND_SECONDS, took
        finally:
            mends(deployment.redis)
        assert not socket.closed
        slowest = sorted(took, key=lambda name: took[name])[-3:]
        print(f"{state}: slowest " + ", ".join(f"{name} {took[name] * 1000:.0f} ms" for name in slowest))
