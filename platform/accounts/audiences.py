"""Whom staff can address an announcement to, as far as accounts tell."""

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from notifications import register_audience


def staff() -> QuerySet[User]:
    """Who may sign in to the admin."""
    return User.objects.filter(is_staff=True)


register_audience("staff", _("staff"), staff)
