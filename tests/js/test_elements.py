"""The elements in a real Chromium: how every state looks, what keys and screen readers find, what is sent."""

from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.js.stage import BELL, INBOX, KINDS, ROOT, Server, Stage, chromium, item, item_id

pytestmark = pytest.mark.browser

SCREENSHOTS = ROOT / "var" / "screenshots" / "elements"
LONG = "Your photographs are public now. Thank you for sharing them with everyone; we will tell you how many look. " * 2


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for all."""
    with chromium() as browser:
        yield browser


@pytest.fixture
def stage(browser: Browser) -> Iterator[Callable[..., Stage]]:
    """Makes stages; at the end none may have complained: no policy broken, no error on the console."""
    made: list[Stage] = []

    def make(*items: dict[str, Any], silent: bool = True, **options: Any) -> Stage:
        options.setdefault("viewport", {"width": 1000, "height": 760})
        stage = Stage(browser.new_context(**options), Server(list(items)))
        if silent:
            made.append(stage)
        return stage

    yield make
    complaints = [complaint for stage in made for complaint in stage.complaints]
    for context in browser.contexts:
        context.close()
    assert complaints == []


def bell(page: Page) -> Locator:
    """The bell's button."""
    return page.locator("notification-bell button.bell")


def panel(page: Page) -> Locator:
    """The bell's panel."""
    return page.locator("notification-bell .panel")


def popups(page: Page) -> Locator:
    """The popups on the screen, newest first."""
    return page.locator("notification-popups .popup")


def audit(page: Page) -> None:
    """Axe finds nothing."""
    found = Axe().run(page, options={"rules": {"region": {"enabled": False}}}).response["violations"]
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def three() -> list[dict[str, Any]]:
    """Three unread of several kinds, one read."""
    return [
        item(1, title="Welcome", read_at="2026-01-02T03:10:00.000Z"),
        item(2, title="Your submission was approved", body=LONG, level="success", url="/submissions/4", display="list"),
        item(3, title="Maintenance tonight", body="Away at 22:00.\nSave your work.", level="warning", display="list"),
        item(4, title="Top-up arrived", body="50.00 was added.", level="success", display="list", confirm=True),
    ]


# --- every state, drawn on purpose


def scene_empty(stage: Stage) -> Page:
    """Nothing yet."""
    page = stage.open()
    bell(page).click()
    expect(panel(page).locator(".empty")).to_be_visible()
    return page


def scene_connecting(stage: Stage) -> Page:
    """A server that takes its time."""
    stage.server.mute = True
    stage.server.list_status = 0
    page = stage.open(wait=False)
    bell(page).click()
    expect(panel(page).locator(".skeleton")).to_be_visible()
    return page


def scene_unread(stage: Stage) -> Page:
    """Three unread, one read."""
    stage.server.items = {each["id"]: each for each in three()}
    page = stage.open()
    bell(page).click()
    expect(panel(page).locator(".row")).to_have_count(4)
    return page


def scene_many(stage: Stage) -> Page:
    """More than 99."""
    stage.server.items = {item_id(n): item(n, title=f"Event {n}", display="list") for n in range(1, 151)}
    page = stage.open()
    bell(page).click()
    expect(panel(page).locator(".row").first).to_be_visible()
    return page


def scene_popups(stage: Stage) -> Page:
    """Three popups and four behind them."""
    page = stage.open()
    stage.server.push(
        *[
            item(n, title=f"Order {n} failed", body="The card was refused.", level="error", confirm=True)
            for n in range(1, 8)
        ]
    )
    expect(popups(page)).to_have_count(3)
    expect(page.locator("notification-popups .more")).to_have_text("+4")
    return page


def scene_confirm(stage: Stage) -> Page:
    """A popup to confirm, and one with long words."""
    page = stage.open()
    stage.server.push(
        item(
            1, title="Top-up arrived", body="50.00 was added to your balance.", level="success", confirm=True, url="/w"
        )
    )
    stage.server.push(
        item(2, title="<b>Long</b> " + "Donaudampfschifffahrtsgesellschaft" * 3, body=LONG, level="warning")
    )
    expect(popups(page)).to_have_count(2)
    return page


