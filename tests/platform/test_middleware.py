"""`config.middleware` and the headers of every page: no inline code runs anywhere, static files are served."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from accounts import demo
from moderation.models import Submission
from notifications import notify
from notifications.models import Notification
from wallet.models import TopUp

STATIC = Path(__file__).resolve().parent.parent.parent / "platform" / "static"


class Inline(HTMLParser):
    """What a strict policy forbids in a page: script and style inside it, style and handler attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        names = dict(attrs)
        data = names.get("type") in ("application/json", "importmap")
        if (tag == "script" and "src" not in names and not data) or tag == "style":
            self.found.append(self.get_starttag_text() or tag)
        self.found += [f"{tag} {name}" for name in names if name == "style" or name.startswith("on")]
        self.found += [
            f"{tag} {value}" for value in names.values() if (value or "").strip().lower().startswith("javascript:")
        ]


@pytest.fixture
def admin(client: Client, db: None) -> User:
    """The demo's superuser, signed in, on a platform where something has happened."""
    demo.create_accounts()
    user = User.objects.get(username="admin")
    client.force_login(user)
    Submission.objects.create(author=user, title="A poem", text="x")
    TopUp.objects.create(user=user, amount=5)
    notify(str(user.pk), "Hello")
    return user


def policy(answer: Any) -> dict[str, str]:
    """The content security policy of an answer, by directive."""
    directives = [part.strip().partition(" ") for part in answer.headers["Content-Security-Policy"].split(";")]
    return {name: value for name, _, value in directives if name}


def pages() -> list[str]:
    """Addresses of every page that there is a link to, and some that need an object."""
    admin_pages = [
        reverse(f"admin:{pattern.name}")
        for resolver in get_resolver().url_patterns
        if isinstance(resolver, URLResolver) and resolver.namespace == "admin"
        for outer in resolver.url_patterns
        for pattern in ([outer] if isinstance(outer, URLPattern) else outer.url_patterns)
        if isinstance(pattern, URLPattern)
        and pattern.name
        and (pattern.name == "index" or pattern.name.endswith(("_changelist", "_add")))
    ]
    own = [
        "/", "/nothing-here/", "/submissions/", "/wallet/", "/notifications/",
        Submission.objects.get().get_absolute_url(),
        TopUp.objects.get().get_absolute_url(),
        reverse("notifications:item", args=[Notification.objects.get().pk]),
        reverse("admin:moderation_submission_change", args=[Submission.objects.get().pk]),
        reverse("admin:wallet_topup_change", args=[TopUp.objects.get().pk]),
        "/admin/password_change/",
    ]  # fmt: skip
    return own + admin_pages


@pytest.mark.security("S4", "S12")
def test_every_page_forbids_inline_code(client: Client, admin: User) -> None:
    """The policy is strict on each, has no `unsafe-`, and the page itself needs none."""
    visited = pages()
    assert len(visited) > 20
    for path in visited:
        answer = client.get(path)
        assert answer.status_code in (200, 403, 404), path
        found = policy(answer)
        assert found["script-src"] == "'self'", path
        assert found["default-src"] == "'none'", path
        assert "unsafe-" not in answer.headers["Content-Security-Policy"], path
        assert found["frame-ancestors"] == found["object-src"] == found["base-uri"] == "'none'", path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        parser = Inline()
        parser.feed(answer.content.decode())
        assert parser.found == [], path


@pytest.mark.security("S12")
def test_trusted_types_hold_but_for_the_admin(client: Client, admin: User) -> None:
    """Its jQuery assigns strings to `innerHTML`; nothing else of the policy is given up for it."""
    assert policy(client.get("/"))["require-trusted-types-for"] == "'script'"
    assert "require-trusted-types-for" not in policy(client.get("/admin/"))
    client.logout()
    assert policy(client.get("/accounts/login/"))["require-trusted-types-for"] == "'script'"


def test_pages_of_ours_can_post_forms(client: Client, admin: User) -> None:
    """Under `no-referrer` a form would send `Origin: null`; a meta tag on every page says otherwise."""
    for path in ("/", "/admin/", "/admin/moderation/submission/"):
        assert '<meta name="referrer" content="same-origin">' in client.get(path).content.decode()


def test_over_tls_browsers_are_told_to_stay(client: Client, db: None) -> None:
    """The proxy says that it was TLS."""
    assert "Strict-Transport-Security" not in client.get("/accounts/login/").headers
    answer = client.get("/accounts/login/", headers={"X-Forwarded-Proto": "https"})
    assert "max-age=31536000" in answer.headers["Strict-Transport-Security"]


def test_cookies_are_no_business_of_scripts_or_other_sites(client: Client, alice: User) -> None:
    """The session's."""
    client.post("/accounts/login/", {"username": "alice", "password": "demo-alice"})
    cookie = client.cookies["sessionid"]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize("name", ["platform/platform.css", "platform/forms.js", "admin/css/base.css"])
def test_static_files(client: Client, name: str) -> None:
    """Served by the node itself; whoever has the latest is told so."""
    answer = client.get(f"/static/{name}")
    assert answer.status_code == 200
    assert re.match(r"text/(css|javascript)", answer.headers["Content-Type"])
    assert len(answer.content) > 100
    again = client.get(f"/static/{name}", headers={"If-Modified-Since": answer.headers["Last-Modified"]})
    assert again.status_code == 304
    assert again.content == b""


async def test_static_files_under_asgi(async_client: AsyncClient) -> None:
    """Without a warning of Django's about synchronous streams, and in parts as well."""
    answer = await async_client.get("/static/platform/icon.svg")
    assert answer.content == (STATIC / "platform" / "icon.svg").read_bytes()
    part = await async_client.get("/static/platform/icon.svg", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, answer.content[:4])


@pytest.mark.parametrize(
    "path", ["/static/nothing.css", "/static/../config/settings.py", "/static/%2e%2e/config/env.py"]
)
def test_static_files_that_are_none(client: Client, db: None, path: str) -> None:
    """Nothing beside the folders of static files is served."""
    assert client.get(f"/static/{path}").status_code == 404
