"""Pages for the user: the list of messages and one message. They work without scripts, which only add to them."""

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.functional import Promise
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from notifications import clock, inbox
from notifications.models import Notification
from notifications.preferences import kind_name
from notifications.protocol.items import KIND_PATTERN, Item, parse_id
from notifications.users import uid_of

PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class View:
    """What of the inbox is looked at: all or the unread, of one kind, older than `before` or newer than `after`."""

    unread: bool = False
    kind: str | None = None
    before: UUID | None = None
    after: UUID | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> "View":
        """What the address says. What is wrong in it counts as left out: people do not write queries."""
        given = request.GET
        kind = given.get("kind", "")
        before = parse_id(given.get("before"))
        return cls(
            unread=given.get("unread") == "1",
            kind=kind if KIND_PATTERN.fullmatch(kind) else None,
            before=before,
            after=parse_id(given.get("after")) if before is None else None,
        )

    @property
    def query(self) -> str:
        """The address's query of this view, `?` and all; empty for the whole inbox from its newest."""
        values = {"unread": "1" if self.unread else None, "kind": self.kind, "before": self.before, "after": self.after}
        query = urlencode({name: value for name, value in values.items() if value})
        return f"?{query}" if query else ""

    @property
    def url(self) -> str:
        """Its address."""
        return reverse("notifications:list") + self.query


@dataclass(frozen=True, slots=True)
class Row:
    """An item as the pages show it at the moment `now`."""

    item: Item
    now: datetime

    @property
    def level(self) -> str | Promise:
        """Its level as a word."""
        return Notification.Level(self.item.content.level).label

    @property
    def just_now(self) -> bool:
        """Whether it is too young for "so many minutes ago"."""
        return self.now - self.item.created_at < timedelta(minutes=1)

    @property
    def confirmable(self) -> bool:
        """Whether it waits for a confirmation, the one thing that reads it."""
        return self.item.unread and self.item.content.confirm


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def message_list(request: HttpRequest) -> HttpResponse:
    """The inbox, newest first. `POST before=<id>` reads that item and all older ones, as far as a look will do."""
    uid, view = uid_of(request.user), View.of(request)
    if request.method == "POST":
        seen = parse_id(request.POST.get("before"))
        if seen is not None:
            _settle(inbox.read_until(uid, seen))
        return redirect(view.url)
    page = inbox.page(uid, before=view.before, after=view.after, limit=PAGE_SIZE, unread=view.unread, kind=view.kind)
    if not page.items and (view.before or view.after):
        return redirect(replace(view, before=None, after=None).url)
    now, start = clock.now(), View(unread=view.unread, kind=view.kind)
    context: dict[str, Any] = {
        "view": view,
        "rows": [Row(item, now) for item in page.items],
        "unread": inbox.unread_counts([uid])[uid],
        "all_url": replace(start, unread=False).url,
        "unread_url": replace(start, unread=True).url,
        "older_url": page.next and replace(start, before=page.next).url,
        "newer_url": page.previous and replace(start, after=page.previous).url,
        # Of one kind the user has not seen the others.
        "seen": page.items[0].id if page.items and view.kind is None else None,
        "kinds": sorted((kind_name(kind), kind) for kind in {*inbox.kinds(uid), *([view.kind] if view.kind else [])}),
    }
    return render(request, "notifications/list.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def message(request: HttpRequest, item_id: UUID) -> HttpResponse:
    """One item. Opening it reads it, unless it needs a confirmation: that takes `POST confirm=1`.

    `POST` reads it and leads back: to the list as the address's query says if `back` is `list`, else to this page.
    """
    uid = uid_of(request.user)
    if request.method == "POST":
        _settle(inbox.read(uid, [item_id], confirm=request.POST.get("confirm") == "1"))
        if request.POST.get("back") == "list":
            return redirect(f"{View.of(request).url}#{item_id}")
        return redirect("notifications:item", item_id)
    item = inbox.get(uid, item_id)
    if item is None:
        raise Http404("no such message")
    # A browser that fetches a link before it is followed has shown nobody anything.
    opened = request.method == "GET" and "prefetch" not in request.headers.get("Sec-Purpose", "")
    if opened and item.unread and not item.content.confirm:
        _settle(inbox.read(uid, [item_id]))
        item = replace(item, read_at=clock.now())
    return render(request, "notifications/item.html", {"row": Row(item, clock.now())})


def _settle(result: inbox.ReadResult) -> None:
    # The page that answers opens a socket, which must not be sent what was read (see `unread_index`).
    time.sleep(result.confirm_after)
