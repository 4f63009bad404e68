"""The live page: which nodes there are and how they are doing, as each reports of itself every few seconds."""

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext as _

from notifications import clock, roll
from notifications.admin import wording
from notifications.admin.frame import framed
from notifications.models import NodeReport

# A tail that has not looked for so long is late: twice its deadline for repairs (2 s), and one look.
TAIL_LATE_SECONDS = 5.0
ERRORS_SHOWN = 20


@admin.register(NodeReport)
class NodeAdmin(admin.ModelAdmin):
    """Nodes report of themselves; there is nothing to write and one page to look at."""

    class Media:
        css = {"all": ["notifications/admin/admin.css"]}

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nodes come by being started."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: NodeReport | None = None) -> bool:
        """Nodes write their own reports."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: NodeReport | None = None) -> bool:
        """What a node left behind goes by itself."""
        return False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """All nodes with their sums. The page fetches itself anew and works out the rates from two reports."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        nodes = list(roll.present())
        for node in nodes:
            node.late = node.tail_age > TAIL_LATE_SECONDS  # type: ignore[attr-defined]
        errors = [
            {**error, "at": datetime.fromisoformat(error["at"]), "node": f"{node.host} · {node.pid}"}
            for node in nodes
            for error in node.errors
        ]
        context = {
            "title": _("Nodes"),
            "nodes": nodes,
            "errors": sorted(errors, key=lambda error: error["at"], reverse=True)[:ERRORS_SHOWN],
            "sockets": sum(node.sockets for node in nodes),
            "users": sum(node.users for node in nodes),
            "tail_age": max((node.tail_age for node in nodes), default=None),
            "now": wording.moment(clock.now()),
        }
        return framed(self, request, "admin/notifications/nodereport/live.html", None, context | (extra_context or {}))
