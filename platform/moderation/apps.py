"""A user submits something for review, staff decide, the user is told."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ModerationConfig(AppConfig):
    """The app as Django knows it."""

    name = "moderation"
    verbose_name = _("Moderation")
