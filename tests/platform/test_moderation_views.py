"""`moderation.views`: handing in, and seeing what became of it."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from moderation.models import Submission

pytestmark = pytest.mark.django_db

GOOD = {"submission-title": "A poem", "submission-text": "Roses"}


@pytest.fixture(autouse=True)
def signed_in(client: Client, alice: User) -> None:
    """By alice."""
    client.force_login(alice)


def test_submit(client: Client, alice: User) -> None:
    """It is pending, hers, and in the language she used."""
    answer = client.post("/submissions/", GOOD, headers={"Accept-Language": "zh-CN"}, follow=True)
    assert "A poem" in answer.content.decode()
    submission = Submission.objects.get()
    assert (submission.author, submission.title, submission.text) == (alice, "A poem", "Roses")
    assert (submission.state, submission.language) == ("pending", "zh-hans")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"submission-title": ""}, "This field is required"),
        ({"submission-text": " "}, "This field is required"),
        ({"submission-title": "x" * 121}, "at most 120 characters"),
        ({"submission-text": "x" * 4001}, "at most 4000 characters"),
    ],
)
def test_submit_refuses_what_is_wrong(client: Client, wrong: dict[str, str], said: str) -> None:
    """With the reason beside the field, and what was written kept."""
    answer = client.post("/submissions/", GOOD | wrong)
    assert answer.status_code == 400
    page = answer.content.decode()
    assert said in page
    assert "Roses" in page or "submission-text" in wrong
    assert not Submission.objects.exists()


def test_nobody_decides_on_their_own(client: Client) -> None:
    """Fields that the form does not have change nothing."""
    client.post("/submissions/", GOOD | {"submission-state": "approved", "state": "approved", "author": "1"})
    assert Submission.objects.get().state == "pending"


def test_submission_page(client: Client, alice: User, bob: User) -> None:
    """The author sees it, as text; that of another, and none, are not found."""
    own = Submission.objects.create(
        author=alice, title="<b>x</b>", text="Roses", state="rejected", reason="Too <i>short"
    )
    page = client.get(own.get_absolute_url()).content.decode()
    assert "&lt;b&gt;x&lt;/b&gt;" in page
    assert "Too &lt;i&gt;short" in page
    foreign = Submission.objects.create(author=bob, title="x", text="x")
    assert client.get(foreign.get_absolute_url()).status_code == 404
    assert client.get("/submissions/999/").status_code == 404


def test_pages_ask_to_sign_in(client: Client, alice: User) -> None:
    """Both of them."""
    submission = Submission.objects.create(author=alice, title="x", text="x")
    client.logout()
    for path in ("/submissions/", submission.get_absolute_url()):
        assert client.get(path).headers["Location"] == f"/accounts/login/?next={path}"
    assert client.post("/submissions/", GOOD).status_code == 302
    assert Submission.objects.count() == 1
