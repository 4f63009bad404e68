"""`notifications.admin.compose`: what may stand in a draft, and what is said beside the field."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.utils import timezone

from notifications import clock
from notifications.models import Announcement
from notifications.protocol.items import BODY_MAX, TITLE_MAX
from tests.admin.conftest import StaffClient, draft, words

ADD = "/admin/notifications/announcement/add/"


def posted(**changes: Any) -> dict[str, Any]:
    """A filled form; a value of None leaves the field out."""
    end = timezone.localtime(clock.now() + timedelta(days=2))
    fields = {
        "title": "Holiday opening",
        "body": "We open at ten.",
        "kind": "general",
        "level": "info",
        "url": "",
        "display": "popup",
        "starts_at_0": "",
        "starts_at_1": "",
        "ends_at_0": end.strftime("%Y-%m-%d"),
        "ends_at_1": end.strftime("%H:%M:%S"),
        "late_join": "on",
        "seen": "",
        "_save": "1",
    } | changes
    return {name: value for name, value in fields.items() if value is not None}


def refused(client: StaffClient, **changes: Any) -> dict[str, list[str]]:
    """Send the form and give the errors it comes back with; nothing may have been stored."""
    response = client.post(ADD, posted(**changes))
    assert response.status_code == 200
    assert not Announcement.objects.exists()
    errors: dict[str, list[str]] = response.context["adminform"].form.errors
    for messages in errors.values():
        assert all(message in response.content.decode() for message in map(str, messages))
    return errors


def test_a_draft_is_stored_with_its_writer(composer: StaffClient) -> None:
    """Saved, it is a draft in nobody's inbox, and the log says who added it."""
    response = composer.post(ADD, posted(url="/wallet/", confirm="on"))
    assert response.status_code == 302
    made = Announcement.objects.get()
    assert (made.title, made.url, made.confirm, made.status) == ("Holiday opening", "/wallet/", True, "draft")
    assert made.created_by == str(composer.user.pk)
    assert made.edited_by == [str(composer.user.pk)]
    assert LogEntry.objects.get().object_id == str(made.pk)


def test_title_limits(composer: StaffClient) -> None:
    """200 characters are good and 201 are not, counted as people count; empty is not."""
    assert "200" in refused(composer, title="x" * (TITLE_MAX + 1))["title"][0]
    assert "title" in refused(composer, title=" ")
    assert composer.post(ADD, posted(title="界" * TITLE_MAX)).status_code == 302


def test_body_limits(composer: StaffClient) -> None:
    """4,000 characters are good, a line break being one of them however the browser sends it; one more is not."""
    assert "4001" in refused(composer, body="x" * (BODY_MAX + 1))["body"][0]
    assert composer.post(ADD, posted(body="x\r\n" * (BODY_MAX // 2 - 1) + "xx")).status_code == 302
    assert len(Announcement.objects.get().body) == BODY_MAX


@pytest.mark.parametrize("kind", ["Summer", "summer..x", ".x", "a b", "节日"])
def test_kind_is_judged_by_the_protocol(composer: StaffClient, kind: str) -> None:
    """A kind that the wire refuses is refused beside its field, with an example of a good one."""
    assert "activity.summer" in refused(composer, kind=kind)["kind"][0]


@pytest.mark.parametrize("url", ["javascript:alert(1)", "//evil.example/", "ftp://x/", "/a b", "wallet"])
def test_url_is_judged_by_the_protocol(composer: StaffClient, url: str) -> None:
    """Anything but a path or an http(s) address is refused beside its field."""
    assert "https://" in refused(composer, url=url)["url"][0]


def test_several_errors_at_once(composer: StaffClient) -> None:
    """Every wrong field is told at once."""
    errors = refused(composer, title="", kind="?", level="loud", display="")
    assert set(errors) == {"title", "kind", "level", "display"}


def test_missing_end(composer: StaffClient) -> None:
    """An announcement without an end is refused beside the end."""
    assert set(refused(composer, ends_at_0="", ends_at_1="")) == {"ends_at"}


def test_end_before_start(composer: StaffClient) -> None:
    """An end at or before the start is refused beside the end, and once only."""
    start = timezone.localtime(clock.now() + timedelta(days=2))
    when = {"starts_at_0": start.strftime("%Y-%m-%d"), "starts_at_1": start.strftime("%H:%M:%S")}
    same = {"ends_at_0": when["starts_at_0"], "ends_at_1": when["starts_at_1"]}
    errors = refused(composer, **when, **same)
    assert {name: list(map(str, found)) for name, found in errors.items()} == {
        "ends_at": ["The end must be after the start."]
    }


def test_end_in_the_past(composer: StaffClient) -> None:
    """An end that has passed is refused beside the end."""
    assert "future" in refused(composer, ends_at_0="2020-01-01")["ends_at"][0]


def test_script_in_the_title_is_text(composer: StaffClient) -> None:
    """Markup is stored as it was written and shown as text on every page."""
    title = "<script>alert(1)</script>"
    composer.post(ADD, posted(title=title, body=title))
    made = Announcement.objects.get()
    assert made.title == title
    for address in ("/admin/notifications/announcement/", f"/admin/notifications/announcement/{made.pk}/change/"):
        page = composer.get(address).content.decode()
        assert title not in page
        assert "&lt;script&gt;" in page


def test_the_form_names_time_zone_and_kinds(composer: StaffClient) -> None:
    """The zone is written out at both times, and the kinds in use are offered."""
    draft(kind="activity.summer")
    response = composer.get(ADD)
    assert words(response).count("Time zone: UTC (UTC+00:00).") == 2
    assert '<option value="activity.summer">' in response.content.decode()
    assert "maxlength" not in response.content.decode().split('id="announcement_form"')[1].split("</form>")[0]


def test_two_editors(composer: StaffClient, chief: StaffClient) -> None:
    """Who saves over somebody else's change is told first, and replaces it only by saving again."""
    found = draft()
    address = f"/admin/notifications/announcement/{found.pk}/change/"
    seen = composer.get(address).context["adminform"].form["seen"].value()
    assert chief.post(address, posted(title="Theirs", seen=seen)).status_code == 302
    response = composer.post(address, posted(title="Mine", seen=seen))
    assert "Somebody else changed this draft" in words(response)
    assert Announcement.objects.get().title == "Theirs"
    again = response.context["adminform"].form["seen"].value()
    assert again != seen
    assert composer.post(address, posted(title="Mine", seen=again)).status_code == 302
    stored = Announcement.objects.get()
    assert stored.title == "Mine"
    assert stored.edited_by == [str(chief.user.pk), str(composer.user.pk)]


def test_kinds_stand_beside_the_field(composer: StaffClient) -> None:
    """The common ones and those in use, by the names that users read, in the language of who composes."""
    draft(kind="bonus.spring_sale")
    page = composer.get(ADD).content.decode()
    for kind, name in (
        ("general", "general"),
        ("maintenance", "maintenance"),
        ("bonus.spring_sale", "bonus / spring sale"),
    ):
        assert f'<button type="button" data-kind="{kind}" aria-pressed="false">{name}</button>' in page
    assert ">维护</button>" in composer.get(ADD, headers={"accept-language": "zh-hans"}).content.decode()
