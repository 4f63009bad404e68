"""Settling top-ups: once only, and the user is told in the same transaction."""

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import transaction
from django.utils import timezone, translation
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from notifications import notify
from wallet.models import TopUp


class AlreadySettled(Exception):
    """The top-up was settled before, and stays as it is: `top_up.state` says how."""

    def __init__(self, top_up: TopUp) -> None:
        super().__init__(
            _("Top-up %(number)s was already settled: %(state)s.")
            % {"number": top_up.pk, "state": top_up.get_state_display()}
        )
        self.top_up = top_up


@transaction.atomic
def settle(top_up_id: int, *, succeeded: bool, by: AbstractBaseUser | AnonymousUser | None = None) -> TopUp:
    """Settle a pending top-up and tell its user; `by` is the member of staff, if it was not the payment service.

    Raises `TopUp.DoesNotExist`, or `AlreadySettled` whatever the outcome was.
    """
    state = TopUp.State.SUCCEEDED if succeeded else TopUp.State.FAILED
    # The condition is part of the update: of two callers at the same moment, the database lets one through.
    settled = TopUp.objects.filter(pk=top_up_id, state=TopUp.State.PENDING).update(
        state=state, settled_by_id=by and by.pk, settled_at=timezone.now()
    )
    top_up = TopUp.objects.get(pk=top_up_id)
    if not settled:
        raise AlreadySettled(top_up)
    _tell_user(top_up)
    return top_up


def _tell_user(top_up: TopUp) -> None:
    succeeded = top_up.state == TopUp.State.SUCCEEDED
    with translation.override(top_up.language):
        amount = number_format(top_up.amount, decimal_pos=2)
        if succeeded:
            title, body = _("Your top-up arrived"), _("%(amount)s was added to your balance.")
        else:
            title, body = _("Your top-up failed"), _("The payment of %(amount)s did not go through.")
        body %= {"amount": amount}
    notify(
        str(top_up.user_id),
        title,
        body,
        kind="recharge.succeeded" if succeeded else "recharge.failed",
        level="success" if succeeded else "error",
        url=top_up.get_absolute_url(),
        data={"amount": str(top_up.amount)},
        ref=f"top-up-{top_up.pk}",
        confirm=succeeded,
    )