def scene_summary(stage: Stage) -> Page:
    """What came while nobody looked."""
    stage.server.items = {item_id(n): item(n, title=f"While you were away {n}") for n in range(1, 6)}
    page = stage.open()
    expect(popups(page)).to_have_count(1)
    return page


def scene_reconnecting(stage: Stage) -> Page:
    """The server is away."""
    page = scene_unread(stage)
    stage.server.refuse = True
    stage.server.close(1012)
    expect(panel(page).locator(".notice p")).to_be_visible()
    return page


def scene_offline(stage: Stage) -> Page:
    """No network, and a read that waits."""
    page = scene_unread(stage)
    stage.context.set_offline(True)
    expect(panel(page).locator(".notice p")).to_be_visible()
    panel(page).locator(".row.unread").nth(1).get_by_role("button").last.click()
    expect(panel(page).locator(".row.unread")).to_have_count(2)
    return page


def scene_signed_out(stage: Stage) -> Page:
    """The session is over."""
    page = scene_unread(stage)
    stage.server.close(4003)
    expect(panel(page).locator(".notice button")).to_be_visible()
    return page


def scene_failed(stage: Stage) -> Page:
    """The list cannot be had."""
    stage.server.refuse = True
    stage.server.lists = False
    stage.server.list_status = 503
    page = stage.open(wait=False)
    bell(page).click()
    expect(panel(page).locator(".state button")).to_be_visible()
    return page


def scene_list(stage: Stage) -> Page:
    """The page of all messages."""
    stage.server.items = {each["id"]: each for each in three()}
    page = stage.open(INBOX.replace("{kinds}", KINDS))
    expect(page.locator("notification-inbox .row")).to_have_count(4)
    return page


SCENES = {name.removeprefix("scene_"): scene for name, scene in list(globals().items()) if name.startswith("scene_")}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark-zh": {"color_scheme": "dark", "lang": "zh-hans"},
    "narrow": {"viewport": {"width": 375, "height": 700}},
    "ar": {"lang": "ar", "dir": "rtl"},
    "forced": {"forced_colors": "active"},
}
OTHER_SCHEME: dict[str, Literal["light", "dark"]] = {"light": "dark", "dark-zh": "light"}
SHOWN = [(name, look) for look in ("light", "dark-zh") for name in SCENES]
SHOWN += [(name, look) for look in ("narrow", "ar", "forced") for name in ("unread", "popups", "confirm", "list")]


@pytest.mark.parametrize(("name", "look"), SHOWN)
def test_state_is_drawn_and_accessible(stage: Callable[..., Stage], name: str, look: str) -> None:
    """Every state has its picture, and axe finds nothing in it; nothing is wider than the window."""
    options = dict(LOOKS[look])
    lang, direction = options.pop("lang", "en"), options.pop("dir", "ltr")
    set_up = stage(silent=name not in ("offline", "reconnecting", "failed"), reduced_motion="reduce", **options)
    set_up.lang, set_up.dir = lang, direction
    page = SCENES[name](set_up)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}-{look}.png")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    audit(page)
    if look in OTHER_SCHEME:
        # Each language in each scheme; of the colours alone, a picture more would say little.
        page.emulate_media(color_scheme=OTHER_SCHEME[look], reduced_motion="reduce")
        audit(page)


# --- the bell


