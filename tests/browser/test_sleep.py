"""Pages that sleep: in the back-forward cache, frozen, hidden; and whatever order such things come in."""

import random
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, CDPSession, Page, expect

from tests.browser.conftest import People
from tests.browser.people import Person, connected, expect_unread, in_state, known, popups
from tests.browser.site import Site

pytestmark = pytest.mark.browser

# What Chromium says of a server that cannot be had.
AWAY = ("ERR_", "WebSocket connection to")
# Every socket of the page, the most that were open at once, and how often and with how many it came from the cache.
COUNT = """
if (!window.sockets) {
  window.sockets = [];
  window.most = 0;
  window.cached = 0;
  const open = () => window.sockets.filter((socket) => socket.readyState < 2).length;
  window.WebSocket = class extends WebSocket {
    constructor(...given) {
      super(...given);
      window.sockets.push(this);
      window.most = Math.max(window.most, open());
    }
  };
  // Before the client's own listener, which opens one.
  addEventListener("pageshow", (event) => {
    window.cached += event.persisted;
    window.kept = open();
  });
  window.told = [];
  addEventListener("DOMContentLoaded", () => queueMicrotask(() => {
    customElements.whenDefined("notification-inbox").then(() => setTimeout(() => {
      const { client } = document.querySelector("notification-bell");
      client.addEventListener("notification", ({ detail }) => window.told.push(detail.item.title));
      client.addEventListener("inbox", ({ detail }) => window.told.push(...detail.fresh.map((item) => item.title)));
    }));
  }));
}
"""


