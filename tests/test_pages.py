"""`notifications.pages`: the message list and the page of one message, as a browser without scripts uses them."""

import re
import time
from collections.abc import Callable
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import translation
from pytest_django import Settings

from notifications import announce, clock, notify
from notifications.models import Notification, Receipt
from notifications.pages import PAGE_SIZE
from notifications.preferences import kind_name
from notifications.unread_index import SETTLE_SECONDS

pytestmark = pytest.mark.django_db(transaction=True)

LIST = "/notifications/"


class Page(HTMLParser):
    """What of a page a user can see and do: rows by id, links and forms."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        assert response.status_code == 200
        self.rows: list[str] = []
        self.links: dict[str, str] = {}
        self.forms: list[dict[str, Any]] = []
        self.inbox: dict[str, str | None] | None = None
        self._link: str | None = None
        self.text: str = response.text
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep rows, links, forms with their fields."""
        values = dict(attrs)
        if tag == "li" and "messages-row" in (values.get("class") or ""):
            self.rows.append(values["id"] or "")
        elif tag == "a":
            self._link = values["href"]
        elif tag == "form":
            self.forms.append({"action": values["action"], "method": values.get("method"), "data": {}})
        elif tag == "notification-inbox":
            self.inbox = values
        elif tag in ("input", "button") and values.get("name") and self.forms:
            self.forms[-1]["data"][values["name"]] = values.get("value") or ""

    def handle_data(self, data: str) -> None:
        """The text of a link is its name."""
        if self._link is not None and data.strip():
            self.links.setdefault(data.strip(), self._link)
            self._link = None

    def form(self, action: str) -> dict[str, Any]:
        """The one form of this page that goes to `action`."""
        [found] = [form for form in self.forms if form["action"] == action and form["method"] == "post"]
        return found


class Browser:
    """alice's browser: it has the session and sends the CSRF token only if the form holds it."""

    def __init__(self, user: User) -> None:
        self.client = Client(enforce_csrf_checks=True)
        self.client.force_login(user)

    def open(self, url: str = LIST, **more: Any) -> Page:
        """Follow a link."""
        return Page(self.client.get(url, follow=True, **more))

    def submit(self, page: Page, action: str) -> Any:
        """Press the button of a form; gives the redirect."""
        form = page.form(action)
        response = self.client.post(action, form["data"])
        assert response.status_code == 302
        return response


@pytest.fixture
def browser(alice: User) -> Browser:
    """A browser in which alice is signed in."""
    return Browser(alice)


@pytest.fixture
def send(alice: User) -> Callable[..., str]:
    """Send alice a notification; gives its id."""
    return lambda title="Hello", body="", **more: str(notify(alice.pk, title, body, **more).id)


def is_read(item: str) -> bool:
    """Whether the notification is read, as the database has it."""
    return Notification.objects.get(pk=item).read_at is not None


# --- the list


def test_newest_first(browser: Browser, send: Callable[..., str], bob: User) -> None:
    """Own notifications and announcements in the order of time, inside the element that scripts bring to life."""
    first, second = send(), send("Second", "Two\nlines")
    everyone = str(announce("All").id)
    notify(bob.pk, "For bob")
    page = browser.open()
    assert page.rows == [everyone, second, first]
    assert page.inbox == {}
    assert "For bob" not in page.text
    assert "To everyone" in page.text
    assert "Two\nlines" in page.text
    assert page.links["Second"] == f"/notifications/{second}/"


@pytest.mark.security("S12")
def test_text_is_text(browser: Browser, send: Callable[..., str]) -> None:
    """Titles, bodies and links are escaped, on both pages."""
    item = send("<b>bold</b>", "<script>x</script>", url='/a?b="c"&d')
    for page in (browser.open(), browser.open(f"/notifications/{item}/")):
        assert "<b>" not in page.text
        assert "<script>x" not in page.text
        assert "&lt;b&gt;bold" in page.text
        assert page.links["Open"] == '/a?b="c"&d'


