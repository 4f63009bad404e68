"""`notifications.api`: the HTTP API of the inbox, with Bearer token and with session."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.testing import HttpCommunicator, WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient, Client
from pytest_django import Settings
from rest_framework_simplejwt.tokens import RefreshToken

from config.asgi import application
from notifications import announce, anotify, node, notify, tokens, unread_index
from notifications.api import BODY_MAX_BYTES
from notifications.database import in_thread
from notifications.models import Notification, Receipt
from notifications.unread_index import SETTLE_SECONDS
from tests.databases import forget_connections
from tests.servers.process import eventually
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/api/notifications/"
UNREAD = "/api/notifications/unread/"
READ = "/api/notifications/read/"
TOKEN = "/api/notifications/token/"


def token_of(user: User, **lifetime: float) -> str:
    """An access token of `user`, good for five minutes unless said otherwise."""
    return tokens.issue(str(user.pk), timedelta(**(lifetime or {"minutes": 5})))


@pytest.fixture
def api(alice: User) -> Client:
    """A client with alice's Bearer token."""
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token_of(alice)}"})


@pytest.fixture
def send(alice: User) -> Callable[..., str]:
    """Send alice a notification; gives its id."""
    return lambda title="Hello", **more: str(notify(alice.pk, title, **more).id)


def post(client: Client, body: Any, **more: Any) -> Any:
    """POST `body` as JSON to the read endpoint."""
    return client.post(READ, body, content_type="application/json", **more)


def problem(response: Any, status: int, code: str) -> dict[str, Any]:
    """The problem details of an answer that must be one (RFC 9457)."""
    assert response.status_code == status
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    body: dict[str, Any] = json.loads(response.content)
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"]
    assert body["detail"]
    return body


# --- the list


def a_uid() -> str:
    """The uid of a new user, for tests that run on the event loop."""
    return str(User.objects.create_user("ann").pk)


async def test_items_are_those_of_the_socket() -> None:
    """The very same objects as in the socket's `list`, for personal items and announcements."""
    uid = await in_thread(a_uid)
    await anotify(uid, "One", "Body", kind="a.b", level="error", url="/x", data={"n": ["é"]}, ref="r", confirm=True)
    await in_thread(announce, "All")
    raw = tokens.issue(uid, timedelta(minutes=5))
    socket = WebsocketCommunicator(application, f"/ws/notifications/?token={raw}")
    assert (await socket.connect())[0]
    for _ in ("welcome", "inbox"):
        await socket.receive_from()
    await socket.send_to('{"type":"list"}')
    listed = json.loads(await socket.receive_from())
    await socket.disconnect()
    await node.stop()
    response = await AsyncClient().get(LIST, headers={"Authorization": f"Bearer {raw}"})
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"] == "application/json"
    assert response.json() == {"items": listed["items"], "next": None, "unread": 2}
    assert [item["title"] for item in response.json()["items"]] == ["All", "One"]
    assert {item["live"] for item in response.json()["items"]} == {False}


def test_pages_follow_each_other(api: Client, send: Callable[..., str]) -> None:
    """`next` leads to the older ones and is null at the end; nothing twice, nothing left out."""
    ids = [send() for _ in range(5)]
    seen, before = [], ""
    for _ in range(3):
        page = api.get(LIST, {"limit": "2", "before": before}).json()
        seen += [item["id"] for item in page["items"]]
        before = page["next"]
    assert seen == ids[::-1]
    assert before is None


