"""Who may open a socket. A refused handshake touches neither Redis nor an inbox."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings

from notifications import channel_layer, inbox, node, replay, unread_index, users
from notifications.middleware import OriginMiddleware, TokenMiddleware, token_in
from notifications.routing import websocket_application
from notifications.tokens import issue

pytestmark = pytest.mark.django_db(transaction=True)

PATH = "/ws/notifications/"
GOOD_ORIGIN = "http://testserver"


@pytest.fixture(autouse=True)
async def own_node() -> AsyncIterator[None]:
    """Whatever node a test begins ends with it."""
    yield
    await node.stop()


@pytest.fixture
def seen() -> list[dict[str, Any]]:
    """The scopes that came through to the application behind the middleware."""
    return []


def guarded(seen: list[dict[str, Any]]) -> Any:
    """The two middlewares in front of an application that accepts everything."""

    async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
        seen.append(scope)
        await receive()
        await send({"type": "websocket.accept"})
        await receive()

    return OriginMiddleware(TokenMiddleware(application))


def token(uid: object, **lifetime: float) -> str:
    """A good access token."""
    return issue(str(uid), timedelta(**(lifetime or {"minutes": 5})))


async def opens(
    application: Any,
    *,
    raw: str | None = None,
    query: str = "",
    origin: str | None = None,
    subprotocols: list[str] | None = None,
    path: str = PATH,
) -> bool:
    """Whether a handshake is let in; the token goes into the subprotocols."""
    headers = [] if origin is None else [(b"origin", origin.encode("latin-1"))]
    protocols = subprotocols if subprotocols is not None else ["notifications.v1"] + ([f"bearer.{raw}"] if raw else [])
    communicator = WebsocketCommunicator(application, path + query, headers, protocols)
    connected, _ = await communicator.connect(15)
    await communicator.disconnect()
    return bool(connected)


async def test_the_token_by_either_way(alice: User, seen: list[dict[str, Any]]) -> None:
    """Its claims are in the scope; the token itself is nowhere in it any more."""
    application, raw = guarded(seen), token(alice.pk)
    assert await opens(application, raw=raw)
    assert await opens(application, query=f"?token={raw}")
    for scope in seen:
        assert scope["claims"].uid == str(alice.pk)
        assert raw not in repr({name: value for name, value in scope.items() if name != "claims"})
    assert seen[0]["subprotocols"] == ["notifications.v1"]


@pytest.mark.parametrize(
    ("subprotocols", "query", "expected"),
    [
        ([], b"", ""),
        ([], b"token=a", "a"),
        ([], b"x=1&token=a%2Eb&y", "a.b"),
        ([], b"token=a&token=b", ""),
        ([], b"token=", ""),
        ([], b"Token=a", ""),
        (["notifications.v1", "bearer.a"], b"", "a"),
        (["bearer.a"], b"token=b", "a"),
        (["bearer.a", "bearer.b"], b"token=c", ""),
        (["bearer."], b"", ""),
        ([], b"token=" + b"a" * (16 * 1024 - 6), "a" * (16 * 1024 - 6)),
        ([], b"token=" + b"a" * (16 * 1024 - 5), ""),
        ([], b"token=\xff%ff", "\xff\ufffd"),
    ],
)
def test_where_a_token_is_looked_for(subprotocols: list[str], query: bytes, expected: str) -> None:
    """The subprotocol wins; two of one kind are as good as none; a query that is too long is not looked at."""
    assert token_in({"subprotocols": subprotocols, "query_string": query}) == expected


@pytest.mark.security("S1")
@pytest.mark.parametrize(
    "origin",
    [
        "null", "", "http://testserver.evil", "http://evil", "https://testserver", "http://testserver:8000",
        "http://TESTSERVER", "http://testserver/", "testserver", "http://sub.testserver", "http://testserver\xe9",
        "http://testserver, http://evil",
    ],
)  # fmt: skip
async def test_foreign_origins_are_refused(alice: User, seen: list[dict[str, Any]], origin: str) -> None:
    """`null`, suffixes, another scheme or port, however good the token is."""
    assert not await opens(guarded(seen), raw=token(alice.pk), origin=origin)
    assert not seen


@pytest.mark.security("S1")
async def test_origins(alice: User, seen: list[dict[str, Any]]) -> None:
    """Exactly those allowed; none at all is no browser, unless the header is demanded; two are refused."""
    application, raw = guarded(seen), token(alice.pk)
    assert await opens(application, raw=raw, origin=GOOD_ORIGIN)
    assert await opens(application, raw=raw)
    with override_settings(NOTIFICATIONS={**settings.NOTIFICATIONS, "REQUIRE_ORIGIN": True}):
        assert await opens(application, raw=raw, origin=GOOD_ORIGIN)
        assert not await opens(application, raw=raw)
    twice = [(b"origin", GOOD_ORIGIN.encode())] * 2
    communicator = WebsocketCommunicator(application, f"{PATH}?token={raw}", twice)
    assert (await communicator.connect())[0] is False


async def test_users_who_may_not(alice: User, bob: User, seen: list[dict[str, Any]]) -> None:
    """Unknown and inactive ones, and spellings that are no uid; whoever comes beside them comes in."""
    await User.objects.filter(pk=bob.pk).aupdate(is_active=False)
    application = guarded(seen)
    raws = [token(uid) for uid in (bob.pk, "999999", f"0{alice.pk}", "everyone", "9" * 200, alice.pk)]
    assert await asyncio.gather(*(opens(application, raw=raw) for raw in raws)) == [False] * 5 + [True]
    with override_settings(NOTIFICATIONS={**settings.NOTIFICATIONS, "STANDALONE": True}):
        assert await opens(application, raw=token("999999"))


class Touched(Exception):
    """Something was asked that a refused handshake must not ask."""


@pytest.fixture
def untouchable(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every door to Redis, the inbox and the database; what is gone through is named in the list."""
    touched: list[str] = []

    def watch(owner: Any, name: str) -> None:
        def door(*_: Any, **__: Any) -> Any:
            touched.append(name)
            raise Touched(name)

        monkeypatch.setattr(owner, name, door)

    watch(replay, "snapshots")
    watch(inbox, "page")
    watch(unread_index, "look_up")
    watch(unread_index, "_run")
    watch(channel_layer, "get_channel_layer")
    watch(users, "active")
    watch(BaseDatabaseWrapper, "cursor")
    return touched


