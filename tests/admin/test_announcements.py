"""`notifications.admin.announcements`: the list, who may do what, and that only drafts change."""

from datetime import timedelta
from urllib.parse import urlencode

import pytest
from django.contrib.admin.models import LogEntry
from django.http import HttpRequest
from django.test import Client

from notifications import clock
from notifications.announcing import end_announcement, publish_announcement, withdraw_announcement
from notifications.models import Announcement, Notification
from tests.admin.conftest import Staff, StaffClient, draft, live, words
from tests.admin.test_compose import ADD, posted

LIST = "/admin/notifications/announcement/"


def change(announcement: Announcement) -> str:
    """The address of its form."""
    return f"{LIST}{announcement.pk}/change/"


@pytest.fixture
def all_kinds(db: None) -> dict[str, Announcement]:
    """One announcement in each state."""
    ended, withdrawn = live("It ended"), live("It was withdrawn")
    Announcement.objects.filter(pk=ended.pk).update(live_at=clock.now() - timedelta(hours=1))
    end_announcement(ended.pk)
    withdraw_announcement(withdrawn.pk)
    return {
        "draft": draft("It is a draft"),
        "scheduled": live("It is scheduled", starts_at=clock.now() + timedelta(hours=1)),
        "live": live("It is live"),
        "ended": ended,
        "withdrawn": withdrawn,
    }


def test_list_with_chips(chief: StaffClient, all_kinds: dict[str, Announcement]) -> None:
    """Each announcement shows its state as a chip."""
    page = chief.get(LIST).content.decode()
    for state in all_kinds:
        assert page.count(f'<span class="chip chip-{state}">{state}</span>') == 1


@pytest.mark.parametrize("state", ["draft", "scheduled", "live", "ended", "withdrawn"])
def test_filter_by_status(chief: StaffClient, all_kinds: dict[str, Announcement], state: str) -> None:
    """The filter leaves those in that state alone."""
    found = chief.get(LIST, {"status": state}).context["cl"].queryset
    assert [row.pk for row in found] == [all_kinds[state].pk]


def test_pages_of_every_state(chief: StaffClient, all_kinds: dict[str, Announcement]) -> None:
    """Each page offers what can be done in that state, and nothing else."""
    offered = {
        "draft": {"Save draft", "Save and publish…", "Duplicate", "Delete"},
        "scheduled": {"Statistics", "End earlier…", "Withdraw…", "Duplicate"},
        "live": {"Statistics", "End earlier…", "Withdraw…", "Duplicate"},
        "ended": {"Statistics", "Withdraw…", "Duplicate"},
        "withdrawn": {"Statistics", "Duplicate"},
    }
    everything = set().union(*offered.values())
    for state, announcement in all_kinds.items():
        content = chief.get(change(announcement)).content.decode().split('id="content-main"')[1]
        found = {name for name in everything if f">{name}<" in content or f'value="{name}"' in content}
        assert found == offered[state], state


def test_without_permission_nothing_is_seen(staff: Staff) -> None:
    """Staff without any permission on announcements is refused everywhere; others go to the sign-in page."""
    found = draft()
    for path in ("", "add/", f"{found.pk}/change/", f"{found.pk}/delete/"):
        assert staff().get(LIST + path).status_code == 403
        assert Client().get(LIST + path).status_code == 302
    assert "Announcements" not in words(staff("view_notification").get("/admin/"))


def test_publisher_sees_and_does_not_write(publisher: StaffClient) -> None:
    """Who only publishes can read a draft, and is refused the form even where it is forged."""
    found = draft()
    page = publisher.get(change(found))
    assert "Save draft" not in page.content.decode()
    assert "Publish…" in words(page)
    assert publisher.post(change(found), posted(title="Forged")).status_code == 403
    assert publisher.post(ADD, posted()).status_code == 403
    assert Announcement.objects.get().title == "Holiday opening"


def test_index_for_a_publisher(staff: Staff) -> None:
    """Who may do nothing but publish finds announcements on the index all the same."""
    assert "Announcements" in words(staff("publish_announcement").get("/admin/"))


