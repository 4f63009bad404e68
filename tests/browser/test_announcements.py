"""An announcement's life in the admin, and what everybody sees of it."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import People
from tests.browser.people import bell, connected, expect_unread, known, panel, popups, shoot
from tests.browser.site import Site

pytestmark = pytest.mark.browser


def compose(page: Page, title: str, body: str = "", level: str = "info") -> None:
    """From the admin's first page into the form, with an end in a week."""
    page.goto("/admin/")
    page.locator("#content .model-announcement").locator(".addlink").click()
    page.locator("[name=title]").fill(title)
    page.locator("[name=body]").fill(body)
    page.locator("[name=kind]").fill("activity")
    page.locator("[name=level]").select_option(level)
    ends = datetime.now(UTC) + timedelta(days=7)
    page.locator("[name=ends_at_0]").fill(f"{ends:%Y-%m-%d}")
    page.locator("[name=ends_at_1]").fill("12:00:00")


def publish(page: Page) -> None:
    """From the form by way of the page that says whom it reaches."""
    page.locator("[name=_publish]").click()
    button(page).click()
    expect(page.locator(".messagelist")).to_contain_text("Published: everyone is being told now.")


def button(page: Page) -> Locator:
    """The one that publishes."""
    return page.locator(".submit-row .default")


def test_composed_previewed_published_read_and_withdrawn(people: People) -> None:
    """Both see it at once; whoever has read it is not shown it again; withdrawn, it is gone from both screens."""
    alice, bob, staff = people("alice"), people("bob"), people("staff")
    hers, his, desk = alice.open(), bob.open(), staff.open()
    compose(desk, "Summer festival", "Join us on Saturday.\nBring a hat.", "success")
    expect(desk.locator("#preview-popup .title")).to_have_text("Summer festival")
    expect(desk.locator("#preview-popup .body")).to_have_text("Join us on Saturday.\nBring a hat.")
    expect(desk.locator("#preview-list .row .title")).to_contain_text("Summer festival")
    shoot(desk, "admin-compose")
    desk.locator("[name=_publish]").click()
    expect(desk.locator(".reach")).to_contain_text("5 people")
    expect_unread(hers, 0)
    shoot(desk, "admin-publish")
    expect(button(desk)).to_have_value("Publish to 5 people")
    button(desk).click()
    for page in (hers, his):
        expect(popups(page)).to_contain_text("Summer festival")
        expect_unread(page, 1)
    expect(desk.locator(".life .chip")).to_have_text("live")
    shoot(desk, "admin-live")
    popups(hers).get_by_role("button", name="Got it").click()
    expect_unread(hers, 0)
    hers.reload()
    connected(hers)
    assert known(hers) == []
    expect(popups(hers)).to_have_count(0)
    expect_unread(his, 1)
    bell(hers).click()
    expect(panel(hers).locator(".row")).to_contain_text("Summer festival")
    # Gone from the list in which it stands as read, and from the popup.
    desk.get_by_role("link", name="Withdraw…").click()
    desk.locator(".submit-row .default").click()
    expect(desk.locator(".life .chip")).to_have_text("withdrawn")
    expect(popups(his)).to_have_count(0)
    expect_unread(his, 0)
    expect(panel(hers).locator(".row")).to_have_count(0)
    his.reload()
    connected(his)
    assert known(his) == []


def test_a_test_goes_to_its_writer_alone(people: People) -> None:
    """Marked as one; it publishes nothing."""
    alice, staff = people("alice"), people("staff")
    hers, own, desk = alice.open(), staff.open(), staff.open()
    compose(desk, "Not yet")
    desk.locator("[name=_test]").click()
    expect(desk.locator(".messagelist")).to_contain_text("on its way to you alone")
    expect(popups(own)).to_contain_text("Test: Not yet")
    expect(desk.locator(".life .chip")).to_have_text("draft")
    assert known(hers) == []


def test_published_once_however_often_it_is_clicked(people: People) -> None:
    """A double click, the way back, and a second window with the same page: everybody is told once."""
    alice, staff = people("alice"), people("staff")
    hers, desk = alice.open(), staff.open()
    compose(desk, "Only once")
    desk.locator("[name=_publish]").click()
    expect(button(desk)).to_be_visible()
    second = staff.open(desk.url)
    button(desk).dblclick()
    expect(desk.locator(".messagelist")).to_contain_text("Published")
    expect(popups(hers)).to_contain_text("Only once")
    button(second).click()
    expect(second.locator(".messagelist .warning")).to_contain_text("It was published already")
    desk.go_back()
    if button(desk).count():
        button(desk).click()
    expect(desk.locator(".messagelist .warning")).to_contain_text("It was published already")
    expect_unread(hers, 1)
    expect(popups(hers)).to_have_count(1)
    # Nor can what stands in the form of a published one be changed by going back to it.
    assert desk.locator("input[name=title]").count() == 0


