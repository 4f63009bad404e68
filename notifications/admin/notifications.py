"""Notifications in the admin: looked up and taken back, never written. Made for tables of many millions of rows."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.functional import cached_property
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from notifications import clock
from notifications.admin import wording
from notifications.admin.frame import framed
from notifications.models import Notification
from notifications.protocol.items import parse_id
from notifications.publishing import retract

# Nobody pages further; and counting more would read the whole table.
COUNTED_MAX = 5_000

STATES = {
    "accepted": gettext_lazy("accepted"),
    "delivered": gettext_lazy("delivered"),
    "read": gettext_lazy("read"),
    "confirmed": gettext_lazy("confirmed"),
    "expired": gettext_lazy("expired"),
    "retracted": gettext_lazy("retracted"),
}


def state_of(notification: Notification, now: datetime) -> str:
    """The furthest it has come: a key of `STATES`. What was read and expired later counts as read."""
    if notification.retracted_at is not None:
        return "retracted"
    if notification.confirmed_at is not None:
        return "confirmed"
    if notification.read_at is not None:
        return "read"
    if notification.expires_at is not None and notification.expires_at <= now:
        return "expired"
    return "delivered" if notification.delivered_at is not None else "accepted"


class BoundedPaginator(Paginator):
    """Counts up to `COUNTED_MAX` rows and no further."""

    @cached_property
    def count(self) -> int:
        """How many rows can be paged through."""
        found: QuerySet[Any] = self.object_list  # type: ignore[assignment]
        return found.order_by()[:COUNTED_MAX].count()


class StateFilter(admin.SimpleListFilter):
    """By what has become of them."""

    title = gettext_lazy("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All of the states."""
        return list(STATES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Notification]) -> QuerySet[Notification]:
        """Those in the chosen state now."""
        now = clock.now()
        standing = queryset.filter(retracted_at__isnull=True)
        unread = standing.filter(read_at__isnull=True)
        open_ = unread.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now))
        chosen = {
            "accepted": open_.filter(delivered_at__isnull=True),
            "delivered": open_.filter(delivered_at__isnull=False),
            "read": standing.filter(read_at__isnull=False, confirmed_at__isnull=True),
            "confirmed": standing.filter(confirmed_at__isnull=False),
            "expired": unread.filter(expires_at__lte=now),
            "retracted": queryset.filter(retracted_at__isnull=False),
        }
        return chosen.get(self.value() or "", queryset)


