"""Pages for the user: the list of messages and one message. They work without scripts, which only add to them."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from notifications import clock, inbox
from notifications.protocol.items import KIND_PATTERN, parse_id
from notifications.users import uid_of

PAGE_SIZE = 20


@dataclass(frozen=True, slots=True)
class View:
    """What of the inbox is looked at: a page older than `before` or newer than `after`, of what is unread or a kind."""

    before: UUID | None = None
    after: UUID | None = None
    unread: bool = False
    kind: str | None = None

    @classmethod
    def of(cls, request: HttpRequest) -> "View":
        """What the address says. What is wrong in it counts as left out: a page is for people."""
        given = request.GET
        kind = given.get("kind", "")
        before = parse_id(given.get("before"))
        return cls(
            before=before,
            after=None if before else parse_id(given.get("after")),
            unread=given.get("unread") == "1",
            kind=kind if KIND_PATTERN.fullmatch(kind) else None,
        )

    def query(self, **changes: Any) -> str:
        """The address's query for this view with `changes`, `?` and all; empty where there is nothing to say."""
        values = {
            "unread": "1" if self.unread else None,
            "kind": self.kind,
            "before": self.before,
            "after": self.after,
            **changes,
        }
        query = urlencode({name: value for name, value in values.items() if value})
        return f"?{query}" if query else ""


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def message_list(request: HttpRequest) -> HttpResponse:
    """The inbox, newest first. `POST before=<id>` marks that item and all older ones as read."""
    uid, view = uid_of(request.user), View.of(request)
    if request.method == "POST":
        seen = parse_id(request.POST.get("before"))
        if seen is not None:
            inbox.read_until(uid, seen)
        return redirect(f"{request.path}{view.query()}")
    page = inbox.page(uid, before=view.before, limit=PAGE_SIZE, unread=view.unread, kind=view.kind)
    context = {
        "view": view,
        "items": page.items,
        "unread": inbox.unread_counts([uid])[uid],
        "now": clock.now(),
    }
    return render(request, "notifications/list.html", context)


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def message(request: HttpRequest, item_id: UUID) -> HttpResponse:
    """One item. Opening it reads it, unless it needs a confirmation: that takes `POST confirm=1`."""
    uid = uid_of(request.user)
    item = inbox.get(uid, item_id)
    if item is None:
        raise Http404("no such message")
    return render(request, "notifications/item.html", {"item": item, "now": clock.now()})
