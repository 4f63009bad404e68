"""`config.failures`: what people and programs are told while the database is away, and when something breaks."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from django.db import InterfaceError, OperationalError, connection
from django.test import Client

from config import views
from tests.platform.test_middleware import Inline, policy
from tests.servers.node import Node, Platform

AWAY = [OperationalError("connection to server at 10.0.0.5 failed"), InterfaceError("connection already closed")]


@pytest.fixture
def client() -> Client:
    """A browser, which gets an answer where Django's test client would raise."""
    return Client(raise_request_exception=False)


@pytest.fixture(params=AWAY, ids=lambda error: type(error).__name__)
def away(request: pytest.FixtureRequest, client: Client, alice: User) -> Iterator[None]:
    """The database goes away after somebody has signed in."""
    client.force_login(alice)

    def fail(*_: Any) -> None:
        raise request.param

    with connection.execute_wrapper(fail):
        yield


@pytest.mark.usefixtures("away")
@pytest.mark.parametrize("path", ["/", "/notifications/", "/wallet/", "/nothing-here/", "/admin/"])
def test_people_get_a_page(client: Client, path: str) -> None:
    """503, with word of when to come again, under the same policy; a missing page's own page asks who is there."""
    answer = client.get(path, headers={"Accept-Language": "zh-hans"})
    text = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"], answer["Cache-Control"]) == (503, "1", "no-store")
    assert '<html lang="zh-hans">' in text
    assert "暂时无法连接数据库" in text
    assert "10.0.0.5" not in text
    assert policy(answer)["default-src"] == "'none'"
    parser = Inline()
    parser.feed(text)
    assert parser.found == []
    assert "sessionid" not in answer.cookies, "nobody is signed out by it"


@pytest.mark.usefixtures("away")
def test_programs_get_a_problem(client: Client) -> None:
    """From what is the platform's below `/api/` as from the API of notifications; nothing of what happened inside."""
    answer = client.post("/api/token/", {"username": "alice", "password": "x"}, content_type="application/json")
    assert (answer.status_code, answer["Retry-After"]) == (503, "1")
    assert answer["Content-Type"] == "application/problem+json"
    found = answer.json()
    assert (found["status"], found["code"], found["title"]) == (503, "unavailable", "Service Unavailable")
    assert "10.0.0.5" not in str(found)


@pytest.mark.parametrize("path", ["/", "/api/token/"])
def test_what_breaks_tells_nothing_of_itself(
    client: Client, alice: User, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A fault of ours is 500, and not to be repeated."""
    client.force_login(alice)

    def broken(*_: Any, **__: Any) -> None:
        raise ValueError("a secret of ours")

    monkeypatch.setattr(views, "balance", broken)
    monkeypatch.setattr("django.contrib.auth.backends.ModelBackend.authenticate", broken)
    answer = client.post(path, {"username": "alice", "password": "x"}) if "token" in path else client.get(path)
    text = answer.content.decode()
    assert answer.status_code == 500
    assert "Retry-After" not in answer
    assert "secret" not in text
    assert "Something went wrong" in text or answer.json()["code"] == "internal"


MULTIPART = "multipart/form-data; boundary=XX"
UNREADABLE = {
    "no boundary": (b"x", "multipart/form-data"),
    "fields beyond number": (b"&".join(b"a%d=1" % n for n in range(1500)), "application/x-www-form-urlencoded"),
    "files beyond number": (
        b"".join(b'--XX\r\nContent-Disposition: form-data; name="f"; filename="x"\r\n\r\na\r\n' for _ in range(150)),
        MULTIPART,
    ),
    **{
        codec: (b"username=%ff..&password=\xff", f"application/x-www-form-urlencoded; charset={codec}")
        for codec in ("utf-7", "utf-16", "idna", "base64", "rot13", "bogus")
    },
}
GARBAGE = {
    "not encoded by the rules": (
        b"--XX\r\nContent-Disposition: form-data; name*=bogus''u%ff; filename*=x\r\n\r\nab\r\n--XX--\r\n",
        MULTIPART,
    ),
    "cut": (b'--XX\r\nContent-Disposition: form-data; name="username"\r\n\r\nab', MULTIPART),
    "bytes": (b"\xff\x00" * 50, MULTIPART),
    "surrogates": (b"username=%ed%a0%80&password=%00", "application/x-www-form-urlencoded"),
    "deep": (b'{"username":' + b"[" * 100_000, "application/json"),
    "not UTF-8": (b'{"username":"\xff"}', "application/json"),
}


@pytest.mark.server
@pytest.mark.security("S10")
@pytest.mark.parametrize("server", ["uvicorn", "daphne"])
def test_bodies_that_cannot_be_read(server: str, sqlite_url: str, start_node: Callable[..., Node]) -> None:
    """Each is answered, by 400 where a form cannot be read, and none by 500, from every kind of address."""
    node = start_node(Platform(sqlite_url), server)
    paths = ("/accounts/login/", "/api/token/", "/wallet/callback/", "/language/setlang/", "/nothing-here/")
    with httpx.Client(base_url=node.url, timeout=30) as http:
        cookie = http.get("/accounts/login/").cookies["csrftoken"]

        def post(path: str, body: bytes, kind: str) -> int:
            headers = {"Content-Type": kind, "X-CSRFToken": cookie, "Cookie": f"csrftoken={cookie}"}
            return http.post(path, content=body, headers=headers).status_code

        for name, (body, kind) in UNREADABLE.items():
            # The callback's signature is over the bytes, and nobody reads them as a form.
            found = {path: post(path, body, kind) for path in paths}
            assert found.pop("/wallet/callback/") in (400, 403), name
            assert set(found.values()) == {400}, (name, found)
        for name, (body, kind) in GARBAGE.items():
            assert all(post(path, body, kind) < 500 for path in paths), name
    assert "traceback" not in node.log
