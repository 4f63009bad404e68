"""The platform's user table, as the app looks at it."""

from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connection, models
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications import users

pytestmark = pytest.mark.django_db


def uid(user: User) -> str:
    """The uid of a user."""
    return str(user.pk)


def test_active(alice: User, bob: User) -> None:
    """Known and active users, in one query."""
    User.objects.filter(pk=bob.pk).update(is_active=False)
    with CaptureQueriesContext(
        connection,
    ) as queries:
        assert users.active([uid(alice), uid(bob), "999999"]) == {uid(alice)}
    assert len(queries) == 1


@pytest.mark.security("S7")
@pytest.mark.parametrize(
    "odd",
    ["", "x", "../", "-5", "1.5", "1_0", "\u0663", "\ud800", "9223372036854775807", "9223372036854775808", "9" * 255],
)
def test_a_uid_that_no_user_can_have(alice: User, odd: str) -> None:
    """Is nobody's, and takes nothing from those who are asked about in the same query."""
    assert users.active([odd, uid(alice)]) == {uid(alice)}
    assert set(users.joined([odd, uid(alice)])) == {uid(alice)}
    assert users.names([odd, uid(alice)]) == {uid(alice): "alice"}


def test_only_the_canonical_spelling_is_a_uid(alice: User) -> None:
    """Each other one would have a group and an inbox of its own."""
    for spelling in (f"0{alice.pk}", f" {alice.pk}", f"{alice.pk} ", f"+{alice.pk}", "\u0661"):
        assert users.active([spelling]) == set()


def test_standalone_knows_no_users() -> None:
    """Every uid is active, none has joined, nobody is counted; the table is not asked."""
    notifications = {**settings.NOTIFICATIONS, "STANDALONE": True}
    with override_settings(NOTIFICATIONS=notifications), CaptureQueriesContext(connection) as queries:
        assert users.active(["7", "anything"]) == {"7", "anything"}
        assert users.joined(["7"]) == {}
        assert users.everyone() is None
    assert not queries.captured_queries


def test_joined_and_everyone(alice: User, bob: User) -> None:
    """When users joined, and who of the active had by then, with their uids."""
    early = timezone.now() - timedelta(days=2)
    User.objects.filter(pk=alice.pk).update(date_joined=early)
    assert users.joined([uid(alice), "999999"]) == {uid(alice): early}
    everyone = users.everyone()
    assert everyone is not None
    assert set(everyone.values_list("as_uid", flat=True)) == {uid(alice), uid(bob)}
    before = users.everyone(early + timedelta(hours=1))
    assert before is not None
    assert list(before.values_list("as_uid", flat=True)) == [uid(alice)]
    User.objects.filter(pk=alice.pk).update(is_active=False)
    after = users.everyone()
    assert after is not None
    assert list(after.values_list("as_uid", flat=True)) == [uid(bob)]


def test_the_field_that_tokens_carry(alice: User) -> None:
    """Another `USER_ID_FIELD` is another uid, also one of text."""
    assert users.uid_of(alice) == uid(alice)
    with override_settings(SIMPLE_JWT={**settings.SIMPLE_JWT, "USER_ID_FIELD": "username"}):
        assert users.uid_of(alice) == "alice"
        assert users.active(["alice", "Alice", uid(alice)]) == {"alice"}
        everyone = users.everyone()
        assert everyone is not None
        assert list(everyone.values_list("as_uid", flat=True)) == ["alice"]


def test_a_user_model_of_the_plainest_kind(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `is_active` and `date_joined` all are active, and nobody counts as late."""
    from django.contrib.auth.models import Group

    group = Group.objects.create(name="any table with a key")
    monkeypatch.setattr(users, "get_user_model", lambda: Group)
    assert users.active([str(group.pk), "999999"]) == {str(group.pk)}
    assert users.joined([str(group.pk)]) == {}
    everyone = users.everyone(timezone.now())
    assert everyone is not None
    assert list(everyone.values_list("as_uid", flat=True)) == [str(group.pk)]


def test_uuids_are_spelled_as_python_spells_them() -> None:
    """SQLite keeps them as 32 digits; the SQL expression puts the hyphens in."""
    from notifications.models import Disconnection

    row = Disconnection.objects.create(uid="7")
    field = Disconnection._meta.get_field("id")
    assert isinstance(field, models.UUIDField)
    assert Disconnection.objects.values_list(users.spelled(field), flat=True).get() == str(row.id)
