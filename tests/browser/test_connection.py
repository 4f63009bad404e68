"""Away and back: somebody who was offline, a server that was, a network that swallows everything, a node that dies."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People
from tests.browser.people import bell, connected, expect_unread, in_state, known, panel, popups, shoot
from tests.browser.site import Site
from tests.browser.test_top_up import top_up

pytestmark = pytest.mark.browser

# What Chromium says of a server that does not answer.
AWAY = ("ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "WebSocket connection to")


def test_who_was_offline_gets_both_kinds(people: People, site: Site) -> None:
    """Carol's payment is confirmed by staff and an announcement is made while she is signed out."""
    carol, staff = people("carol", signed_in=False), people("staff")
    page = carol.sign_in()
    page.get_by_label("Amount").fill("50")
    page.get_by_role("button", name="Top up").click()
    expect(page.get_by_role("button", name="Pay now")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("[name=password]")).to_be_visible()
    desk = staff.open("/admin/wallet/topup/")
    desk.locator("#action-toggle").check()
    desk.locator("[name=action]").select_option("confirm_selected")
    desk.locator("[name=index]").click()
    expect(desk.locator(".messagelist")).to_contain_text("1 user is told")
    site.business.announce("Maintenance at ten", body="We are back by eleven.", level="warning")
    carol.sign_in(page)
    expect_unread(page, 2)
    expect(popups(page)).to_have_count(2)
    expect(popups(page).filter(has_text="Your top-up arrived")).to_have_count(1)
    expect(popups(page).filter(has_text="Maintenance at ten")).to_have_count(1)
    shoot(page, "offline-both-kinds")
    popups(page).get_by_role("button", name="Confirm").click()
    popups(page).get_by_role("button", name="Got it").click()
    expect_unread(page, 0)
    page.reload()
    connected(page)
    assert known(page) == []


def test_many_while_away_are_one_summary(people: People, site: Site) -> None:
    """Not one popup each; its button leads to the list."""
    for n in range(1, 8):
        site.notify("carol", f"Event {n}")
    page = people("carol").open()
    expect(popups(page)).to_have_count(1)
    expect(popups(page)).to_contain_text("7 new notifications")
    expect_unread(page, 7)
    shoot(page, "summary")
    popups(page).get_by_role("button", name="Show").click()
    expect(panel(page).locator(".row.unread")).to_have_count(7)


def test_a_restart_loses_and_doubles_nothing(people: People, site: Site) -> None:
    """The client comes back by itself, with all that was published and all that was read while the server was away."""
    alice = people("alice")
    alice.foresee(*AWAY)
    page = alice.open()
    site.notify("alice", "Before")
    site.notify("alice", "Read meanwhile", display="list")
    expect_unread(page, 2)
    expect(popups(page)).to_have_count(1)
    bell(page).click()
    expect(panel(page).locator(".row")).to_have_count(2)
    site.stop()
    in_state(page, "reconnecting")
    expect(panel(page).locator(".notice")).to_have_text("Connecting again…")
    shoot(page, "reconnecting")
    site.notify("alice", "While it was down")
    site.business.announce("To everyone while it was down")
    panel(page).locator(".row", has_text="Read meanwhile").get_by_role("button", name="Mark as read").click()
    expect_unread(page, 1)
    page.keyboard.press("Escape")
    site.start()
    in_state(page, "connected", 40)
    expect_unread(page, 3)
    assert known(page) == ["Before", "While it was down", "To everyone while it was down"]
    expect(popups(page)).to_have_count(1)
    expect(popups(page)).to_contain_text("2 new notifications")
    site.notify("alice", "After")
    expect(popups(page).filter(has_text="After")).to_have_count(1)
    expect_unread(page, 4)
    bell(page).click()
    expect(panel(page).locator(".row")).to_have_count(5)
    # The read was kept, and reached the server.
    elsewhere = people("alice").open()
    assert "Read meanwhile" not in known(elsewhere)
    expect_unread(elsewhere, 4)


def test_a_hole_in_the_network_is_noticed_and_healed(people: People, site: Site) -> None:
    """Within the heartbeat's 25 + 10 s the page knows, and once healed it shows within 3 s what came meanwhile."""
    alice = people("alice", url=site.link_url)
    alice.foresee(*AWAY, "ERR_")
    alice.context.clock.install()
    page = alice.open()
    site.notify("alice", "Through the link")
    expect_unread(page, 1)
    site.link.hole()
    site.notify("alice", "Into the hole", display="list")
    # Its timers run ahead, the socket is what it is.
    page.clock.fast_forward(20_000)
    in_state(page, "connected")
    page.clock.fast_forward(15_500)
    in_state(page, "reconnecting")
    expect_unread(page, 1)
    site.link.heal()
    expect(page.locator("notification-bell .badge")).to_have_text("2")
    in_state(page, "connected")
    assert known(page) == ["Through the link", "Into the hole"]


@pytest.mark.parametrize("cut", ["reset", "half_close"])
def test_a_cut_line_is_taken_up_again(people: People, site: Site, cut: str) -> None:
    """By RST or by FIN: within seconds the page is connected again and misses nothing."""
    alice = people("alice", url=site.link_url)
    alice.foresee(*AWAY)
    page = alice.open()
    watch(page)
    getattr(site.link, cut)()
    site.notify("alice", "Meanwhile", display="list")
    expect_unread(page, 1)
    in_state(page, "connected")
    assert page.evaluate("() => window.states") == ["reconnecting", "connected"]


def test_without_a_network_reads_wait(people: People, site: Site) -> None:
    """The browser says it is offline: the bell says so too, what is read is kept, and sent when the network is back."""
    alice = people("alice")
    alice.foresee("ERR_INTERNET_DISCONNECTED")
    page = alice.open()
    site.notify("alice", "Read offline", display="list")
    expect_unread(page, 1)
    bell(page).click()
    expect(panel(page).locator(".row")).to_have_count(1)
    alice.context.set_offline(True)
    in_state(page, "offline")
    expect(panel(page).locator(".notice")).to_contain_text("You are offline.")
    panel(page).get_by_role("button", name="Mark as read").click()
    expect_unread(page, 0)
    shoot(page, "offline")
    alice.context.set_offline(False)
    connected(page)
    page.wait_for_function("() => document.querySelector('notification-bell').client.queued === 0")
    assert known(people("alice").open()) == []


def watch(page: Page) -> None:
    """Keep the states that the client goes through from now on in `window.states`."""
    page.evaluate("""() => {
      window.states = [];
      const { client } = document.querySelector("notification-bell");
      client.addEventListener("state", (event) => window.states.push(event.detail.state));
    }""")


def test_back_from_another_page_it_is_live_again(people: People, site: Site) -> None:
    """Followed a link away and come back: the page is connected and has what came meanwhile."""
    alice = people("alice")
    page = alice.open()
    page.goto("/wallet/")
    connected(page)
    site.notify("alice", "Meanwhile", display="list")
    page.go_back()
    connected(page)
    expect_unread(page, 1)
    top_up(page)
    expect(popups(page)).to_contain_text("Your top-up arrived")