@pytest.mark.parametrize(
    ("count", "badge", "name"),
    [
        (0, "", "Notifications"),
        (1, "1", "Notifications, 1 unread"),
        (99, "99", "Notifications, 99 unread"),
        (100, "99+", "Notifications, 100 unread"),
        (1234, "99+", "Notifications, 1,234 unread"),
    ],
)
def test_badge_and_name_count(stage: Callable[..., Stage], count: int, badge: str, name: str) -> None:
    """1 to 99, then 99+; a screen reader hears the whole number. The button is 44 px."""
    page = stage(*[item(n, display="list") for n in range(count)]).open()
    expect(page.get_by_role("button", name=name, exact=True)).to_be_visible()
    if count:
        expect(page.locator("notification-bell .badge")).to_have_text(badge)
    assert page.locator("notification-bell .badge").is_visible() == bool(count)
    box = bell(page).bounding_box()
    assert box is not None
    assert (box["width"], box["height"]) == (44, 44)


def test_live_region_exists_empty_first(stage: Callable[..., Stage]) -> None:
    """A page without popups hears of a new count by a status that was there, empty, before."""
    set_up = stage()
    page = set_up.open(BELL.replace("<notification-popups></notification-popups>", ""))
    spoken = page.locator("notification-bell > [role=status], notification-bell div.sr[role=status]").first
    assert spoken.text_content() == ""
    set_up.server.push(item(1), item(2))
    expect(spoken).to_have_text("2 unread")


def test_panel_opens_by_keyboard_and_gives_the_focus_back(stage: Callable[..., Stage]) -> None:
    """Enter opens it and moves in, Escape closes it and goes back."""
    page = stage(*three()).open()
    bell(page).focus()
    page.keyboard.press("Enter")
    expect(panel(page)).to_be_visible()
    expect(panel(page).locator(".row").first).to_be_visible()
    page.keyboard.press("Escape")
    expect(panel(page)).to_be_hidden()
    expect(bell(page)).to_be_focused()


def test_opening_the_panel_reads_nothing(stage: Callable[..., Stage]) -> None:
    """Looking at the list is not reading it."""
    set_up = stage(*three())
    page = set_up.open()
    bell(page).click()
    expect(panel(page).locator(".row")).to_have_count(4)
    page.wait_for_timeout(300)
    assert set_up.server.sent("read") == []
    assert len(set_up.server.unread) == 3


def test_opening_an_item_reads_it_and_shows_all_of_it(stage: Callable[..., Stage]) -> None:
    """An item without an address opens in its place."""
    set_up = stage(item(1, title="News", body=LONG, display="list"))
    page = set_up.open()
    bell(page).click()
    title = panel(page).get_by_role("button", name="News").first
    expect(title).to_have_attribute("aria-expanded", "false")
    title.press("Enter")
    expect(title).to_have_attribute("aria-expanded", "true")
    expect(panel(page).locator(".row.unread")).to_have_count(0)
    expect(page.locator("notification-bell .badge")).to_be_hidden()
    assert set_up.server.sent("read")[0]["ids"] == [item_id(1)]


def test_following_an_item_reads_it_although_the_page_goes(stage: Callable[..., Stage]) -> None:
    """The read outlives the page that made it."""
    set_up = stage(item(1, title="News", url="/elsewhere", display="list"))
    page = set_up.open()
    bell(page).click()
    panel(page).get_by_role("link", name="News").click()
    page.wait_for_url("**/elsewhere")
    page.wait_for_function("() => document.querySelector('notification-bell')?.client?.state === 'connected'")
    assert set_up.server.unread == []


def test_confirmation_in_the_list(stage: Callable[..., Stage]) -> None:
    """Its own button, sent as a confirmation; opening the item does not confirm it."""
    set_up = stage(item(1, title="Agree", display="list", confirm=True))
    page = set_up.open()
    bell(page).click()
    panel(page).get_by_role("button", name="Agree").first.click()
    assert set_up.server.sent("read") == []
    panel(page).get_by_role("button", name="Confirm").click()
    expect(panel(page).locator(".row.unread")).to_have_count(0)
    [frame] = set_up.server.sent("read")
    assert (frame["ids"], frame["confirm"], frame["via"]) == ([item_id(1)], True, "list")