@pytest.mark.security("S15")
@pytest.mark.parametrize("state", ["scheduled", "live", "ended", "withdrawn"])
def test_forged_edit_after_publishing(chief: StaffClient, all_kinds: dict[str, Announcement], state: str) -> None:
    """What has been published cannot be changed or deleted, not by a form made by hand either."""
    found = all_kinds[state]
    before = Announcement.objects.filter(pk=found.pk).values().get()
    assert chief.post(change(found), posted(title="Forged")).status_code == 403
    assert chief.post(f"{LIST}{found.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Announcement.objects.filter(pk=found.pk).values().get() == before


@pytest.mark.security("S15")
def test_published_while_the_form_was_open(composer: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form that was let in a moment before the publishing is refused with a clear word."""
    found = draft()
    seen = composer.get(change(found)).context["adminform"].form["seen"].value()
    # The gap between the permission and the lock on the row: published in just that moment.
    from notifications.admin.compose import DraftForm

    before = DraftForm.clean_body

    def published_now(form: DraftForm) -> str:
        publish_announcement(found.pk)
        return before(form)

    monkeypatch.setattr(DraftForm, "clean_body", published_now)
    response = composer.post(change(found), posted(title="Too late", seen=seen))
    assert "It has been published while you had it open" in words(response)
    assert Announcement.objects.get().title == "Holiday opening"


def test_deleted_while_the_form_was_open(composer: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a draft that somebody deleted in that moment."""
    found = draft()
    from notifications.admin.compose import DraftForm

    def deleted_now(form: DraftForm) -> str:
        Announcement.objects.all().delete()
        return ""

    monkeypatch.setattr(DraftForm, "clean_body", deleted_now)
    response = composer.post(change(found), posted(title="Too late"))
    assert "Somebody deleted this draft" in words(response)


def test_delete_a_draft(composer: StaffClient) -> None:
    """A draft can be deleted, and the log keeps that."""
    found = draft()
    assert composer.post(f"{LIST}{found.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Announcement.objects.exists()
    assert LogEntry.objects.get().action_flag == 3


def test_send_a_test_to_me(composer: StaffClient) -> None:
    """The draft is saved and its author alone is sent it, marked as a test; it stays a draft that nobody has."""
    response = composer.post(ADD, posted(title="x" * 199, level="warning", confirm="on", _test="1", _save=None))
    made = Announcement.objects.get()
    assert response.headers["Location"] == change(made)
    sent = Notification.objects.get()
    assert sent.uid == str(composer.user.pk)
    assert (sent.kind, sent.level, sent.confirm, sent.body) == ("test", "warning", True, made.body)
    assert sent.title == ("Test: " + made.title)[:200]
    assert made.status == "draft"


def test_who_may_only_add(staff: Staff) -> None:
    """Who may add and nothing else sees what they wrote, and changes nothing of others."""
    adder = staff("add_announcement")
    assert "Test: " not in words(adder.post(ADD, posted(_test="1", _save=None), follow=True))
    made = Announcement.objects.get()
    assert adder.get(change(made)).status_code == 200
    assert adder.post(change(made), posted(title="Changed")).status_code == 403


def test_test_from_the_change_form(composer: StaffClient) -> None:
    """A changed draft is tested as it was just written."""
    found = draft()
    seen = composer.get(change(found)).context["adminform"].form["seen"].value()
    composer.post(change(found), posted(title="Changed", seen=seen, _test="1", _save=None))
    assert Notification.objects.get().title == "Test: Changed"


def test_save_and_publish_leads_to_the_publishing_page(chief: StaffClient, composer: StaffClient) -> None:
    """Nothing is published by the form itself; who may not publish goes to the list."""
    response = chief.post(ADD, posted(_publish="1", _save=None))
    made = Announcement.objects.get()
    assert response.headers["Location"] == f"{LIST}{made.pk}/publish/"
    assert made.status == "draft"
    assert composer.post(ADD, posted(_publish="1", _save=None)).headers["Location"] == LIST


def test_duplicate(chief: StaffClient, staff: Staff) -> None:
    """A duplicate opens as a new form with the same words and no times; nothing is stored before it is saved."""
    found = live("Said once", body="Same words", kind="activity", level="success", confirm=True)
    form = chief.get(ADD, {"duplicate": str(found.pk)}).context["adminform"].form
    assert form["title"].value() == "Said once"
    assert form["kind"].value() == "activity"
    assert form["confirm"].value() is True
    assert form["ends_at"].value() is None
    assert Announcement.objects.count() == 1
    for nonsense in ("nonsense", "00000000-0000-0000-0000-000000000000"):
        blank = chief.get(f"{ADD}?{urlencode({'duplicate': nonsense})}").context["adminform"].form
        assert not blank["title"].value()


def test_search(chief: StaffClient) -> None:
    """Words of title and body are found."""
    draft("About the summer")
    draft("Another", body="in summer too")
    draft("Winter")
    assert len(chief.get(LIST, {"q": "summer"}).context["cl"].queryset) == 2


def test_published_while_it_was_being_deleted(composer: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A draft that was published a moment before its deletion stays, and no log says otherwise."""
    from notifications.admin.announcements import AnnouncementAdmin

    found = draft()
    before = AnnouncementAdmin.delete_model

    def published_now(self: AnnouncementAdmin, request: HttpRequest, obj: Announcement) -> None:
        publish_announcement(found.pk)
        before(self, request, obj)

    monkeypatch.setattr(AnnouncementAdmin, "delete_model", published_now)
    assert composer.post(f"{LIST}{found.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Announcement.objects.filter(pk=found.pk).exists()
    assert not LogEntry.objects.exists()
