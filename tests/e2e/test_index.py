"""`notifications:unread:<uid>` in Redis: the hash of what a uid has not read, as other programs may look at it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.servers.deployment import Deployment
from tests.servers.process import aeventually

pytestmark = pytest.mark.server


def unread(deployment: Deployment, uid: str) -> dict[str, Any]:
    """The hash: titles by item id."""
    assert deployment.redis is not None
    stored = deployment.redis.ask("HGETALL", f"notifications:unread:{uid}")
    items = {key: json.loads(text) for key, text in stored.items()}
    assert all(item["id"] == key and item["type"] == "notification" for key, item in items.items())
    return {key: item["title"] for key, item in items.items()}


def holds(deployment: Deployment, uid: str, *ids: str) -> Callable[[], bool]:
    """Whether it is exactly these."""
    return lambda: set(unread(deployment, uid)) == set(ids)


async def test_the_hash_is_what_is_unread(uvicorn_deployment: Deployment) -> None:
    """Of a user who is there: personal items and announcements come in, and go when read, withdrawn or expired."""
    uid = uvicorn_deployment.new_user()
    async with uvicorn_deployment.socket(uid) as socket:
        before = [item["id"] for item in (await socket.ready())["items"]]
        item_id = uvicorn_deployment.business.notify(uid, "Personal")
        await aeventually(holds(uvicorn_deployment, uid, *before, item_id))
        general = uvicorn_deployment.business.announce("To everyone")
        await aeventually(holds(uvicorn_deployment, uid, *before, item_id, general))
        await socket.read(item_id)
        await aeventually(holds(uvicorn_deployment, uid, *before, general))
        uvicorn_deployment.business.withdraw(general)
        await aeventually(holds(uvicorn_deployment, uid, *before))
        brief = str(
            uvicorn_deployment.business.run(
                "from datetime import timedelta\nfrom notifications import clock\n"
                "result = notify(uid, 'Brief', expires_at=clock.now() + timedelta(seconds=1.5)).id",
                uid=uid,
            )
        )
        await aeventually(lambda: brief in unread(uvicorn_deployment, uid))
        await aeventually(lambda: brief not in unread(uvicorn_deployment, uid))


async def test_the_hash_of_who_is_away_is_filled_by_what_is_sent(uvicorn_deployment: Deployment) -> None:
    """By JSON-RPC to somebody who was never there: a moment later the hash holds it."""
    uid = uvicorn_deployment.new_user()
    async with uvicorn_deployment.rpc(uvicorn_deployment.service_key("notify")) as rpc:
        sent = (await rpc.call("notifications.send", uid=uid, title="Waiting for you"))["id"]
    await aeventually(lambda: unread(uvicorn_deployment, uid).get(sent) == "Waiting for you")