async def test_a_bad_handshake_touches_nothing(untouchable: list[str]) -> None:
    """A thousand bad tokens, foreign origins and paths: no query, no Redis, no inbox, not even the user table."""
    application = websocket_application()
    good, expired = token("7"), token("7", seconds=-5)
    for number in range(330):
        assert not await opens(application, raw=f"{good[:-9]}{number:09}")
        assert not await opens(application, query=f"?token={expired}")
        assert not await opens(application, raw=good, origin="http://evil")
    for raw in ("", "a.b.c"):
        assert not await opens(application, raw=raw)
    assert not await opens(application, raw=good, path="/ws/other/")
    assert untouchable == []


async def test_an_unknown_user_costs_the_user_table_alone(
    untouchable: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """One look-up for many at once, and neither Redis nor an inbox."""
    asked: list[list[str]] = []

    def active(uids: list[str]) -> set[str]:
        asked.append(uids)
        return set()

    monkeypatch.setattr(users, "active", active)
    raws = [token(f"nobody{number}") for number in range(50)]
    assert not any(await asyncio.gather(*(opens(websocket_application(), raw=raw) for raw in raws)))
    assert len(asked) < 10
    assert untouchable == []


@pytest.mark.parametrize(("extensions", "expected"), [({"websocket.http.response": {}}, 503), ({}, None)])
@pytest.mark.parametrize("why", ["draining", "no database"])
async def test_what_another_node_may_grant_is_a_503(
    alice: User, monkeypatch: pytest.MonkeyPatch, why: str, extensions: dict[str, Any], expected: int | None
) -> None:
    """While draining, and with the database away; a plain refusal where the server cannot say so."""
    if why == "draining":
        node.current().draining = True
    else:

        def away(uids: list[str]) -> set[str]:
            raise OperationalError("away")

        monkeypatch.setattr(users, "active", away)
    communicator = WebsocketCommunicator(websocket_application(), f"{PATH}?token={token(alice.pk)}")
    communicator.scope["extensions"] = extensions
    await communicator.send_input({"type": "websocket.connect"})
    answer = await communicator.receive_output(15)
    assert answer.get("status") == expected
    assert answer["type"] == ("websocket.http.response.start" if expected else "websocket.close")
    if expected:
        assert (await communicator.receive_output(15))["type"] == "websocket.http.response.body"


async def test_a_bad_token_is_a_403_wherever() -> None:
    """Also where the server could say more: a browser cannot see it."""
    communicator = WebsocketCommunicator(websocket_application(), f"{PATH}?token=bad")
    communicator.scope["extensions"] = {"websocket.http.response": {}}
    await communicator.send_input({"type": "websocket.connect"})
    assert await communicator.receive_output(15) == {"type": "websocket.close"}
