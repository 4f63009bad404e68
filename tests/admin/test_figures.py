"""`notifications.admin.figures`: what staff see of an announcement, and reminding those who are missing."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from pytest_django import DjangoAssertNumQueries, Settings

from notifications import bulk, clock
from notifications.admin import figures
from notifications.announcing import withdraw_announcement
from notifications.audiences import enlist
from notifications.exceptions import Unavailable
from notifications.models import Announcement, Notification, Receipt
from tests.admin.conftest import StaffClient, live, words
from tests.admin.test_life import page

# Session, user, permissions of user and of groups, the announcement; then its figures (4), the last reminder, how many
# are missing and the first of them. However many recipients there are.
QUERIES = 12


def people(count: int, prefix: str = "user") -> list[User]:
    """So many users of the platform."""
    return User.objects.bulk_create(User(username=f"{prefix}{number}") for number in range(count))


def read(announcement: Announcement, users: list[User], minutes: float = 1, *, confirmed: bool = False) -> None:
    """These users have read it so many minutes after it went live."""
    assert announcement.live_at
    moment = announcement.live_at + timedelta(minutes=minutes)
    Receipt.objects.bulk_create(
        Receipt(
            announcement=announcement,
            uid=str(user.pk),
            read_at=moment,
            read_via="popup",
            confirmed_at=moment if confirmed else None,
        )
        for user in users
    )


def begun(**values: object) -> Announcement:
    """An announcement that went live two days ago."""
    found = live(**values)  # type: ignore[arg-type]
    Announcement.objects.filter(pk=found.pk).update(live_at=clock.now() - timedelta(days=2))
    found.refresh_from_db()
    return found


def test_figures(publisher: StaffClient) -> None:
    """Reached, read, confirmed and the median stand on the page, and a chart with a table of the same figures."""
    users = people(9)
    found = begun(confirm=True)
    read(found, users[:3], minutes=2, confirmed=True)
    read(found, users[3:5], minutes=90, confirmed=True)
    response = publisher.get(page(found, "statistics"))
    text = words(response)
    assert "Reached 10 Read 5 50.0 % Confirmed 5 50.0 % Median time to read 2 min 0 s" in text
    assert "Not yet confirmed by (5)" in text
    content = response.content.decode()
    assert content.count("<rect") == response.context["chart"].columns.__len__() == 19
    assert content.count("<tr><td>") == 19


def test_nobody_has_read_it(publisher: StaffClient) -> None:
    """Before the first has read it there is no chart and no median, and the page says so."""
    response = publisher.get(page(begun(), "statistics"))
    assert "Nobody has read it yet." in words(response)
    assert "Median time to read –" in words(response)
    assert "Confirmed" not in words(response)
    assert "Not yet read by (1)" in words(response)


def test_read_at_once(publisher: StaffClient) -> None:
    """A median below a minute is told in seconds."""
    found = begun()
    read(found, [publisher.user], minutes=0.5)
    assert "Median time to read 30 s" in words(publisher.get(page(found, "statistics")))


def test_everybody_has_read_it(publisher: StaffClient) -> None:
    """When nobody is missing there is nobody to remind."""
    found = begun()
    read(found, [publisher.user], minutes=60 * 30)
    response = publisher.get(page(found, "statistics"))
    assert "Nobody is missing." in words(response)
    assert "Median time to read 1 d 6 h" in words(response)
    assert "Remind" not in words(response)


def test_many_recipients(publisher: StaffClient, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    """Two thousand recipients take as many queries as one, and only the first of the missing are listed."""
    users = people(2_000)
    found = begun()
    read(found, users[:1_500], minutes=65)
    publisher.get("/admin/")
    with django_assert_num_queries(QUERIES):
        response = publisher.get(page(found, "statistics"))
    text = words(response)
    assert "Not yet read by (501)" in text
    assert "The first 100 are shown." in text
    assert "Median time to read 1 h 5 min" in text


def test_without_permission(composer: StaffClient, publisher: StaffClient) -> None:
    """Figures are for whoever may see announcements, reminding for those who publish."""
    found = begun()
    other = StaffClient()
    other.force_login(User.objects.create_user("other", is_staff=True))
    for name in ("statistics/", "remind/", "readers.csv", "waiting.csv"):
        address = f"/admin/notifications/announcement/{found.pk}/{name}"
        assert other.get(address).status_code == 403
        assert publisher.get(address).status_code == 200
    assert composer.get(page(found, "statistics")).status_code == 200
    assert composer.post(page(found, "remind"), {"round": "first"}).status_code == 403
    assert not Notification.objects.exists()


def test_standalone(publisher: StaffClient, settings: Settings) -> None:
    """Without a user table nobody is known to be missing, and nobody can be reminded."""
    found = begun()
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "STANDALONE": True}
    text = words(publisher.get(page(found, "statistics")))
    assert "Reached not known" in text
    assert "who is missing is not known" in text
    assert publisher.get(page(found, "remind")).status_code == 403


def test_remind(publisher: StaffClient) -> None:
    """Those who are missing, and only they, are sent a notification that leads to the announcement; once."""
    users = people(5)
    found = begun(level="warning")
    read(found, users[:2])
    form = publisher.get(page(found, "remind"))
    assert "4 people are each sent" in words(form)
    response = publisher.post(page(found, "remind"), follow=True)
    assert "Reminded 4 people." in words(response)
    sent = Notification.objects.all()
    assert {row.uid for row in sent} == {str(user.pk) for user in (*users[2:], publisher.user)}
    assert {(row.title, row.level, row.url, row.expires_at) for row in sent} == {
        ("Reminder: Holiday opening", "warning", f"/notifications/{found.item_id}/", found.ends_at)
    }
    assert "reminded within the hour" in words(publisher.post(page(found, "remind"), follow=True))
    assert Notification.objects.count() == 4
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Reminded 4 people."]


def test_remind_again_later(publisher: StaffClient) -> None:
    """A page opened after the reminder says when that was, and after an hour sends another one."""
    found = begun()
    publisher.post(page(found, "remind"))
    Notification.objects.update(created_at=clock.now() - figures.REMIND_AGAIN)
    form = publisher.get(page(found, "remind"))
    assert "They were last reminded" in words(form)
    assert "1 person is sent" in words(form)
    assert "Last reminded" in words(publisher.get(page(found, "statistics")))
    publisher.post(page(found, "remind"))
    assert Notification.objects.count() == 2
    assert "0 people are each sent" in words(publisher.get(page(found, "remind")))


@pytest.mark.django_db(transaction=True)
def test_reminded_at_the_same_moment(
    publisher: StaffClient, chief: StaffClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two who press the button in the same moment both may send a part, and each person hears once."""
    monkeypatch.setattr(figures, "REMIND_BATCH", 3)
    people(20)
    found = begun()
    start = threading.Barrier(2)

    def press(client: StaffClient) -> None:
        try:
            start.wait(10)
            client.post(page(found, "remind"))
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=[client]) for client in (publisher, chief)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    uids = list(Notification.objects.values_list("uid", flat=True))
    assert sorted(uids) == sorted(str(user.pk) for user in User.objects.all())


