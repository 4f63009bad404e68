"""`wallet.admin`: staff settle by hand what the payment service did not."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from notifications.models import Notification
from wallet.models import TopUp, balance

pytestmark = pytest.mark.django_db

LIST = "/admin/wallet/topup/"


@pytest.fixture
def staff(client: Client) -> User:
    """Signed in, with the permissions that settling takes."""
    user = User.objects.create_user("staff", is_staff=True)
    user.user_permissions.add(*Permission.objects.filter(codename__in=("view_topup", "change_topup")))
    client.force_login(user)
    return user


@pytest.fixture
def top_up(alice: User) -> TopUp:
    """Begun by alice."""
    return TopUp.objects.create(user=alice, amount=5, language="en")


@pytest.mark.parametrize(("action", "state"), [("confirm_selected", "succeeded"), ("fail_selected", "failed")])
def test_settle(client: Client, staff: User, top_up: TopUp, action: str, state: str) -> None:
    """The user is told, the log knows who did it, and a second time is refused."""
    page = client.post(LIST, {"action": action, "_selected_action": [top_up.pk]}, follow=True).content.decode()
    assert "1 user is told" in page
    top_up.refresh_from_db()
    assert (top_up.state, top_up.settled_by) == (state, staff)
    assert balance(top_up.user) == (5 if state == "succeeded" else 0)
    assert LogEntry.objects.count() == 1
    again = client.post(LIST, {"action": "fail_selected", "_selected_action": [top_up.pk]}, follow=True)
    assert "already settled" in again.content.decode()
    assert Notification.objects.count() == 1


def test_nothing_is_edited_added_or_deleted(client: Client, staff: User, top_up: TopUp) -> None:
    """Not by superusers either: money that came in stays on the books."""
    client.force_login(User.objects.create_superuser("root"))
    client.post(f"{LIST}{top_up.pk}/change/", {"amount": "5000", "state": "succeeded"})
    top_up.refresh_from_db()
    assert (int(top_up.amount), top_up.state) == (5, "pending")
    assert client.get(f"{LIST}add/").status_code == 403
    assert client.post(f"{LIST}{top_up.pk}/delete/", {"post": "yes"}).status_code == 403


def test_looking_is_not_settling(client: Client, top_up: TopUp) -> None:
    """Who may only view has no actions."""
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_topup"))
    client.force_login(viewer)
    assert "confirm_selected" not in client.get(LIST).content.decode()
    client.post(LIST, {"action": "confirm_selected", "_selected_action": [top_up.pk]})
    top_up.refresh_from_db()
    assert top_up.state == "pending"
