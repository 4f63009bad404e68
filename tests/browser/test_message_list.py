"""The page of all messages, with scripts and without."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People
from tests.browser.people import bell, connected, expect_unread, known, panel, shoot
from tests.browser.site import Site

pytestmark = pytest.mark.browser


def fill(site: Site) -> None:
    """25 items for alice, oldest first, all unread: of three kinds, one that wants a confirmation, one for everyone."""
    site.business.run(
        "for n in range(1, 22): notify(uid, f'Event {n}', 'One line.', kind='general', display='list')\n"
        "notify(uid, 'Your submission was approved', '“Sea”', kind='audit.approved', level='success', url='/')\n"
        "notify(uid, 'Please agree', 'To the new rules.', kind='general', confirm=True, level='warning')\n"
        "notify(uid, 'Nearly full', 'Your space is used up by 95 %.', kind='general', level='error')\n",
        uid=site.uid("alice"),
    )
    site.business.announce("Maintenance at ten", body="We are back by eleven.", level="info")


def test_everything_works_without_scripts(people: People, site: Site) -> None:
    """Pages, filters, one message, marking one and all, confirming: plain links and forms."""
    fill(site)
    page = people("alice", java_script_enabled=False).open("/notifications/")
    rows = page.locator(".messages-row")
    expect(rows).to_have_count(20)
    expect(rows.first.locator("h2")).to_have_text("Maintenance at ten")
    expect(page.locator(".messages-count")).to_have_text("25")
    shoot(page, "list-without-scripts")
    page.get_by_role("link", name="Older").click()
    expect(rows).to_have_count(5)
    page.get_by_role("link", name="Newer").click()
    expect(rows).to_have_count(20)
    rows.first.get_by_role("button", name="Mark as read").click()
    expect(page.locator(".messages-count")).to_have_text("24")
    page.get_by_role("link", name="Nearly full").click()
    expect(page.locator("h1")).to_have_text("Nearly full")
    shoot(page, "message-without-scripts")
    page.get_by_role("link", name="All messages").click()
    expect(page.locator(".messages-count")).to_have_text("23")
    # Looking at what wants a confirmation does not confirm it, nor does marking all as read.
    page.get_by_role("link", name="Please agree").click()
    page.get_by_role("link", name="All messages").click()
    expect(page.locator(".messages-count")).to_have_text("23")
    page.get_by_label("Kind").select_option("audit.approved")
    page.get_by_role("button", name="Show").click()
    expect(rows).to_have_count(1)
    page.get_by_role("link", name="Unread").click()
    page.goto("/notifications/?unread=1")
    page.get_by_role("button", name="Mark all as read").click()
    expect(rows).to_have_count(1)
    rows.get_by_role("button", name="Confirm").click()
    expect(page.locator(".messages-empty")).to_contain_text("Nothing unread here.")


def test_with_scripts_it_is_live(people: People, site: Site) -> None:
    """What comes is in it at once and does not pop up as well; the bell and other tabs follow what is read in it."""
    fill(site)
    alice = people("alice")
    page = alice.open("/notifications/")
    rows = page.locator("notification-inbox .row")
    expect(rows).to_have_count(25)
    site.notify("alice", "Just now")
    expect(rows.first.locator(".title")).to_contain_text("Just now")
    expect(page.locator("notification-popups .popup")).to_have_count(0)
    expect_unread(page, 26)
    shoot(page, "list")
    beside = alice.open()
    expect_unread(beside, 26)
    rows.first.get_by_role("button", name="Mark as read").click()
    for tab in (page, beside):
        expect_unread(tab, 25)
    page.locator("[part=kind]").select_option("audit.approved")
    expect(rows).to_have_count(1)
    page.locator("[part=kind]").select_option("")
    page.get_by_role("button", name="Unread", exact=True).click()
    expect(rows).to_have_count(25)
    page.reload()
    connected(page)
    expect(rows).to_have_count(25)
    page.get_by_role("button", name="Mark all as read").click()
    expect_unread(page, 1)
    page.get_by_role("button", name="Confirm").click()
    for tab in (page, beside):
        expect_unread(tab, 0)
    page.reload()
    connected(page)
    expect(page.locator("notification-inbox .empty")).to_be_visible()


def test_the_panel_leads_to_the_page(people: People, site: Site) -> None:
    """Opening the panel reads nothing; its foot is a link to all messages."""
    site.notify("alice", "Unread", display="list")
    page = people("alice").open()
    bell(page).click()
    expect(panel(page).locator(".row.unread")).to_have_count(1)
    panel(page).get_by_role("link", name="All messages").click()
    expect(page.locator("notification-inbox .row")).to_have_count(1)
    assert known(page) == ["Unread"]


def reading(page: Page) -> list[str]:
    """The titles in the order in which they stand."""
    return page.locator("notification-inbox .title").all_inner_texts()


def test_order_is_that_of_time(people: People, site: Site) -> None:
    """Newest first, whether they were there before or came live."""
    for n in (1, 2):
        site.notify("alice", f"Item {n}")
    page = people("alice").open("/notifications/")
    expect(page.locator("notification-inbox .row")).to_have_count(2)
    for n in (3, 4):
        site.notify("alice", f"Item {n}")
    expect(page.locator("notification-inbox .row")).to_have_count(4)
    assert [title[-1] for title in reading(page)] == ["4", "3", "2", "1"]
