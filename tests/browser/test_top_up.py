"""Topping up: the popup at once and for the right person, and once confirmed never again."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People
from tests.browser.people import bell, connected, expect_unread, known, panel, popups, shoot
from tests.browser.site import Site
from tests.servers.process import eventually

pytestmark = pytest.mark.browser

STOPWATCH = """() => {
  let pressed = 0;
  addEventListener("click", ({ target }) => { if (target.value === "succeeded") pressed = performance.now(); }, true);
  const { shadowRoot } = document.querySelector("notification-popups");
  window.popped = new Promise((done) => new MutationObserver(() => {
    if (shadowRoot.querySelector(".popup")) done(performance.now() - pressed);
  }).observe(shadowRoot, { childList: true, subtree: true }));
}"""


def top_up(page: Page, amount: str = "20") -> None:
    """From the home page to the bank's yes."""
    page.get_by_label("Amount").fill(amount)
    page.get_by_role("button", name="Top up").click()
    page.get_by_role("button", name="Pay now").click()


def test_the_result_pops_up_within_a_second(
    people: People, site: Site, record_property: Callable[[str, object], None]
) -> None:
    """From the click on Pay now to the popup on alice's screen; bob's stays empty."""
    alice, bob = people("alice"), people("bob")
    page, bobs = alice.open(), bob.open()
    page.evaluate(STOPWATCH)
    top_up(page)
    expect(popups(page)).to_contain_text("Your top-up arrived")
    expect(popups(page)).to_contain_text("20.00 was added to your balance.")
    took = page.evaluate("() => window.popped")
    record_property("milliseconds from the click to the popup", round(took))
    print(f"from the click to the popup: {took:.0f} ms")
    assert took < 1_000
    expect(page.locator("main .chip")).to_have_text("succeeded")
    expect_unread(page, 1)
    shoot(page, "top-up-popup")
    # What bob is sent next shows that nothing was on its way to him.
    site.notify("bob", "For bob", display="list")
    expect_unread(bobs, 1)
    assert known(bobs) == ["For bob"]
    expect(popups(bobs)).to_have_count(0)


def test_confirmed_it_never_comes_again(people: People, site: Site) -> None:
    """Not in a tab that was open beside, nor after a reload, nor after a new sign-in elsewhere."""
    alice = people("alice")
    page, beside = alice.open(), alice.open()
    top_up(page)
    # To Playwright both tabs are in front: either may take it on itself, never both.
    [shown] = eventually(lambda: [tab for tab in (page, beside) if popups(tab).count()], 5, "the popup")
    for tab in (page, beside):
        expect_unread(tab, 1)
    assert popups(page).count() + popups(beside).count() == 1
    shown.get_by_role("button", name="Confirm").click()
    for tab in (page, beside):
        expect_unread(tab, 0)
        expect(popups(tab)).to_have_count(0)
    page.reload()
    shows_nothing(page, site)
    elsewhere = people("alice", signed_in=False).sign_in()
    shows_nothing(elsewhere, site)
    bell(elsewhere).click()
    expect(panel(elsewhere).locator(".row.unread")).to_have_count(0)
    expect(panel(elsewhere).locator(".row", has_text="Your top-up arrived")).to_have_count(1)


def shows_nothing(page: Page, site: Site) -> None:
    """Connected, told of its inbox, and nothing of the top-up in it."""
    connected(page)
    probe = site.notify("alice", "Probe", display="list")
    expect_unread(page, 1)
    assert known(page) == ["Probe"]
    expect(popups(page)).to_have_count(0)
    site.business.withdraw(probe)
    expect_unread(page, 0)
