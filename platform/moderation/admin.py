"""Staff's side of moderation: a queue, and a decision with a reason for one submission or several at once."""

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin import helpers
from django.db.models import QuerySet
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from moderation import review
from moderation.forms import ReasonForm
from moderation.models import Submission

Decide = Callable[[int, Any, str], Submission]


class DecisionForm(ModelForm):
    """The change form of a submission: a reason, and which of two buttons was pressed."""

    def clean(self) -> dict[str, Any] | None:
        """Refuse a rejection without a reason, and saving without a decision."""
        cleaned = super().clean()
        if "reason" not in self.fields:
            # Decided since the page was loaded: saving will say so.
            return cleaned
        if "_reject" in self.data and not self.cleaned_data.get("reason", "").strip():
            self.add_error("reason", _("Say why: the author will read it."))
        elif "_approve" not in self.data and "_reject" not in self.data:
            self.add_error(None, _("Approve or reject."))
        return cleaned


@admin.register(Submission)
class SubmissionAdmin(admin.ModelAdmin):
    """Submissions are handed in by users and decided on here; nothing of them is edited."""

    form = DecisionForm
    change_form_template = "moderation/admin/change_form.html"
    list_display = ["title", "author", "state", "submitted_at", "decided_at", "decided_by"]
    list_filter = ["state", "submitted_at"]
    list_select_related = ["author", "decided_by"]
    search_fields = ["title", "text", "author__username"]
    actions = ["approve_selected", "reject_selected"]
    fields = ("title", "text", "author", "submitted_at", "state", "reason", "decided_at", "decided_by")
    # Its page on the site is its author's alone.
    view_on_site = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody hands in for others."""
        return False

    def get_fields(self, request: HttpRequest, obj: Submission | None = None) -> list[Any]:
        """Who decided and when, once somebody has."""
        decided = obj is not None and obj.state != Submission.State.PENDING
        return [name for name in self.fields if decided or name not in ("decided_at", "decided_by")]

    def get_readonly_fields(self, request: HttpRequest, obj: Submission | None = None) -> list[Any]:
        """All but the reason of what is pending."""
        pending = obj is not None and obj.state == Submission.State.PENDING
        return [name for name in self.fields if not (pending and name == "reason")]

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The change form; somebody else's decision in the meantime is told instead of taken over."""
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except review.AlreadyDecided as refused:
            self.message_user(request, str(refused), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def save_model(self, request: HttpRequest, obj: Submission, form: ModelForm, change: bool) -> None:
        """Decide instead of saving."""
        if obj.state != Submission.State.PENDING:
            raise review.AlreadyDecided(obj)
        decide: Decide = review.reject if "_reject" in request.POST else review.approve
        decide(obj.pk, request.user, obj.reason)

    def response_change(self, request: HttpRequest, obj: Submission) -> HttpResponse:
        """Back to the queue."""
        self._say_done(request, 1)
        return self.response_post_save_change(request, obj)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """What the admin's log keeps: the decision."""
        return _log_text(approved="_approve" in request.POST)

    @admin.action(permissions=["change"], description=gettext_lazy("Approve selected submissions"))
    def approve_selected(self, request: HttpRequest, queryset: QuerySet[Submission]) -> HttpResponse | None:
        """Approve several, with a reason if one is given."""
        return self._decide_selected(request, queryset, "approve_selected", approve=True)

    @admin.action(permissions=["change"], description=gettext_lazy("Reject selected submissions"))
    def reject_selected(self, request: HttpRequest, queryset: QuerySet[Submission]) -> HttpResponse | None:
        """Reject several, for one reason."""
        return self._decide_selected(request, queryset, "reject_selected", approve=False)

    def _decide_selected(
        self, request: HttpRequest, queryset: QuerySet[Submission], action: str, *, approve: bool
    ) -> HttpResponse | None:
        """First a page that asks for the reason, then, posted from there, the decisions, each for itself."""
        form = ReasonForm(request.POST if "decide" in request.POST else None, required=not approve)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": _("Approve submissions") if approve else _("Reject submissions"),
                "opts": self.opts,
                "submissions": queryset,
                "form": form,
                "action": action,
                "approve": approve,
                "checkbox_name": helpers.ACTION_CHECKBOX_NAME,
            }
            return TemplateResponse(request, "moderation/admin/decide_selected.html", context)
        decide: Decide = review.approve if approve else review.reject
        count = 0
        for submission in queryset:
            try:
                decide(submission.pk, request.user, form.cleaned_data["reason"])
            except review.AlreadyDecided as refused:
                self.message_user(request, str(refused), messages.ERROR)
            else:
                self.log_change(request, submission, _log_text(approved=approve))
                count += 1
        if count:
            self._say_done(request, count)
        return None

    def _say_done(self, request: HttpRequest, count: int) -> None:
        done = ngettext("Decided; %(count)d author is told.", "Decided; %(count)d authors are told.", count)
        self.message_user(request, done % {"count": count}, messages.SUCCESS)


def _log_text(*, approved: bool) -> str:
    return _("Approved.") if approved else _("Rejected.")
