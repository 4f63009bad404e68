"""`wallet.settling`: each top-up is settled once, and its user is told with it."""

import threading
from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from notifications.models import Notification
from wallet.models import TopUp, balance
from wallet.settling import AlreadySettled, settle

pytestmark = pytest.mark.django_db


@pytest.fixture
def top_up(alice: User) -> TopUp:
    """Begun by alice."""
    return TopUp.objects.create(user=alice, amount=Decimal("1234.50"), language="en")


def test_settle_a_success(top_up: TopUp, alice: User, bob: User) -> None:
    """The balance grows and the user is asked to confirm the news."""
    assert balance(alice) == 0
    settled = settle(top_up.pk, succeeded=True, by=bob)
    assert (settled.state, settled.settled_by) == ("succeeded", bob)
    assert balance(alice) == Decimal("1234.50")
    assert balance(bob) == 0
    item = Notification.objects.get()
    assert (item.uid, item.kind, item.level) == (str(alice.pk), "recharge.succeeded", "success")
    assert (item.title, item.body) == ("Your top-up arrived", "1234.50 was added to your balance.")
    assert (item.url, item.ref) == (f"/wallet/{top_up.pk}/", f"top-up-{top_up.pk}")
    assert item.confirm
    assert item.data == {"amount": "1234.50"}


def test_settle_a_failure(top_up: TopUp, alice: User) -> None:
    """The balance stays; there is nothing to confirm."""
    settled = settle(top_up.pk, succeeded=False)
    assert (settled.state, settled.settled_by) == ("failed", None)
    assert balance(alice) == 0
    item = Notification.objects.get()
    assert (item.kind, item.level, item.confirm) == ("recharge.failed", "error", False)


def test_settle_speaks_the_language_of_the_top_up(alice: User) -> None:
    """Not the one of whoever confirms it."""
    settle(TopUp.objects.create(user=alice, amount=5, language="zh-hans").pk, succeeded=True)
    assert Notification.objects.get().title == "充值已到账"


@pytest.mark.parametrize("again", [True, False])
def test_settle_twice_is_refused(top_up: TopUp, alice: User, again: bool) -> None:
    """Money comes in once, whatever the second caller says."""
    settle(top_up.pk, succeeded=True)
    with pytest.raises(AlreadySettled, match="succeeded"):
        settle(top_up.pk, succeeded=again)
    assert balance(alice) == Decimal("1234.50")
    assert Notification.objects.count() == 1


def test_settle_what_does_not_exist(alice: User) -> None:
    """A number that no top-up has."""
    with pytest.raises(TopUp.DoesNotExist):
        settle(7, succeeded=True)


def test_settle_rolled_back_tells_nobody(top_up: TopUp, alice: User) -> None:
    """Money and message are one transaction."""
    with pytest.raises(RuntimeError), transaction.atomic():
        settle(top_up.pk, succeeded=True)
        raise RuntimeError
    assert balance(alice) == 0
    assert not Notification.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_settle_by_many_at_once_counts_once(top_up: TopUp, alice: User) -> None:
    """Of callers at the same moment one settles it."""
    barrier = threading.Barrier(4)
    outcomes: list[str] = []

    def try_to(succeeded: bool) -> None:
        barrier.wait(timeout=10)
        try:
            outcomes.append(str(settle(top_up.pk, succeeded=succeeded).state))
        except AlreadySettled:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=try_to, args=(n % 2 == 0,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert outcomes.count("refused") == 3
    assert Notification.objects.count() == 1
