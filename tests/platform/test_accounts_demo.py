"""`accounts.demo`: the accounts of `make run`."""

import pytest
from django.contrib.auth import authenticate
from django.contrib.auth.models import User

from accounts import demo

pytestmark = pytest.mark.django_db


def test_create_accounts_once() -> None:
    """All five, with the passwords that are printed; the second time nothing."""
    assert not demo.accounts_exist()
    assert demo.create_accounts()
    names = [*demo.USERS, demo.STAFF, demo.ADMIN]
    assert set(User.objects.values_list("username", flat=True)) == {"alice", "bob", "carol", "staff", "admin"}
    for name in names:
        user = authenticate(username=name, password=f"demo-{name}")
        assert user is not None
    assert demo.accounts_exist()
    assert not demo.create_accounts()


def test_create_accounts_beside_others() -> None:
    """A platform that has users of its own gets no account with a known password."""
    User.objects.create_user("somebody")
    assert not demo.create_accounts()
    assert not demo.accounts_exist()
    assert User.objects.count() == 1


def test_create_accounts_respects_changes() -> None:
    """What was deleted or changed since stays so."""
    demo.create_accounts()
    User.objects.get(username="bob").delete()
    assert not demo.create_accounts()
    assert not User.objects.filter(username="bob").exists()


def test_staff_may_do_their_work_and_no_more() -> None:
    """Compose and publish announcements, review submissions, settle top-ups."""
    demo.create_accounts()
    staff = User.objects.get(username="staff")
    assert staff.is_staff
    assert not staff.is_superuser
    assert len(staff.get_all_permissions()) == sum(map(len, demo.STAFF_PERMISSIONS.values()))
    assert staff.has_perms(
        [
            "notifications.add_announcement",
            "notifications.publish_announcement",
            "notifications.withdraw_announcement",
            "moderation.change_submission",
            "wallet.change_topup",
        ]
    )
    assert not staff.has_perm("auth.change_user")
    assert not staff.has_perm("notifications.add_servicekey")
    alice = User.objects.get(username="alice")
    assert not alice.is_staff
