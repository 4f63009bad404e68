"""A socket lives as long as its token and its user's session: renewal, expiry, sign-out, ban, too many tabs."""

import time
from contextlib import AsyncExitStack

import httpx
import pytest

from tests.servers.deployment import Deployment
from tests.servers.process import aeventually

pytestmark = pytest.mark.server


@pytest.mark.security("S5")
async def test_an_expiring_token_is_renewed_in_band(deployment: Deployment) -> None:
    """`token_expiring` comes, `auth` with a fresh token is answered, and the socket outlives the first token."""
    uid = deployment.new_user()
    expires = int(time.time()) + 3
    async with deployment.socket(uid, token=deployment.token(uid, exp=expires)) as socket:
        warning = await socket.wait_type("token_expiring", 3)
        assert 0 < warning["in"] <= 3
        fresh = int(time.time()) + 3600
        answer = await socket.auth(deployment.token(uid, exp=fresh))
        assert answer["type"] == "auth"
        assert answer["token_expires_at"].startswith(time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(fresh)))
        # The sweep that would have ended it comes once a second.
        await aeventually(lambda: time.time() > expires + 1.5)
        await socket.ping()
        await socket.wait_item(deployment.business.notify(uid, "Still here"))
        assert len(socket.of_type("token_expiring")) == 1


@pytest.mark.security("S5")
async def test_an_expired_token_ends_the_socket_with_4201(deployment: Deployment) -> None:
    """At its expiry, not before, give or take the sweep's second."""
    uid = deployment.new_user()
    expires = int(time.time()) + 2
    async with deployment.socket(uid, token=deployment.token(uid, exp=expires)) as socket:
        await socket.ready()
        assert await socket.wait_closed(6) == 4201
        assert expires - 0.1 <= time.time() <= expires + 2


@pytest.mark.security("S6")
@pytest.mark.parametrize("way", ["sign-out", "ban", "password", "deletion", "disconnect"])
async def test_every_socket_of_the_uid_is_closed(two_kinds: Deployment, way: str) -> None:
    """Sign-out, ban, a new password, deletion and `disconnect` close all sockets on all nodes with 4003 within 2 s."""
    uid, other = two_kinds.new_user(), two_kinds.new_user()
    business = two_kinds.business
    async with AsyncExitStack() as stack:
        nodes = range(len(two_kinds.nodes))
        sockets = [await stack.enter_async_context(two_kinds.socket(uid, n)) for n in (*nodes, *nodes)]
        bystander = await stack.enter_async_context(two_kinds.socket(other))
        for socket in (*sockets, bystander):
            await socket.ready()
        client = await stack.enter_async_context(httpx.AsyncClient(base_url=two_kinds.nodes[0].url))
        if way == "sign-out":
            name = business.run("result = User.objects.get(pk=uid).username", uid=uid)
            await client.get("/accounts/login/")
            form = {"username": name, "password": f"demo-{name}", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
            assert (await client.post("/accounts/login/", data=form)).status_code == 302
            form = {"csrfmiddlewaretoken": client.cookies["csrftoken"]}
            assert (await client.post("/accounts/logout/", data=form)).status_code == 302
        elif way == "ban":
            business.run("u = User.objects.get(pk=uid)\nu.is_active = False\nu.save()", uid=uid)
        elif way == "password":
            business.run(
                "from django.contrib.auth.forms import SetPasswordForm\n"
                "form = SetPasswordForm(User.objects.get(pk=uid), {'new_password1': p, 'new_password2': p})\n"
                "assert form.is_valid(), form.errors\nform.save()",
                uid=uid,
                p="a-new-and-long-password-9",
            )
        elif way == "deletion":
            business.run("User.objects.get(pk=uid).delete()", uid=uid)
        else:
            business.run("disconnect(uid)", uid=uid)
        acted_at = time.monotonic()
        for socket in sockets:
            assert await socket.wait_closed(3) == 4003
            assert socket.closed_at - acted_at < 2.2
        await bystander.ping()


async def test_a_socket_opened_after_a_disconnect_stays(deployment: Deployment) -> None:
    """`disconnect` closes what is open now, and nothing that is opened later."""
    uid = deployment.new_user()
    async with deployment.socket(uid) as first:
        await first.ready()
        deployment.business.run("disconnect(uid)", uid=uid)
        assert await first.wait_closed(3) == 4003
    async with deployment.socket(uid) as second:
        await second.ready()
        item_id = deployment.business.notify(uid, "Hello again")
        await second.wait_item(item_id, 3)
        await second.ping()


@pytest.mark.security("S9")
async def test_the_eleventh_connection_takes_the_place_of_the_oldest(deployment: Deployment) -> None:
    """Ten tabs stay; with the eleventh the oldest gets 4004."""
    uid = deployment.new_user()
    async with AsyncExitStack() as stack:
        sockets = []
        for _ in range(10):
            sockets.append(await stack.enter_async_context(deployment.socket(uid, 0)))
            await sockets[-1].ready()
        for socket in sockets:
            await socket.ping()
        eleventh = await stack.enter_async_context(deployment.socket(uid, 0))
        await eleventh.ready()
        assert await sockets[0].wait_closed(3) == 4004
        for socket in (*sockets[1:], eleventh):
            await socket.ping()
