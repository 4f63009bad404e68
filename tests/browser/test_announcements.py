"""An announcement's life in the admin, and what everybody sees of it."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.conftest import People
from tests.browser.people import bell, connected, expect_unread, known, panel, popups, shoot
from tests.browser.site import Site

pytestmark = pytest.mark.browser


def compose(page: Page, title: str, body: str = "", level: str = "info") -> None:
    """From the admin's first page into the form, with an end in a week."""
    page.goto("/admin/")
    page.locator("#content .model-announcement").locator(".addlink").click()
    settled(page)
    page.locator("[name=title]").fill(title)
    page.locator("[name=body]").fill(body)
    page.locator("[name=kind]").fill("activity")
    page.locator(f"[name=level][value={level}]").check()
    ends = datetime.now(UTC) + timedelta(days=7)
    page.locator("[name=ends_at_0]").fill(f"{ends:%Y-%m-%d}")
    page.locator("[name=ends_at_1]").fill("12:00:00")


def settled(page: Page) -> None:
    """Wait for all of the form: the admin's change_form.js comes late, and takes the focus from whoever is typing."""
    page.wait_for_url("**/announcement/add/**")


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


def test_a_kind_by_a_click_and_a_level_by_its_look(people: People) -> None:
    """Kinds in use are buttons beside the field; the levels' chips stand in one row."""
    desk = people("staff").open()
    compose(desk, "Chosen", level="warning")
    button = desk.get_by_role("button", name="maintenance")
    button.click()
    expect(desk.locator("[name=kind]")).to_have_value("maintenance")
    expect(button).to_have_attribute("aria-pressed", "true")
    desk.locator("[name=kind]").fill("another")
    expect(button).to_have_attribute("aria-pressed", "false")
    tops = desk.locator(".field-level .radiolist label").evaluate_all("all => all.map((each) => each.offsetTop)")
    assert len(set(tops)) == 1


def test_long_work_goes_on_by_itself(people: People) -> None:
    """A page that asks for more sends itself until another one comes; here it is made one on its way."""
    desk = people("staff").open()
    compose(desk, "To be read")
    publish(desk)
    desk.route(
        "**/remind/", lambda route: _asks_for_more(route) if route.request.method == "GET" else route.continue_()
    )
    desk.goto(desk.url.replace("change", "remind"))
    expect(desk.locator(".messagelist")).to_have_text("Reminded 5 people.")


def _asks_for_more(route: Route) -> None:
    answer = route.fetch()
    route.fulfill(response=answer, body=answer.text().replace("data-once", "data-once data-goes-on"))


def test_a_list_of_uids(people: People) -> None:
    """Pasted with bad lines among them, and from a file: what is good is kept, the rest said; it reaches them alone."""
    alice, bob, staff = people("alice"), people("bob"), people("staff")
    hers, his, desk = alice.open(), bob.open(), staff.open()
    compose(desk, "Only for some")
    desk.locator("[name=audience][value=listed]").check()
    desk.locator("[name=_publish]").click()
    expect(desk.locator(".reach")).to_contain_text("0 recipients in the list")
    desk.locator("[name=uids]").fill("nobody\n1")
    desk.locator("[name=_add]").click()
    expect(desk.locator(".report h2")).to_have_text("1 recipient added · 1 bad line")
    expect(desk.locator(".report tbody")).to_contain_text("no active user has this uid")
    expect(desk.locator("[name=uids]")).to_have_value("nobody")
    staff.audit(desk)
    shoot(desk, "admin-recipients-report")
    desk.locator("[name=uids]").fill("")
    file = {"name": "people.csv", "mimeType": "text/csv", "buffer": b"user_id,name\n3,Carol\n"}
    desk.locator("[name=file]").set_input_files(file)  # type: ignore[arg-type]
    desk.locator("[name=_add]").click()
    expect(desk.locator(".messagelist")).to_contain_text("1 recipient added")
    desk.get_by_role("link", name="Publish…").click()
    expect(desk.locator(".reach")).to_contain_text("2 people · 1 online now")
    button(desk).click()
    expect(popups(hers)).to_contain_text("Only for some")
    expect(desk.locator(".life")).to_contain_text("a list of uids · 2 people")
    # What is published to everyone after it comes to bob: so the first did not.
    desk.goto("/admin/notifications/announcement/add/")
    compose(desk, "For all")
    publish(desk)
    expect(popups(his)).to_contain_text("For all")
    assert known(his) == ["For all"]
    assert known(hers) == ["Only for some", "For all"]
    his.reload()
    connected(his)
    assert known(his) == ["For all"]


