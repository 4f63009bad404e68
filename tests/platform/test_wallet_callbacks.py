"""`wallet.callbacks` through its door: what a payment service can do, and what nobody can."""

import hashlib
import hmac
import json
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from notifications.models import Notification
from wallet.callbacks import compose
from wallet.models import TopUp, balance

pytestmark = pytest.mark.django_db

KEY = "the-key-that-the-payment-service-has"


@pytest.fixture(autouse=True)
def key(settings: Settings) -> None:
    """The payment service has a key of its own."""
    settings.WALLET_CALLBACK_KEY = KEY


@pytest.fixture
def top_up(alice: User) -> TopUp:
    """Begun by alice."""
    return TopUp.objects.create(user=alice, amount=Decimal("20.00"), language="en")


def post(body: bytes, signature: str | None = None) -> Any:
    """Send a callback as a payment service does: no session, no CSRF token."""
    signature = hmac.new(KEY.encode(), body, hashlib.sha256).hexdigest() if signature is None else signature
    client = Client(enforce_csrf_checks=True)
    return client.post("/wallet/callback/", body, content_type="application/json", headers={"X-Signature": signature})


def says(of: TopUp, **other: Any) -> bytes:
    """The body of a callback."""
    return json.dumps({"top_up": of.pk, "amount": "20.00", "outcome": "succeeded"} | other).encode()


@pytest.mark.parametrize("outcome", ["succeeded", "failed"])
def test_a_callback_settles(top_up: TopUp, alice: User, outcome: str) -> None:
    """The news is taken and the user told."""
    answer = post(says(top_up, outcome=outcome))
    assert (answer.status_code, answer.json()) == (200, {"top_up": top_up.pk, "state": outcome})
    assert balance(alice) == (20 if outcome == "succeeded" else 0)
    assert Notification.objects.get().kind == f"recharge.{outcome}"


def test_a_callback_repeated_changes_nothing(top_up: TopUp, alice: User) -> None:
    """The payment service may repeat until it hears a yes; so may whoever recorded the call."""
    assert [post(says(top_up)).status_code for _ in range(3)] == [200, 200, 200]
    assert balance(alice) == 20
    assert Notification.objects.count() == 1


def test_a_callback_that_contradicts_is_refused(top_up: TopUp, alice: User) -> None:
    """What was settled stays."""
    post(says(top_up))
    answer = post(says(top_up, outcome="failed"))
    assert (answer.status_code, answer.json()) == (409, {"error": "already settled: succeeded"})
    assert balance(alice) == 20


@pytest.mark.parametrize("signature", ["", "0" * 64, "zzz", "é"])
def test_a_callback_with_a_bad_signature_is_refused(top_up: TopUp, alice: User, signature: str) -> None:
    """Only who has the key moves money."""
    assert post(says(top_up), signature).status_code == 403
    assert balance(alice) == 0
    assert not Notification.objects.exists()


def test_a_signature_is_good_for_its_body_alone(top_up: TopUp) -> None:
    """A changed amount needs another signature."""
    signature = hmac.new(KEY.encode(), says(top_up), hashlib.sha256).hexdigest()
    assert post(says(top_up, amount="2000.00"), signature).status_code == 403


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"7",
        b'"text"',
        b"\xff",
        b"{}",
        b"[" * 100_000,
        b'{"top_up": true, "amount": "20.00", "outcome": "succeeded"}',
        b'{"top_up": "1", "amount": "20.00", "outcome": "succeeded"}',
        b'{"top_up": 1, "amount": "much", "outcome": "succeeded"}',
        b'{"top_up": 1, "amount": "NaN", "outcome": "succeeded"}',
        b'{"top_up": 1, "amount": null, "outcome": "succeeded"}',
        b'{"top_up": 1, "amount": "20.00", "outcome": "maybe"}',
        b'{"top_up": 1, "amount": "20.00", "outcome": []}',
    ],
)
def test_a_callback_of_another_shape_is_refused(body: bytes) -> None:
    """Signed or not, it must be a callback."""
    assert post(body).status_code == 400


@pytest.mark.parametrize("other", [{"amount": "20.01"}, {"top_up": 10**6}, {"top_up": -1}, {"top_up": 10**30}])
def test_a_callback_of_an_unknown_payment_is_refused(top_up: TopUp, other: dict[str, Any]) -> None:
    """Another amount or number is no payment of ours."""
    assert post(says(top_up, **other)).status_code == 404
    assert not Notification.objects.exists()


def test_without_a_key_of_its_own_one_is_derived(top_up: TopUp, settings: Settings) -> None:
    """The demo's bank signs with a key made from SECRET_KEY; no other key is good then."""
    settings.WALLET_CALLBACK_KEY = ""
    assert post(says(top_up)).status_code == 403
    assert post(*compose(top_up, "succeeded")).status_code == 200


def test_a_callback_is_a_post(client: Client) -> None:
    """Nothing to see."""
    assert client.get("/wallet/callback/").status_code == 405
