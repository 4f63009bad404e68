"""Money that users put in."""

from decimal import Decimal

from django.conf import settings
from django.contrib.auth.models import User
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.urls import reverse
from django.utils.translation import gettext_lazy as _


class TopUp(models.Model):
    """A payment that a user began. It is settled once; see `wallet.settling`."""

    class State(models.TextChoices):
        """Pending until the payment is known to have succeeded or failed; then for good."""

        PENDING = "pending", _("pending")
        SUCCEEDED = "succeeded", _("succeeded")
        FAILED = "failed", _("failed")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, verbose_name=_("user"), on_delete=models.PROTECT, related_name="top_ups"
    )
    amount = models.DecimalField(
        _("amount"),
        max_digits=8,
        decimal_places=2,
        validators=[MinValueValidator(Decimal(1)), MaxValueValidator(Decimal(10_000))],
    )
    language = models.CharField(_("language"), max_length=16, editable=False)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.PENDING, editable=False)
    begun_at = models.DateTimeField(_("begun"), auto_now_add=True)
    settled_at = models.DateTimeField(_("settled"), null=True, editable=False)
    settled_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        verbose_name=_("settled by"),
        on_delete=models.SET_NULL,
        null=True,
        editable=False,
        related_name="+",
    )

    class Meta:
        verbose_name = _("top-up")
        verbose_name_plural = _("top-ups")
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.pk}: {self.amount}"

    def get_absolute_url(self) -> str:
        """The user's page of it."""
        return reverse("top-up", args=[self.pk])


def balance(user: User) -> Decimal:
    """What a user has: all top-ups that succeeded."""
    succeeded = TopUp.objects.filter(user=user, state=TopUp.State.SUCCEEDED)
    return succeeded.aggregate(sum=models.Sum("amount"))["sum"] or Decimal(0)
