"""Production in small: two uvicorn nodes behind nginx, with PostgreSQL and Redis, and somebody's browser."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.browser.people import Person, connected, expect_unread, in_state, known, popups
from tests.browser.test_connection import AWAY
from tests.servers.nginx import Nginx
from tests.servers.node import Business, Node, Platform
from tests.servers.redis import Redis

pytestmark = [pytest.mark.browser, pytest.mark.server]


@pytest.fixture
def nodes(postgresql_url: str, redis_server: Redis) -> list[Node]:
    """Two nodes of one platform, not yet started."""
    # Filled in when the address is known that browsers will name.
    extra: dict[str, str] = {}
    platform = Platform(postgresql_url, redis_server.url, extra=extra)
    return [Node(platform), Node(platform)]


@pytest.fixture
def nginx(nodes: list[Node], ending: ExitStack) -> Nginx:
    """In front of both, which it starts."""
    proxy = Nginx([node.port for node in nodes])
    for node in nodes:
        node._extra["ALLOWED_ORIGINS"] = proxy.url
        ending.callback(node.close)
        node.launch()
    for node in nodes:
        node.wait_ready()
    return ending.enter_context(proxy)


@pytest.fixture
def business(nodes: list[Node], start_business: Callable[[Platform], Business]) -> Business:
    """What tells people things."""
    return start_business(nodes[0].platform)


@pytest.fixture
def dora(browser: Browser, nginx: Nginx) -> Iterator[Person]:
    """Somebody at a browser, not yet signed in; nodes that go away are no surprise."""
    person = Person(browser, "dora", nginx.url)
    person.foresee(*AWAY, "status of 502", "status of 504")
    yield person
    person.context.close()
    assert person.unforeseen == []


def sockets(node: Node) -> int:
    """How many a node holds now."""
    lines = httpx.get(f"{node.url}/metrics").text.splitlines()
    return int(sum(float(line.split()[-1]) for line in lines if line.startswith("notifications_connections ")))


def test_a_killed_node_is_replaced(dora: Person, nodes: list[Node], business: Business) -> None:
    """The page is back on the other node by itself, with what came meanwhile, once; what she confirms there holds."""
    uid = business.make_user("dora")
    page = dora.sign_in()
    business.notify(uid, "Before")
    expect(popups(page)).to_contain_text("Before")
    [holder] = [node for node in nodes if sockets(node)]
    holder.kill()
    business.notify(uid, "Meanwhile", confirm=True)
    expect_unread(page, 2)
    in_state(page, "connected")
    assert known(page) == ["Before", "Meanwhile"]
    expect(popups(page)).to_have_count(2)
    popups(page).get_by_role("button", name="Confirm").click()
    expect_unread(page, 1)
    holder.start()
    page.reload()
    connected(page)
    assert known(page) == ["Before"]


def test_a_drained_node_hands_its_people_over(dora: Person, nodes: list[Node], business: Business) -> None:
    """Stopped as an operator stops it: the page is on the other node before it is gone, and goes on there."""
    uid = business.make_user("dora")
    page = dora.sign_in()
    [holder] = [node for node in nodes if sockets(node)]
    [other] = [node for node in nodes if node is not holder]
    holder.stop(40)
    in_state(page, "connected", 20)
    assert sockets(other) == 1
    business.notify(uid, "From elsewhere")
    expect(popups(page)).to_contain_text("From elsewhere")
    assert known(page) == ["From elsewhere"]
