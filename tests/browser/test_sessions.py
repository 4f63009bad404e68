"""Signing in and out, and the token that the socket lives by."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import WebSocket, expect

from tests.browser.conftest import People
from tests.browser.people import bell, connected, expect_unread, in_state, panel, popups, shoot
from tests.browser.site import Site
from tests.browser.test_connection import watch
from tests.servers.process import eventually

pytestmark = pytest.mark.browser


@pytest.fixture
def short_lived(site: Site) -> Iterator[Site]:
    """A second node on the same database, whose pages' tokens live for 4 s."""
    limits = json.dumps({"PAGE_TOKEN_LIFETIME": 4.0, "TOKEN_WARNING": 2.0})
    platform = replace(site.platform, settings="tests.faults.settings", extra={"TEST_NOTIFICATIONS": limits})
    with Site(platform) as node:
        yield node
        assert node.errors() == []


def test_an_expiring_token_is_renewed_unnoticed(people: People, site: Site, short_lived: Site) -> None:
    """Twice over, on the one socket that the page has: no other state, no other socket, and items go on coming."""
    alice = people("alice", url=short_lived.url)
    page = alice.context.new_page()
    sockets: list[WebSocket] = []
    renewals: list[str] = []

    def opened(socket: WebSocket) -> None:
        sockets.append(socket)
        socket.on("framereceived", lambda text: renewals.append(str(text)) if '"type":"auth"' in str(text) else None)

    page.on("websocket", opened)
    page.goto("/")
    connected(page)
    watch(page)

    def renewed_twice() -> bool:
        page.evaluate("() => 0")  # frames are heard of while Playwright is asked something
        return len(renewals) >= 2

    eventually(renewed_twice, 20, "two renewals")
    # Told by the other node through the database alone.
    site.notify("alice", "Still here")
    expect(popups(page)).to_contain_text("Still here")
    assert page.evaluate("() => window.states") == []
    assert len(sockets) == 1


def test_signing_out_in_one_tab_is_said_in_the_other(people: People, site: Site) -> None:
    """Its bell says that it is not connected, its list that the user is signed out; the way back is a click."""
    alice = people("alice", signed_in=False)
    page = alice.sign_in()
    other = alice.open()
    site.notify("alice", "Seen before", display="list")
    expect_unread(other, 1)
    bell(other).click()
    expect(panel(other).locator(".row")).to_have_count(1)
    page.get_by_role("button", name="Sign out").click()
    expect(page.locator("[name=password]")).to_be_visible()
    assert page.locator("notification-bell").count() == 0
    in_state(other, "closed", 5)
    expect(panel(other).locator(".notice")).to_contain_text("You are signed out.")
    shoot(other, "signed-out")
    panel(other).get_by_role("button", name="Sign in again").click()
    expect(other.locator("[name=password]")).to_be_visible()
    alice.sign_in(other)
    expect_unread(other, 1)


@pytest.mark.parametrize("lost", ["sessionid", None])
def test_a_form_sent_when_signed_out_leads_to_the_sign_in(people: People, lost: str | None) -> None:
    """Whether the session alone has ended or every cookie is gone: nothing breaks in a tab that does not know yet."""
    alice = people("alice", signed_in=False)
    page = alice.sign_in()
    alice.context.clear_cookies(name=lost) if lost else alice.context.clear_cookies()
    alice.foresee("status of 403")
    page.get_by_label("Amount").fill("20")
    page.get_by_role("button", name="Top up").click()
    expect(page.locator("[name=password]")).to_be_visible()
    alice.sign_in(page)
    expect(page.locator("h1")).to_have_text("Top up")


def test_a_page_from_before_another_sign_in_says_so(people: People) -> None:
    """A form of a page that is out of date changes nothing, and the answer is a page of ours."""
    alice = people("alice", signed_in=False)
    page = alice.open("/accounts/login/")
    alice.sign_in()
    alice.foresee("status of 403")
    page.locator("[name=username]").fill("alice")
    page.locator("[name=password]").fill("demo-alice")
    page.locator("main button").click()
    expect(page.locator("h1")).to_have_text("This page was out of date")
    shoot(page, "out-of-date")
    page.get_by_role("link", name="Back to home").click()
    expect(page.locator("h1")).to_have_text("Hello, alice")


def test_a_wrong_password_is_said(people: People) -> None:
    """And so is an empty form, by the browser."""
    page = people("alice", signed_in=False).open("/accounts/login/")
    page.locator("main button").click()
    assert page.locator("[name=username]").evaluate("(field) => field.validity.valueMissing")
    page.locator("[name=username]").fill("alice")
    page.locator("[name=password]").fill("demo-bob")
    page.locator("main button").click()
    expect(page.locator(".errorlist")).to_contain_text("Please enter a correct username and password")
    expect(page.locator("[name=username]")).to_have_value("alice")
    shoot(page, "login-refused")


def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(people: People) -> None:
    """To the page that was asked for."""
    alice = people("alice", signed_in=False)
    page = alice.open("/notifications/?unread=1")
    assert "/accounts/login/" in page.url
    alice.sign_in(page)
    assert page.url.endswith("/notifications/?unread=1")


def test_what_belongs_to_somebody_else_is_not_found(people: People, site: Site) -> None:
    """Another user's top-up and message look like those that never were."""
    alice, bob = people("alice"), people("bob")
    page = alice.open()
    page.get_by_label("Amount").fill("20")
    page.get_by_role("button", name="Top up").click()
    expect(page.get_by_role("button", name="Pay now")).to_be_visible()
    message = site.notify("alice", "For alice")
    bob.foresee("status of 404")
    his = bob.open()
    for path in (page.url.replace(site.url, ""), f"/notifications/{message}/", "/wallet/999999/"):
        assert his.goto(path).status == 404  # type: ignore[union-attr]
        expect(his.locator("h1")).to_have_text("Not found")
        connected(his)
    shoot(his, "not-found")


@pytest.mark.parametrize("amount", ["0", "-5", "10000.01", "1.001"])
def test_amounts_that_are_none_are_refused(people: People, amount: str) -> None:
    """By the browser, and by the form where the browser lets them pass."""
    alice = people("alice")
    page = alice.open()
    page.get_by_label("Amount").fill(amount)
    page.get_by_role("button", name="Top up").click()
    assert not page.get_by_label("Amount").evaluate("(field) => field.validity.valid")
    page.locator("#top-up-form").evaluate("(form) => { form.noValidate = true; }")
    alice.foresee("status of 400")
    page.get_by_role("button", name="Top up").click()
    expect(page.locator(".errorlist")).to_be_visible()
    expect(page.get_by_label("Amount")).to_have_value(amount)
