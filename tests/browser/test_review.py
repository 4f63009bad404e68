"""A submission's way: handed in, decided on in the admin, and its author told at once."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import People
from tests.browser.people import bell, connected, expect_unread, panel, popups, shoot

pytestmark = pytest.mark.browser


def hand_in(page: Page, title: str) -> None:
    """By the form on the home page."""
    page.get_by_label("Title").fill(title)
    page.get_by_label("Text").fill("Twelve pictures of the sea.")
    page.get_by_role("button", name="Submit for review").click()
    expect(page.locator("main .flash")).to_contain_text("Handed in")


def open_in_admin(page: Page, title: str) -> None:
    """From the admin's first page to the submission."""
    page.goto("/admin/")
    page.locator("#content").get_by_role("link", name="Submissions").click()
    page.get_by_role("link", name=title).click()


def test_an_approval_reaches_its_author_at_once(people: People) -> None:
    """It pops up while alice looks at another page, and leads to her submission, which reads it."""
    alice, staff = people("alice"), people("staff")
    page, desk = alice.open(), staff.open()
    hand_in(page, "Holiday pictures")
    page.goto("/wallet/")
    connected(page)
    open_in_admin(desk, "Holiday pictures")
    # Its page on the site is alice's alone, and there is no decision to show yet.
    expect(desk.get_by_role("link", name="View on site")).to_have_count(0)
    expect(desk.locator(".field-decided_by")).to_have_count(0)
    shoot(desk, "admin-review")
    desk.locator("[name=_approve]").click()
    expect(desk.locator(".messagelist")).to_contain_text("1 author is told")
    expect(popups(page)).to_contain_text("Your submission was approved")
    expect(popups(page)).to_contain_text("“Holiday pictures”")
    expect_unread(page, 1)
    popups(page).get_by_role("link", name="Open").click()
    expect(page.locator("main .chip")).to_have_text("approved")
    expect_unread(page, 0)
    expect(popups(page)).to_have_count(0)


def test_a_rejection_needs_a_reason_and_tells_it(people: People) -> None:
    """Without one the admin asks for it and nothing is sent; with one the author reads it."""
    alice, staff = people("alice"), people("staff")
    page, desk = alice.open(), staff.open()
    hand_in(page, "Blurred pictures")
    open_in_admin(desk, "Blurred pictures")
    desk.locator("[name=_reject]").click()
    expect(desk.locator(".errorlist")).to_have_text("Say why: the author will read it.")
    shoot(desk, "admin-review-reason-missing")
    expect_unread(page, 0)
    desk.locator("[name=reason]").fill("They are <b>not</b> sharp.")
    desk.locator("[name=_reject]").click()
    expect(popups(page)).to_contain_text("Your submission was rejected")
    expect(popups(page)).to_contain_text("Reason: They are <b>not</b> sharp.")
    shoot(page, "rejected-popup")
    # A warning stays in the list until it is opened there.
    bell(page).click()
    expect(popups(page)).to_have_count(0)
    expect(panel(page).locator(".row.warning.unread")).to_have_count(1)
    panel(page).get_by_role("button", name="Mark as read").click()
    expect_unread(page, 0)


def test_what_was_decided_meanwhile_is_said(people: People) -> None:
    """The second of two members of staff is told of the first one's decision; the author hears of one only."""
    alice, staff, admin = people("alice"), people("staff"), people("admin")
    page, desk, other = alice.open(), staff.open(), admin.open()
    hand_in(page, "Wanted by two")
    open_in_admin(desk, "Wanted by two")
    open_in_admin(other, "Wanted by two")
    desk.locator("[name=_approve]").click()
    expect(popups(page)).to_contain_text("approved")
    other.locator("[name=reason]").fill("No.")
    other.locator("[name=_reject]").click()
    expect(other.locator(".messagelist .error")).to_contain_text("was already decided: approved")
    expect_unread(page, 1)
    expect(popups(page)).to_have_count(1)


def test_nothing_is_handed_in_without_words(people: People) -> None:
    """The browser asks for them; where it does not, the form does and stays as it was."""
    alice = people("alice")
    page = alice.open()
    page.get_by_role("button", name="Submit for review").click()
    assert page.get_by_label("Title").evaluate("(field) => field.validity.valueMissing")
    page.locator("#submission-form").evaluate("(form) => { form.noValidate = true; }")
    page.get_by_label("Title").fill("Only a title")
    alice.foresee("status of 400")
    page.get_by_role("button", name="Submit for review").click()
    expect(page.locator(".errorlist")).to_have_text("This field is required.")
    expect(page.get_by_label("Title")).to_have_value("Only a title")
    shoot(page, "submission-refused")
