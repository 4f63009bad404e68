"""The platform's pages as users go through them: home, sign-in, sign-out, language."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from moderation.models import Submission
from wallet.models import TopUp

pytestmark = pytest.mark.django_db


def test_home_asks_to_sign_in(client: Client) -> None:
    """And comes back afterwards."""
    answer = client.get("/")
    assert answer.status_code == 302
    assert answer.headers["Location"] == "/accounts/login/?next=/"


def test_home_shows_what_is_the_users_own(client: Client, alice: User, bob: User) -> None:
    """Balance, forms, bell, and the latest of this user; nothing of another."""
    for user in (alice, bob):
        Submission.objects.create(author=user, title=f"poem of {user.username}", text="x")
        TopUp.objects.create(user=user, amount="12.50" if user == alice else "99.75", state="succeeded")
    client.force_login(alice)
    page = client.get("/").content.decode()
    assert "Hello, alice" in page
    assert "poem of alice" in page
    assert "12.50" in page
    assert "<notification-bell" in page
    assert 'id="submission-form"' in page
    assert 'id="top-up-form"' in page
    assert "poem of bob" not in page
    assert "99.75" not in page
    assert client.post("/").status_code == 405


def test_home_shows_the_latest_five(client: Client, alice: User) -> None:
    """Newest first."""
    for n in range(6):
        Submission.objects.create(author=alice, title=f"poem-{n}", text="x")
    client.force_login(alice)
    page = client.get("/").content.decode()
    assert "poem-0" not in page
    assert page.index("poem-5") < page.index("poem-1")


def test_administration_is_linked_for_staff_alone(client: Client, alice: User) -> None:
    """Others would only be turned away."""
    client.force_login(alice)
    assert 'href="/admin/"' not in client.get("/").content.decode()
    alice.is_staff = True
    alice.save()
    assert 'href="/admin/"' in client.get("/").content.decode()


def test_sign_in(client: Client, alice: User) -> None:
    """With the right password to where one was going; with a wrong one not, and nothing tells which part was wrong."""
    wrong = client.post("/accounts/login/", {"username": "alice", "password": "wrong"}).content.decode()
    unknown = client.post("/accounts/login/", {"username": "nobody", "password": "wrong"}).content.decode()
    message = "Please enter a correct username and password"
    assert message in wrong
    assert message in unknown
    assert client.get("/").status_code == 302
    good = {"username": "alice", "password": "demo-alice"}
    answer = client.post("/accounts/login/", good | {"next": "/notifications/"})
    assert answer.headers["Location"] == "/notifications/"
    assert client.get("/").status_code == 200
    assert client.get("/accounts/login/").headers["Location"] == "/"


def test_sign_in_leads_nowhere_else(client: Client, alice: User) -> None:
    """An address of another site is not gone to."""
    data = {"username": "alice", "password": "demo-alice", "next": "https://evil.example/"}
    assert client.post("/accounts/login/", data).headers["Location"] == "/"


def test_sign_in_of_a_banned_user_fails(client: Client, alice: User) -> None:
    """Nor does a session from before live on."""
    client.force_login(alice)
    alice.is_active = False
    alice.save()
    assert client.get("/").status_code == 302
    answer = client.post("/accounts/login/", {"username": "alice", "password": "demo-alice"})
    assert answer.status_code == 200


def test_sign_out(client: Client, alice: User) -> None:
    """By POST; then the pages ask anew."""
    client.force_login(alice)
    assert client.post("/accounts/logout/").status_code == 302
    assert client.get("/").status_code == 302


def test_forms_need_their_token(alice: User) -> None:
    """Another site's form does nothing in the user's name."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(alice)
    for path in ("/submissions/", "/wallet/", "/accounts/logout/"):
        assert client.post(path, {}).status_code == 403


def test_language(client: Client) -> None:
    """The browser's wish is followed until the user chooses; the choice lasts and leads back."""
    assert "Sign in" in client.get("/accounts/login/").content.decode()
    chinese = client.get("/accounts/login/", headers={"Accept-Language": "zh-CN,zh;q=0.9"}).content.decode()
    assert 'lang="zh-hans"' in chinese
    assert "登录" in chinese
    answer = client.post("/language/setlang/", {"language": "zh-hans", "next": "/accounts/login/"})
    assert answer.headers["Location"] == "/accounts/login/"
    assert "登录" in client.get("/accounts/login/").content.decode()
    client.post("/language/setlang/", {"language": "en", "next": "/"})
    assert 'lang="en"' in client.get("/accounts/login/", headers={"Accept-Language": "zh-CN"}).content.decode()


def test_language_leads_nowhere_else(client: Client) -> None:
    """An address of another site is not gone to."""
    answer = client.post("/language/setlang/", {"language": "en", "next": "https://evil.example/"})
    assert answer.headers["Location"] == "/"


def test_not_found(client: Client, alice: User) -> None:
    """A page of ours, for everybody."""
    for user in (None, alice):
        if user is not None:
            client.force_login(user)
        answer = client.get("/nothing/here/")
        assert answer.status_code == 404
        assert "There is nothing here" in answer.content.decode()
