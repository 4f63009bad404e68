"""When a user's open sockets must close: on sign-out, a ban, a new password, and when the account is deleted."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.signals import user_logged_out
from django.db.models.signals import post_delete, pre_save
from django.dispatch import receiver
from django.utils.translation import gettext as _

from notifications import disconnect


@receiver(user_logged_out)
def close_on_sign_out(*, user: AbstractUser | None, **_kwargs: Any) -> None:
    """Close the sockets of whoever signs out. Whoever was not signed in has none."""
    if user is not None:
        disconnect(str(user.pk))


@receiver(pre_save, sender=get_user_model())
def close_on_ban(*, instance: AbstractUser, update_fields: frozenset[str] | None = None, **_kwargs: Any) -> None:
    """Close the sockets of a user who is made inactive, here or anywhere else in the platform."""
    if instance.is_active or (update_fields is not None and "is_active" not in update_fields):
        return
    if type(instance)._default_manager.filter(pk=instance.pk, is_active=True).exists():
        disconnect(str(instance.pk))


@receiver(post_delete, sender=get_user_model())
def close_on_deletion(*, instance: AbstractUser, **_kwargs: Any) -> None:
    """Close the sockets of a deleted user."""
    disconnect(str(instance.pk))


class OpenConnectionsValidator:
    """Closes a user's sockets when the password has changed.

    Django tells every password validator of a change, wherever it was made (`password_changed`), and does not for the
    silent rehash of an old password at sign-in: more than a signal could know.
    """

    def validate(self, password: str, user: AbstractUser | None = None) -> None:
        """Any password will do."""

    def get_help_text(self) -> str:
        """Said beside the field for a new password."""
        return _("A new password closes every open connection of the account.")

    def password_changed(self, password: str, user: AbstractUser | None = None) -> None:
        """Called by Django once the new password is stored."""
        if user is not None and user.pk is not None:
            disconnect(str(user.pk))