def test_a_named_audience(people: People) -> None:
    """Staff alone are told; withdrawn, it leaves their screens."""
    alice, staff = people("alice"), people("staff")
    hers, own, desk = alice.open(), staff.open(), staff.open()
    compose(desk, "Among us")
    desk.locator("[name=audience][value=staff]").check()
    desk.locator("[name=_publish]").click()
    expect(desk.locator(".shown")).to_contain_text("staff")
    button(desk).click()
    expect(desk.locator(".messagelist")).to_contain_text("Published: its audience is being told now.")
    expect(popups(own)).to_contain_text("Among us")
    desk.get_by_role("link", name="Withdraw…").click()
    button(desk).click()
    expect(popups(own)).to_have_count(0)
    expect_unread(own, 0)
    assert known(hers) == []


def test_the_end_is_asked_for(people: People) -> None:
    """Without an end, or with one before the start: the error stands beside the field, and what was written stays."""
    desk = people("staff").open()
    compose(desk, "Without end", "Kept")
    desk.locator("[name=ends_at_0]").fill("")
    desk.locator("[name=ends_at_1]").fill("")
    desk.locator("[name=_publish]").click()
    expect(desk.locator(".field-ends_at .errorlist")).to_contain_text("This field is required.")
    later = datetime.now(UTC) + timedelta(days=9)
    compose(desk, "Without end", "Kept")
    desk.locator("[name=starts_at_0]").fill(f"{later:%Y-%m-%d}")
    desk.locator("[name=starts_at_1]").fill("12:00:00")
    desk.locator("[name=_publish]").click()
    expect(desk.locator(".field-ends_at .errorlist")).to_have_text("The end must be after the start.")
    expect(desk.locator("[name=body]")).to_have_value("Kept")
    desk.locator("[name=ends_at_0]").fill(f"{later + timedelta(days=1):%Y-%m-%d}")
    desk.locator("[name=_publish]").click()
    button(desk).click()
    expect(desk.locator(".life .chip")).to_have_text("scheduled")
    shoot(desk, "admin-scheduled")


def test_two_who_write_at_once(people: People) -> None:
    """The preview of the one says that it is out of date, saving is refused once, and publishing shows it anew."""
    staff, admin = people("staff"), people("admin")
    desk = staff.open()
    compose(desk, "First words")
    desk.locator("[name=_continue]").click()
    expect(desk.locator(".life .chip")).to_have_text("draft")
    other = admin.context.new_page()
    other.clock.install()
    other.goto(desk.url.replace("change", "publish"))
    expect(button(other)).to_be_visible()
    expect(other.locator(".outdated")).to_be_hidden()
    mine = admin.open(desk.url)
    mine.locator("[name=title]").fill("Other words")
    desk.locator("[name=title]").fill("Second words")
    desk.locator("[name=_continue]").click()
    expect(desk.locator(".messagelist")).to_contain_text("changed successfully")
    other.clock.fast_forward(11_000)
    expect(other.locator(".outdated")).to_be_visible()
    shoot(other, "admin-publish-outdated")
    button(other).click()
    expect(other.locator(".errorlist")).to_contain_text("changed it while you looked at it")
    expect(other.locator(".shown dd").first).to_have_text("Second words")
    mine.locator("[name=_continue]").click()
    expect(mine.locator(".errornote, .errorlist").first).to_be_visible()
    expect(mine.locator(".errorlist.nonfield")).to_contain_text("Somebody else changed this draft")
    expect(mine.locator("[name=title]")).to_have_value("Other words")


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
