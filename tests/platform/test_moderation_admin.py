"""`moderation.admin`: staff decide, with a reason, on one or several, once."""

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.test import Client

from moderation.models import Submission
from notifications.models import Notification

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff(client: Client) -> User:
    """Signed in, with the permissions that reviewing takes."""
    user = User.objects.create_user("staff", is_staff=True)
    names = ("view_submission", "change_submission")
    user.user_permissions.add(*Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return user


@pytest.fixture
def submission(alice: User) -> Submission:
    """Handed in by alice."""
    return Submission.objects.create(author=alice, title="A poem", text="Roses", language="en")


def change(submission: Submission) -> str:
    """The address of its page."""
    return f"/admin/moderation/submission/{submission.pk}/change/"


def test_approve(client: Client, staff: User, submission: Submission) -> None:
    """One button; the author is told, the admin's log knows who did it."""
    page = client.get(change(submission)).content.decode()
    assert 'name="_approve"' in page
    assert 'name="_reject"' in page
    answer = client.post(change(submission), {"reason": "", "_approve": "Approve"}, follow=True)
    assert "1 author is told" in answer.content.decode()
    submission.refresh_from_db()
    assert (submission.state, submission.decided_by) == ("approved", staff)
    assert Notification.objects.get().kind == "audit.approved"
    assert LogEntry.objects.get().get_change_message() == "Approved."


def test_reject_needs_a_reason(client: Client, staff: User, submission: Submission) -> None:
    """Without one nothing happens; with one the author reads it."""
    page = client.post(change(submission), {"reason": " ", "_reject": "Reject"}).content.decode()
    assert "Say why" in page
    submission.refresh_from_db()
    assert submission.state == "pending"
    client.post(change(submission), {"reason": "Too short.", "_reject": "Reject"})
    submission.refresh_from_db()
    assert (submission.state, submission.reason) == ("rejected", "Too short.")
    assert "Too short." in Notification.objects.get().body


def test_saving_without_a_decision_changes_nothing(client: Client, staff: User, submission: Submission) -> None:
    """The Enter key is no decision."""
    page = client.post(change(submission), {"reason": "x"}).content.decode()
    assert "Approve or reject." in page
    assert not Notification.objects.exists()


def test_nothing_else_is_edited(client: Client, staff: User, submission: Submission) -> None:
    """Neither text nor author, whatever is posted."""
    client.post(change(submission), {"reason": "", "_approve": "1", "title": "Other", "state": "rejected"})
    submission.refresh_from_db()
    assert (submission.title, submission.state) == ("A poem", "approved")


def test_a_second_decision_is_refused(client: Client, staff: User, submission: Submission) -> None:
    """What is decided has no buttons; who posts all the same is told how it was decided."""
    client.post(change(submission), {"reason": "", "_approve": "1"})
    assert 'name="_approve"' not in client.get(change(submission)).content.decode()
    answer = client.post(change(submission), {"reason": "No.", "_reject": "1"}, follow=True)
    assert "already decided" in answer.content.decode()
    submission.refresh_from_db()
    assert submission.state == "approved"
    assert Notification.objects.count() == 1


def test_several_at_once(client: Client, staff: User, submission: Submission, bob: User) -> None:
    """A page asks for the reason; then each is decided for itself, and those decided before are named."""
    other = Submission.objects.create(author=bob, title="Another", text="x", language="en")
    done = Submission.objects.create(author=bob, title="Done", text="x", language="en", state="approved")
    data: dict[str, object] = {
        "action": "reject_selected",
        "_selected_action": [submission.pk, other.pk, done.pk],
    }
    asked = client.post("/admin/moderation/submission/", data).content.decode()
    assert "Reject submissions" in asked
    assert "A poem" in asked
    assert not Notification.objects.exists()
    missing = client.post("/admin/moderation/submission/", data | {"decide": "1", "reason": ""}).content.decode()
    assert "This field is required" in missing
    answer = client.post("/admin/moderation/submission/", data | {"decide": "1", "reason": "No."}, follow=True)
    page = answer.content.decode()
    assert "2 authors are told" in page
    assert "“Done” was already decided: approved." in page
    assert set(Notification.objects.values_list("uid", flat=True)) == {str(submission.author_id), str(bob.pk)}


def test_several_approved_without_a_reason(client: Client, staff: User, submission: Submission) -> None:
    """Praise needs none."""
    data = {"action": "approve_selected", "_selected_action": [submission.pk], "decide": "1", "reason": ""}
    client.post("/admin/moderation/submission/", data)
    submission.refresh_from_db()
    assert submission.state == "approved"


def test_looking_is_not_deciding(client: Client, submission: Submission) -> None:
    """Who may only view has no buttons and no actions, and a post is refused."""
    viewer = User.objects.create_user("viewer", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_submission"))
    client.force_login(viewer)
    assert 'name="_approve"' not in client.get(change(submission)).content.decode()
    assert "approve_selected" not in client.get("/admin/moderation/submission/").content.decode()
    assert client.post(change(submission), {"reason": "", "_approve": "1"}).status_code == 403
    submission.refresh_from_db()
    assert submission.state == "pending"


def test_users_have_no_business_here(client: Client, alice: User, submission: Submission) -> None:
    """They are asked to sign in as somebody else."""
    client.force_login(alice)
    assert client.get(change(submission)).status_code == 302


def test_nobody_hands_in_for_others(client: Client, staff: User) -> None:
    """There is no form for it, for superusers neither."""
    client.force_login(User.objects.create_superuser("root"))
    assert client.get("/admin/moderation/submission/add/").status_code == 403
