"""The token endpoints: simplejwt's, with the uid as this platform has it."""

from typing import Any

import jwt
import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications import tokens

pytestmark = pytest.mark.django_db


def post(client: Client, path: str, **data: str) -> Any:
    """A call as a program makes it."""
    return client.post(path, data, content_type="application/json")


def test_obtain(client: Client, alice: User) -> None:
    """The access token is good for the socket, and its uid is a string in `user_id`."""
    answer = post(client, "/api/token/", username="alice", password="demo-alice")
    assert answer.status_code == 200
    pair = answer.json()
    assert set(pair) == {"access", "refresh"}
    assert tokens.verify(pair["access"]).uid == str(alice.pk)
    payload = jwt.decode(pair["access"], options={"verify_signature": False})
    assert payload["user_id"] == str(alice.pk)
    assert payload["token_type"] == "access"
    assert {"exp", "iat", "jti"} <= set(payload)


@pytest.mark.parametrize("given", [{"username": "alice", "password": "wrong"}, {"username": "x", "password": "x"}])
def test_obtain_refused(client: Client, alice: User, given: dict[str, str]) -> None:
    """401, whoever it is."""
    assert post(client, "/api/token/", **given).status_code == 401


def test_obtain_without_fields(client: Client) -> None:
    """400 names them."""
    answer = post(client, "/api/token/")
    assert answer.status_code == 400
    assert set(answer.json()) == {"username", "password"}


def test_obtain_of_a_banned_user_is_refused(client: Client, alice: User) -> None:
    """Nor does an earlier refresh token give new access."""
    refresh = post(client, "/api/token/", username="alice", password="demo-alice").json()["refresh"]
    alice.is_active = False
    alice.save()
    assert post(client, "/api/token/", username="alice", password="demo-alice").status_code == 401
    assert post(client, "/api/token/refresh/", refresh=refresh).status_code == 401


def test_refresh(client: Client, alice: User) -> None:
    """A refresh token gives fresh access for the same uid; an access token, or rubbish, does not."""
    pair = post(client, "/api/token/", username="alice", password="demo-alice").json()
    fresh = post(client, "/api/token/refresh/", refresh=pair["refresh"])
    assert fresh.status_code == 200
    assert tokens.verify(fresh.json()["access"]).uid == str(alice.pk)
    for bad in (pair["access"], "rubbish"):
        assert post(client, "/api/token/refresh/", refresh=bad).status_code == 401


def test_they_are_posts(client: Client) -> None:
    """Nothing to see; and no browsable page with scripts of its own."""
    assert client.get("/api/token/").status_code == 405
    assert client.get("/api/token/", headers={"Accept": "text/html"}).headers["Content-Type"] == "application/json"
