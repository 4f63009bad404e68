"""The author's side of moderation."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from moderation.forms import SubmissionForm
from moderation.models import Submission


@login_required
@require_http_methods(["GET", "POST"])
def submit(request: HttpRequest) -> HttpResponse:
    """Take a submission in; its answer will come in the language it was made in."""
    form = SubmissionForm(request.POST or None)
    if not form.is_valid():
        status = 400 if form.is_bound else 200
        return render(request, "moderation/submit.html", {"submission_form": form}, status=status)
    submission = form.save(commit=False)
    submission.author_id = request.user.pk
    submission.language = get_language() or ""
    submission.save()
    messages.success(request, _("Handed in. You will be told what staff decide."))
    return redirect("home")


@login_required
@require_GET
def submission(request: HttpRequest, submission_id: int) -> HttpResponse:
    """A submission as its author sees it. Those of others are not found."""
    found = get_object_or_404(Submission, pk=submission_id, author_id=request.user.pk)
    return render(request, "moderation/submission.html", {"submission": found})