def test_nothing_inline(browser: Browser, send: Callable[..., str]) -> None:
    """The strict content security policy has nothing to refuse."""
    item = send("Hello", level="error", confirm=True)
    for page in (browser.open(), browser.open(f"/notifications/{item}/")):
        assert not re.search(r"<script(?![^>]*src=)|<style|\sstyle=|\son\w+=|javascript:", page.text)


def test_signed_out(client: Client) -> None:
    """Sign in first, and come back to where you wanted to go."""
    address = f"/notifications/{uuid4()}/"
    for url in (LIST, address):
        response = client.get(url)
        assert response.status_code == 302
        assert response.headers["Location"] == f"/accounts/login/?next={url}"


def test_not_kept_by_caches(browser: Browser, send: Callable[..., str]) -> None:
    """What a user was told is nobody else's, and going back shows what is read now."""
    for url in (LIST, f"/notifications/{send()}/"):
        assert "no-store" in browser.client.get(url).headers["Cache-Control"]


def test_empty(browser: Browser) -> None:
    """Nobody has said anything yet; there is nothing to filter or mark."""
    page = browser.open()
    assert page.rows == []
    assert "No messages yet" in page.text
    assert "Mark all" not in page.text
    assert "<select" not in page.text


def test_unread_filter(browser: Browser, send: Callable[..., str]) -> None:
    """Only what is unread; when that is nothing, the way to all is shown."""
    read, unread = send(), send()
    browser.open(f"/notifications/{read}/")
    page = browser.open(browser.open().links["Unread"])
    assert page.rows == [unread]
    assert page.inbox == {"unread": None}
    browser.open(f"/notifications/{unread}/")
    page = browser.open(LIST + "?unread=1")
    assert "Nothing unread" in page.text
    assert browser.open(page.links["Show all messages"]).rows == [unread, read]


def test_kind_filter(browser: Browser, send: Callable[..., str]) -> None:
    """One kind, chosen among those there are, together with the other filter."""
    first, _ = send(kind="recharge.succeeded"), send(kind="general")
    announce("All", kind="maintenance")
    page = browser.open()
    options = re.findall(r'<option value="([^"]*)"', page.text)
    assert options == ["", "general", "maintenance", "recharge.succeeded"]
    page = browser.open(LIST + "?kind=recharge.succeeded&unread=1")
    assert page.rows == [first]
    assert page.inbox == {"unread": None, "kind": "recharge.succeeded"}
    # The other kinds have not been seen here.
    assert "Mark all" not in page.text
    assert page.links["All"] == LIST + "?kind=recharge.succeeded"
    page = browser.open(LIST + "?kind=gone")
    assert "No messages of this kind" in page.text
    assert 'value="gone" selected' in page.text


def test_kind_name() -> None:
    """The project's catalogue has the word, else the kind's own words do."""
    assert kind_name("recharge.not_succeeded") == "recharge / not succeeded"
    with translation.override("zh-hans"):
        assert kind_name("recharge.not_succeeded") == "recharge / not succeeded"
    with translation.override("de"):
        # A word of Django's own German catalogue stands for a project's.
        assert kind_name("password") == "Passwort"


@pytest.mark.parametrize("query", ["?before=x", "?after=1", "?kind=A%20B", "?unread=yes", "?kind=%00", "?before="])
def test_wrong_queries_show_the_whole_inbox(browser: Browser, send: Callable[..., str], query: str) -> None:
    """People do not write queries: what cannot be meant is left out."""
    item = send()
    page = browser.open(LIST + query)
    assert page.rows == [item]
    assert page.inbox == {}


def test_paging(browser: Browser, send: Callable[..., str]) -> None:
    """Older and older to the end, and newer to the beginning again: the same pages both ways."""
    ids = [send(str(number)) for number in range(2 * PAGE_SIZE + 5)][::-1]
    expected = [ids[:PAGE_SIZE], ids[PAGE_SIZE : 2 * PAGE_SIZE], ids[2 * PAGE_SIZE :]]
    page = browser.open(LIST + "?unread=1")
    there = [page]
    while "Older" in page.links:
        page = browser.open(page.links["Older"])
        there.append(page)
    assert [p.rows for p in there] == expected
    assert "Newer" not in there[0].links
    back = [page]
    while "Newer" in page.links:
        page = browser.open(page.links["Newer"])
        back.append(page)
    assert [p.rows for p in back] == expected[::-1]
    assert "Older" in page.links
    assert page.inbox == {"unread": None}