def test_filters(api: Client, send: Callable[..., str]) -> None:
    """By `unread` and by `kind`; `unread` in the answer counts the whole inbox."""
    read, unread, other = send(kind="a"), send(kind="a"), send(kind="b")
    post(api, {"ids": [read]})

    def ids(**query: str) -> list[str]:
        page = api.get(LIST, query).json()
        assert page["unread"] == 2
        return [item["id"] for item in page["items"]]

    assert ids(unread="true") == ids(unread="True") == ids(unread="1") == [other, unread]
    assert ids(unread="false") == ids(unread="0") == ids() == [other, unread, read]
    assert ids(kind="a") == [unread, read]
    assert ids(kind="a", unread="true") == [unread]
    assert ids(before="", limit="", unread="", kind="") == ids()


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("limit", ["1", "100", "007"], ["0", "101", "-1", "1.5", "ten", "９", "1e1", "9999999999"]),
        ("before", [str(uuid4()), str(uuid4()).upper()], ["1", uuid4().hex, "not-a-uuid", "\0"]),
        ("unread", ["true", "FALSE"], ["yes", "2", "null"]),
        ("kind", ["a", "a_1.b"], ["A", "a..b", "a b", ".", "é"]),
    ],
)
def test_query(api: Client, name: str, good: list[str], bad: list[str]) -> None:
    """Each parameter at its limits; what is wrong is named."""
    for value in good:
        assert api.get(LIST, {name: value}).status_code == 200
    for value in bad:
        errors = problem(api.get(LIST, {name: value}), 400, "invalid_content")["errors"]
        assert [error["loc"] for error in errors] == [[name]]
        assert errors[0]["msg"]


def test_every_wrong_parameter_is_named(api: Client) -> None:
    """All at once, not one after the other; unknown ones do not matter."""
    query = {"limit": "0", "before": "x", "unread": "x", "kind": "X", "unknown": "x"}
    errors = problem(api.get(LIST, query), 400, "invalid_content")["errors"]
    assert {error["loc"][0] for error in errors} == {"limit", "before", "unread", "kind"}


def test_only_the_callers_items(api: Client, bob: User) -> None:
    """Another user's items are neither listed nor counted."""
    notify(bob.pk, "For bob")
    assert api.get(LIST).json() == {"items": [], "next": None, "unread": 0}
    assert api.get(UNREAD).json() == {"unread": 0}


def test_unread(api: Client, send: Callable[..., str]) -> None:
    """More than a replay holds are counted, too."""
    for _ in range(102):
        send()
    announce("All")
    assert api.get(UNREAD).json() == {"unread": 103}


