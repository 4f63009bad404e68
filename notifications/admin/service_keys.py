"""Service keys in the admin: made, shown once, revoked. A key itself is in no URL, session, log or table."""

from typing import Any
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import clock, service_keys
from notifications.admin import wording
from notifications.admin.frame import framed
from notifications.idempotency import once
from notifications.models import ServiceKey

STATES = {
    "good": gettext_lazy("good"),
    "expired": gettext_lazy("expired"),
    "revoked": gettext_lazy("revoked"),
}


class KeyForm(forms.ModelForm):
    """What a new key is for, what it may do, and until when."""

    scopes = forms.MultipleChoiceField(
        label=gettext_lazy("Scopes"),
        choices=ServiceKey.Scope.choices,
        widget=forms.CheckboxSelectMultiple,
        help_text=gettext_lazy("No more than the service needs; a second key is quickly made."),
    )
    # The same form sent twice (a double click, a reload) makes one key.
    form_id = forms.CharField(widget=forms.HiddenInput, max_length=64)

    class Meta:
        model = ServiceKey
        fields = ("name", "scopes", "expires_at")
        help_texts = {"name": gettext_lazy("The calling service: shown as the source of what it sends.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["form_id"].initial = uuid4().hex
        wording.name_parts(self.fields["expires_at"])
        self.fields["expires_at"].help_text = format_lazy(
            "{} {} {}.", gettext_lazy("Empty: never."), gettext_lazy("Time zone:"), wording.zone()
        )

    def clean_expires_at(self) -> Any:
        """An expiry that has passed would make a key that never works."""
        expires_at = self.cleaned_data["expires_at"]
        if expires_at is not None and expires_at <= clock.now():
            raise forms.ValidationError(_("must be in the future"))
        return expires_at


@admin.register(ServiceKey)
class ServiceKeyAdmin(admin.ModelAdmin):
    """Keys are made and revoked; what they are for is never changed afterwards."""

    list_display = ["name", "prefix", "chip", "may", "last_used_at", "calls", "expires_at"]
    list_filter = ["name"]
    search_fields = ["name", "prefix"]
    actions = None
    readonly_fields = ["chip", "may"]

    class Media:
        css = {"all": ["notifications/admin/admin.css"]}

    @admin.display(description=gettext_lazy("state"))
    def chip(self, key: ServiceKey) -> SafeString:
        """Whether it works, as a chip."""
        state = state_of(key)
        return wording.chip(state, STATES[state])

    @admin.display(description=gettext_lazy("scopes"))
    def may(self, key: ServiceKey) -> str:
        """What it may do, in words."""
        return ", ".join(str(ServiceKey.Scope(scope).label) for scope in key.scopes if scope in ServiceKey.Scope.values)

    def has_change_permission(self, request: HttpRequest, obj: ServiceKey | None = None) -> bool:
        """A key that turns out wrong is revoked and another one made."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: ServiceKey | None = None) -> bool:
        """Which keys there were stays on record."""
        return False

    def has_view_permission(self, request: HttpRequest, obj: ServiceKey | None = None) -> bool:
        """Who may do anything with keys may see them."""
        return any(request.user.has_perm(f"notifications.{verb}_servicekey") for verb in ("view", "add", "change"))

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether this member of staff revokes keys: the permission to change them."""
        return request.user.has_perm("notifications.change_servicekey")

    def get_fieldsets(self, request: HttpRequest, obj: ServiceKey | None = None) -> Any:
        """The form for a new key; for a stored one what is known of it."""
        if obj is None:
            return [(None, {"fields": ["name", "scopes", "expires_at", "form_id"]})]
        known = ["name", "prefix", "chip", "may", "created_at", "expires_at", "last_used_at", "calls", "revoked_at"]
        return [(None, {"fields": known})]

    def get_form(self, request: HttpRequest, obj: ServiceKey | None = None, change: bool = False, **kwargs: Any) -> Any:
        """The form of a new key; a stored one has nothing to fill in."""
        return super().get_form(request, obj, change, **({"form": KeyForm} if obj is None else {}) | kwargs)

    def get_urls(self) -> list[URLPattern]:
        """The page that revokes one, before the admin's own."""
        view = self.admin_site.admin_view(self.revoke)
        return [path("<int:object_id>/revoke/", view, name="notifications_servicekey_revoke"), *super().get_urls()]

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """The form or page, with the way to revoke."""
        key = kwargs.get("obj")
        context["may_revoke"] = key is not None and key.revoked_at is None and self.has_revoke_permission(request)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: ServiceKey, form: Any, change: bool) -> None:
        """Make the key. The key itself is kept by `request` alone, until it has been answered."""
        made: list[str] = []

        def make() -> int:
            row, text = service_keys.create(obj.name, obj.scopes, obj.expires_at)
            made.append(text)
            return int(row.pk)

        wanted = {"call": "make_key"}
        pk, _again = once("", f"key:{form.cleaned_data['form_id']}", wanted, make)
        obj.__dict__ |= ServiceKey.objects.get(pk=pk).__dict__
        obj.__dict__["shown_once"] = made[0] if made else None

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Once for each key, however often its form came."""
        return super().log_addition(request, obj, message) if obj.__dict__["shown_once"] else None

    def response_add(self, request: HttpRequest, obj: ServiceKey, post_url_continue: str | None = None) -> HttpResponse:
        """The page with the key: the only answer that ever holds it (and, as all of the admin's, kept by no cache)."""
        text = obj.__dict__["shown_once"]
        if text is None:
            self.message_user(
                request,
                _(
                    "This key was made already, and a key is shown once only. "
                    "If nobody kept it, revoke it and make another."
                ),
                messages.WARNING,
            )
            return HttpResponseRedirect(reverse("admin:notifications_servicekey_change", args=[obj.pk]))
        context = {"title": _("Service key"), "key": text, "may": self.may(obj)}
        return framed(self, request, "admin/notifications/servicekey/made.html", obj, context)

    def revoke(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Asks once more; posted from there, revokes the key."""
        if not self.has_revoke_permission(request):
            raise PermissionDenied
        key = get_object_or_404(ServiceKey, pk=object_id)
        if request.method == "POST":
            if key.revoked_at is None:
                with transaction.atomic():
                    service_keys.revoke(key.prefix)
                    self.log_change(request, key, _("Revoked."))
                self.message_user(request, _("Revoked: within five seconds no node takes it."), messages.SUCCESS)
            else:
                self.message_user(request, _("It was revoked already."), messages.WARNING)
            return HttpResponseRedirect(reverse("admin:notifications_servicekey_change", args=[key.pk]))
        context = {
            "title": _("Revoke service key"),
            "question": _("The service is refused with it from then on. It cannot be made good again."),
            "label": _("Revoke"),
        }
        return framed(self, request, "admin/notifications/confirm.html", key, context)


def state_of(key: ServiceKey) -> str:
    """Whether it works now: a key of `STATES`."""
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at is not None and key.expires_at <= clock.now() else "good"
