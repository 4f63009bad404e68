"""`notifications.preferences`, through the HTTP API that pages use: what is kept, what is refused, who hears of it."""

import json
from datetime import timedelta
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.test import Client

from config.asgi import application
from notifications import node, notify, tokens
from notifications.database import in_thread
from notifications.models import Preferences
from notifications.preferences import MUTED_MAX, TIME_ZONE_MAX, keep
from notifications.protocol.items import KIND_MAX

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/api/notifications/preferences/"
NOTHING: dict[str, Any] = {"quiet_hours": None, "sound": None, "muted_kinds": []}
QUIET = {"from": "22:00", "to": "07:30", "time_zone": "Asia/Shanghai"}


@pytest.fixture
def api(alice: User) -> Client:
    """A client with alice's Bearer token."""
    token = tokens.issue(str(alice.pk), timedelta(minutes=5))
    return Client(enforce_csrf_checks=True, headers={"Authorization": f"Bearer {token}"})


def put(client: Client, body: Any, **more: Any) -> Any:
    """PUT `body` as JSON."""
    return client.put(URL, json.dumps(body), content_type="application/json", **more)


def test_who_has_chosen_nothing(api: Client) -> None:
    """Nothing is quiet, muted or chosen; and looking stores nothing."""
    response = api.get(URL)
    assert (response.status_code, response.json()) == (200, NOTHING)
    assert response["Cache-Control"] == "no-store"
    assert not Preferences.objects.exists()


def test_what_is_put_is_what_is_got(api: Client, alice: User, bob: User) -> None:
    """All of it, for this user alone; what a later PUT leaves out is as if never chosen."""
    chosen = {"quiet_hours": QUIET, "sound": True, "muted_kinds": ["audit.rejected", "general"]}
    assert put(api, chosen).json() == chosen
    assert api.get(URL).json() == chosen
    other = Client(headers={"Authorization": f"Bearer {tokens.issue(str(bob.pk), timedelta(minutes=5))}"})
    assert other.get(URL).json() == NOTHING
    assert put(api, {"sound": False}).json() == {**NOTHING, "sound": False}
    assert api.get(URL).json() == {**NOTHING, "sound": False}
    assert Preferences.objects.get().pk == str(alice.pk)
    assert str(Preferences.objects.get()) == f"preferences of {alice.pk}"


def test_kinds_to_choose_from(api: Client, alice: User) -> None:
    """Those of the inbox, and those muted of which there is none left, with names for people."""
    notify(alice.pk, "Hello", kind="audit.approved")
    put(api, {"muted_kinds": ["wallet.low_balance", "wallet.low_balance"]})
    assert api.get(URL, {"kinds": "true"}).json()["kinds"] == [
        {"kind": "audit.approved", "name": "audit / approved"},
        {"kind": "wallet.low_balance", "name": "wallet / low balance"},
    ]
    assert "kinds" not in api.get(URL, {"kinds": "0"}).json()


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"quiet_hours": None, "sound": None, "muted_kinds": None},
        {"quiet_hours": {**QUIET, "from": "00:00", "to": "23:59"}},
        {"quiet_hours": {**QUIET, "time_zone": "America/Argentina/Buenos_Aires"}},
        {"quiet_hours": {**QUIET, "time_zone": "Etc/GMT+12"}},
        {"quiet_hours": {**QUIET, "time_zone": "U" * TIME_ZONE_MAX}},
        {"muted_kinds": [f"kind_{n}" for n in range(MUTED_MAX)]},
        {"muted_kinds": ["k" * KIND_MAX], "something": "else"},
    ],
)
def test_taken(api: Client, good: dict[str, Any]) -> None:
    """At each limit it is still taken."""
    assert put(api, good).status_code == 200


@pytest.mark.parametrize(
    ("wrong", "locs"),
    [
        ({"quiet_hours": "always"}, [["quiet_hours"]]),
        ({"quiet_hours": {}}, [["quiet_hours", "from"], ["quiet_hours", "to"], ["quiet_hours", "time_zone"]]),
        ({"quiet_hours": {**QUIET, "from": "24:00"}}, [["quiet_hours", "from"]]),
        ({"quiet_hours": {**QUIET, "to": "7:30"}}, [["quiet_hours", "to"]]),
        ({"quiet_hours": {**QUIET, "to": 730}}, [["quiet_hours", "to"]]),
        ({"quiet_hours": {**QUIET, "to": "22:00"}}, [["quiet_hours", "to"]]),
        ({"quiet_hours": {**QUIET, "time_zone": "../../etc/passwd"}}, [["quiet_hours", "time_zone"]]),
        ({"quiet_hours": {**QUIET, "time_zone": "U" * (TIME_ZONE_MAX + 1)}}, [["quiet_hours", "time_zone"]]),
        ({"sound": "loud"}, [["sound"]]),
        ({"sound": 1}, [["sound"]]),
        ({"muted_kinds": "general"}, [["muted_kinds"]]),
        ({"muted_kinds": [f"kind_{n}" for n in range(MUTED_MAX + 1)]}, [["muted_kinds"]]),
        ({"muted_kinds": ["general", "Not A Kind", None]}, [["muted_kinds", 1], ["muted_kinds", 2]]),
        ({"muted_kinds": ["k" * (KIND_MAX + 1)]}, [["muted_kinds", 0]]),
        ({"sound": "loud", "muted_kinds": 1}, [["sound"], ["muted_kinds"]]),
        ([], [[]]),
    ],
)
def test_refused(api: Client, wrong: Any, locs: list[Any]) -> None:
    """Every mistake is named, and what was kept before stands."""
    put(api, {"sound": True})
    response = put(api, wrong)
    assert response.status_code == 400
    assert response.json()["code"] == "invalid_content"
    assert [error["loc"] for error in response.json()["errors"]] == locs
    assert api.get(URL).json() == {**NOTHING, "sound": True}


def test_door(api: Client, client: Client, alice: User) -> None:
    """Only for who is known; a session needs its CSRF token to PUT; other methods are refused by name."""
    assert client.get(URL).status_code == 401
    assert put(client, {}).status_code == 401
    session = Client(enforce_csrf_checks=True)
    session.force_login(alice)
    assert session.get(URL).status_code == 200
    assert put(session, {}).json()["code"] == "csrf"
    refused = api.post(URL, {}, content_type="application/json")
    assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD, PUT")
    assert api.put(URL, "{}", content_type="text/plain").status_code == 415
    assert api.put(URL, "{", content_type="application/json").json()["code"] == "invalid_json"


async def test_the_users_sockets_hear_of_it(alice: User) -> None:
    """They are sent their inbox once more, on which pages ask for the preferences."""
    token = tokens.issue(str(alice.pk), timedelta(minutes=5))
    socket = WebsocketCommunicator(application, f"/ws/notifications/?token={token}")
    try:
        assert (await socket.connect())[0]
        assert json.loads(await socket.receive_from(10))["type"] == "welcome"
        assert json.loads(await socket.receive_from(10))["type"] == "inbox"
        api = Client(headers={"Authorization": f"Bearer {token}"})
        assert (await in_thread(lambda: put(api, {"sound": True}))).status_code == 200
        frame = json.loads(await socket.receive_from(10))
        assert (frame["type"], frame["items"]) == ("inbox", [])
        await socket.disconnect()
    finally:
        await node.stop()


def test_two_at_once_are_no_error(alice: User) -> None:
    """The later one stands."""
    keep(str(alice.pk), {"sound": True})
    keep(str(alice.pk), {"sound": False})
    assert Preferences.objects.get().sound is False
