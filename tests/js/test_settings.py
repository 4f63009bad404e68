"""Settings, banners and the count on the app's icon, in a real Chromium."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.js.stage import BANNER, BELL, INBOX, Server, Stage, chromium, item, item_id
from tests.js.test_elements import SCREENSHOTS, audit, bell, panel, popups

pytestmark = pytest.mark.browser

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark-zh": {"color_scheme": "dark", "lang": "zh-hans"},
    "narrow": {"viewport": {"width": 375, "height": 700}},
    "ar": {"lang": "ar"},
    "forced": {"forced_colors": "active"},
}
# An icon that counts, as where the page is installed as an app.
ICON = """
globalThis.icon = [];
navigator.setAppBadge = async (count) => void icon.push(count);
navigator.clearAppBadge = async () => void icon.push("cleared");
"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def stage(browser: Browser) -> Iterator[Callable[..., Stage]]:
    """Makes stages; at the end none of those that are `silent` may have complained."""
    made: list[Stage] = []

    def make(*items: dict[str, Any], silent: bool = True, lang: str = "en", **options: Any) -> Stage:
        options.setdefault("viewport", {"width": 1000, "height": 760})
        stage = Stage(
            browser.new_context(timezone_id="Europe/Berlin", reduced_motion="reduce", **options), Server(list(items))
        )
        stage.lang, stage.dir = lang, "rtl" if lang == "ar" else "ltr"
        if silent:
            made.append(stage)
        return stage

    yield make
    complaints = [complaint for stage in made for complaint in stage.complaints]
    for context in browser.contexts:
        context.close()
    assert complaints == []


def shoot(page: Page, name: str) -> None:
    """Keep a picture; nothing is wider than the window, and axe finds nothing."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    audit(page)


def until(page: Page, true: Callable[[], bool]) -> None:
    """Wait until something is true on the side of the server, which the test itself plays."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        page.wait_for_timeout(20)


def settings(page: Page) -> Locator:
    """The settings, opened."""
    page.locator(".bar button[aria-expanded=false]").click()
    found = page.locator(".settings")
    expect(found.locator("input").first).to_be_visible()
    return found


@pytest.mark.parametrize("look", LOOKS)
def test_settings_look(stage: Callable[..., Stage], look: str) -> None:
    """In the bell's panel, in every look."""
    set_up = stage(item(1, display="list"), item(2, kind="audit.rejected", display="list"), **LOOKS[look])
    set_up.server.preferences["quiet_hours"] = {"from": "22:00", "to": "07:00", "time_zone": "Europe/Berlin"}
    page = set_up.open()
    bell(page).click()
    expect(settings(page).locator(".times")).to_be_visible()
    shoot(page, f"settings-{look}")


def test_settings_are_kept_on_the_server_and_followed_by_another_tab(stage: Callable[..., Stage]) -> None:
    """Each change is stored at once; the other tab goes by it; the rows come back when the settings are closed."""
    set_up = stage(item(1, display="list"), item(2, kind="audit.rejected", display="list"))
    beside = set_up.open()
    page = set_up.open()
    bell(page).click()
    found = settings(page)
    found.get_by_label("audit.rejected").uncheck()
    expect(found.get_by_role("status")).to_have_text("Saved.")
    found.get_by_label("Play a sound").check()
    until(page, lambda: set_up.server.preferences["sound"] is True)
    found.get_by_label("Quiet hours").check()
    found.get_by_label("Quiet from").fill("21:30")
    quiet = {"from": "21:30", "to": "07:00", "time_zone": "Europe/Berlin"}
    wanted = {"quiet_hours": quiet, "sound": True, "muted_kinds": ["audit.rejected"]}
    until(page, lambda: set_up.server.preferences == wanted)
    chosen = "() => document.querySelector('notification-bell').client.preferences.values"
    until(beside, lambda: beside.evaluate(chosen) == wanted)
    page.locator(".bar button[aria-expanded=true]").click()
    expect(panel(page).locator(".row")).to_have_count(2)


def test_settings_on_the_list_page_and_when_they_cannot_be_had(stage: Callable[..., Stage]) -> None:
    """The same gear is on the page of all messages; a server that cannot is told of, with another try."""
    set_up = stage(item(1, display="list"), silent=False)
    page = set_up.open(INBOX)
    expect(page.locator(".row")).to_have_count(1)
    set_up.server.keeps = False
    page.get_by_role("button", name="Settings").click()
    expect(page.locator(".settings")).to_contain_text("could not be loaded")
    audit(page)
    set_up.server.keeps = True
    page.get_by_role("button", name="Try again").click()
    sound = page.get_by_label("Play a sound")
    expect(sound).to_be_visible()
    set_up.server.keeps = False
    sound.check()
    expect(page.locator(".settings [role=status]")).to_contain_text("could not be saved")


