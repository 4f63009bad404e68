"""A real Chromium around the elements, with a server that each test plays itself: no platform, no port."""

import gettext
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.sync_api import Browser, BrowserContext, Page, Route, WebSocketRoute, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent.parent
STATIC = ROOT / "notifications" / "static"
LOCALE = ROOT / "notifications" / "locale"
ORIGIN = "http://app.test"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self' ws://app.test; "
    "base-uri 'none'; require-trusted-types-for 'script'"
)
BELL = (
    '<header><notification-bell uid="7" inbox="/notifications/"{catalog}></notification-bell></header>'
    "<main><h1>Page</h1><button id=other>Other</button></main><notification-popups></notification-popups>"
)
BANNER = BELL.replace("<main>", "<notification-banner></notification-banner><main>")
FALLBACK = "<p id=fallback>From the server</p>"
INBOX = "<main><h1>Messages</h1><notification-inbox{catalog}>{kinds}" + FALLBACK + "</notification-inbox></main>"
KINDS = (
    "<form><select name=kind aria-label=Kind><option value=''>All kinds</option>"
    "<option value=general>General</option><option value=audit.rejected>Review</option></select></form>"
)
PAGE_CSS = """
body { margin: 0; font: 16px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; background: #f5f6f8; color: #1c2330 }
header { display: flex; justify-content: flex-end; padding: 8px 16px; background: #fff }
main { padding: 16px; max-width: 46rem; margin: 0 auto }
@media (prefers-color-scheme: dark) { body { background: #12151b; color: #e6e9ef } header { background: #1b2029 } }
"""


def item_id(n: int) -> str:
    """The id of the nth item: ids sort by n."""
    return f"01a207b6-45ac-776c-a9b4-{n:012x}"


def item(n: int, **fields: Any) -> dict[str, Any]:
    """The nth item of the inbox."""
    return {
        "type": "notification",
        "id": item_id(n),
        "audience": "user",
        "kind": "general",
        "level": "info",
        "title": f"Item {n}",
        "body": "",
        "url": None,
        "data": {},
        "ref": None,
        "display": "popup",
        "confirm": False,
        "created_at": f"2026-01-02T03:{n // 60 % 60:02d}:{n % 60:02d}.000Z",
        "expires_at": None,
        "read_at": None,
        "live": False,
        **fields,
    }


class Server:
    """The server's side of one user: an inbox, its sockets, and what the pages sent."""

    def __init__(self, items: list[dict[str, Any]]) -> None:
        self.items = {each["id"]: each for each in items}
        self.sockets: list[WebSocketRoute] = []
        self.received: list[dict[str, Any]] = []
        self.refuse = False  # no socket is to be had
        self.mute = False  # sockets open, and nothing more
        self.lists = True  # `list` is answered
        self.preferences: dict[str, Any] = {"quiet_hours": None, "sound": None, "muted_kinds": []}
        self.keeps = True  # preferences can be had and stored
        self.list_status = 200  # of the list by HTTP; 0: it never answers

    @property
    def unread(self) -> list[dict[str, Any]]:
        """Oldest first."""
        return [each for _, each in sorted(self.items.items()) if each["read_at"] is None]

    def on_socket(self, socket: WebSocketRoute) -> None:
        """Greet and replay."""
        if self.refuse:
            socket.close(code=1013)
            return
        self.sockets.append(socket)
        socket.on_message(lambda text: self._answer(socket, json.loads(text)))
        if self.mute:
            return
        self._send(
            socket,
            type="welcome",
            protocol=1,
            connection="c",
            uid="7",
            server_time="2026-01-02T03:30:00.000Z",
            heartbeat={"interval": 25, "timeout": 35},
            token_expires_at="2026-01-02T04:30:00.000Z",
            unread=len(self.unread),
        )
        self._replay(socket)

    def _replay(self, socket: WebSocketRoute) -> None:
        more = len(self.unread) > 100
        self._send(socket, type="inbox", items=self.unread[-100:], unread=len(self.unread), more=more)

    def push(self, *items: dict[str, Any]) -> None:
        """Publish, and push to every socket."""
        for each in items:
            self.items[each["id"]] = each
            for socket in self.sockets:
                self._send(socket, **{**each, "live": True, "unread": len(self.unread)})

    def retract(self, *ids: str) -> None:
        """Take back, and tell every socket."""
        for each in ids:
            self.items.pop(each, None)
        for socket in self.sockets:
            self._send(socket, type="retracted", ids=list(ids), unread=len(self.unread))

    def close(self, code: int) -> None:
        """Close every socket."""
        sockets, self.sockets = self.sockets, []
        for socket in sockets:
            socket.close(code=code)

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """The frames of one type that pages sent."""
        return [frame for frame in self.received if frame["type"] == kind]

    def page(self, *, before: str | None, limit: int, unread: bool, kind: str | None) -> dict[str, Any]:
        """Newest first."""
        found = [
            each
            for key, each in sorted(self.items.items(), reverse=True)
            if (before is None or key < before)
            and not (unread and each["read_at"])
            and (kind is None or each["kind"] == kind)
        ]
        return {"items": found[:limit], "next": found[limit - 1]["id"] if len(found) > limit else None}

    def read(self, frame: dict[str, Any], teller: WebSocketRoute | None = None) -> dict[str, Any]:
        """Mark as read as the server does, and tell the other sockets."""
        wanted = frame.get("ids") or [each["id"] for each in self.unread if each["id"] <= frame["before"]]
        ids = []
        for each in wanted:
            known = self.items.get(each)
            if known and (frame.get("confirm") or not known["confirm"]):
                known["read_at"] = "2026-01-02T03:30:01.000Z"
                ids.append(each)
        result = {"ids": ids, "unread": len(self.unread)}
        for socket in self.sockets:
            if socket is not teller:
                self._send(socket, type="read", **result)
        return result

    def _answer(self, socket: WebSocketRoute, frame: dict[str, Any]) -> None:
        self.received.append(frame)
        ref = frame.get("ref")
        match frame["type"]:
            case "ping":
                self._send(socket, type="pong", server_time="2026-01-02T03:30:00.000Z")
            case "read" | "read_all":
                self._send(socket, type="read", ref=ref, **self.read(frame, socket))
            case "list" if self.lists:
                query = {"before": frame.get("before"), "kind": frame.get("kind"), "unread": frame.get("unread", False)}
                self._send(socket, type="list", ref=ref, **self.page(limit=frame.get("limit", 50), **query))

    @staticmethod
    def _send(socket: WebSocketRoute, **frame: Any) -> None:
        socket.send(json.dumps(frame))

    def http(self, path: str, query: dict[str, list[str]], body: Any) -> tuple[int, Any]:
        """The HTTP API."""
        if path == "token/":
            return 200, {"access": "t", "expires_at": "2026-01-02T04:30:00.000Z"}
        if path == "unread/":
            return 200, {"unread": len(self.unread)}
        if path == "read/":
            return 200, self.read(body)
        if path == "preferences/":
            if not self.keeps:
                return 503, {}
            if body is not None:
                self.preferences = body
                for socket in self.sockets:
                    self._replay(socket)
            kinds = [{"kind": kind, "name": kind} for kind in sorted({each["kind"] for each in self.items.values()})]
            return 200, {**self.preferences, "kinds": kinds}
        if self.list_status != 200:
            return self.list_status, {}
        limit, before, kind = (query.get(name, [None])[0] for name in ("limit", "before", "kind"))
        found = self.page(before=before, limit=int(limit or 50), unread="unread" in query, kind=kind)
        return 200, {**found, "unread": len(self.unread)}


