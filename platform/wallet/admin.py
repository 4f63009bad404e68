"""Staff's side of the wallet: top-ups whose payment came another way are settled by hand."""

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from wallet.models import TopUp
from wallet.settling import AlreadySettled, settle


@admin.register(TopUp)
class TopUpAdmin(admin.ModelAdmin):
    """Top-ups are begun by users and settled by the payment service, or here; nothing of them is edited."""

    list_display = ["id", "user", "amount", "state", "begun_at", "settled_at", "settled_by"]
    list_filter = ["state", "begun_at"]
    list_select_related = ["user", "settled_by"]
    search_fields = ["=id", "user__username"]
    fields = ("user", "amount", "state", "begun_at", "settled_at", "settled_by")
    readonly_fields = fields
    # Its page on the site is its user's alone.
    view_on_site = False
    actions = ["confirm_selected", "fail_selected"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody tops up for others."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: TopUp | None = None) -> bool:
        """Money that came in stays on the books."""
        return False

    @admin.action(permissions=["change"], description=gettext_lazy("Confirm the payment of selected top-ups"))
    def confirm_selected(self, request: HttpRequest, queryset: QuerySet[TopUp]) -> None:
        """The money is there."""
        self._settle_selected(request, queryset, succeeded=True)

    @admin.action(permissions=["change"], description=gettext_lazy("Mark selected top-ups as failed"))
    def fail_selected(self, request: HttpRequest, queryset: QuerySet[TopUp]) -> None:
        """The money will not come."""
        self._settle_selected(request, queryset, succeeded=False)

    def _settle_selected(self, request: HttpRequest, queryset: QuerySet[TopUp], *, succeeded: bool) -> None:
        count = 0
        for top_up in queryset:
            try:
                settle(top_up.pk, succeeded=succeeded, by=request.user)
            except AlreadySettled as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                self.log_change(request, top_up, _("Confirmed.") if succeeded else _("Marked as failed."))
                count += 1
        if count:
            done = ngettext("%(count)d user is told.", "%(count)d users are told.", count) % {"count": count}
            self.message_user(request, done, messages.SUCCESS)
