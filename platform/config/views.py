"""The home page, where the platform's parts meet."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from moderation.forms import SubmissionForm
from moderation.models import Submission
from wallet.forms import TopUpForm
from wallet.models import TopUp, balance

LATEST = 5


@login_required
@require_GET
def home(request: HttpRequest) -> HttpResponse:
    """Both forms, the balance, and the user's latest submissions and top-ups."""
    user = request.user
    assert user.is_authenticated  # what login_required saw to
    context = {
        "balance": balance(user),
        "submission_form": SubmissionForm(),
        "submissions": Submission.objects.filter(author=user)[:LATEST],
        "top_up_form": TopUpForm(),
        "top_ups": TopUp.objects.filter(user=user)[:LATEST],
    }
    return render(request, "home.html", context)
