"""Sign-in and sign-out, and what they mean for open sockets."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    """Connects the signals that close sockets, and registers audiences."""

    name = "accounts"
    verbose_name = _("Accounts")

    def ready(self) -> None:
        """Import what registers itself."""
        from accounts import audiences, connections  # noqa: F401, PLC0415  need the app registry
