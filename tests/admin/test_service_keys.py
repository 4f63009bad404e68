"""`notifications.admin.service_keys`: made, shown once, revoked."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.utils import timezone

from notifications import clock, service_keys
from notifications.exceptions import ServiceKeyRefused
from notifications.models import IdempotencyKey, ServiceKey
from tests.admin.conftest import Staff, StaffClient, words

LIST = "/admin/notifications/servicekey/"
KEY = re.compile(r'<code id="key">([^<]+)</code>')


@pytest.fixture
def keeper(staff: Staff) -> StaffClient:
    """Makes and revokes keys."""
    return staff("view_servicekey", "add_servicekey", "change_servicekey", name="keeper")


def posted(client: StaffClient, **changes: Any) -> dict[str, Any]:
    """A filled form as the page gives it."""
    form_id = client.get(f"{LIST}add/").context["adminform"].form["form_id"].value()
    return {
        "name": "wallet",
        "scopes": ["notify", "inbox"],
        "expires_at_0": "",
        "expires_at_1": "",
        "form_id": form_id,
        "_save": "1",
    } | changes


@pytest.mark.security("S14")
def test_made_and_shown_once(keeper: StaffClient) -> None:
    """The answer holds a key that works; no table, session, log, address or later page does."""
    response = keeper.post(f"{LIST}add/", posted(keeper))
    assert response.status_code == 200
    assert "no-store" in response.headers["Cache-Control"]
    text = KEY.findall(response.content.decode())[0]
    stored = service_keys.verify(text)
    assert (stored.name, stored.scopes) == ("wallet", ["notify", "inbox"])
    secret = text.partition(".")[2]
    for model in (ServiceKey, LogEntry, IdempotencyKey):
        assert secret not in str(list(model._default_manager.values()))
    assert secret not in str([session.get_decoded() for session in Session.objects.all()])
    for path in ("", f"{stored.pk}/change/", f"{stored.pk}/history/"):
        assert secret not in keeper.get(LIST + path).content.decode()
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Added."]


def test_reload_of_the_answer(keeper: StaffClient) -> None:
    """The same form sent again makes no second key, shows none, and says what to do."""
    fields = posted(keeper)
    keeper.post(f"{LIST}add/", fields)
    response = keeper.post(f"{LIST}add/", {**fields, "name": "other"}, follow=True)
    assert "was made already" in words(response)
    assert not KEY.search(response.content.decode())
    assert ServiceKey.objects.get().name == "wallet"
    assert LogEntry.objects.count() == 1


def test_errors_beside_the_fields(keeper: StaffClient) -> None:
    """No name, no scope, an unknown scope, an expiry that has passed: each is told, and no key is made."""
    past = timezone.localtime(clock.now() - timedelta(days=1))
    when = {"expires_at_0": past.strftime("%Y-%m-%d"), "expires_at_1": past.strftime("%H:%M:%S")}
    wrong: list[dict[str, Any]] = [{"name": " "}, {"name": "x" * 101}, {"scopes": []}, {"scopes": ["root"]}, when]
    for changes in wrong:
        response = keeper.post(f"{LIST}add/", posted(keeper, **changes))
        assert response.status_code == 200
        assert len(response.context["adminform"].form.errors) == 1
    assert not ServiceKey.objects.exists()


def test_expiry(keeper: StaffClient) -> None:
    """A key with an expiry works until then, and its chip says afterwards that it is over."""
    future = timezone.localtime(clock.now() + timedelta(days=1))
    when = {"expires_at_0": future.strftime("%Y-%m-%d"), "expires_at_1": future.strftime("%H:%M:%S")}
    keeper.post(f"{LIST}add/", posted(keeper, **when))
    assert "chip-good" in keeper.get(LIST).content.decode()
    ServiceKey.objects.update(expires_at=clock.now())
    assert "chip-expired" in keeper.get(LIST).content.decode()


def test_list_shows_use(keeper: StaffClient) -> None:
    """Scopes in words, last use and calls."""
    service_keys.create("shop", ["announce"])
    ServiceKey.objects.update(calls=4321)
    text = words(keeper.get(LIST))
    assert "make announcements" in text
    assert "4321" in text


def test_revoke(keeper: StaffClient) -> None:
    """Asked once more, then the key is refused and the log says so; a second click is told."""
    row, text = service_keys.create("shop", ["announce"])
    address = f"{LIST}{row.pk}/revoke/"
    assert "cannot be made good again" in words(keeper.get(address))
    service_keys.verify(text)
    assert "Revoked: within five seconds" in words(keeper.post(address, follow=True))
    with pytest.raises(ServiceKeyRefused):
        service_keys.verify(text)
    assert "revoked already" in words(keeper.post(address, follow=True))
    page = keeper.get(f"{LIST}{row.pk}/change/")
    assert "chip-revoked" in page.content.decode()
    assert "Revoke…" not in words(page)
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Revoked."]


def test_permissions(staff: Staff) -> None:
    """Looking, making and revoking are separate, and nobody changes or deletes a key."""
    row, _text = service_keys.create("shop", ["announce"])
    viewer, maker, revoker = staff("view_servicekey"), staff("add_servicekey"), staff("change_servicekey")
    assert staff("view_announcement").get(LIST).status_code == 403
    for client, may_add, may_revoke in ((viewer, 403, 403), (maker, 200, 403), (revoker, 403, 200)):
        assert client.get(LIST).status_code == 200
        assert client.get(f"{LIST}{row.pk}/change/").status_code == 200
        assert client.get(f"{LIST}add/").status_code == may_add
        assert client.get(f"{LIST}{row.pk}/revoke/").status_code == may_revoke
        assert client.post(f"{LIST}{row.pk}/change/", {"name": "x"}).status_code == 403
        assert client.post(f"{LIST}{row.pk}/delete/", {"post": "yes"}).status_code == 403
    assert viewer.post(f"{LIST}{row.pk}/revoke/").status_code == 403
    stored = ServiceKey.objects.get()
    assert (stored.name, stored.revoked_at) == ("shop", None)