MARKUP = '<script>document.title = "taken"</script><img src=x onerror="document.title=1">'


@pytest.mark.security("S12")
def test_markup_is_text_on_every_screen(people: People) -> None:
    """In the preview, on the page that publishes, in the popup, in the panel and on both kinds of list."""
    alice, staff = people("alice"), people("staff")
    hers, desk = alice.open(), staff.open()
    compose(desk, MARKUP, MARKUP)
    expect(desk.locator("#preview-popup .title")).to_have_text(MARKUP)
    desk.locator("[name=_publish]").click()
    expect(desk.locator(".shown dd").first).to_have_text(MARKUP)
    button(desk).click()
    expect(popups(hers).locator(".title")).to_have_text(MARKUP)
    expect(popups(hers).locator(".body")).to_have_text(MARKUP)
    shoot(hers, "markup-popup")
    bell(hers).click()
    expect(panel(hers).locator(".title")).to_contain_text(MARKUP)
    desk.goto("/admin/notifications/announcement/")
    expect(desk.locator("#result_list")).to_contain_text(MARKUP)
    plain = people("alice", java_script_enabled=False).open("/notifications/")
    expect(plain.locator(".messages-row h2")).to_have_text(MARKUP)
    for page in (hers, desk, plain):
        assert "taken" not in page.title()
        assert page.title() != "1"


def test_a_draft_says_beside_each_field_what_is_wrong(people: People) -> None:
    """201 characters, an address that is none, an end before the start, nothing at all: nothing is saved or lost."""
    desk = people("staff").open()
    compose(desk, "x" * 201)
    expect(desk.locator(".field-title .counter")).to_have_text("201 / 200")
    desk.locator("[name=url]").fill("javascript:alert(1)")
    desk.locator("[name=ends_at_0]").fill("2001-01-01")
    desk.locator("[name=_save]").click()
    for field in ("title", "url", "ends_at"):
        expect(desk.locator(f".field-{field} .errorlist")).to_be_visible()
    expect(desk.locator(".field-title .errorlist")).to_contain_text("200")
    expect(desk.locator("[name=title]")).to_have_value("x" * 201)
    shoot(desk, "admin-compose-refused")
    desk.locator("[name=title]").fill("")
    desk.locator("[name=_save]").click()
    expect(desk.locator(".field-title .errorlist")).to_have_text("This field is required.")
    desk.goto("/admin/notifications/announcement/")
    expect(desk.locator("#result_list")).to_have_count(0)


def test_without_permission_there_is_no_way_in(people: People, site: Site) -> None:
    """A user sees the admin's sign-in, staff without the permission a refusal; nothing of it is shown to them."""
    made = "User.objects.filter(username='clerk').exists() or "
    site.business.run(made + "User.objects.create_user('clerk', password='demo-clerk', is_staff=True)")
    alice, clerk = people("alice"), people("clerk")
    page = alice.open("/admin/notifications/announcement/add/")
    expect(page.locator("#login-form")).to_be_visible()
    clerk.foresee("status of 403")
    page = clerk.open("/admin/")
    expect(page.locator("#content")).to_contain_text("You don’t have permission to view or edit anything.")
    for path in ("add/", ""):
        assert page.goto(f"/admin/notifications/announcement/{path}").status == 403  # type: ignore[union-attr]


def test_who_writes_may_not_always_publish(people: People, site: Site) -> None:
    """Composing and publishing are two permissions: without the second there is no such button and no such page."""
    site.business.run(
        "from django.contrib.auth.models import Permission\n"
        "writer, _ = User.objects.get_or_create(username='writer', is_staff=True)\n"
        "writer.set_password('demo-writer')\nwriter.save()\n"
        "for name in ('add_announcement', 'change_announcement', 'view_announcement'):\n"
        "    writer.user_permissions.add(Permission.objects.get(codename=name))"
    )
    writer = people("writer")
    desk = writer.open()
    compose(desk, "By a writer")
    assert desk.locator("[name=_publish]").count() == 0
    desk.locator("[name=_continue]").click()
    expect(desk.locator(".life .chip")).to_have_text("draft")
    writer.foresee("status of 403")
    assert desk.goto(desk.url.replace("change", "publish")).status == 403  # type: ignore[union-attr]
