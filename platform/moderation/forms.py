"""Forms of moderation: handing in, and deciding."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from moderation.models import Submission


class SubmissionForm(forms.ModelForm):
    """What a user hands in."""

    prefix = "submission"

    class Meta:
        model = Submission
        fields = ["title", "text"]
        widgets = {"text": forms.Textarea(attrs={"rows": 3})}


class ReasonForm(forms.Form):
    """Why staff decide as they do; asked for when rejecting."""

    reason = forms.CharField(
        label=_("Reason"),
        max_length=1_000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "cols": 60}),
        help_text=_("The author reads it. Needed to reject."),
    )

    def __init__(self, *args: Any, required: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = required
