"""`wallet.views`: beginning a top-up, its page, and the demo's bank."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from notifications.models import Notification
from wallet.models import TopUp, balance

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def signed_in(client: Client, alice: User) -> None:
    """By alice."""
    client.force_login(alice)


def test_begin(client: Client, alice: User) -> None:
    """It is pending, leads to its page, and adds nothing yet."""
    answer = client.post("/wallet/", {"topup-amount": "20"}, headers={"Accept-Language": "zh-CN"})
    top_up = TopUp.objects.get()
    assert answer.headers["Location"] == f"/wallet/{top_up.pk}/"
    assert (top_up.user, top_up.amount, top_up.state, top_up.language) == (alice, Decimal(20), "pending", "zh-hans")
    assert balance(alice) == 0


@pytest.mark.parametrize("amount", ["", "0", "0.99", "10000.01", "-5", "much", "NaN", "1.001", "1e9", "9" * 40])
def test_begin_refuses_a_bad_amount(client: Client, amount: str) -> None:
    """From 1 to 10,000, to the cent."""
    answer = client.post("/wallet/", {"topup-amount": amount})
    assert answer.status_code == 400
    assert "errorlist" in answer.content.decode()
    assert not TopUp.objects.exists()


@pytest.mark.parametrize("amount", ["1", "10000", "0001.50"])
def test_begin_takes_the_limits(client: Client, amount: str) -> None:
    """Both belong to it."""
    assert client.post("/wallet/", {"topup-amount": amount}).status_code == 302


def test_pages_of_others_are_not_found(client: Client, bob: User) -> None:
    """Neither seen nor paid."""
    foreign = TopUp.objects.create(user=bob, amount=5)
    for path in (f"/wallet/{foreign.pk}/", "/wallet/999/"):
        assert client.get(path).status_code == 404
        assert client.post(f"{path}pay/", {"outcome": "succeeded"}).status_code == 404
    foreign.refresh_from_db()
    assert foreign.state == "pending"


@pytest.mark.parametrize(("outcome", "state", "money"), [("succeeded", "succeeded", 5), ("failed", "failed", 0)])
def test_the_demo_bank(client: Client, alice: User, outcome: str, state: str, money: int) -> None:
    """Pay or decline; the user is told, and has the money or not."""
    top_up = TopUp.objects.create(user=alice, amount=5, language="en")
    assert 'value="succeeded"' in client.get(top_up.get_absolute_url()).content.decode()
    page = client.post(f"{top_up.get_absolute_url()}pay/", {"outcome": outcome}, follow=True).content.decode()
    assert 'value="succeeded"' not in page
    assert f'class="chip {state}"' in page
    assert balance(alice) == money
    assert Notification.objects.get().kind == f"recharge.{state}"


def test_paying_twice_pays_once(client: Client, alice: User) -> None:
    """The second says so."""
    top_up = TopUp.objects.create(user=alice, amount=5, language="en")
    client.post(f"{top_up.get_absolute_url()}pay/", {"outcome": "succeeded"})
    page = client.post(f"{top_up.get_absolute_url()}pay/", {"outcome": "failed"}, follow=True).content.decode()
    assert "settled before" in page
    assert balance(alice) == 5
    assert Notification.objects.count() == 1


def test_there_is_no_demo_bank_in_earnest(client: Client, alice: User, settings: Any) -> None:
    """Anyone could mint money with it."""
    settings.WALLET_DEMO_BANK = False
    top_up = TopUp.objects.create(user=alice, amount=5)
    assert 'name="outcome"' not in client.get(top_up.get_absolute_url()).content.decode()
    assert client.post(f"{top_up.get_absolute_url()}pay/", {"outcome": "succeeded"}).status_code == 404
    assert balance(alice) == 0


def test_pages_ask_to_sign_in(client: Client, alice: User) -> None:
    """All but the payment service's callback."""
    top_up = TopUp.objects.create(user=alice, amount=5)
    client.logout()
    for path in ("/wallet/", top_up.get_absolute_url()):
        assert client.get(path).headers["Location"].startswith("/accounts/login/")
    assert client.post(f"{top_up.get_absolute_url()}pay/").status_code == 302
    assert balance(alice) == 0
