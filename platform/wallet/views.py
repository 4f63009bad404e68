"""The user's side of the wallet, the payment service's callback, and a page that plays the bank in a demo."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from wallet import callbacks
from wallet.forms import TopUpForm
from wallet.models import TopUp


@login_required
@require_http_methods(["GET", "POST"])
def begin(request: HttpRequest) -> HttpResponse:
    """Begin a top-up; its answer will come in the language it was made in."""
    form = TopUpForm(request.POST or None)
    if not form.is_valid():
        status = 400 if form.is_bound else 200
        return render(request, "wallet/begin.html", {"top_up_form": form}, status=status)
    top_up = form.save(commit=False)
    top_up.user_id = request.user.pk
    top_up.language = get_language() or ""
    top_up.save()
    return redirect(top_up)


@login_required
@require_GET
def top_up(request: HttpRequest, top_up_id: int) -> HttpResponse:
    """A top-up as its user sees it. Those of others are not found."""
    context = {"top_up": _own(request, top_up_id), "demo_bank": settings.WALLET_DEMO_BANK}
    return render(request, "wallet/top_up.html", context)


@login_required
@require_POST
def pay(request: HttpRequest, top_up_id: int) -> HttpResponse:
    """The demo's bank: sends the callback that a payment service would. Not found where the bank is a real one."""
    if not settings.WALLET_DEMO_BANK:
        raise Http404
    outcome = "succeeded" if request.POST.get("outcome") == "succeeded" else "failed"
    found = _own(request, top_up_id)
    try:
        callbacks.receive(*callbacks.compose(found, outcome))
    except callbacks.Refused:
        messages.error(request, _("This top-up was settled before."))
    return redirect(found)


@csrf_exempt
@require_POST
def callback(request: HttpRequest) -> HttpResponse:
    """The payment service's callback; see `wallet.callbacks`."""
    try:
        settled = callbacks.receive(request.body, request.headers.get("X-Signature", ""))
    except callbacks.Refused as refused:
        return _answer({"error": refused.reason}, refused.status)
    return _answer({"top_up": settled.pk, "state": settled.state}, 200)


def _answer(content: dict[str, Any], status: int) -> HttpResponse:
    return JsonResponse(content, status=status)


def _own(request: HttpRequest, top_up_id: int) -> TopUp:
    return get_object_or_404(TopUp, pk=top_up_id, user_id=request.user.pk)