def test_mark_all_read_goes_up_to_what_was_seen(stage: Callable[..., Stage]) -> None:
    """What is held back while the reader is further down has not been seen and stays unread."""
    set_up = stage(*[item(n, display="list", body="x") for n in range(1, 20)])
    page = set_up.open()
    bell(page).click()
    expect(panel(page).locator(".row")).to_have_count(19)
    panel(page).locator(".scroll").hover()
    page.mouse.wheel(0, 800)
    page.wait_for_timeout(200)
    set_up.server.push(item(50, title="Late", display="list"))
    expect(panel(page).locator(".pill")).to_have_text("1 new")
    panel(page).get_by_role("button", name="Mark all as read").click()
    expect(page.locator("notification-bell .badge")).to_have_text("1")
    assert set_up.server.sent("read_all")[0]["before"] == item_id(19)
    panel(page).locator(".pill").click()
    expect(panel(page).locator(".row").first).to_contain_text("Late")


@pytest.mark.security("S12")
def test_texts_are_texts_and_links_are_safe(stage: Callable[..., Stage]) -> None:
    """Markup is shown as it was written; an address that is none of the web becomes no link."""
    evil = '<img src=x onerror="document.title=1"><script>document.title=1</script>'
    page = stage(item(1, title=evil, body=evil, url="javascript:document.title=1", level="error")).open()
    expect(popups(page).locator(".title")).to_contain_text(evil)
    bell(page).click()
    expect(panel(page).locator(".row .body")).to_have_text(evil)
    assert panel(page).locator(".row a").count() == 0
    assert page.title() == "Stage"


# --- popups


def test_popup_never_takes_the_focus(stage: Callable[..., Stage]) -> None:
    """Whoever types goes on typing."""
    set_up = stage()
    page = set_up.open()
    page.locator("#other").focus()
    set_up.server.push(item(1), item(2, level="error", confirm=True))
    expect(popups(page)).to_have_count(2)
    expect(page.locator("#other")).to_be_focused()


def test_f8_goes_to_the_newest_and_escape_dismisses(stage: Callable[..., Stage]) -> None:
    """F8 in, Escape away one by one, and back to where the focus was; nothing is read by it."""
    set_up = stage()
    page = set_up.open()
    page.locator("#other").focus()
    set_up.server.push(item(1, title="First", level="error"), item(2, title="Second", level="error"))
    expect(popups(page)).to_have_count(2)
    page.keyboard.press("F8")
    expect(popups(page).nth(0).locator(".card")).to_be_focused()
    expect(popups(page).nth(0)).to_contain_text("Second")
    page.keyboard.press("Escape")
    expect(popups(page)).to_have_count(1)
    expect(popups(page).locator(".card")).to_be_focused()
    page.keyboard.press("Escape")
    expect(popups(page)).to_have_count(0)
    expect(page.locator("#other")).to_be_focused()
    assert set_up.server.sent("read") == []


def test_newest_popup_is_nearest_the_corner(stage: Callable[..., Stage]) -> None:
    """At the bottom of the window the newest is lowest."""
    set_up = stage(reduced_motion="reduce")
    page = set_up.open()
    set_up.server.push(item(1, title="Old"), item(2, title="New"))
    expect(popups(page)).to_have_count(2)
    new, old = (popups(page).filter(has_text=text).bounding_box() for text in ("New", "Old"))
    assert new is not None
    assert old is not None
    assert new["y"] > old["y"]
    assert 760 - new["y"] - new["height"] == pytest.approx(16, abs=1)


@pytest.mark.parametrize("confirm", [False, True])
def test_popup_button_reads(stage: Callable[..., Stage], confirm: bool) -> None:
    """Got it reads, Confirm confirms; the popup leaves at once and does not come back on the next page."""
    set_up = stage()
    page = set_up.open()
    set_up.server.push(item(1, confirm=confirm))
    popups(page).get_by_role("button", name="Confirm" if confirm else "Got it").click()
    expect(popups(page)).to_have_count(0)
    expect(page.locator("notification-bell .badge")).to_be_hidden()
    [frame] = set_up.server.sent("read")
    assert (frame["ids"], frame["via"], frame["confirm"]) == ([item_id(1)], "popup", confirm)
    page.reload()
    page.wait_for_function("() => document.querySelector('notification-bell')?.client?.state === 'connected'")
    page.wait_for_timeout(300)
    expect(popups(page)).to_have_count(0)


