"""Whom an announcement that is not for everyone reaches: one stored row for each uid."""

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from notifications.protocol.items import UID_MAX


class Recipient(models.Model):
    """The stored fact that an announcement is addressed to a uid. One that is for everyone has none."""

    id = models.BigAutoField(primary_key=True)
    # No index of its own: `recipient_once` begins with it, and a hundred thousand are written at a time.
    announcement = models.ForeignKey(
        "notifications.Announcement", on_delete=models.CASCADE, related_name="recipients", db_index=False
    )
    uid = models.CharField(_("uid"), max_length=UID_MAX)
    # By the database's clock: when it came into the audience, for those who did so after publishing.
    joined_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("recipient")
        verbose_name_plural = _("recipients")
        constraints = [models.UniqueConstraint(fields=["announcement", "uid"], name="recipient_once")]
        indexes = [models.Index(fields=["joined_at"], name="recipient_joined", condition=Q(joined_at__isnull=False))]

    def __str__(self) -> str:
        return f"{self.announcement_id} to {self.uid}"
