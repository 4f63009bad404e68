"""Composing: the form of a draft, which says beside each field what is wrong with it."""

import hashlib
from typing import Any, cast

from django import forms
from django.contrib.admin.widgets import AdminRadioSelect
from django.http import QueryDict
from django.utils.text import format_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from notifications import audiences, clock
from notifications.admin import wording
from notifications.exceptions import InvalidContent
from notifications.models import Announcement
from notifications.preferences import kind_name
from notifications.protocol import jsontext
from notifications.protocol.items import BODY_MAX, TITLE_MAX, Content, timestamp

CONTENT = ("title", "body", "kind", "level", "url", "display", "confirm")
WINDOW = ("starts_at", "ends_at", "late_join")
WRITTEN = (*CONTENT, "audience", *WINDOW)
# As many kinds as somebody looks through.
KINDS_OFFERED = 50
KINDS_NAMED = 12
COMMON_KINDS = ("general", "activity", "maintenance")


def fingerprint(announcement: Announcement) -> str:
    """Tells whether two people have the same text before them: a hash of all that is written in it."""
    values = {name: getattr(announcement, name) for name in CONTENT} | {
        "starts_at": timestamp(announcement.starts_at),
        "ends_at": timestamp(announcement.ends_at),
        "late_join": announcement.late_join,
        "audience": announcement.audience,
        # A list of uids is not here, but the moment of its last change is.
        "enrolled_at": timestamp(announcement.enrolled_at),
    }
    return hashlib.sha256(jsontext.dumps(values).encode()).hexdigest()[:32]


def said(announcement: Announcement) -> dict[str, Any]:
    """Its content as the preview draws it."""
    return {name: getattr(announcement, name) for name in CONTENT}


def audience_name(announcement: Announcement) -> Any:
    """How staff call whom it is for: the stored name where the platform registers it no more."""
    names = dict(audience_choices())
    return names.get(announcement.audience, announcement.audience)


def audience_choices() -> list[tuple[str, Any]]:
    """Whom an announcement can be for."""
    return [
        (Announcement.EVERYONE, gettext_lazy("everyone")),
        *((each.name, each.label) for each in audiences.offered()),
        (Announcement.LISTED, gettext_lazy("a list of uids")),
    ]


class KindInput(forms.TextInput):
    """A text field with the kinds in use beside it, by the names that users read; another may be typed."""

    template_name = "admin/notifications/kind_input.html"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        """The field's own context with the kinds."""
        context = super().get_context(name, value, attrs)
        used = Announcement.objects.order_by("kind").values_list("kind", flat=True).distinct()[:KINDS_OFFERED]
        kinds = [*dict.fromkeys([*COMMON_KINDS, *used])]
        context["kinds"] = sorted(kinds)
        context["named"] = [(kind, kind_name(kind)) for kind in kinds[:KINDS_NAMED]]
        context["widget"]["attrs"]["list"] = f"{context['widget']['attrs'].get('id', name)}_offered"
        return context


class DraftForm(forms.ModelForm):
    """A draft. Judged by `Content.checked` alone, the door that every item goes through, whoever sends it."""

    seen = forms.CharField(widget=forms.HiddenInput, required=False)
    audience = forms.ChoiceField(
        label=gettext_lazy("Audience"),
        widget=AdminRadioSelect(attrs={"class": "radiolist"}),
        required=False,
        initial=Announcement.EVERYONE,
    )

    class Meta:
        model = Announcement
        fields = WRITTEN
        help_texts = {
            "title": gettext_lazy("Plain text."),
            "body": gettext_lazy("Plain text; lines break where you break them."),
            "kind": gettext_lazy("Programs and filters go by it: activity.summer, maintenance."),
            "url": gettext_lazy("Where a click leads: a path of this site or an https address. May be empty."),
            "display": gettext_lazy("All of them are in the message list as well."),
            "confirm": gettext_lazy(
                "Stays on screen until the user presses the confirm button; counts as read only then."
            ),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not set(WRITTEN) <= set(self.fields):
            return  # shown to somebody who may only look
        # A browser would cut what is pasted without a word, and counts otherwise: here it is said beside the field.
        for name in ("title", "kind", "url"):
            self.fields[name].widget.attrs.pop("maxlength", None)
        for name, most in (("title", TITLE_MAX), ("body", BODY_MAX)):
            self.fields[name].widget.attrs["data-most"] = most
        self.fields["kind"].widget = KindInput(attrs=self.fields["kind"].widget.attrs)
        choices = dict(audience_choices())
        if not self.instance._state.adding:
            choices.setdefault(self.instance.audience, self.instance.audience)
        cast("forms.ChoiceField", self.fields["audience"]).choices = list(choices.items())
        self.fields["late_join"].help_text = gettext_lazy(
            "Also for users who join after it went live, or come into its audience after it was published."
        )
        self.fields["seen"].initial = "" if self.instance._state.adding else fingerprint(self.instance)
        for name in ("starts_at", "ends_at"):
            wording.name_parts(self.fields[name])
        zone = format_lazy("{} {}.", gettext_lazy("Time zone:"), wording.zone())
        self.fields["starts_at"].help_text = format_lazy("{} {}", gettext_lazy("Empty: when published."), zone)
        self.fields["ends_at"].help_text = format_lazy("{} {}", gettext_lazy("Then it leaves every inbox."), zone)

    def clean_body(self) -> str:
        """Line breaks as one character each: a browser sends two."""
        return str(self.cleaned_data["body"]).replace("\r\n", "\n")

    def clean_audience(self) -> str:
        """Everyone, where nothing was chosen."""
        return self.cleaned_data["audience"] or Announcement.EVERYONE

    def clean(self) -> dict[str, Any]:
        """All limits of content, the window, and whether the draft is still the one that was opened."""
        cleaned = super().clean() or self.cleaned_data
        self._judge({name: cleaned[name] for name in CONTENT if name in cleaned})
        starts, ends = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts and ends and ends <= starts:
            self.add_error("ends_at", _("The end must be after the start."))
        elif ends and ends <= clock.now():
            self.add_error("ends_at", _("The end must be in the future."))
        if not self.instance._state.adding:
            self._meet_others()
        return cleaned

    def _judge(self, values: dict[str, Any]) -> None:
        try:
            # A title that failed already is missing here: any good one stands in for it.
            Content.checked(**{"title": "-"} | values)
        except InvalidContent as refused:
            for error in refused.errors:
                name = error["loc"][0]
                self.add_error(name, wording.explained(name, error["msg"], values[name]))

    def _meet_others(self) -> None:
        stored = Announcement.objects.select_for_update().filter(pk=self.instance.pk).first()
        if stored is None:
            self.add_error(None, _("Somebody deleted this draft while you had it open."))
        elif stored.status != Announcement.Status.DRAFT:
            self.add_error(None, _("It has been published while you had it open, and can no longer be changed."))
        elif self.cleaned_data["seen"] != fingerprint(stored):
            self.add_error(
                None,
                _("Somebody else changed this draft while you had it open. Save again to replace it with yours."),
            )
            # The form goes back with what stands there now: saving again is then on purpose.
            data = cast("QueryDict", self.data).copy()
            data["seen"] = fingerprint(stored)
            self.data = data