@pytest.mark.server
def test_unread_from_the_index(
    api: Client, send: Callable[..., str], settings: Settings, redis_server: Redis, alice: User
) -> None:
    """With Redis the count is answered from the index, which the first look fills; a read is never forgotten."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": [redis_server.url]}
    first, second = send(), send()

    def indexed(count: int) -> set[str]:
        # An index is trusted only for a moment after the guard has looked, which no node's loop does here.
        unread_index.poll()
        assert api.get(UNREAD).json() == {"unread": count}
        return set(redis_server.ask("HKEYS", f"notifications:unread:{alice.pk}"))

    eventually(lambda: indexed(2) == {first, second})
    assert post(api, {"ids": [first]}).json()["unread"] == 1
    eventually(lambda: indexed(1) == {second})


# --- reading


def test_read(api: Client, send: Callable[..., str], alice: User) -> None:
    """Committed when it is answered; where it was read is kept; repeating is harmless."""
    first, second = send(), send()
    announcement = str(announce("All").id)
    answer = post(api, {"ids": [second, announcement], "via": "popup"})
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {"ids": [second, announcement], "unread": 1}
    row = Notification.objects.get(pk=second)
    assert row.read_at is not None
    assert row.read_via == "popup"
    assert Receipt.objects.get().uid == str(alice.pk)
    again = post(api, {"ids": [second, first], "via": None, "confirm": None})
    assert again.json() == {"ids": [first, second], "unread": 0}
    assert Notification.objects.get(pk=first).read_via == "list"


@pytest.mark.security("S8")
def test_foreign_and_unknown_ids_look_alike(api: Client, send: Callable[..., str], bob: User) -> None:
    """Left out, and so is what is no id at all; the foreign item stays unread."""
    mine, foreign = send(), str(notify(bob.pk, "For bob").id)
    answer = post(api, {"ids": [foreign, str(uuid4()), "no id", mine]})
    assert answer.json() == {"ids": [mine], "unread": 0}
    assert Notification.objects.get(pk=foreign).read_at is None
    assert post(api, {"ids": [foreign]}).content == post(api, {"ids": [str(uuid4())]}).content


def test_confirm(api: Client, send: Callable[..., str]) -> None:
    """An item that needs a confirmation is only done with `confirm: true`."""
    item = send(confirm=True)
    assert post(api, {"ids": [item]}).json() == {"ids": [], "unread": 1}
    assert post(api, {"ids": [item], "confirm": True}).json() == {"ids": [item], "unread": 0}
    assert Notification.objects.get(pk=item).confirmed_at is not None


def test_read_until(api: Client, send: Callable[..., str]) -> None:
    """With `before`, that item and all older ones but those to be confirmed."""
    first, second, asked, newest = send(), send(), send(confirm=True), send()
    assert post(api, {"before": asked}).json() == {"ids": [first, second], "unread": 2}
    assert Notification.objects.get(pk=newest).read_at is None


async def test_read_reaches_open_sockets() -> None:
    """The user's tabs are told what was read by HTTP."""
    uid = await in_thread(a_uid)
    raw = tokens.issue(uid, timedelta(minutes=5))
    socket = WebsocketCommunicator(application, f"/ws/notifications/?token={raw}")
    assert (await socket.connect())[0]
    for _ in ("welcome", "inbox"):
        await socket.receive_from()
    item = str((await anotify(uid, "Hello")).id)
    assert json.loads(await socket.receive_from())["id"] == item
    bearer = {"Authorization": f"Bearer {raw}"}
    await AsyncClient().post(READ, {"ids": [item]}, content_type="application/json", headers=bearer)
    assert json.loads(await socket.receive_from()) == {"type": "read", "ids": [item], "unread": 0}
    await socket.disconnect()
    await node.stop()


def test_read_is_answered_once_no_index_can_be_stale(api: Client, send: Callable[..., str], settings: Settings) -> None:
    """With Redis away the answer waits until no node trusts an index from before the read."""
    item = send()
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": ["redis://127.0.0.1:1/0"]}
    begun = time.monotonic()
    assert post(api, {"ids": [item]}).json()["ids"] == [item]
    assert time.monotonic() - begun >= SETTLE_SECONDS


@pytest.mark.parametrize(
    ("body", "loc"),
    [
        ([], []),
        (b'"text"', []),
        ({}, ["ids"]),
        ({"ids": None}, ["ids"]),
        ({"ids": [str(uuid4())], "before": str(uuid4())}, ["ids"]),
        ({"ids": []}, ["ids"]),
        ({"ids": "x"}, ["ids"]),
        ({"ids": [1]}, ["ids"]),
        ({"ids": [str(uuid4())] * 201}, ["ids"]),
        ({"ids": ["x"], "via": "mail"}, ["via"]),
        ({"ids": ["x"], "via": ["popup"]}, ["via"]),
        ({"ids": ["x"], "confirm": 1}, ["confirm"]),
        ({"before": "x"}, ["before"]),
        ({"before": 7}, ["before"]),
    ],
)
def test_wrong_body(api: Client, body: Any, loc: list[str]) -> None:
    """Good JSON that is no request: 400 names the field."""
    errors = problem(post(api, body), 400, "invalid_content")["errors"]
    assert [error["loc"] for error in errors] == [loc]


def test_two_hundred_ids(api: Client) -> None:
    """The most ids that a call may name."""
    assert post(api, {"ids": [str(uuid4()) for _ in range(200)]}).json() == {"ids": [], "unread": 0}


