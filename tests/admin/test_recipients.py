"""`notifications.admin.recipients`: the list of uids of a draft, and the pages that say whom it is for."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from pytest_django import DjangoAssertNumQueries, Settings

from notifications import clock, users
from notifications.admin import recipients
from notifications.audiences import enlist
from notifications.models import Announcement, NodeReport, Recipient
from tests.admin.conftest import Staff, StaffClient, draft, words
from tests.admin.test_compose import ADD, posted
from tests.admin.test_figures import people
from tests.admin.test_life import logged, page, seen


def listed(*uids: str) -> Announcement:
    """A draft for a list of uids."""
    found = draft()
    Announcement.objects.filter(pk=found.pk).update(audience=Announcement.LISTED)
    found.refresh_from_db()
    enlist(found, uids)
    return found


def stored(announcement: Announcement) -> set[str]:
    """The uids in its list."""
    return set(announcement.recipients.values_list("uid", flat=True))


def test_a_list_is_asked_for_next(chief: StaffClient) -> None:
    """Saved for a list of uids, whatever button it was, the next page is the one that takes them; filled, no more."""
    for button in ("_save", "_continue", "_publish"):
        response = chief.post(ADD, posted(**{"_save": None, button: "1"}, audience="listed"))
        found = Announcement.objects.get()
        assert response.url == page(found, "recipients")  # type: ignore[attr-defined]
        found.delete()
    found = listed("7")
    opened = chief.get(page(found, "change"))
    assert page(found, "recipients") in opened.content.decode()
    form = opened.context["adminform"].form["seen"].value()
    response = chief.post(page(found, "change"), posted(_save=None, _publish="1", audience="listed", seen=form))
    assert response.url == page(found, "publish")  # type: ignore[attr-defined]


def test_pasted_uids(composer: StaffClient) -> None:
    """However they are divided; each once; who pasted them has written in the draft, and it is in the log."""
    users = people(5)
    found = listed()
    uids = [str(user.pk) for user in users]
    text = f"{uids[0]}\r\n{uids[1]}, {uids[2]};{uids[3]}\r\n\r\n  {uids[4]} {uids[0]}"
    response = composer.post(page(found, "recipients"), {"uids": text}, follow=True)
    assert response.redirect_chain
    assert "5 recipients added" in words(response)
    assert "5 recipients in the list" in words(response)
    assert "user0 " + uids[0] in words(response)
    assert stored(found) == set(uids)
    assert logged() == ["5 recipients added"]
    found.refresh_from_db()
    assert found.edited_by == [str(composer.user.pk)]
    again = composer.post(page(found, "recipients"), {"uids": uids[0]}, follow=True)
    assert "0 recipients added · 1 were in the list already" in words(again)
    assert "Nothing was given." in words(composer.post(page(found, "recipients"), {"uids": " "}, follow=True))
    assert len(logged()) == 1


def test_a_csv_file(composer: StaffClient) -> None:
    """The first column; a heading is passed over, a byte order mark and quotes are understood."""
    users = people(3)
    found = listed()
    text = "\ufeffuser_id,name\r\n" + "\r\n".join(f'"{user.pk}","Name, {user.pk}"' for user in users) + "\r\n,\r\n"
    file = SimpleUploadedFile("people.csv", text.encode())
    response = composer.post(page(found, "recipients"), {"uids": "", "file": file}, follow=True)
    assert "3 recipients added" in words(response)
    assert stored(found) == {str(user.pk) for user in users}


def test_bad_lines_are_reported_and_nothing_is_lost(composer: StaffClient) -> None:
    """Each with its line and why; what was good is stored, what was bad stands in the form to be put right."""
    users = people(2)
    gone = User.objects.create_user("gone", is_active=False)
    found = listed()
    long = "x" * 256
    text = f"{users[0].pk}\nnobody\n{users[1].pk}\n0{users[0].pk}\n{gone.pk}\n{long}\na\x00b"
    response = composer.post(page(found, "recipients"), {"uids": text})
    assert response.status_code == 200
    report = response.context["report"]
    assert [(line.number, line.problem) for line in report.kept] == [
        (2, "no active user has this uid"),
        (4, "no active user has this uid"),
        (5, "no active user has this uid"),
        (6, "this cannot be a uid"),
        (7, "this cannot be a uid"),
    ]
    assert "2 recipients added · 5 bad lines" in words(response)
    assert response.context["pasted"].splitlines()[:2] == ["nobody", f"0{users[0].pk}"]
    assert stored(found) == {str(user.pk) for user in users}


def test_a_file_in_another_encoding_is_told_of(composer: StaffClient) -> None:
    """The lines that are no UTF-8, and only they; a cell over the reader's limit is a bad line like any other."""
    (user,) = people(1)
    found = listed()
    lines = (str(user.pk).encode(), "用户".encode("gbk"), b"y" * 140_000)
    file = SimpleUploadedFile("x.csv", b"\n".join(lines))
    report = composer.post(page(found, "recipients"), {"file": file}).context["report"]
    assert (report.added, report.bad) == (1, 2)
    assert "UTF-8" in report.kept[0].problem
    assert "limit" in report.kept[1].problem