class Stage:
    """A browser context whose site is the elements and a `Server`; what its pages complained of is in `complaints`."""

    def __init__(self, context: BrowserContext, server: Server) -> None:
        self.context = context
        self.server = server
        self.complaints: list[str] = []
        self.html = ""
        self.lang = "en"
        self.dir = "ltr"
        context.set_default_timeout(20_000)
        context.route(f"{ORIGIN}/**", self._route)
        context.route_web_socket("ws://app.test/**", server.on_socket)

    def open(self, body: str = BELL, path: str = "/", *, wait: bool = True) -> Page:
        """A page with this body; with `wait`, once its client is connected."""
        catalog = f' catalog="/catalog/{self.lang}"' if self.lang != "en" else ""
        self.html = body.replace("{catalog}", catalog).replace("{kinds}", "")
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda m: self.complaints.append(m.text) if m.type == "error" else None)
        page.goto(ORIGIN + path)
        if wait:
            page.wait_for_function(
                "() => document.querySelector('notification-bell, notification-inbox')?.client?.state === 'connected'"
            )
        return page

    def _route(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        if url.path.startswith("/static/"):
            route.fulfill(path=STATIC / url.path.removeprefix("/static/"))
        elif url.path == "/page.css":
            route.fulfill(body=PAGE_CSS, content_type="text/css")
        elif url.path.startswith("/catalog/"):
            route.fulfill(json={"catalog": catalog(url.path.rpartition("/")[2]), "formats": {}, "plural": None})
        elif url.path.startswith("/api/notifications/"):
            body = route.request.post_data_json if route.request.post_data else None
            path = url.path.removeprefix("/api/notifications/")
            status, answer = self.server.http(path, parse_qs(url.query), body)
            if status:
                route.fulfill(status=status, json=answer)
        elif url.path == "/favicon.ico":
            route.fulfill(status=204)
        else:
            page = (
                f'<!doctype html><html lang="{self.lang}" dir="{self.dir}"><meta charset=utf-8><title>Stage</title>'
                '<meta name=viewport content="width=device-width, initial-scale=1">'
                '<link rel=stylesheet href="/page.css">'
                f'<script type=module src="/static/notifications/notifications.min.js"></script>{self.html}'
            )
            route.fulfill(body=page, content_type="text/html", headers={"Content-Security-Policy": CSP})


def catalog(language: str) -> dict[str, Any]:
    """What Django's JSONCatalog view serves for the app's scripts."""
    try:
        found = gettext.translation("djangojs", LOCALE, languages=[language.replace("-h", "_H")])
    except FileNotFoundError:
        return {}
    texts: dict[str, Any] = {}
    for key, text in found._catalog.items():  # type: ignore[attr-defined]
        if isinstance(key, tuple):
            texts.setdefault(key[0], []).append(text)
        elif key:
            texts[key] = text
    return texts


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    expect.set_options(timeout=20_000)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=arguments)
        yield browser
        browser.close()


Opener = Callable[..., Stage]