@pytest.mark.parametrize(
    "text",
    [
        b" ",
        b"{",
        b"{'ids':[]}",
        b'{"ids":["x"],"ids":["y"]}',
        b'{"ids":[NaN]}',
        b'{"ids":["\xff"]}',
        b'{"ids":["\\ud800"]}',
        b'{"ids":["\\u0000"]}',
        b'{"ids":' + b"[" * 40 + b"]" * 40 + b"}",
        b'{"x":99999999999999999999999}',
    ],
)
def test_what_is_no_json(api: Client, text: bytes) -> None:
    """Not JSON as this app takes it: 400 in the same shape."""
    errors = problem(post(api, text), 400, "invalid_json")["errors"]
    assert errors[0]["loc"] == []
    assert errors[0]["msg"]


def test_body_size(api: Client) -> None:
    """64 KiB are read, a byte more is not."""
    empty = b'{"ids":["x"],"pad":""}'
    at_limit = empty[:-2] + b"x" * (BODY_MAX_BYTES - len(empty)) + b'"}'
    assert post(api, at_limit).status_code == 200
    problem(post(api, at_limit + b" "), 413, "too_large")


async def test_body_size_without_length() -> None:
    """A body whose length is not announced is read no further either."""
    headers = [(b"content-type", b"application/json"), (b"host", b"testserver")]
    bearer = f"Bearer {tokens.issue(await in_thread(a_uid), timedelta(minutes=5))}"
    headers.append((b"authorization", bearer.encode()))
    request = HttpCommunicator(application, "POST", READ, b" " * (BODY_MAX_BYTES + 1), headers)
    assert (await request.get_response())["status"] == 413
    await request.wait()


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_only_json(api: Client, content_type: str) -> None:
    """Any other content type: 415. A charset beside it does not matter."""
    problem(api.generic("POST", READ, b'{"ids":["x"]}', content_type=content_type), 415, "unsupported_media_type")
    assert api.post(READ, b'{"ids":["x"]}', content_type="application/json; charset=utf-8").status_code == 200


# --- who calls


@pytest.mark.parametrize("url", [LIST, UNREAD])
def test_nobody(url: str) -> None:
    """Without credentials: 401 with a challenge (RFC 9110 section 11.6.1)."""
    response = Client().get(url)
    problem(response, 401, "unauthorized")
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="notifications"'


def test_bad_tokens(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Malformed, expired, foreign, refresh: 401 without a look at the database."""
    monkeypatch.setitem(connections.settings["default"], "NAME", "/nowhere/db.sqlite3")
    forget_connections(monkeypatch)
    good = token_of(alice)
    refresh = RefreshToken()
    refresh["user_id"] = str(alice.pk)
    for bad in [
        "",
        "x",
        good[:-4] + "AAAA",
        good.replace(".", ""),
        token_of(alice, seconds=-10),
        str(refresh),
        "é" * 9,
    ]:
        response = Client().get(LIST, headers={"Authorization": f"Bearer {bad}"})
        problem(response, 401, "unauthorized")
        assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]


def test_a_bad_token_is_not_made_good_by_a_session(client: Client, alice: User) -> None:
    """Who sends a token is judged by it."""
    client.force_login(alice)
    assert client.get(LIST).status_code == 200
    problem(client.get(LIST, headers={"Authorization": "Bearer x"}), 401, "unauthorized")


def test_scheme(alice: User) -> None:
    """`bearer` in any case; other schemes are somebody else's."""
    token = token_of(alice)
    assert Client().get(LIST, headers={"Authorization": f"bEaReR  {token}"}).status_code == 200
    problem(Client().get(LIST, headers={"Authorization": f"Basic {token}"}), 401, "unauthorized")


def test_inactive_and_unknown_users(api: Client, client: Client, alice: User, settings: Settings) -> None:
    """Banned: neither token nor session is good. Without user table a good token is enough."""
    client.force_login(alice)
    User.objects.update(is_active=False)
    problem(api.get(LIST), 401, "unauthorized")
    problem(client.get(LIST), 401, "unauthorized")
    stranger = {"Authorization": f"Bearer {tokens.issue('stranger', timedelta(minutes=1))}"}
    problem(Client().get(LIST, headers=stranger), 401, "unauthorized")
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "STANDALONE": True}
    assert Client().get(LIST, headers=stranger).json() == {"items": [], "next": None, "unread": 0}


