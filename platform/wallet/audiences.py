"""Whom staff can address an announcement to, as far as top-ups tell."""

from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from notifications import register_audience
from wallet.models import TopUp


def topped_up_lately() -> QuerySet[User]:
    """Those of whom a top-up succeeded within 30 days."""
    since = timezone.now() - timedelta(days=30)
    return User.objects.filter(top_ups__state=TopUp.State.SUCCEEDED, top_ups__settled_at__gt=since)


register_audience("wallet.topped_up_30_days", _("topped up in the last 30 days"), topped_up_lately)
