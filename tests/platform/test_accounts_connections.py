"""`accounts.connections`: sign-out, ban, new password and deletion close every socket of the user."""

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.db import transaction
from django.test import Client

from notifications.models import Disconnection

pytestmark = pytest.mark.django_db


def closed() -> list[str]:
    """The uids whose sockets were to be closed since the last look."""
    uids = list(Disconnection.objects.values_list("uid", flat=True))
    Disconnection.objects.all().delete()
    return uids


@pytest.fixture(autouse=True)
def nothing_yet(alice: User, bob: User) -> None:
    """Start from no wish: making a user stores a first password."""
    closed()


def test_sign_out_closes(client: Client, alice: User) -> None:
    """Through the page, by POST alone."""
    client.force_login(alice)
    assert client.get("/accounts/logout/").status_code == 405
    assert closed() == []
    assert client.post("/accounts/logout/").headers["Location"] == "/accounts/login/"
    assert closed() == [str(alice.pk)]


def test_sign_out_of_nobody_closes_nothing(client: Client) -> None:
    """Whoever is not signed in has no socket."""
    client.post("/accounts/logout/")
    assert closed() == []


def test_sign_out_in_the_admin_closes(client: Client) -> None:
    """The admin's own sign-out counts as well."""
    admin = User.objects.create_superuser("root", password="long enough to pass")
    closed()
    client.force_login(admin)
    client.post("/admin/logout/")
    assert closed() == [str(admin.pk)]


def test_ban_closes_once(alice: User) -> None:
    """Made inactive: closed. Saved again while inactive, or made active: not."""
    alice.is_active = False
    alice.save()
    assert closed() == [str(alice.pk)]
    alice.save()
    alice.is_active = True
    alice.save()
    assert closed() == []


def test_ban_by_update_fields(alice: User) -> None:
    """A save of other fields alone bans nobody."""
    alice.is_active = False
    alice.save(update_fields=["first_name"])
    assert closed() == []
    alice.save(update_fields=["is_active"])
    assert closed() == [str(alice.pk)]


def test_ban_in_the_admin_closes(client: Client, alice: User) -> None:
    """Staff take the tick away."""
    client.force_login(User.objects.create_superuser("root", password="long enough to pass"))
    closed()
    data = {"username": "alice", "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    assert client.post(f"/admin/auth/user/{alice.pk}/change/", data).status_code == 302
    alice.refresh_from_db()
    assert not alice.is_active
    assert closed() == [str(alice.pk)]


def test_new_password_closes(alice: User) -> None:
    """Wherever it was set."""
    alice.set_password("another one")
    alice.save()
    assert closed() == [str(alice.pk)]


def test_new_password_in_the_admin_closes(client: Client, alice: User) -> None:
    """Staff set it."""
    client.force_login(User.objects.create_superuser("root", password="long enough to pass"))
    closed()
    data = {"usable_password": "true", "password1": "quite-another-one", "password2": "quite-another-one"}
    assert client.post(f"/admin/auth/user/{alice.pk}/password/", data).status_code == 302
    assert closed() == [str(alice.pk)]


def test_rehash_at_sign_in_closes_nothing(client: Client, alice: User) -> None:
    """An old hash that Django renews at sign-in is no new password."""
    hasher = PBKDF2PasswordHasher()
    alice.password = hasher.encode("demo-alice", "salt", iterations=1)
    alice.save()
    closed()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.contrib.auth.hashers.get_hashers", lambda: [hasher])
        patch.setattr("django.contrib.auth.hashers.get_hashers_by_algorithm", lambda: {"pbkdf2_sha256": hasher})
        patch.setattr(hasher, "iterations", 2)
        assert client.login(username="alice", password="demo-alice")
    alice.refresh_from_db()
    assert "$2$" in alice.password
    assert closed() == []


def test_deletion_closes(alice: User) -> None:
    """A user who is no more has no sockets."""
    uid = str(alice.pk)
    alice.delete()
    assert closed() == [uid]


def test_a_ban_rolled_back_closes_nothing(alice: User) -> None:
    """The wish is part of the transaction."""
    with pytest.raises(RuntimeError), transaction.atomic():
        alice.is_active = False
        alice.save()
        raise RuntimeError
    assert closed() == []