class MadeFilter(admin.SimpleListFilter):
    """By when they were made: a range of the primary key, because ids begin with their time."""

    title = gettext_lazy("time")
    parameter_name = "made"
    spans = {"1h": timedelta(hours=1), "1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """The spans that people ask for."""
        return [("1h", _("Past hour")), ("1d", _("Past day")), ("7d", _("Past 7 days")), ("30d", _("Past 30 days"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Notification]) -> QuerySet[Notification]:
        """Those made within the span."""
        span = self.spans.get(self.value() or "")
        if span is None:
            return queryset
        milliseconds = clock.now_ms() - int(span.total_seconds() * 1000)
        return queryset.filter(id__gte=UUID(int=milliseconds << 80))


class TypedFilter(admin.SimpleListFilter):
    """A filter whose value is typed: listing those that exist would read the whole table."""

    template = "admin/notifications/typed_filter.html"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """None to choose from; without one Django would leave the filter out."""
        return [("", "")]

    def choices(self, changelist: Any) -> Any:
        """What the template needs: the value, and the rest of the query to be kept."""
        others = changelist.get_filters_params()
        kept = [(name, value) for name, values in others.items() for value in values if name != self.parameter_name]
        if changelist.query:
            kept.append(("q", changelist.query))
        yield {
            "value": self.value() or "",
            "name": self.parameter_name,
            "kept": kept,
            "clear": changelist.get_query_string(remove=[self.parameter_name]),
        }

    def queryset(self, request: HttpRequest, queryset: QuerySet[Notification]) -> QuerySet[Notification]:
        """Those with exactly this value."""
        value = (self.value() or "").strip()
        return queryset.filter(Q((str(self.parameter_name), value))) if value else queryset


class KindFilter(TypedFilter):
    """By kind."""

    title = gettext_lazy("kind")
    parameter_name = "kind"


class SourceFilter(TypedFilter):
    """By the service that sent them."""

    title = gettext_lazy("source")
    parameter_name = "source"


@admin.register(Notification)
class NotificationAdmin(admin.ModelAdmin):
    """To look up what a user was told and what became of it, and to take it back."""

    list_display = ["title", "uid", "kind", "chip", "source", "created_at"]
    list_filter = [StateFilter, MadeFilter, KindFilter, SourceFilter]
    search_fields = ["uid", "ref"]
    search_help_text = gettext_lazy("An exact uid, reference or id.")
    sortable_by = ()
    paginator = BoundedPaginator
    show_full_result_count = False
    show_facets = admin.ShowFacets.NEVER
    list_per_page = 50
    actions = ["retract_selected"]
    fieldsets = [
        (None, {"fields": ["uid", "title", "body", "url", "chip"]}),
        (
            gettext_lazy("What programs see"),
            {"fields": ["id", "kind", "level", "display", "confirm", "ref", "source", "data"]},
        ),
        (
            gettext_lazy("What became of it"),
            {
                "fields": [
                    "created_at",
                    "delivered_at",
                    "read_at",
                    "read_via",
                    "confirmed_at",
                    "expires_at",
                    "retracted_at",
                ]
            },
        ),
    ]
    readonly_fields = ["chip", "id"]

    class Media:
        css = {"all": ["notifications/admin/admin.css"]}

    @admin.display(description=gettext_lazy("state"))
    def chip(self, notification: Notification) -> SafeString:
        """Its state as a chip."""
        state = state_of(notification, clock.now())
        return wording.chip(state, STATES[state])

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Programs send notifications; staff write announcements."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Notification | None = None) -> bool:
        """What was sent stays as it is."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Notification | None = None) -> bool:
        """Retracted is what staff can do; old rows are pruned by command."""
        return False

    def has_retract_permission(self, request: HttpRequest) -> bool:
        """Whether this member of staff takes notifications back."""
        return request.user.has_perm("notifications.retract_notification")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Notification], search_term: str
    ) -> tuple[QuerySet[Notification], bool]:
        """The whole term is one exact uid, reference or id: each has its index, and a reference may hold spaces."""
        term = search_term.strip()
        if not term:
            return queryset, False
        item_id = parse_id(term)
        found = Q(uid=term) | Q(ref=term)
        return queryset.filter(found | Q(id=item_id) if item_id else found), False

    def get_urls(self) -> list[URLPattern]:
        """The page that retracts one, before the admin's own."""
        view = self.admin_site.admin_view(self.retract_one)
        return [
            path("<uuid:object_id>/retract/", view, name="notifications_notification_retract"),
            *super().get_urls(),
        ]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The page of one notification, with the way to take it back."""
        notification = kwargs["obj"]
        context["may_retract"] = self.has_retract_permission(request) and notification.retracted_at is None
        return super().render_change_form(request, context, *args, **kwargs)

    def retract_one(self, request: HttpRequest, object_id: UUID) -> HttpResponse:
        """Asks once more; posted from there, takes it back."""
        if not self.has_retract_permission(request):
            raise PermissionDenied
        notification = get_object_or_404(Notification, pk=object_id)
        if request.method == "POST":
            self._retract(request, [notification])
            return HttpResponseRedirect(reverse("admin:notifications_notification_change", args=[notification.pk]))
        context = {
            "title": _("Retract notification"),
            "question": _("It vanishes from the user's screens and inbox at once, and cannot be brought back."),
            "label": _("Retract"),
        }
        return framed(self, request, "admin/notifications/confirm.html", notification, context)

    @admin.action(permissions=["retract"], description=gettext_lazy("Retract selected notifications"))
    def retract_selected(self, request: HttpRequest, queryset: QuerySet[Notification]) -> HttpResponse | None:
        """First a page that asks once more, then, posted from there, what was shown on it."""
        shown = list(queryset.filter(pk__in=request.POST.getlist(helpers.ACTION_CHECKBOX_NAME)).order_by("-id"))
        if "retract" in request.POST:
            self._retract(request, shown)
            return None
        context = {
            "title": _("Retract notifications"),
            "question": _("They vanish from their users' screens and inboxes at once, and cannot be brought back."),
            "label": _("Retract"),
            "rows": shown,
            "hidden": {"action": "retract_selected", "retract": "1"},
            "row_name": helpers.ACTION_CHECKBOX_NAME,
            "back": request.get_full_path(),
        }
        return framed(self, request, "admin/notifications/confirm.html", None, context)

    def _retract(self, request: HttpRequest, notifications: list[Notification]) -> None:
        count = 0
        with transaction.atomic():
            for notification in notifications:
                if retract(notification.pk).retracted:
                    self.log_change(request, notification, _("Retracted."))
                    count += 1
        if count:
            done = ngettext("Retracted %(count)d notification.", "Retracted %(count)d notifications.", count)
            self.message_user(request, done % {"count": count}, messages.SUCCESS)
        if count < len(notifications):
            self.message_user(request, _("What had been retracted already stays so."), messages.WARNING)
