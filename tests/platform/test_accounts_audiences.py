"""`accounts.audiences`: staff."""

import pytest
from django.contrib.auth.models import User

from notifications import audiences

pytestmark = pytest.mark.django_db


def test_staff_can_be_addressed() -> None:
    """Those who may sign in to the admin, as long as they are active."""
    User.objects.create_user("anybody")
    User.objects.create_user("gone", is_staff=True, is_active=False)
    clerk = User.objects.create_user("clerk", is_staff=True)
    assert [(user.username, user.as_uid) for user in audiences.people("staff")] == [("clerk", str(clerk.pk))]
