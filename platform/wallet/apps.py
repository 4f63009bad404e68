"""A user tops up, the payment is confirmed or fails, the user is told."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WalletConfig(AppConfig):
    """Registers audiences."""

    name = "wallet"
    verbose_name = _("Wallet")

    def ready(self) -> None:
        """Import what registers itself."""
        from wallet import audiences  # noqa: F401, PLC0415  needs the app registry
