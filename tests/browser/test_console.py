"""Staff call the service from the page of its methods."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import People
from tests.browser.people import expect_unread
from tests.browser.site import Site

pytestmark = pytest.mark.browser
MAKE_KEY = "from notifications import service_keys\nresult = service_keys.create('console', ['notify'])[1]"


def test_a_call_is_made_with_the_key_that_was_pasted(people: People, site: Site) -> None:
    """Somebody is told at once; what is no JSON is not sent; what is refused is shown; the key is kept nowhere."""
    key = site.business.run(MAKE_KEY)
    hers, staff = people("alice").open(), people("staff")
    # The page belongs to the app, which has no icon.
    staff.foresee("favicon.ico")
    desk = staff.open("/rpc/docs/")
    field, params = desk.locator("#console-key"), desk.locator("#console-params")
    outcome, answer = desk.locator("#console .outcome"), desk.locator("#console .answer")
    send = desk.locator("#console button")
    expect(params).to_have_value(desk.locator("#console-method option").first.get_attribute("data-example") or "-")
    field.fill(key)
    desk.locator("#console-method").select_option("notifications.multicast")
    assert "uids" in json.loads(params.input_value())
    desk.locator("#console-method").select_option("notifications.send")
    params.fill("{")
    send.click()
    expect(desk.locator("#console-params:invalid")).to_have_count(1)
    expect(outcome).to_have_text("")
    params.fill(json.dumps({"uid": site.uid("alice"), "title": "By hand <b>"}))
    send.click()
    expect(outcome).to_contain_text("HTTP 200")
    expect(answer).to_contain_text('"online": true')
    expect_unread(hers, 1)
    staff.audit(desk)
    # Refused: the browser itself remarks on the 401.
    staff.foresee("401")
    field.fill("0123456789ab.nobody")
    send.click()
    expect(outcome).to_contain_text("HTTP 401")
    expect(answer).to_contain_text("-32001")
    field.fill(key)
    kept = desk.evaluate(
        "() => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href])"
    )
    assert key not in kept
    desk.goto("/")
    desk.go_back()
    expect(desk.locator("#console-key")).to_have_value("")
    expect(answer).to_be_hidden()


def test_users_see_no_console(people: People) -> None:
    """Nor does their page run any script."""
    alice = people("alice")
    alice.foresee("favicon.ico")
    page = alice.open("/rpc/docs/")
    expect(page.locator("#notifications-send")).to_be_visible()
    expect(page.locator("#console, script")).to_have_count(0)
