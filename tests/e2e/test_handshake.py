"""Who may open a socket, and that whoever may not reaches neither Redis nor an inbox."""

import base64
import json
import time
from typing import Any

import httpx
import pytest

from tests.servers.deployment import Deployment
from tests.servers.process import HOST, aeventually
from tests.servers.sockets import Refused, Socket, mint

pytestmark = pytest.mark.server

# What else is asked of Redis within a second: our own question, and the nodes' signs of life.
OTHER_COMMANDS = 30
FOREIGN_KEY = "a-key-that-the-platform-has-never-seen-and-that-is-long"


async def refusal(socket: Socket) -> int | None:
    """The status with which a handshake is refused; 101 if it is not."""
    try:
        await socket.open()
    except Refused as refused:
        return refused.status
    await socket.close()
    return 101


def unsigned(payload: dict[str, Any]) -> str:
    """A token of `alg: none`, which no library makes willingly."""
    parts = ({"alg": "none", "typ": "JWT"}, payload)
    return ".".join(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts) + "."


@pytest.mark.security("S2")
@pytest.mark.parametrize("by_query", [True, False])
async def test_bad_tokens_are_refused(deployment: Deployment, by_query: bool) -> None:
    """No token, and every kind that is not good, gets 403 (or 401), whichever way it is given; a good one is let in."""
    uid = deployment.new_user()
    token, now = deployment.token, int(time.time())
    bad = {
        "malformed": "not.a.token",
        "cut": token(uid)[:-2],
        "expired": token(uid, lifetime=-5),
        "not yet valid": token(uid, nbf=now + 600),
        "foreign key": mint(uid, FOREIGN_KEY),
        "another algorithm": mint(uid, deployment.platform.jwt_signing_key * 2, algorithm="HS512"),
        "none": unsigned({"token_type": "access", "user_id": uid, "exp": now + 600}),
        "refresh": token(uid, token_type="refresh"),
        "no type": token(uid, token_type=None),
        "no expiry": token(uid, exp=None),
        "huge expiry": token(uid, exp=10**30),
        "no uid": token(uid, user_id=None),
        "empty uid": token(""),
        "unknown user": token("999999999"),
        "odd uid": token("../everyone"),
    }
    for kind, value in bad.items():
        status = await refusal(deployment.socket(uid, token=value, by_query=by_query))
        assert status in (401, 403), kind
    assert await refusal(deployment.socket(uid, token="", by_query=by_query)) in (401, 403)
    async with deployment.socket(uid, by_query=by_query) as socket:
        await socket.ready()
        assert socket.websocket.subprotocol == (None if by_query else "notifications.v1")


@pytest.mark.security("S2")
async def test_inactive_users_are_refused(deployment: Deployment) -> None:
    """A good token of a user who has been deactivated opens nothing."""
    uid = deployment.new_user()
    deployment.business.run("User.objects.filter(pk=uid).update(is_active=False)", uid=uid)
    assert await refusal(deployment.socket(uid)) in (401, 403)


@pytest.mark.security("S1")
async def test_origins_are_matched_exactly(deployment: Deployment) -> None:
    """A page of ours may open a socket; another site's, a look-alike's and a sandboxed one's may not."""
    uid = deployment.new_user()
    good = deployment.platform.origin
    for origin in (
        "http://evil.test",
        f"{good}.evil.test",
        f"{good}:8080",
        good.replace("http:", "https:"),
        "null",
        f"{good}/",
        good.upper(),
    ):
        assert await refusal(deployment.socket(uid, origin=origin)) == 403, origin
    async with deployment.socket(uid, origin=good) as socket:
        assert (await socket.ready())["items"] == []


async def test_refused_handshakes_never_reach_redis(uvicorn_deployment: Deployment) -> None:
    """Redis executes nothing while handshakes are refused."""
    redis = uvicorn_deployment.redis
    assert redis is not None
    uid = uvicorn_deployment.new_user()
    at = [0]

    def quiet() -> bool:
        """Whether next to nothing was asked of Redis since the last time."""
        before, at[0] = at[0], redis.ask("INFO", "stats")["total_commands_processed"]
        return at[0] - before <= OTHER_COMMANDS

    # What the tests before have left to do: groups to leave, indexes to fill.
    await aeventually(quiet)
    for _ in range(20):
        await refusal(uvicorn_deployment.socket(uid, token="not.a.token"))
        await refusal(uvicorn_deployment.socket(uid, origin="http://evil.test"))
        await refusal(uvicorn_deployment.socket(uid, token=uvicorn_deployment.token("999999999")))
    assert quiet()


async def test_a_client_learns_by_http_why_it_was_refused(deployment: Deployment) -> None:
    """The unread count answers 401 for a bad token and 200 for a good one."""
    uid = deployment.new_user()
    url = f"{deployment.nodes[0].url}/api/notifications/unread/"
    async with httpx.AsyncClient() as client:
        refused = await client.get(url, headers={"Authorization": f"Bearer {deployment.token(uid, lifetime=-5)}"})
        good = await client.get(url, headers={"Authorization": f"Bearer {deployment.token(uid)}"})
    assert (refused.status_code, refused.headers["content-type"]) == (401, "application/problem+json")
    assert (good.status_code, good.json()) == (200, {"unread": 0})


async def test_the_token_endpoint_makes_tokens_that_open_sockets(deployment: Deployment) -> None:
    """Name and password give a pair; the access token opens a socket, the refresh token does not and gives another."""
    uid = deployment.new_user("named")
    name = deployment.business.run("result = User.objects.get(pk=uid).username", uid=uid)
    node = deployment.nodes[0]
    async with httpx.AsyncClient(base_url=node.url) as client:
        wrong = await client.post("/api/token/", json={"username": name, "password": "wrong"})
        assert wrong.status_code == 401
        pair = (await client.post("/api/token/", json={"username": name, "password": f"demo-{name}"})).json()
        assert await refusal(deployment.socket(uid, token=pair["refresh"])) in (401, 403)
        fresh = (await client.post("/api/token/refresh/", json={"refresh": pair["refresh"]})).json()
    for access in (pair["access"], fresh["access"]):
        async with deployment.socket(uid, token=access) as socket:
            welcome = await socket.wait_type("welcome")
            assert welcome["uid"] == uid


@pytest.mark.security("S4")
async def test_no_log_holds_a_token(deployment: Deployment) -> None:
    """A token that was let in and one that was refused, by query and by subprotocol, are in no node's log."""
    uid = deployment.new_user()
    good, bad = deployment.token(uid), deployment.token(uid, token_type="refresh")
    for by_query in (True, False):
        async with deployment.socket(uid, token=good, by_query=by_query) as socket:
            await socket.ready()
        await refusal(deployment.socket(uid, token=bad, by_query=by_query))
    async with httpx.AsyncClient() as client:
        await client.get(f"http://{HOST}:{deployment.nodes[-1].port}/nowhere/?token={good}")
    for node in deployment.nodes:
        for secret in (good, bad, good.rpartition(".")[2]):
            assert secret not in node.log