@pytest.mark.django_db(transaction=True)
def test_what_was_broken_off_is_taken_up(publisher: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each batch is stored by itself: after a failure the log says how far it came, the next does the rest."""
    monkeypatch.setattr(figures, "REMIND_BATCH", 3)
    people(6)
    found = begun()
    multicast, batches = bulk.multicast, []

    def fails_then(uids: list[str], *args: Any, **kwargs: Any) -> Any:
        batches.append(len(uids))
        if len(batches) == 2:
            raise Unavailable("the database is away")
        return multicast(uids, *args, **kwargs)

    monkeypatch.setattr("notifications.admin.figures.multicast", fails_then)
    with pytest.raises(Unavailable):
        publisher.post(page(found, "remind"))
    assert Notification.objects.count() == 3
    assert "Reminded 4 people." in words(publisher.post(page(found, "remind"), follow=True))
    assert batches == [3, 3, 3, 1]
    assert len(set(Notification.objects.values_list("uid", flat=True))) == Notification.objects.count() == 7
    said = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert said == ["Reminded 3 people.", "Reminded 4 people."]


@pytest.mark.django_db(transaction=True)
def test_more_than_a_request_has_time_for(publisher: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request sends for a while and asks for the next; the last one says how many it were in all."""
    monkeypatch.setattr(figures, "REMIND_BATCH", 3)
    monkeypatch.setattr(figures, "REMIND_SECONDS", 0)
    people(6)
    found = begun()
    response = publisher.post(page(found, "remind"))
    assert "3 reminded, 4 left." in words(response)
    assert "data-goes-on" in response.content.decode()
    response = publisher.post(page(found, "remind"), response.context["hidden"])
    assert "6 reminded, 1 left." in words(response)
    response = publisher.post(page(found, "remind"), response.context["hidden"], follow=True)
    assert "Reminded 7 people." in words(response)
    assert sorted(Notification.objects.values_list("uid", flat=True)) == sorted(str(u.pk) for u in User.objects.all())
    said = [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]
    assert said == ["Reminded 3 people.", "Reminded 3 people.", "Reminded 1 person."]


@pytest.mark.parametrize("forged", ["", "-3", "x", "9" * 30, "\0"])
def test_a_forged_page_that_goes_on(publisher: StaffClient, forged: str) -> None:
    """Counts for nothing, or for somebody before all others."""
    for audience in (Announcement.EVERYONE, Announcement.LISTED):
        found = begun()
        Announcement.objects.filter(pk=found.pk).update(audience=audience)
        enlist(found, ["a"])
        answer = publisher.post(page(found, "remind"), {"sent": forged, "after": forged}, follow=True)
        assert answer.status_code == 200
        if forged in ("", "x"):
            assert "Reminded 1 person." in words(answer) or (audience, forged) == (Announcement.LISTED, "x")


def test_withdrawn_between_two_requests_of_reminding(publisher: StaffClient) -> None:
    """The next request sends nothing and says how far it came, instead of an error."""
    found = begun()
    withdraw_announcement(found.pk)
    assert "Reminded 3 people." in words(publisher.post(page(found, "remind"), {"sent": "3"}, follow=True))
    assert not Notification.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_reminding_ends_with_the_announcement(publisher: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Withdrawn while reminders go out, no further batch is sent."""
    monkeypatch.setattr(figures, "REMIND_BATCH", 3)
    people(6)
    found = begun()
    multicast = bulk.multicast

    def then_withdrawn(*args: Any, **kwargs: Any) -> Any:
        withdraw_announcement(found.pk)
        return multicast(*args, **kwargs)

    monkeypatch.setattr("notifications.admin.figures.multicast", then_withdrawn)
    publisher.post(page(found, "remind"))
    assert Notification.objects.count() == 3


def test_no_reminder_after_the_end(publisher: StaffClient) -> None:
    """Nobody is reminded of what has ended."""
    found = begun()
    Announcement.objects.update(ends_at=clock.now() - timedelta(hours=1))
    assert "Remind" not in words(publisher.get(page(found, "statistics")))
    assert publisher.post(page(found, "remind")).status_code == 403


def lines(response: Any) -> list[str]:
    """The lines of a file that was streamed."""
    assert response.streaming
    return b"".join(response.streaming_content).decode("utf-8-sig").splitlines()


def test_csv_of_readers_and_missing(publisher: StaffClient) -> None:
    """Both lists come as files with a head line, every uid in one of them."""
    users = people(3)
    found = begun(confirm=True)
    read(found, users[:1], confirmed=True)
    read(found, [User(pk=999_999)])
    base = f"/admin/notifications/announcement/{found.pk}/"
    readers = lines(publisher.get(base + "readers.csv"))
    assert readers[0] == "uid,name,read_at,via,confirmed_at"
    assert readers[1].startswith(f"{users[0].pk},user0,20")
    assert readers[2].startswith("999999,,20")
    assert readers[2].endswith(",popup,")
    waiting = lines(publisher.get(base + "waiting.csv"))
    assert set(waiting) == {"uid,name", f"{publisher.user.pk},publisher", *(f"{u.pk},{u.username}" for u in users[1:])}


def test_scheduled(publisher: StaffClient) -> None:
    """Before its start it has figures too: nobody has read it, everybody is waited for, nobody can be reminded."""
    found = live(starts_at=clock.now() + timedelta(hours=1))
    text = words(publisher.get(page(found, "statistics")))
    assert "scheduled" in text
    assert "Not yet read by (1)" in text
    assert "Remind" not in text