def test_popup_goes_after_8_s_and_waits_under_the_pointer(stage: Callable[..., Stage]) -> None:
    """Its time stands still while it is hovered."""
    set_up = stage()
    page = set_up.context.new_page()
    page.close()
    set_up.context.clock.install()
    page = set_up.open()
    set_up.server.push(item(1))
    expect(popups(page)).to_have_count(1)
    popups(page).hover()
    set_up.context.clock.run_for(20_000)
    expect(popups(page)).to_have_count(1)
    page.mouse.move(5, 5)
    set_up.context.clock.run_for(9_000)
    expect(popups(page)).to_have_count(0)


def test_no_popup_while_the_panel_is_open(stage: Callable[..., Stage]) -> None:
    """The list shows it; a confirmation is asked for when the list is closed."""
    set_up = stage()
    page = set_up.open()
    bell(page).click()
    expect(panel(page).locator(".empty")).to_be_visible()
    set_up.server.push(item(1, title="Seen"), item(2, title="Agree", confirm=True))
    expect(panel(page).locator(".row")).to_have_count(2)
    expect(popups(page)).to_have_count(0)
    page.keyboard.press("Escape")
    expect(popups(page)).to_have_count(1)
    expect(popups(page)).to_contain_text("Agree")


def test_popups_speak_through_regions_that_were_there(stage: Callable[..., Stage]) -> None:
    """What has happened is spoken politely, errors at once."""
    set_up = stage()
    page = set_up.open()
    polite, urgent = (page.locator(f"notification-popups div[role={role}]") for role in ("status", "alert"))
    assert (polite.text_content(), urgent.text_content()) == ("", "")
    set_up.server.push(item(1, title="Done", body="All of it."))
    expect(polite).to_have_text("Done. All of it.")
    set_up.server.push(item(2, title="Broken", level="error"))
    expect(urgent).to_have_text("Error. Broken")


def test_summary_opens_the_list(stage: Callable[..., Stage]) -> None:
    """A backlog is one popup, whose button shows all."""
    page = stage(*[item(n) for n in range(1, 5)]).open()
    expect(popups(page)).to_have_count(1)
    expect(popups(page)).to_contain_text("4 new notifications")
    popups(page).get_by_role("button", name="Show").click()
    expect(panel(page).locator(".row")).to_have_count(4)
    expect(popups(page)).to_have_count(0)


def test_two_tabs_show_one_popup_and_agree_on_what_is_read(stage: Callable[..., Stage]) -> None:
    """One popup per browser; read in one tab, it leaves the list and the badge of the other."""
    set_up = stage()
    one, two = set_up.open(), set_up.open()
    set_up.server.push(item(1, title="News", level="error"))
    one.wait_for_function("() => document.querySelector('notification-bell').client.unread === 1")
    two.wait_for_timeout(600)
    counts = [popups(page).count() for page in (one, two)]
    assert sorted(counts) == [0, 1]
    shower, other = (one, two) if counts[0] else (two, one)
    bell(other).click()
    panel(other).get_by_role("button", name="News").first.click()
    expect(popups(shower)).to_have_count(0)
    expect(shower.locator("notification-bell .badge")).to_be_hidden()


