"""`wallet.audiences`: who has topped up lately."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from notifications import audiences
from wallet.models import TopUp

pytestmark = pytest.mark.django_db


def test_who_topped_up_within_30_days_can_be_addressed() -> None:
    """By successful payments alone, each user once however often they paid."""
    for name, days, state in (
        ("twice", 1, TopUp.State.SUCCEEDED),
        ("twice", 29, TopUp.State.SUCCEEDED),
        ("long-ago", 31, TopUp.State.SUCCEEDED),
        ("failed", 1, TopUp.State.FAILED),
    ):
        user, _ = User.objects.get_or_create(username=name)
        TopUp.objects.create(user=user, amount=5, state=state, settled_at=timezone.now() - timedelta(days=days))
    assert [user.username for user in audiences.people("wallet.topped_up_30_days")] == ["twice"]
