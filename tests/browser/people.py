"""People at their browsers, and what they see there."""

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.servers.process import ROOT

SCREENSHOTS = ROOT / "var" / "screenshots" / "platform"
# In Django's admin a search field without a label, and links told by their colour alone.
STOCK = ("#searchbar", "#changelist-search .quiet", ".breadcrumbs")
# Whatever the policy refuses is told, though no console might mention it.
TELL_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`policy ${event.effectiveDirective} refused ${event.blockedURI} ${event.sample}`));
"""


class Person:
    """Somebody with a browser of their own. `complaints` are what its pages complained of."""

    def __init__(self, browser: Browser, name: str, url: str, **options: Any) -> None:
        self.name = name
        self.url = url
        self.complaints: list[str] = []
        self._foreseen: list[str] = []
        options.setdefault("viewport", {"width": 1100, "height": 800})
        # Pictures of what is still coming in would be blurred.
        options.setdefault("reduced_motion", "reduce")
        self._scripts = options.get("java_script_enabled", True)
        self.context = browser.new_context(base_url=url, **options)
        self.context.set_default_timeout(20_000)
        self.context.add_init_script(TELL_VIOLATIONS)
        self.context.on("page", self._listen)

    def _listen(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, said: ConsoleMessage) -> None:
        if said.type == "error":
            self.complaints.append(f"{said.text} ({said.location['url']})")

    def foresee(self, *patterns: str) -> None:
        """These complaints belong to what the test does."""
        self._foreseen += patterns

    @property
    def unforeseen(self) -> list[str]:
        """The complaints that nobody expected."""
        return [each for each in self.complaints if not any(re.search(pattern, each) for pattern in self._foreseen)]

    def open(self, path: str = "/") -> Page:
        """A new tab. Where there is a bell it is connected."""
        page = self.context.new_page()
        page.goto(path)
        if self._scripts and page.locator("notification-bell").count():
            connected(page)
        return page

    def sign_in(self, page: Page | None = None) -> Page:
        """By the form, in a new tab or in one that shows it."""
        page = page or self.open("/accounts/login/")
        page.locator("[name=username]").fill(self.name)
        page.locator("[name=password]").fill(f"demo-{self.name}")
        page.locator("main button").click()
        if self._scripts:
            connected(page)
        else:
            page.wait_for_url("/")
        return page

    def audit(self, page: Page) -> None:
        """Axe finds nothing on a page, but for what is the stock admin's own."""
        before = len(self.complaints)
        found = Axe().run(page, context={"exclude": [[each] for each in STOCK]}).response["violations"]
        # Some of its rules try what the policy refuses.
        page.evaluate("() => 0")
        del self.complaints[before:]
        findings = [(each["id"], [node["html"] for node in each["nodes"]]) for each in found]
        assert not findings, findings


def connected(page: Page) -> None:
    """Wait until the page's bell is."""
    in_state(page, "connected", 30)


def in_state(page: Page, state: str, seconds: float = 20) -> None:
    """Wait until the bell's client is in this state."""
    expect(page.locator("notification-bell")).to_have_attribute("state", state, timeout=seconds * 1000)


def bell(page: Page) -> Locator:
    """The bell's button."""
    return page.locator("notification-bell button.bell")


def panel(page: Page) -> Locator:
    """The bell's panel."""
    return page.locator("notification-bell .panel")


def popups(page: Page) -> Locator:
    """The popups on the screen, newest first."""
    return page.locator("notification-popups .popup")


def rows(page: Page) -> Locator:
    """The rows of the message list, or of the bell's panel."""
    return page.locator(".row")


def expect_unread(page: Page, count: int) -> None:
    """The badge says so many, and so do screen readers."""
    badge = page.locator("notification-bell .badge")
    if count:
        expect(badge).to_have_text(str(count))
        expect(badge).to_be_visible()
        expect(bell(page)).to_have_attribute("aria-label", re.compile(rf"\b{count}\b"))
    else:
        expect(badge).to_be_hidden()


def known(page: Page) -> list[str]:
    """The titles of the unread that the page knows, oldest first."""
    titles = "() => document.querySelector('notification-bell').client.items.map((item) => item.title)"
    found: list[str] = page.evaluate(titles)
    return found


def shoot(page: Page, name: str) -> None:
    """Keep a picture of what is on the screen; nothing is wider than the window."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
