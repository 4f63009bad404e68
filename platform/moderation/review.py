"""Deciding on submissions: once only, and the author is told in the same transaction."""

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from moderation.models import Submission
from notifications import notify


class ReviewError(Exception):
    """A decision that cannot be taken; the text is for the member of staff who tried."""


class AlreadyDecided(ReviewError):
    """Somebody decided before: the first decision stands."""

    def __init__(self, submission: Submission) -> None:
        super().__init__(
            _("“%(title)s” was already decided: %(state)s.")
            % {"title": submission.title, "state": submission.get_state_display()}
        )


class ReasonMissing(ReviewError):
    """An author whose work is rejected must be told why."""


def approve(submission_id: int, by: AbstractBaseUser, reason: str = "") -> Submission:
    """Approve a pending submission and tell its author; raises `AlreadyDecided`."""
    return _decide(submission_id, by, Submission.State.APPROVED, reason.strip())


def reject(submission_id: int, by: AbstractBaseUser, reason: str) -> Submission:
    """Reject a pending submission and tell its author why; raises `AlreadyDecided` or `ReasonMissing`."""
    if not reason.strip():
        raise ReasonMissing(_("Say why: the author will read it."))
    return _decide(submission_id, by, Submission.State.REJECTED, reason.strip())


@transaction.atomic
def _decide(submission_id: int, by: AbstractBaseUser, state: Submission.State, reason: str) -> Submission:
    # The condition is part of the update: of two members of staff at the same moment, the database lets one through.
    decided = Submission.objects.filter(pk=submission_id, state=Submission.State.PENDING).update(
        state=state, reason=reason, decided_by=by, decided_at=timezone.now()
    )
    submission = Submission.objects.get(pk=submission_id)
    if not decided:
        raise AlreadyDecided(submission)
    _tell_author(submission)
    return submission


def _tell_author(submission: Submission) -> None:
    approved = submission.state == Submission.State.APPROVED
    with translation.override(submission.language):
        title = _("Your submission was approved") if approved else _("Your submission was rejected")
        body = _("“%(title)s”") % {"title": submission.title}
        if submission.reason:
            body += "\n" + _("Reason: %(reason)s") % {"reason": submission.reason}
    notify(
        str(submission.author_id),
        title,
        body,
        kind="audit.approved" if approved else "audit.rejected",
        level="success" if approved else "warning",
        url=submission.get_absolute_url(),
        ref=f"submission-{submission.pk}",
    )