@pytest.fixture(scope="module")
def keeping(browser: Browser) -> Iterator[Browser]:
    """A Chromium with its back-forward cache, which Playwright turns off."""
    keeping = browser.browser_type.launch(
        executable_path="/usr/bin/chromium",
        args=["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield keeping
    keeping.close()


@pytest.fixture
def sleeper(keeping: Browser, people: People, site: Site) -> Iterator[Person]:
    """Alice, in that browser, by a link that can be broken; her page counts its sockets."""
    people("alice")  # signed in, so that her cookie is known
    alice = Person(keeping, "alice", site.link_url)
    alice.foresee("favicon")  # the page in between has no icon
    alice.context.add_cookies(site.cookies["alice"])
    alice.context.add_init_script(COUNT)
    yield alice
    alice.context.close()
    assert alice.unforeseen == []


def life(person: Person, page: Page) -> CDPSession:
    """What freezes and thaws the page."""
    return person.context.new_cdp_session(page)


def freeze(session: CDPSession, *, frozen: bool) -> None:
    """As the browser does with a tab that nobody has looked at for long."""
    session.send("Page.setWebLifecycleState", {"state": "frozen" if frozen else "active"})


def hide(page: Page, *, hidden: bool) -> None:
    """Another tab is in front: what a page can see of that."""
    page.evaluate(
        """(hidden) => {
          const is = (name, get) => Object.defineProperty(document, name, { configurable: true, get });
          is("visibilityState", () => (hidden ? "hidden" : "visible"));
          is("hidden", () => hidden);
          document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


def doze(session: CDPSession) -> None:
    """Frozen for a moment."""
    freeze(session, frozen=True)
    freeze(session, frozen=False)


def fall_into_a_hole(page: Page, site: Site) -> None:
    """Nothing gets through while the page asks for a sign of life."""
    site.link.hole()
    page.evaluate("() => dispatchEvent(new Event('focus'))")
    site.link.heal()


def away_and_back(page: Page) -> None:
    """To a page without sockets, and back."""
    page.goto("/rpc/docs/")
    page.go_back(wait_until="commit")


def test_a_page_from_the_cache_is_live_again(sleeper: Person, site: Site) -> None:
    """It went in without a socket, comes out as it was, and has what came meanwhile, by one socket."""
    page = sleeper.open()
    page.evaluate("() => { window.mark = 'the same page'; }")
    page.goto("/rpc/docs/")
    site.notify("alice", "While in the cache", display="list")
    page.go_back(wait_until="commit")
    connected(page)
    expect_unread(page, 1)
    assert page.evaluate("() => window.mark") == "the same page"
    assert page.evaluate("() => [window.cached, window.kept, window.most]") == [1, 0, 1]
    site.notify("alice", "After it")
    expect(popups(page)).to_have_count(1)


def test_a_frozen_tab_wakes_up_with_everything(sleeper: Person, site: Site) -> None:
    """Nothing of what came is lost or told twice, and one socket is enough."""
    page = sleeper.open()
    site.notify("alice", "Before", display="list")
    expect_unread(page, 1)
    session = life(sleeper, page)
    freeze(session, frozen=True)
    site.notify("alice", "Frozen", display="list")
    site.link.reset()
    site.notify("alice", "Cut off", display="list")
    freeze(session, frozen=False)
    expect_unread(page, 3)
    connected(page)
    assert known(page) == ["Before", "Frozen", "Cut off"]
    assert sorted(page.evaluate("() => window.told")) == ["Before", "Cut off", "Frozen"]
    assert page.evaluate("() => window.most") == 1
    sleeper.foresee(*AWAY)


def test_a_hidden_tab_counts_and_pops_up_when_it_is_looked_at(sleeper: Person, site: Site) -> None:
    """Hidden it shows nothing; the item pops up once somebody looks, once."""
    page = sleeper.open()
    hide(page, hidden=True)
    site.notify("alice", "Come and see")
    expect_unread(page, 1)
    expect(popups(page)).to_have_count(0)
    hide(page, hidden=False)
    expect(popups(page)).to_have_count(1)
    hide(page, hidden=True)
    hide(page, hidden=False)
    expect(popups(page)).to_have_count(1)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_to_a_page(sleeper: Person, site: Site, seed: int) -> None:
    """Sleep, wake, cache and network in any order: one socket at a time, nothing lost, nothing told twice."""
    sleeper.foresee(*AWAY)
    page = sleeper.open()
    session = life(sleeper, page)
    chance = random.Random(seed)
    steps: dict[str, Callable[[], object]] = {
        "cut": site.link.reset,
        "half closed": site.link.half_close,
        "hidden": lambda: hide(page, hidden=True),
        "shown": lambda: hide(page, hidden=False),
        "frozen": lambda: doze(session),
        "woken": lambda: page.evaluate(
            "() => { dispatchEvent(new Event('focus')); dispatchEvent(new Event('online')); }"
        ),
        "offline": lambda: sleeper.context.set_offline(True),
        "online": lambda: sleeper.context.set_offline(False),
        "refused": site.link.refuse,
        "healed": site.link.heal,
        "hole": lambda: fall_into_a_hole(page, site),
        "cached": lambda: None,
    }
    sent: list[str] = []
    done: list[str] = []
    whole = True
    for n in range(16):
        name = chance.choice(sorted(steps))
        # A page that cannot be fetched is not left.
        whole = {"offline": False, "refused": False, "online": True, "healed": True}.get(name, whole)
        steps[name]()
        if name == "cached" and whole:
            sleeper.context.set_offline(False)
            site.link.heal()
            away_and_back(page)
        done.append(name)
        if chance.random() < 0.6:
            sent.append(f"Item {n}")
            site.notify("alice", sent[-1], display=chance.choice(["list", "popup"]))
    sleeper.context.set_offline(False)
    site.link.heal()
    hide(page, hidden=False)
    page.evaluate("() => dispatchEvent(new Event('focus'))")
    in_state(page, "connected", 90)
    page.wait_for_function(
        "(count) => document.querySelector('notification-bell').client.items.length === count",
        arg=len(sent),
        timeout=60_000,
    )
    assert known(page) == sent, done
    told = page.evaluate("() => window.told")
    assert len(told) == len(set(told)), (told, done)
    assert page.evaluate("() => window.most") <= 1, done
    assert page.evaluate("() => window.sockets.filter((socket) => socket.readyState < 2).length") == 1, done
