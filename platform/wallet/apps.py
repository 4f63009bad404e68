"""A user tops up, the payment is confirmed or fails, the user is told."""

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WalletConfig(AppConfig):
    """The app as Django knows it."""

    name = "wallet"
    verbose_name = _("Wallet")
