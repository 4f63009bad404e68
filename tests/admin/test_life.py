"""`notifications.admin.life`: publishing, withdrawing, ending earlier, each once and by whom it may."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from notifications import clock
from notifications.admin import compose
from notifications.announcing import publish_announcement
from notifications.models import Announcement, NodeReport
from notifications.presence import Here
from tests.admin.conftest import Staff, StaffClient, draft, live, words
from tests.admin.test_compose import posted
from tests.servers.redis import Redis


def page(announcement: Announcement, name: str) -> str:
    """The address of one of its pages."""
    return f"/admin/notifications/announcement/{announcement.pk}/{name}/"


def seen(announcement: Announcement) -> dict[str, str]:
    """What the publishing page's form holds."""
    return {"seen": compose.fingerprint(announcement)}


def logged() -> list[str]:
    """What the admin's log says, oldest first."""
    return [entry.get_change_message() for entry in LogEntry.objects.order_by("pk")]


@pytest.mark.security("S15")
def test_the_page_says_whom_it_reaches(publisher: StaffClient) -> None:
    """It shows the words, the window and how many active users there are; looking publishes nothing."""
    for number in range(3):
        User.objects.create_user(f"user{number}")
    User.objects.create_user("gone", is_active=False)
    found = draft(body="<b>bold</b>", url="/wallet/", confirm=True, late_join=False)
    response = publisher.get(page(found, "publish"))
    assert "4 people" in words(response)
    assert "at once, when you publish" in words(response)
    assert "&lt;b&gt;bold&lt;/b&gt;" in response.content.decode()
    assert 'value="Publish to 4 people"' in response.content.decode()
    assert Announcement.objects.get().status == "draft"


def test_publish(publisher: StaffClient) -> None:
    """Posted, it is live; who did it is on record and in the log."""
    found = draft()
    form = publisher.get(page(found, "publish")).context["seen"]
    response = publisher.post(page(found, "publish"), {"seen": form}, follow=True)
    assert "Published: everyone is being told now." in words(response)
    stored = Announcement.objects.get()
    assert (stored.status, stored.published_by) == ("live", str(publisher.user.pk))
    assert "publisher" in words(publisher.get(page(found, "change")))
    assert logged() == ["Published."]


def test_publish_for_later(publisher: StaffClient) -> None:
    """One with a start in the future is scheduled, and the page said so before."""
    found = draft(starts_at=clock.now() + timedelta(hours=5))
    assert "at once" not in words(publisher.get(page(found, "publish")))
    response = publisher.post(page(found, "publish"), seen(found), follow=True)
    assert "Scheduled: it goes live" in words(response)
    assert Announcement.objects.get().status == "scheduled"


@pytest.mark.security("S15")
def test_publish_without_permission(composer: StaffClient) -> None:
    """Who composes cannot publish, neither look nor post."""
    found = draft()
    assert composer.get(page(found, "publish")).status_code == 403
    assert composer.post(page(found, "publish"), seen(found)).status_code == 403
    assert Announcement.objects.get().status == "draft"


def test_publish_twice(publisher: StaffClient, chief: StaffClient) -> None:
    """The second click, of the same or of another person, is told that it is done and by whom; nothing changes."""
    found = draft()
    publisher.post(page(found, "publish"), seen(found))
    before = Announcement.objects.values().get()
    for client in (publisher, chief):
        response = client.post(page(found, "publish"), seen(found), follow=True)
        assert "It was published already" in words(response)
        assert "by publisher (" in words(response)
    assert Announcement.objects.values().get() == before
    assert logged() == ["Published."]


