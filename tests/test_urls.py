"""`notifications.urls`: the addresses of the contract, and the same under a prefix of the project's own."""

import sys
from types import ModuleType

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.template import Context, Template
from django.test import Client, RequestFactory
from django.urls import include, path, reverse, set_script_prefix
from pytest_django import Settings

ADDRESSES = {
    "api-list": "/api/notifications/",
    "api-unread": "/api/notifications/unread/",
    "api-read": "/api/notifications/read/",
    "api-token": "/api/notifications/token/",
    "list": "/notifications/",
    "catalog": "/notifications/catalog/",
    "healthz": "/healthz",
    "readyz": "/readyz",
    "metrics": "/metrics",
}
ITEM = "01a207b6-45ac-776c-a9b4-312094ad3315"


@pytest.fixture
def prefixed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> str:
    """A project that has put the app under a prefix; gives it."""
    module = ModuleType("a_projects_urls")
    module.urlpatterns = [  # type: ignore[attr-defined]
        path("tools/messages/", include("notifications.urls")),
        path("admin/", admin.site.urls),
    ]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    settings.ROOT_URLCONF = module.__name__
    # The app's own page frame: the platform's asks for the platform's addresses.
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]
    return "/tools/messages"


def test_addresses() -> None:
    """As the contract has them."""
    assert {name: reverse(f"notifications:{name}") for name in ADDRESSES} == ADDRESSES
    assert reverse("notifications:item", args=[ITEM]) == f"/notifications/{ITEM}/"


def test_under_a_prefix(prefixed: str) -> None:
    """All of them move."""
    assert {name: reverse(f"notifications:{name}") for name in ADDRESSES} == {
        name: prefixed + address for name, address in ADDRESSES.items()
    }


@pytest.mark.django_db(transaction=True)
def test_pages_and_api_under_a_prefix(prefixed: str, client: Client, alice: User) -> None:
    """The list works, its forms and the bell lead to where the app now is."""
    client.force_login(alice)
    text = client.get(f"{prefixed}/notifications/").text
    assert f'api="{prefixed}/api/notifications/"' in text
    assert f'inbox="{prefixed}/notifications/"' in text
    assert client.get(f"{prefixed}/api/notifications/").json()["items"] == []
    assert client.get("/notifications/").status_code == 404


def test_catalog(client: Client) -> None:
    """Django's JSON catalogue of this app's texts alone."""
    answer = client.get(reverse("notifications:catalog"), headers={"Accept-Language": "zh-hans"})
    assert answer.headers["Content-Type"] == "application/json"
    assert set(answer.json()) == {"catalog", "formats", "plural"}


def test_prefix_of_the_script(alice: User) -> None:
    """Where the server itself mounts the project somewhere, the bell says so too."""
    request = RequestFactory().get("/")
    request.user = alice
    set_script_prefix("/mounted/")
    try:
        text = Template("{% load notifications %}{% notification_bell %}").render(Context({"request": request}))
    finally:
        set_script_prefix("/")
    assert 'api="/mounted/api/notifications/"' in text