def test_desktop_notifications_only_on_the_users_wish(stage: Callable[..., Stage]) -> None:
    """Asked from a button, never on load; shown only while no page is in front."""
    set_up = stage()
    set_up.context.add_init_script(
        """window.asked = 0; window.told = [];
        window.Notification = class {
            static permission = "default";
            static async requestPermission() { window.asked++; return (this.permission = "granted"); }
            constructor(title, options) { window.told.push([title, options.tag]); }
        };
        Object.defineProperty(document, "hidden", { get: () => window.away ?? false });
        Object.defineProperty(document, "visibilityState", { get: () => (window.away ? "hidden" : "visible") });"""
    )
    page = set_up.open(BELL + "<notification-desktop></notification-desktop>")
    page.evaluate("() => import('/static/notifications/desktop.js')")
    button = page.locator("notification-desktop").get_by_role("button")
    expect(button).to_have_text("Turn on desktop notifications")
    assert page.evaluate("() => window.asked") == 0
    button.click()
    expect(button).to_have_text("Turn off desktop notifications")
    set_up.server.push(item(1, title="Here"))
    expect(popups(page)).to_have_count(1)
    page.evaluate("() => { window.away = true; document.dispatchEvent(new Event('visibilitychange')); }")
    set_up.server.push(item(2, title="Away"))
    page.wait_for_function("() => window.told.length")
    assert page.evaluate("() => window.told") == [["Away", item_id(2)]]


# --- the list of all messages


def test_server_page_stands_until_the_list_is_there(stage: Callable[..., Stage]) -> None:
    """What the server has drawn gives way to the list, and stays where the list cannot be had."""
    set_up = stage(item(1), silent=False)
    set_up.server.lists = False
    set_up.server.list_status = 503
    page = set_up.open(INBOX)
    expect(page.locator("#fallback")).to_be_visible()
    set_up.server.lists = True
    set_up.server.list_status = 200
    set_up.server.close(1012)
    expect(page.locator("notification-inbox .row")).to_have_count(1)
    expect(page.locator("#fallback")).to_be_hidden()


def test_list_goes_on_as_far_as_it_is_scrolled(stage: Callable[..., Stage]) -> None:
    """Older pages come by themselves."""
    page = stage(*[item(n, display="list") for n in range(1, 101)]).open(INBOX)
    expect(page.locator("notification-inbox .row").first).to_be_visible()
    for _ in range(12):
        page.mouse.wheel(0, 3_000)
        page.wait_for_timeout(60)
    expect(page.locator("notification-inbox .row")).to_have_count(100)


def test_filters_are_kept_in_the_address(stage: Callable[..., Stage]) -> None:
    """Unread, a kind; reloading finds the same view."""
    rows = [item(1), item(2, kind="audit.rejected"), item(3, read_at="2026-01-02T03:10:00.000Z")]
    page = stage(*[{**row, "display": "list"} for row in rows]).open(INBOX.replace("{kinds}", KINDS))
    shown = page.locator("notification-inbox .row")
    expect(shown).to_have_count(3)
    page.get_by_role("button", name="Unread", exact=True).click()
    expect(shown).to_have_count(2)
    page.get_by_role("combobox", name="Kind").select_option("audit.rejected")
    expect(shown).to_have_count(1)
    assert page.url.endswith("?unread=1&kind=audit.rejected")


def test_element_taken_away_closes_its_socket(stage: Callable[..., Stage]) -> None:
    """No bell, no connection."""
    page = stage().open()
    states = page.evaluate(
        """async () => {
            const bell = document.querySelector("notification-bell");
            const { client } = bell;
            bell.remove();
            await new Promise((done) => setTimeout(done));
            return client.state;
        }"""
    )
    assert states == "idle"


def test_static_page_with_its_own_token(stage: Callable[..., Stage]) -> None:
    """A bell made by a script that gives a token function needs neither cookie nor uid."""
    set_up = stage(item(1, level="error"), item(2, level="error"))
    page = set_up.open("<main><h1>Static</h1></main>", wait=False)
    page.evaluate(
        """() => {
            const bell = document.createElement("notification-bell");
            bell.getToken = async () => "mine";
            document.body.prepend(bell);
            document.body.append(document.createElement("notification-popups"));
        }"""
    )
    expect(page.locator("notification-bell .badge")).to_have_text("2")
    expect(popups(page)).to_contain_text("2 new notifications")