def test_exactly_one_page(browser: Browser, send: Callable[..., str]) -> None:
    """A full page that is the last has no older one."""
    for _ in range(PAGE_SIZE):
        send()
    assert "Older" not in browser.open().links


def test_a_page_that_has_become_empty(browser: Browser, send: Callable[..., str]) -> None:
    """An address from before everything on it was read or retracted leads to the beginning of the same view."""
    item = send(kind="a")
    for query in (f"before={item}", f"after={item}"):
        response = browser.client.get(f"{LIST}?unread=1&kind=a&{query}")
        assert response.status_code == 302
        assert response.headers["Location"] == LIST + "?unread=1&kind=a"


def test_age(browser: Browser, send: Callable[..., str]) -> None:
    """How long ago, in words."""
    item = send()
    assert "Just now" in browser.open().text
    Notification.objects.filter(pk=item).update(created_at=clock.now() - timedelta(hours=3))
    text = browser.open().text
    assert "3\xa0hours ago" in text
    assert "Just now" not in text


def test_queries_do_not_grow_with_items(browser: Browser, send: Callable[..., str]) -> None:
    """As many queries for a full page as for one item, session and user included."""

    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            browser.open()
        return len(captured)

    send(kind="a")
    announce("All", kind="b")
    few = queries()
    for number in range(PAGE_SIZE):
        send(kind=f"a{number}")
        announce("All", kind=f"b{number}")
    assert queries() == few <= 15


# --- reading


def test_mark_as_read(browser: Browser, send: Callable[..., str]) -> None:
    """The button of a row reads that one and leads back to the same view, at the same place."""
    item, other = send(), send()
    page = browser.open(LIST + "?unread=1")
    action = f"/notifications/{item}/?unread=1"
    response = browser.submit(page, action)
    assert response.headers["Location"] == f"{LIST}?unread=1#{item}"
    assert (is_read(item), is_read(other)) == (True, False)
    page = browser.open()
    assert page.rows == [other, item]
    with pytest.raises(ValueError, match="not enough values"):
        page.form(f"/notifications/{item}/")


def test_confirm(browser: Browser, send: Callable[..., str]) -> None:
    """What asks for a confirmation is neither read by opening it nor by "mark all", only by its button."""
    item = send("Terms", confirm=True)
    page = browser.open()
    assert "To be confirmed" in page.text
    browser.submit(page, LIST)
    assert not is_read(item)
    page = browser.open(f"/notifications/{item}/")
    assert not is_read(item)
    response = browser.submit(page, f"/notifications/{item}/")
    assert response.headers["Location"] == f"/notifications/{item}/"
    assert Notification.objects.get(pk=item).confirmed_at is not None
    assert "To be confirmed" not in browser.open(f"/notifications/{item}/").text


def test_confirm_in_the_list(browser: Browser, send: Callable[..., str]) -> None:
    """The same button stands in the list."""
    item = send(confirm=True)
    browser.submit(browser.open(), f"/notifications/{item}/")
    assert Notification.objects.get(pk=item).confirmed_at is not None


def test_mark_all_up_to_what_was_seen(browser: Browser, send: Callable[..., str]) -> None:
    """What arrives after the page was drawn stays unread."""
    old = send()
    announcement = announce("All")
    page = browser.open()
    newer = send()
    assert browser.submit(page, LIST).headers["Location"] == LIST
    assert is_read(old)
    assert not is_read(newer)
    assert Receipt.objects.get().announcement_id == announcement.id


def test_mark_older(browser: Browser, send: Callable[..., str]) -> None:
    """On a further page: these and older ones, not the newer ones, which may not have been looked at."""
    ids = [send() for _ in range(PAGE_SIZE + 1)]
    page = browser.open(browser.open().links["Older"])
    assert "Mark these and older as read" in page.text
    action = f"{LIST}?before={ids[1]}"
    assert browser.submit(page, action).headers["Location"] == action
    assert [is_read(item) for item in ids] == [True] + [False] * PAGE_SIZE