def test_service_of_its_own_without_sessions(settings: Settings) -> None:
    """Where no auth middleware runs, who brings no token is nobody."""
    settings.MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
    problem(Client().get(LIST), 401, "unauthorized")


def test_session_needs_the_csrf_token(alice: User, send: Callable[..., str]) -> None:
    """A foreign page can send the cookie, but not the header."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    item = send()
    assert client.get(LIST).status_code == 200
    problem(post(client, {"ids": [item]}), 403, "csrf")
    assert Notification.objects.get(pk=item).read_at is None
    client.get("/notifications/")
    csrf = {"X-CSRFToken": client.cookies["csrftoken"].value}
    assert post(client, {"ids": [item]}, headers=csrf).json() == {"ids": [item], "unread": 0}
    problem(post(client, {"ids": [item]}, headers={**csrf, "Origin": "https://evil.example"}), 403, "csrf")


# --- the page's token


def test_page_token(alice: User, settings: Settings) -> None:
    """With session and CSRF token: a short-lived access token of the same uid."""
    client = Client(enforce_csrf_checks=True)
    problem(client.post(TOKEN), 401, "unauthorized")
    client.force_login(alice)
    problem(client.post(TOKEN), 403, "csrf")
    client.get("/notifications/")
    response = client.post(TOKEN, headers={"X-CSRFToken": client.cookies["csrftoken"].value})
    assert response.headers["Cache-Control"] == "no-store"
    answer = response.json()
    claims = tokens.verify(answer["access"])
    assert claims.uid == str(alice.pk)
    assert answer["expires_at"].endswith("Z")
    assert 295 < claims.expires_at - time.time() <= 300
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "SIGNING_KEY": "", "VERIFYING_KEY": ""}
    problem(client.post(TOKEN, headers={"X-CSRFToken": client.cookies["csrftoken"].value}), 501, "not_supported")


def test_page_token_is_for_sessions(api: Client) -> None:
    """A token cannot be turned into the next one: that would make it live for ever."""
    problem(api.post(TOKEN), 401, "unauthorized")


# --- the rest


@pytest.mark.parametrize(
    ("url", "method", "allowed"),
    [
        (LIST, "POST", "GET, HEAD"),
        (UNREAD, "DELETE", "GET, HEAD"),
        (READ, "GET", "POST"),
        (TOKEN, "PUT", "POST"),
    ],
)
def test_method(api: Client, url: str, method: str, allowed: str) -> None:
    """Others than those in `Allow`: 405."""
    response = api.generic(method, url)
    problem(response, 405, "method_not_allowed")
    assert response.headers["Allow"] == allowed


def test_head(api: Client) -> None:
    """As GET, without the body."""
    response = api.head(LIST)
    assert response.status_code == 200
    assert response.content == b""


def test_no_such_address(api: Client) -> None:
    """404 in the API's own shape."""
    problem(api.get("/api/notifications/nothing/"), 404, "not_found")
    problem(api.get(f"/api/notifications/{uuid4()}"), 404, "not_found")


def test_database_away(api: Client, client: Client, alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, to be repeated, for token and session; nothing of the inside is told."""
    client.force_login(alice)
    monkeypatch.setitem(connections.settings["default"], "NAME", "/nowhere/db.sqlite3")
    forget_connections(monkeypatch)
    answers = [api.get(LIST), api.get(UNREAD), post(api, {"ids": [str(UUID(int=0))]}), client.get(LIST)]
    for response in answers:
        body = problem(response, 503, "unavailable")
        assert response.headers["Retry-After"] == "1"
        assert "nowhere" not in json.dumps(body)
