"""Announcements in the admin: the list with its states, and drafts from composing to the page that publishes."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import audiences, clock, users
from notifications.admin import compose, figures, life, recipients, wording
from notifications.models import Announcement, Recipient


class StatusFilter(admin.SimpleListFilter):
    """By where announcements are in their life."""

    title = gettext_lazy("status")
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """All of the states."""
        return list(Announcement.Status.choices)

    def queryset(self, request: HttpRequest, queryset: QuerySet[Announcement]) -> QuerySet[Announcement]:
        """Those in the chosen state now."""
        now = clock.now()
        status = Announcement.Status
        standing = queryset.filter(withdrawn_at__isnull=True)
        chosen = {
            status.DRAFT: standing.filter(live_at__isnull=True),
            status.SCHEDULED: standing.filter(live_at__gt=now, ends_at__gt=now),
            status.LIVE: standing.filter(live_at__lte=now, ends_at__gt=now),
            status.ENDED: standing.filter(live_at__isnull=False, ends_at__lte=now),
            status.WITHDRAWN: queryset.filter(withdrawn_at__isnull=False),
        }
        return chosen.get(self.value(), queryset)  # type: ignore[call-overload,no-any-return]


@admin.register(Announcement)
class AnnouncementAdmin(admin.ModelAdmin):
    """Drafts are written here; what has been published is only looked at, ended, withdrawn or duplicated."""

    form = compose.DraftForm
    radio_fields = {"level": admin.HORIZONTAL}
    list_display = ["title", "chip", "kind", "whom", "goes_live", "ends_at"]
    list_filter = [StatusFilter, "level"]
    search_fields = ["title", "body", "kind"]
    search_help_text = gettext_lazy("Words of the title or the body, or a kind.")
    actions = None
    fieldsets = [
        (None, {"fields": ["title", "body", "kind", "level", "url", "display", "confirm"]}),
        (gettext_lazy("For whom"), {"fields": ["audience", "late_join"]}),
        (gettext_lazy("When"), {"fields": ["starts_at", "ends_at"]}),
    ]

    class Media:
        css = {"all": ["notifications/admin/admin.css"]}

    @admin.display(description=gettext_lazy("status"))
    def chip(self, announcement: Announcement) -> SafeString:
        """Its state as a chip."""
        status = announcement.status
        return wording.chip(status.value, status.label)

    @admin.display(description=gettext_lazy("audience"), ordering="audience")
    def whom(self, announcement: Announcement) -> Any:
        """Whom it is for, in a few words."""
        return compose.audience_name(announcement)

    @admin.display(description=gettext_lazy("live from"), ordering="live_at", empty_value="–")
    def goes_live(self, announcement: Announcement) -> Any:
        """When it went or will go live."""
        return announcement.live_at or announcement.starts_at

    def has_change_permission(self, request: HttpRequest, obj: Announcement | None = None) -> bool:
        """Only drafts change: a forged form is refused like that of somebody without the permission."""
        return super().has_change_permission(request, obj) and _draft(obj)

    def has_delete_permission(self, request: HttpRequest, obj: Announcement | None = None) -> bool:
        """Only drafts: what people have read stays on record, and is withdrawn instead."""
        return super().has_delete_permission(request, obj) and _draft(obj)

    def has_view_permission(self, request: HttpRequest, obj: Announcement | None = None) -> bool:
        """Who may do anything with announcements may see them, whatever has become of them."""
        may = ("view", "add", "change", "publish", "withdraw")
        return any(request.user.has_perm(f"notifications.{verb}_announcement") for verb in may)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Shown on the index to whoever may see announcements."""
        return self.has_view_permission(request) or super().has_module_permission(request)

    def get_urls(self) -> list[URLPattern]:
        """The pages of an announcement's life and of its figures, before the admin's own."""
        return [
            self._page("recipients", recipients.listing),
            self._page("publish", life.publish),
            self._page("seen", life.seen),
            self._page("withdraw", life.withdraw),
            self._page("end", life.end),
            self._page("statistics", figures.statistics_page),
            self._page("remind", figures.remind),
            self._page("readers.csv", figures.readers_csv),
            self._page("waiting.csv", figures.waiting_csv),
            *super().get_urls(),
        ]

    def _page(self, name: str, view: Callable[..., Any]) -> URLPattern:
        def page(request: HttpRequest, object_id: UUID) -> Any:
            return view(self, request, object_id)

        short = name.removesuffix(".csv")
        suffix = "" if name.endswith(".csv") else "/"
        return path(
            f"<uuid:object_id>/{name}{suffix}",
            self.admin_site.admin_view(page),
            name=f"notifications_announcement_{short}",
        )

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the announcement named by `duplicate` says; its times are to be set anew."""
        initial: dict[str, Any] = super().get_changeform_initial_data(request)
        initial.pop("duplicate", None)
        source = self._original(request)
        if source is not None:
            initial |= {name: getattr(source, name) for name in (*compose.CONTENT, "audience", "late_join")}
        return initial

    def _original(self, request: HttpRequest) -> Announcement | None:
        """What is being duplicated."""
        original = request.GET.get("duplicate")
        if not original or not self.has_view_permission(request):
            return None
        try:
            return Announcement.objects.filter(pk=UUID(original)).first()
        except ValueError:
            return None

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The form with what may be done to this announcement."""
        announcement = kwargs.get("obj")
        said = compose.said(announcement or Announcement())
        context |= {"may": life.possible(request, announcement), "said": said}
        if announcement is not None:
            context |= {"state": announcement.status, "facts": life.facts(announcement)}
            context["ask"] = life.seen_url(announcement)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Announcement, form: ModelForm, change: bool) -> None:
        """Store the draft and who wrote in it; nothing of its life is touched by this."""
        writer = users.uid_of(request.user)
        obj.edited_by = [*dict.fromkeys([*obj.edited_by, writer])]
        if not change:
            obj.created_by = writer
            obj.save(force_insert=True)
            original = self._original(request)
            if original is not None and obj.audience == original.audience == Announcement.LISTED:
                audiences.copy_list(original, obj)
            return
        written = {name: getattr(obj, name) for name in (*compose.WRITTEN, "edited_by")}
        Announcement.objects.filter(pk=obj.pk).update(**written, changed_at=Now())

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What goes with a draft: of its list how many, for nobody is helped by a page of a hundred thousand uids."""
        counts = {self.opts.verbose_name_plural: len(objs)}
        if recipients := Recipient.objects.filter(announcement__in=objs).count():
            counts[Recipient._meta.verbose_name_plural] = recipients
        return [str(draft) for draft in objs], counts, set(), []

    def delete_model(self, request: HttpRequest, obj: Announcement) -> None:
        """Delete a draft, unless it was published a moment ago."""
        deleted, _rows = Announcement.objects.filter(pk=obj.pk, published_at__isnull=True).delete()
        if not deleted:
            raise PermissionDenied

    def response_add(
        self, request: HttpRequest, obj: Announcement, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Onward by the button that was pressed."""
        return self._onward(request, obj) or super().response_add(request, obj, post_url_continue)

    def response_change(self, request: HttpRequest, obj: Announcement) -> HttpResponse:
        """Onward by the button that was pressed."""
        return self._onward(request, obj) or super().response_change(request, obj)

    def _onward(self, request: HttpRequest, obj: Announcement) -> HttpResponse | None:
        if "_test" in request.POST:
            life.send_test(request.user, obj)
            self.message_user(
                request, _("The draft is saved, and a test of it is on its way to you alone."), messages.SUCCESS
            )
            return HttpResponseRedirect(reverse("admin:notifications_announcement_change", args=[obj.pk]))
        if recipients.missing(obj):
            return HttpResponseRedirect(reverse("admin:notifications_announcement_recipients", args=[obj.pk]))
        if "_publish" in request.POST and life.may_publish(request):
            return HttpResponseRedirect(reverse("admin:notifications_announcement_publish", args=[obj.pk]))
        return None


def _draft(announcement: Announcement | None) -> bool:
    return announcement is None or announcement.status == Announcement.Status.DRAFT
