"""The way of a newcomer on staff, from the first draft to the figures. docs/admin.md shows its pictures.

They are in var/screenshots/platform; those in docs/images are copies, by the same names.
"""

from datetime import UTC, datetime, timedelta

from playwright.sync_api import expect

from tests.browser.conftest import People
from tests.browser.people import connected, popups, shoot
from tests.browser.test_announcements import button, compose, settled


def test_from_the_first_draft_to_the_figures(people: People) -> None:
    """Composed, tried, scheduled, withdrawn for a mistake, put right in a duplicate, published to some, read."""
    window = {"viewport": {"width": 1280, "height": 800}}
    alice, staff = people("alice", **window), people("staff", **window)
    hers, own, desk = alice.open(), staff.open(), staff.open("/admin/")
    desk.get_by_role("link", name="Announcements").first.click()
    desk.get_by_role("link", name="Add announcement").click()
    page_of_the_form = desk.url
    compose(desk, "Sumer festival", "Saturday at three, down by the river.\nBring a hat.", "success")
    desk.locator("[name=confirm]").check()
    later = datetime.now(UTC) + timedelta(days=1)
    desk.locator("[name=starts_at_0]").fill(f"{later:%Y-%m-%d}")
    desk.locator("[name=starts_at_1]").fill("09:00:00")
    desk.locator("[name=audience][value=listed]").check()
    desk.evaluate("() => scrollTo(0, 0)")
    expect(desk.locator("#preview-popup .body")).to_contain_text("Bring a hat.")
    expect(desk.locator("#preview-popup .primary")).to_have_text("Confirm")
    shoot(desk, "path-compose")
    desk.locator("[name=_test]").click()
    expect(popups(own)).to_contain_text("Test: Sumer festival")
    own.bring_to_front()
    shoot(own, "path-test")
    popups(own).get_by_role("button", name="Confirm").click()
    desk.locator("[name=_publish]").click()
    desk.locator("[name=uids]").fill("1\n2\n3\nnobdy")
    desk.locator("[name=_add]").click()
    expect(desk.locator(".report h2")).to_have_text("3 recipients added · 1 bad line")
    shoot(desk, "path-recipients")
    desk.get_by_role("link", name="Publish…").click()
    expect(desk.locator(".reach")).to_contain_text("3 people")
    shoot(desk, "path-publish")
    button(desk).click()
    expect(desk.locator(".life .chip")).to_have_text("scheduled")
    shoot(desk, "path-scheduled")
    # A letter is missing in its title, and the start was not meant.
    desk.get_by_role("link", name="Withdraw…").click()
    shoot(desk, "path-withdraw")
    button(desk).click()
    expect(desk.locator(".life .chip")).to_have_text("withdrawn")
    desk.get_by_role("link", name="Duplicate").click()
    settled(desk)
    expect(desk.locator("[name=title]")).to_have_value("Sumer festival")
    expect(desk.locator("[name=audience][value=listed]")).to_be_checked()
    desk.locator("[name=title]").fill("Summer festival")
    desk.locator("[name=ends_at_0]").fill(f"{later + timedelta(days=6):%Y-%m-%d}")
    desk.locator("[name=ends_at_1]").fill("12:00:00")
    desk.locator("[name=_publish]").click()
    expect(desk.locator(".reach")).to_contain_text("3 people · 1 online now")
    button(desk).click()
    expect(popups(hers)).to_contain_text("Summer festival")
    hers.bring_to_front()
    shoot(hers, "path-popup")
    popups(hers).get_by_role("button", name="Confirm").click()
    expect(popups(hers)).to_have_count(0)
    desk.get_by_role("link", name="Statistics").click()
    expect(desk.locator(".figures")).to_contain_text("33.3 %")
    staff.audit(desk)
    shoot(desk, "path-statistics")
    desk.goto(page_of_the_form.replace("add/", ""))
    expect(desk.locator("#result_list tbody tr")).to_have_count(2)
    shoot(desk, "path-list")
    hers.reload()
    connected(hers)
    expect(popups(hers)).to_have_count(0)