@pytest.mark.django_db(transaction=True)
def test_two_who_save_at_once(composer: StaffClient, chief: StaffClient) -> None:
    """Of two who save the same draft in the same moment one is stored, and the other keeps their words and is told."""
    found = draft()
    start = threading.Barrier(2)
    answers: list[tuple[int, str]] = []

    def save(client: StaffClient, title: str) -> None:
        try:
            start.wait(10)
            response = client.post(page(found, "change"), posted(title=title, **seen(found)))
            answers.append((response.status_code, response.content.decode()))
        finally:
            connection.close()

    threads = [threading.Thread(target=save, args=each) for each in ((composer, "Ours"), (chief, "Theirs"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    (stored, _page), (refused, said) = sorted(answers)[::-1]
    assert (stored, refused) == (302, 200)
    kept = {"Ours", "Theirs"} - {Announcement.objects.get().title}
    assert f'value="{kept.pop()}"' in said
    assert "Somebody else changed this draft" in said


@pytest.mark.django_db(transaction=True)
def test_two_staff_at_once(publisher: StaffClient, chief: StaffClient) -> None:
    """Of two who press the button in the same moment one publishes, and the other is told so."""
    found = draft()
    start = threading.Barrier(2)
    answers: list[str] = []

    def press(client: StaffClient) -> None:
        try:
            start.wait(10)
            answers.append(words(client.post(page(found, "publish"), seen(found), follow=True)))
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=[client]) for client in (publisher, chief)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted("Published: everyone" in answer for answer in answers) == [False, True]
    assert sorted("published already" in answer for answer in answers) == [False, True]
    assert logged() == ["Published."]


def test_the_page_after_publishing(publisher: StaffClient) -> None:
    """Coming back to the page afterwards leads to the announcement, in every state of it."""
    for state, said in (("live", "published already"), ("ended", "has ended"), ("withdrawn", "has been withdrawn")):
        found = live()
        if state == "ended":
            Announcement.objects.filter(pk=found.pk).update(
                live_at=clock.now() - timedelta(hours=2), ends_at=clock.now() - timedelta(hours=1)
            )
        elif state == "withdrawn":
            Announcement.objects.filter(pk=found.pk).update(withdrawn_at=clock.now())
        response = publisher.get(page(found, "publish"), follow=True)
        assert response.redirect_chain
        assert said in words(response)
        assert "the platform" in words(response)


def test_publishing_what_was_not_seen(publisher: StaffClient, composer: StaffClient) -> None:
    """A draft that was changed after the page was opened is shown again instead of published."""
    found = draft()
    old = publisher.get(page(found, "publish")).context["seen"]
    opened = composer.get(page(found, "change")).context["adminform"].form["seen"].value()
    composer.post(page(found, "change"), posted(title="Something else", seen=opened))
    response = publisher.post(page(found, "publish"), {"seen": old})
    assert "look again" in words(response)
    assert "Something else" in words(response)
    assert Announcement.objects.get().status == "draft"
    publisher.post(page(found, "publish"), {"seen": response.context["seen"]})
    assert Announcement.objects.get().status == "live"


@pytest.mark.security("S15")
def test_an_open_page_asks_what_the_draft_says(
    publisher: StaffClient, composer: StaffClient, staff: Staff, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    """A short look-up: another text after a change, none once published, not found once deleted."""
    found = draft()
    address = page(found, "seen")
    for client in (publisher, composer):
        assert f'data-ask="{address}"' in client.get(page(found, "change")).content.decode()
    with django_assert_max_num_queries(5):
        before = publisher.get(address).content.decode()
    assert before == compose.fingerprint(found)
    composer.post(page(found, "change"), posted(title="Other words", seen=before))
    assert publisher.get(address).content.decode() not in (before, "")
    publish_announcement(found.pk)
    assert publisher.get(address).content.decode() == ""
    assert staff("view_notification").get(address).status_code == 403
    found.delete()
    assert publisher.get(address).status_code == 404


def test_online_of_everyone_on_two_nodes(publisher: StaffClient, redis_server: Redis, settings: Settings) -> None:
    """A user on both is one user where Redis knows; where none does, the number is said to be the most."""
    found = draft()
    assert "online now" not in words(publisher.get(page(found, "publish")))
    for name, count in (("one", 2), ("two", 3)):
        NodeReport.objects.create(name=name, host="h", pid=1, users=count, started_at=clock.now())
    assert "at most 5 online now" in words(publisher.get(page(found, "publish")))
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": ["redis://127.0.0.1:1"]}
    assert "at most 5 online now" in words(publisher.get(page(found, "publish")))
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": [redis_server.url]}
    for uids in ("12", "234"):
        here = Here()
        for uid in uids:
            here.note(uid, 1)
        async_to_sync(here.write)()
    assert "· 4 online now" in words(publisher.get(page(found, "publish")))


def test_publish_past_its_end(chief: StaffClient) -> None:
    """A draft whose end has passed cannot be published: the page says why and has no button."""
    found = draft()
    Announcement.objects.update(ends_at=clock.now() - timedelta(seconds=1))
    found.refresh_from_db()
    for response in (chief.get(page(found, "publish")), chief.post(page(found, "publish"), seen(found))):
        assert "Its end has passed" in words(response)
        assert 'class="default"' not in response.content.decode()
    assert Announcement.objects.get().status == "draft"


@pytest.mark.security("S15")
def test_second_approver(chief: StaffClient, staff: Staff, settings: Settings) -> None:
    """With the setting, nobody publishes what they wrote in, whether they made it or changed it; others do."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "SECOND_APPROVER": True}
    writer = staff("add_announcement", "change_announcement", "publish_announcement", name="writer")
    writer.post("/admin/notifications/announcement/add/", posted())
    found = Announcement.objects.get()
    form = writer.get(page(found, "change")).context["adminform"].form["seen"].value()
    editor = staff("change_announcement", "publish_announcement", name="editor")
    editor.post(page(found, "change"), posted(title="Better", seen=form))
    found.refresh_from_db()
    assert found.title == "Better"
    for client in (writer, editor):
        response = client.post(page(found, "publish"), seen(found))
        assert "somebody else has to publish it" in words(response)
        assert Announcement.objects.get().status == "draft"
    assert "Changed by editor" in words(chief.get(page(found, "change")))
    chief.post(page(found, "publish"), seen(found))
    assert Announcement.objects.get().status == "live"


def test_without_the_setting_one_person_does_both(chief: StaffClient) -> None:
    """By default who composes may publish, given the permission."""
    chief.post("/admin/notifications/announcement/add/", posted())
    found = Announcement.objects.get()
    chief.post(page(found, "publish"), seen(found))
    assert Announcement.objects.get().status == "live"


def test_standalone_knows_no_number(publisher: StaffClient, settings: Settings) -> None:
    """Where there is no user table the page says that it does not know, rather than a number."""
    found = draft()
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "STANDALONE": True}
    response = publisher.get(page(found, "publish"))
    assert "everyone; how many is not known here" in words(response)
    assert 'value="Publish to everyone"' in response.content.decode()


@pytest.mark.security("S15")
def test_withdraw(chief: StaffClient) -> None:
    """Asked once more, then gone; a second click is told so and logged no more."""
    found = live()
    assert "vanishes from every screen" in words(chief.get(page(found, "withdraw")))
    assert Announcement.objects.get().status == "live"
    assert "Withdrawn: it vanishes" in words(chief.post(page(found, "withdraw"), follow=True))
    assert Announcement.objects.get().status == "withdrawn"
    assert "withdrawn already" in words(chief.post(page(found, "withdraw"), follow=True))
    assert logged() == ["Withdrawn."]


@pytest.mark.parametrize("name", ["withdraw", "end"])
def test_withdraw_and_end_without_permission(publisher: StaffClient, name: str) -> None:
    """Who only publishes neither withdraws nor ends."""
    found = live()
    assert publisher.get(page(found, name)).status_code == 403
    assert publisher.post(page(found, name), {}).status_code == 403
    assert Announcement.objects.get().status == "live"


@pytest.mark.parametrize("name", ["withdraw", "end", "statistics", "remind"])
def test_a_draft_has_none_of_these_pages(chief: StaffClient, name: str) -> None:
    """What was never published cannot be withdrawn or ended and has no figures."""
    assert chief.get(page(draft(), name)).status_code == 404


def at(moment: Any) -> dict[str, str]:
    """The two fields of the new end."""
    local = timezone.localtime(moment)
    return {"at_0": local.strftime("%Y-%m-%d"), "at_1": local.strftime("%H:%M:%S")}


@pytest.mark.security("S15")
def test_end_earlier(chief: StaffClient) -> None:
    """An earlier end is taken and logged; one in the past, before the start or later than the old one is not."""
    found = live()
    Announcement.objects.update(live_at=clock.now() - timedelta(hours=1))
    assert "Time zone: UTC" in words(chief.get(page(found, "end")))
    for wrong in (clock.now() - timedelta(minutes=5), clock.now() - timedelta(days=1), clock.now() + timedelta(days=9)):
        response = chief.post(page(found, "end"), at(wrong))
        assert response.context["form"].errors["at"]
        assert Announcement.objects.get().ends_at == found.ends_at
    earlier = (clock.now() + timedelta(hours=3)).replace(microsecond=0)
    assert "End moved to" in words(chief.post(page(found, "end"), at(earlier), follow=True))
    assert Announcement.objects.get().ends_at == earlier
    assert logged()[-1].startswith("End moved to")


def test_end_now_and_again(chief: StaffClient) -> None:
    """Without a moment it ends now; a second click is told that it has ended."""
    found = live()
    Announcement.objects.update(live_at=clock.now() - timedelta(hours=1))
    chief.post(page(found, "end"), {})
    assert Announcement.objects.get().status == "ended"
    assert "It has ended." in words(chief.post(page(found, "end"), {}, follow=True))
    assert len(logged()) == 1


def test_end_before_it_began(chief: StaffClient) -> None:
    """A scheduled one is not ended before its start: the page says to withdraw it."""
    found = draft(starts_at=clock.now() + timedelta(hours=5))
    publish_announcement(found.pk)
    response = chief.post(page(found, "end"), {})
    assert "withdraw it instead" in words(response)
    assert Announcement.objects.get().status == "scheduled"


def test_unknown_announcement(chief: StaffClient) -> None:
    """An id that nothing has is not found."""
    assert (
        chief.get("/admin/notifications/announcement/00000000-0000-0000-0000-000000000000/publish/").status_code == 404
    )


def test_thousands_stand_apart(publisher: StaffClient) -> None:
    """Whoever publishes sees at a glance whether it is to a thousand or to ten thousand."""
    User.objects.bulk_create(User(username=f"user{number}") for number in range(1_233))
    for language, said in (("en", "Publish to 1,234 people"), ("zh-hans", "向 1,234 人发布")):
        response = publisher.get(page(draft(), "publish"), headers={"accept-language": language})
        assert f'value="{said}"' in response.content.decode()
