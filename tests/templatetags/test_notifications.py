"""`{% notification_bell %}`: what the page's scripts find, and nothing for those who are not signed in."""

import re
from html.parser import HTMLParser

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.http import HttpRequest
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.utils import translation
from pytest_django import Settings

pytestmark = pytest.mark.django_db


class Elements(HTMLParser):
    """The elements of a text, by tag, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: dict[str, dict[str, str | None]] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.found[tag] = dict(attrs)


def request_of(user: User | AnonymousUser) -> HttpRequest:
    """A request of `user`."""
    request = RequestFactory().get("/")
    request.user = user
    return request


def rendered(context: dict[str, object], tag: str = "notification_bell") -> str:
    """What the tag gives in such a context."""
    return Template(f"{{% load notifications %}}{{% {tag} %}}").render(Context(context)).strip()


def test_bell(alice: User, settings: Settings) -> None:
    """One module, the bell with all that it has to know, and the place for popups."""
    settings.CSRF_COOKIE_NAME = "my-csrf"
    request = request_of(alice)
    found = Elements(rendered({"request": request})).found
    assert found == {
        "script": {"type": "module", "src": "/static/notifications/notifications.min.js"},
        "notification-bell": {
            "uid": str(alice.pk),
            "socket": "/ws/notifications/",
            "api": "/api/notifications/",
            "inbox": "/notifications/",
            "csrf-cookie": "my-csrf",
        },
        "notification-popups": {},
    }
    assert request.META["CSRF_COOKIE_NEEDS_UPDATE"]


def test_the_csrf_cookie_is_set(client: Client, alice: User) -> None:
    """A page without any form still lets its scripts POST."""
    client.force_login(alice)
    response = client.get("/notifications/")
    assert "<notification-bell " in response.text
    assert response.cookies["csrftoken"].value


def test_nothing_inline(alice: User) -> None:
    """A strict content security policy holds: no script text, no handlers, no style attributes."""
    text = rendered({"request": request_of(alice)})
    assert re.search(r"<script[^>]*></script>", text)
    assert not re.search(r"\son\w+=|style", text)


@pytest.mark.parametrize(
    "context", [{}, {"request": request_of(AnonymousUser())}, {"request": RequestFactory().get("/")}]
)
def test_nobody(context: dict[str, object]) -> None:
    """Without a request, a user, or a sign-in: nothing."""
    assert rendered(context) == ""


@pytest.mark.parametrize(
    ("language", "catalog"),
    [("en", None), ("en-gb", None), ("zh-hans", "/notifications/catalog/"), ("ar", "/notifications/catalog/")],
)
def test_catalog(alice: User, language: str, catalog: str | None) -> None:
    """English needs no catalogue; with translations switched off neither."""
    with translation.override(language):
        assert Elements(rendered({"request": request_of(alice)})).found["notification-bell"].get("catalog") == catalog
    with translation.override(None):
        assert "catalog" not in rendered({"request": request_of(alice)})


def test_socket(alice: User) -> None:
    """The path of the sockets can be another, and is escaped."""
    context: dict[str, object] = {"request": request_of(alice), "path": '/a"b/'}
    assert Elements(rendered(context, "notification_bell socket=path")).found["notification-bell"]["socket"] == '/a"b/'


def test_banner(alice: User) -> None:
    """Its place, for who is signed in."""
    assert (
        rendered({"request": request_of(alice)}, "notification_banner") == "<notification-banner></notification-banner>"
    )
    for context in ({}, {"request": request_of(AnonymousUser())}, {"request": RequestFactory().get("/")}):
        assert rendered(dict(context), "notification_banner") == ""