def test_a_muted_kind_does_not_pop_up(stage: Callable[..., Stage]) -> None:
    """It is counted all the same."""
    set_up = stage()
    set_up.server.preferences["muted_kinds"] = ["audit.rejected"]
    page = set_up.open()
    page.wait_for_function(
        "() => document.querySelector('notification-bell').client.preferences.muted('audit.rejected')"
    )
    set_up.server.push(item(1, kind="audit.rejected"), item(2, title="Wanted"))
    expect(popups(page)).to_have_count(1)
    expect(popups(page)).to_contain_text("Wanted")
    expect(page.locator("notification-bell .badge")).to_have_text("2")


def test_the_icon_counts_only_on_the_users_wish(stage: Callable[..., Stage]) -> None:
    """Never by itself; on in this browser, also on its next page; off again it is cleared."""
    set_up = stage(item(1, display="list"))
    set_up.context.add_init_script(ICON)
    page = set_up.open()
    bell(page).click()
    wish = settings(page).get_by_label("Show the count on the app's icon")
    assert page.evaluate("icon") == []
    wish.check()
    set_up.server.push(item(2, display="list"))
    page.wait_for_function("() => icon.join() === '1,2'")
    following = set_up.open()
    following.wait_for_function("() => icon.at(-1) === 2")
    bell(following).click()
    settings(following).get_by_label("Show the count on the app's icon").uncheck()
    following.wait_for_function("() => icon.at(-1) === 'cleared'")


def banner(page: Page) -> Locator:
    """The banner on the page."""
    return page.locator("notification-banner .banner")


@pytest.mark.parametrize("look", LOOKS)
def test_banner_look(stage: Callable[..., Stage], look: str) -> None:
    """In the page's flow, in every look."""
    long = "From ten until eleven nothing can be bought or reviewed. What you have entered by then is kept."
    page = stage(
        item(1, display="banner"),
        item(2, title="Maintenance tonight", body=long, level="warning", display="banner", url="/status"),
        **LOOKS[look],
    ).open(BANNER)
    expect(banner(page)).to_contain_text("Maintenance tonight")
    expect(banner(page)).to_contain_text("+1")
    shoot(page, f"banner-{look}")


def test_banners_one_after_the_other(stage: Callable[..., Stage]) -> None:
    """The newest first; read, put away, confirmed or retracted it makes room, and none is a popup."""
    set_up = stage(item(1, display="banner", title="One", confirm=True), item(2, display="banner", title="Two"))
    page = set_up.open(BANNER)
    expect(banner(page)).to_contain_text("Two")
    set_up.server.push(item(3, display="banner", title="Three"), item(4, display="banner", title="Four"))
    expect(banner(page)).to_contain_text("Four")
    expect(page.locator("notification-banner [role=status]")).to_have_text("Four")
    set_up.server.retract(item_id(4))
    expect(banner(page)).to_contain_text("Three")
    banner(page).get_by_role("button", name="Got it").click()
    expect(banner(page)).to_contain_text("Two")
    expect(banner(page)).to_be_focused()
    assert [frame["ids"] for frame in set_up.server.sent("read")] == [[item_id(3)]]
    banner(page).get_by_role("button", name="Close").click()
    expect(banner(page)).to_contain_text("One")
    expect(banner(page).get_by_role("button", name="Close")).to_have_count(0)
    page.reload()
    expect(banner(page)).to_contain_text("One")
    banner(page).get_by_role("button", name="Confirm").click()
    expect(banner(page)).to_have_count(0)
    expect(popups(page)).to_have_count(0)
    # What was put away is unread still.
    expect(page.locator("notification-bell .badge")).to_have_text("1")


def test_without_a_place_for_banners_they_are_in_the_list(stage: Callable[..., Stage]) -> None:
    """As rows, counted like any other."""
    page = stage(item(1, display="banner")).open(BELL)
    expect(page.locator("notification-bell .badge")).to_have_text("1")
    bell(page).click()
    expect(panel(page).locator(".row")).to_have_count(1)