def test_many_bad_lines_are_counted(composer: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first of them are shown, more are given back, all are counted."""
    monkeypatch.setattr(recipients, "BAD_SHOWN", 3)
    monkeypatch.setattr(recipients, "BAD_KEPT", 5)
    response = composer.post(page(listed(), "recipients"), {"uids": "\n".join(f"x{n}" for n in range(7))})
    assert "7 bad lines" in words(response)
    assert "The first 3 are shown." in words(response)
    assert response.context["pasted"].count("x") == 5


@pytest.mark.parametrize("over", [0, 1])
def test_the_largest_file(over: int, composer: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit it is read; over it nothing is, and what was pasted stays in the form."""
    monkeypatch.setattr(recipients, "FILE_MAX_BYTES", 20)
    (user,) = people(1)
    found = listed()
    file = SimpleUploadedFile("x.csv", str(user.pk).encode().ljust(20 + over))
    response = composer.post(page(found, "recipients"), {"uids": "kept", "file": file})
    assert ("larger than" in words(response)) == bool(over)
    assert stored(found) == (set() if over else {str(user.pk)})
    assert "kept" in response.context["pasted"]


def test_a_hundred_thousand_lines_cost_few_statements(
    composer: StaffClient, django_assert_max_num_queries: Any, settings: Settings
) -> None:
    """A thousand lines a transaction, each of some ten statements."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "STANDALONE": True}
    found = listed()
    file = SimpleUploadedFile("x.csv", "\n".join(f"uid-{n}" for n in range(20_000)).encode())
    with django_assert_max_num_queries(20 * 10 + 30):
        composer.post(page(found, "recipients"), {"file": file})
    assert found.recipients.count() == 20_000


def test_emptied(composer: StaffClient) -> None:
    """The whole list, at one click; the log says so."""
    found = listed("7", "8")
    response = composer.post(page(found, "recipients"), {"_clear": "1"}, follow=True)
    assert "Removed 2 recipients." in words(response)
    assert (stored(found), logged()) == (set(), ["Removed 2 recipients."])


def test_published_meanwhile(composer: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The list of what is published does not change, whoever had its page open."""
    (user,) = people(1)
    found = listed("7")
    active = users.active

    def meanwhile(uids: Iterable[str]) -> set[str]:
        Announcement.objects.filter(pk=found.pk).update(published_at=clock.now(), live_at=clock.now())
        return active(uids)

    monkeypatch.setattr("notifications.users.active", meanwhile)
    response = composer.post(page(found, "recipients"), {"uids": str(user.pk)}, follow=True)
    assert "published or deleted meanwhile" in words(response)
    assert stored(found) == {"7"}
    for fields in ({"uids": str(user.pk)}, {"_clear": "1"}):
        assert composer.post(page(found, "recipients"), fields).status_code == 403
    shown = composer.get(page(found, "recipients"))
    assert "1 recipient in the list" in words(shown)
    assert "textarea" not in shown.content.decode()


def test_who_may(staff: Staff, publisher: StaffClient) -> None:
    """Who composes gives uids, who publishes looks at them, and nobody else sees them."""
    found = listed("7")
    assert publisher.get(page(found, "recipients")).status_code == 200
    assert publisher.post(page(found, "recipients"), {"uids": "7"}).status_code == 403
    assert staff("view_notification").get(page(found, "recipients")).status_code == 403
    assert publisher.get(page(draft(), "recipients")).status_code == 404


# --- whom it is for, on the other pages


def test_a_named_audience(chief: StaffClient) -> None:
    """Chosen by what staff call it; the page that publishes counts it, and only it is told."""
    form = chief.get(ADD)
    assert "topped up in the last 30 days" in words(form)
    chief.post(ADD, posted(audience="staff"))
    people(4)
    found = Announcement.objects.get()
    assert found.audience == "staff"
    text = words(chief.get(page(found, "publish")))
    assert "Audience staff" in text
    assert "Reaches 1 person" in text
    response = chief.post(page(found, "publish"), seen(found), follow=True)
    assert "Published: its audience is being told now." in words(response)
    assert "For staff · 1 person" in words(response)
    assert stored(found) == {str(chief.user.pk)}
    assert "Audience: staff" in words(chief.get(page(found, "statistics")))
    assert "staff" in words(chief.get("/admin/notifications/announcement/"))


def test_another_audience_is_refused(composer: StaffClient) -> None:
    """A forged one has an error beside the field."""
    response = composer.post(ADD, posted(audience="forged"))
    assert "audience" in response.context["adminform"].form.errors
    assert not Announcement.objects.exists()


def test_nobody_to_publish_to(chief: StaffClient) -> None:
    """An empty list, an audience with nobody in it or one that is gone: there is no button, and no way around."""
    for audience, said in (
        ("listed", "There is nobody in its audience."),
        ("wallet.topped_up_30_days", "There is nobody in its audience."),
        ("gone", "Its audience is not there any more"),
    ):
        found = draft()
        Announcement.objects.filter(pk=found.pk).update(audience=audience)
        found.refresh_from_db()
        response = chief.post(page(found, "publish"), seen(found))
        assert said in words(response)
        assert response.context["blocked"]
    assert "gone" in words(chief.get(page(found, "change")))
    assert not Announcement.objects.exclude(published_at=None).exists()


def test_a_list_that_changed_is_looked_at_again(chief: StaffClient, composer: StaffClient) -> None:
    """Publishes exactly those whom the page counted: with one more uid it is shown anew."""
    (user,) = people(1)
    found = listed("7")
    old = chief.get(page(found, "publish")).context["seen"]
    composer.post(page(found, "recipients"), {"uids": str(user.pk)})
    response = chief.post(page(found, "publish"), {"seen": old})
    assert "changed it while you looked at it" in words(response)
    assert "2 people" in words(response)
    chief.post(page(found, "publish"), {"seen": response.context["seen"]})
    assert Announcement.objects.get().status == "live"


def test_the_second_approver_gave_no_uids(chief: StaffClient, composer: StaffClient, settings: Settings) -> None:
    """Whoever filled the list has written in the draft."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SECOND_APPROVER": True}
    (user,) = people(1)
    found = listed()
    chief.post(page(found, "recipients"), {"uids": str(user.pk)})
    assert "You wrote in it" in words(chief.get(page(found, "publish")))


def test_duplicated_with_its_list(chief: StaffClient) -> None:
    """The copy is for the same people; for others, if others are chosen."""
    found = listed("7", "8")
    address = f"{ADD}?duplicate={found.pk}"
    assert chief.get(address).context["adminform"].form["audience"].value() == "listed"
    response = chief.post(address, posted(audience="listed"))
    copy = Announcement.objects.exclude(pk=found.pk).get()
    assert (stored(copy), stored(found)) == ({"7", "8"}, {"7", "8"})
    assert "recipients" not in response.url  # type: ignore[attr-defined]
    chief.post(address, posted(audience="staff"))
    assert Recipient.objects.count() == 4


def test_how_many_of_an_audience_are_online(chief: StaffClient, settings: Settings) -> None:
    """Counted from this node's sockets while there is no other, and not said where another may have more."""
    found = listed("7", "8")
    assert "online now" not in words(chief.get(page(found, "publish")))
    for number in range(2):
        NodeReport.objects.create(name=f"n{number}", host="h", pid=1, started_at=clock.now() - timedelta(hours=1))
        assert ("0 online now" in words(chief.get(page(found, "publish")))) == (number == 0)
    assert LogEntry.objects.count() == 0


def test_deleted_with_its_list(composer: StaffClient, django_assert_max_num_queries: DjangoAssertNumQueries) -> None:
    """The page that asks says how many uids go with the draft, and lists none; it all goes by a few statements."""
    found = listed(*map(str, range(5_000, 8_000)))
    address = f"/admin/notifications/announcement/{found.pk}/delete/"
    with django_assert_max_num_queries(12):
        response = composer.get(address)
    text = words(response)
    assert "Recipients: 3000" in text
    assert "6000" not in text
    with django_assert_max_num_queries(15):
        composer.post(address, {"post": "yes"})
    assert not Announcement.objects.exists()
    assert not Recipient.objects.exists()