@pytest.mark.parametrize("before", ["", "x"])
def test_mark_all_without_saying_what(browser: Browser, send: Callable[..., str], before: str) -> None:
    """A form that somebody else has made reads nothing."""
    item = send()
    client = Client()
    client.cookies = browser.client.cookies
    assert client.post(LIST, {"before": before}).status_code == 302
    assert not is_read(item)


def test_csrf(browser: Browser, send: Callable[..., str]) -> None:
    """A foreign page cannot read anything for the user."""
    item = send()
    assert browser.client.post(LIST, {"before": item}).status_code == 403
    assert browser.client.post(f"/notifications/{item}/").status_code == 403
    assert not is_read(item)


def test_answered_once_no_index_can_be_stale(browser: Browser, send: Callable[..., str], settings: Settings) -> None:
    """With Redis away the next page comes when its socket can no longer be sent what was read."""
    page, item = browser.open(), send()
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": ["redis://127.0.0.1:1/0"]}
    begun = time.monotonic()
    browser.open(f"/notifications/{item}/")
    assert time.monotonic() - begun >= SETTLE_SECONDS
    assert page.rows == []


# --- one message


def test_opening_reads(browser: Browser, send: Callable[..., str]) -> None:
    """The address that a mail or another page may carry shows the whole message and reads it."""
    item = send("Hello", "Body", expires_at=clock.now() + timedelta(days=1))
    page = browser.open(f"/notifications/{item}/")
    assert is_read(item)
    assert "Body" in page.text
    assert "Until" in page.text
    assert "Unread" not in page.text
    assert page.forms[-1]["action"] != f"/notifications/{item}/"


def test_opening_an_announcement_reads_it(browser: Browser, alice: User) -> None:
    """For this user alone."""
    item = announce("All").id
    browser.open(f"/notifications/{item}/")
    assert [receipt.uid for receipt in Receipt.objects.all()] == [str(alice.pk)]


def test_looking_ahead_does_not_read(browser: Browser, send: Callable[..., str]) -> None:
    """A browser that prefetches, or asks for the head only, has shown nobody anything."""
    item = send()
    browser.open(f"/notifications/{item}/", headers={"Sec-Purpose": "prefetch;prerender"})
    browser.client.head(f"/notifications/{item}/")
    assert not is_read(item)


@pytest.mark.security("S8")
def test_foreign_and_missing_look_alike(browser: Browser, bob: User) -> None:
    """Both are not found; a form sent for them does nothing."""
    foreign = str(notify(bob.pk, "For bob").id)
    client = Client()
    client.cookies = browser.client.cookies
    answers = []
    for item in (foreign, str(uuid4())):
        response = client.get(f"/notifications/{item}/")
        assert response.status_code == 404
        answers.append(re.sub(r'value="\w{64}"', "", response.text).replace(item, ""))
        assert client.post(f"/notifications/{item}/", {"confirm": "1"}).status_code == 302
    assert answers[0] == answers[1]
    assert not is_read(foreign)


@pytest.mark.parametrize("url", [LIST, "/notifications/01a207b6-45ac-776c-a9b4-312094ad3315/"])
def test_methods(browser: Browser, url: str) -> None:
    """Others than GET, HEAD and POST: 405."""
    assert browser.client.delete(url).status_code in (403, 405)


def test_on_the_apps_own_frame(browser: Browser, send: Callable[..., str], settings: Settings) -> None:
    """A project that gives no frame of its own gets a plain one, right to left where the language is."""
    settings.TEMPLATES = [{**settings.TEMPLATES[0], "DIRS": []}]
    settings.LANGUAGES = [("en", "English"), ("ar", "Arabic")]
    item = send()
    page = browser.open()
    assert page.rows == [item]
    assert "<notification-bell " in page.text
    assert 'dir="rtl"' not in page.text
    arabic = browser.open(f"/notifications/{item}/", headers={"Accept-Language": "ar"})
    assert '<html lang="ar" dir="rtl">' in arabic.text
