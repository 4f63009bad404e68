"""The door: `POST /rpc/` with its authentication, the OpenRPC document and its page."""

from functools import lru_cache
from http import HTTPStatus

from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe
from modernrpc import RpcServer

from notifications.conf import conf
from notifications.database import available
from notifications.exceptions import NotificationsError, Unavailable
from notifications.protocol import jsontext
from notifications.rpc import openrpc
from notifications.rpc.callers import caller_of
from notifications.rpc.errors import Code, RpcError, as_json, of
from notifications.rpc.exchange import Exchange, exchange
from notifications.rpc.server import make_server

# The page holds no script at all, and nothing from elsewhere.
DOCS_POLICY = "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"
# For staff it has one of ours, which calls the service and nobody else, and no other page can be laid over it.
CONSOLE_POLICY = (
    f"{DOCS_POLICY}; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
CONTENT_TYPES = ("application/json", "application/json-rpc", "application/jsonrequest")


@csrf_exempt
async def endpoint(request: HttpRequest) -> HttpResponse:
    """`/rpc/`: JSON-RPC 2.0 by POST; a browser that comes by GET is led to the page.

    Every JSON-RPC answer is HTTP 200, errors too, but for a missing or refused key: that is 401, as RFC 6750 section 3
    has it, with the JSON-RPC error in its body.
    """
    if request.method in ("GET", "HEAD"):
        return redirect("notifications:rpc-docs")
    if request.method != "POST":
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    state = Exchange()
    try:
        state.caller = await caller_of(request)
    except NotificationsError as error:
        state.refusal = of(error)
    response = _unreadable(request, state)
    if response is None:
        token = exchange.set(state)
        try:
            response = await _server().async_view(request)
        finally:
            exchange.reset(token)
    if state.refusal is not None and state.refusal.code == Code.UNAUTHENTICATED:
        response.status_code = 401
        response["WWW-Authenticate"] = 'Bearer realm="rpc"'
    if state.retry_after is not None:
        response["Retry-After"] = str(state.retry_after)
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    if response.status_code != HTTPStatus.NO_CONTENT:
        # Django's own middleware sets it, where it is asked at all; without it the answer goes out in chunks.
        response["Content-Length"] = str(len(response.content))
    return response


@require_safe
@cache_control(max_age=300)
async def document(request: HttpRequest) -> JsonResponse:
    """`/rpc/openrpc.json`."""
    return JsonResponse(openrpc.document(_address(request)))


@require_safe
async def docs(request: HttpRequest) -> HttpResponse:
    """`/rpc/docs/`: the OpenRPC document for people. Signed-in staff can make calls there, with a key they have."""
    address = _address(request)
    console = await _is_staff(request)
    context = {
        "document": openrpc.document(address),
        "methods": openrpc.chapters(address),
        "address": address,
        "limits": openrpc.limits(),
        "console": console,
    }
    response = render(request, "notifications/rpc/docs.html", context)
    response["Content-Security-Policy"] = CONSOLE_POLICY if console else DOCS_POLICY
    return response


async def _is_staff(request: HttpRequest) -> bool:
    # A project may have no sessions; a service of its own has no users.
    if conf().standalone or not hasattr(request, "auser"):
        return False
    try:
        with available():
            user = await request.auser()
    except Unavailable:
        # The page itself needs no database, and is most wanted while something is wrong.
        return False
    return user.is_active and bool(getattr(user, "is_staff", False))


def _unreadable(request: HttpRequest, state: Exchange) -> HttpResponse | None:
    """The answer to a body that cannot be read at all: not JSON by its label, more than Django takes, not UTF-8."""
    if (request.content_type or "").lower() not in CONTENT_TYPES:
        error = RpcError(Code.INVALID_REQUEST, {"reason": "Content-Type must be application/json"})
        return _answer(state.refusal or error, status=415)
    try:
        request.body.decode()
    except RequestDataTooBig:
        return _answer(state.refusal or RpcError(Code.TOO_LARGE, {"reason": f"over {conf().rpc_max_bytes} bytes"}))
    except UnicodeDecodeError:
        return _answer(state.refusal or RpcError(Code.PARSE_ERROR, {"reason": "not UTF-8"}))
    # JSON between systems is UTF-8 (RFC 8259 section 8.1), whatever charset the header names.
    request.encoding = "utf-8"
    return None


def _answer(error: RpcError, status: int = 200) -> HttpResponse:
    text = jsontext.dumps({"jsonrpc": "2.0", "error": as_json(error), "id": None})
    return HttpResponse(text, status=status, content_type="application/json")


def _address(request: HttpRequest) -> str:
    return request.build_absolute_uri(reverse("notifications:rpc"))


@lru_cache(maxsize=1)
def _server() -> RpcServer:
    return make_server()
