"""`moderation.review`: one decision for each submission, and its author is told with it."""

import threading

import pytest
from django.contrib.auth.models import User
from django.db import connections, transaction

from moderation.models import Submission
from moderation.review import AlreadyDecided, ReasonMissing, approve, reject
from notifications.models import Notification

pytestmark = pytest.mark.django_db


@pytest.fixture
def submission(alice: User) -> Submission:
    """Handed in by alice."""
    return Submission.objects.create(author=alice, title="A poem", text="Roses", language="en")


def test_approve_tells_the_author(submission: Submission, bob: User) -> None:
    """The state changes and the author, nobody else, gets the result."""
    approved = approve(submission.pk, bob)
    assert (approved.state, approved.decided_by, approved.reason) == ("approved", bob, "")
    assert approved.decided_at is not None
    item = Notification.objects.get()
    assert (item.uid, item.kind, item.level) == (str(submission.author_id), "audit.approved", "success")
    assert (item.url, item.ref) == (f"/submissions/{submission.pk}/", f"submission-{submission.pk}")
    assert (item.title, item.body) == ("Your submission was approved", "“A poem”")


def test_reject_tells_the_reason(submission: Submission, bob: User) -> None:
    """The reason reaches the author."""
    rejected = reject(submission.pk, bob, " Too short. ")
    assert (rejected.state, rejected.reason) == ("rejected", "Too short.")
    item = Notification.objects.get()
    assert (item.kind, item.level) == ("audit.rejected", "warning")
    assert item.body == "“A poem”\nReason: Too short."


@pytest.mark.parametrize("reason", ["", " \n"])
def test_reject_without_a_reason_changes_nothing(submission: Submission, bob: User, reason: str) -> None:
    """Nobody is turned down without a word."""
    with pytest.raises(ReasonMissing):
        reject(submission.pk, bob, reason)
    submission.refresh_from_db()
    assert submission.state == "pending"
    assert not Notification.objects.exists()


def test_the_longest_of_everything_fits(alice: User, bob: User) -> None:
    """The longest title and reason make an item within the limits of one."""
    submission = Submission.objects.create(author=alice, title="字" * 120, text="x", language="zh-hans")
    reject(submission.pk, bob, "由" * 1_000)
    assert Notification.objects.get().body.endswith("由" * 1_000)


def test_the_author_is_told_in_the_language_of_the_submission(alice: User, bob: User) -> None:
    """Not in the one staff happen to use."""
    submission = Submission.objects.create(author=alice, title="诗", text="x", language="zh-hans")
    approve(submission.pk, bob)
    assert Notification.objects.get().title == "您提交的内容已通过审核"


def test_the_first_decision_stands(submission: Submission, bob: User) -> None:
    """A second decision is refused, says what the first was, and tells the author nothing."""
    approve(submission.pk, bob)
    with pytest.raises(AlreadyDecided, match="approved"):
        reject(submission.pk, bob, "No.")
    submission.refresh_from_db()
    assert (submission.state, submission.reason) == ("approved", "")
    assert Notification.objects.count() == 1


def test_a_decision_rolled_back_tells_nobody(submission: Submission, bob: User) -> None:
    """Decision and message are one transaction."""
    with pytest.raises(RuntimeError), transaction.atomic():
        approve(submission.pk, bob)
        raise RuntimeError
    submission.refresh_from_db()
    assert submission.state == "pending"
    assert not Notification.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_staff_at_once_decide_once(submission: Submission, bob: User) -> None:
    """Of decisions at the same moment one is taken, and the author is told once."""
    barrier = threading.Barrier(4)
    outcomes: list[str] = []

    def decide(yes: bool) -> None:
        barrier.wait(timeout=10)
        try:
            outcomes.append(str((approve(submission.pk, bob) if yes else reject(submission.pk, bob, "No.")).state))
        except AlreadyDecided:
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=decide, args=(n % 2 == 0,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert outcomes.count("refused") == 3
    submission.refresh_from_db()
    assert submission.state in outcomes
    assert Notification.objects.get().kind == f"audit.{submission.state}"
