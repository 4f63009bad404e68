"""The HTTP API of the inbox, for clients without a socket and for what a socket cannot tell: why it was refused.

Who calls is said by a Bearer access token or by the session (with CSRF token for what changes anything). Errors are
problem details (RFC 9457) with a `code` as on the socket, and for 400 `errors`, a list of `{loc, msg}`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from functools import wraps
from http import HTTPStatus
from typing import Any, NoReturn, TypeAlias
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from rest_framework.authentication import CSRFCheck
from rest_framework_simplejwt.exceptions import TokenBackendError

from notifications import clock, inbox, preferences, replay, tokens, users
from notifications.channel_layer import publisher
from notifications.conf import conf
from notifications.database import in_thread
from notifications.exceptions import InvalidContent, InvalidJSON, TokenRefused, TooLarge, Unavailable
from notifications.protocol import jsontext
from notifications.protocol.events import Event, Op
from notifications.protocol.frames import LIST_LIMIT_DEFAULT, LIST_LIMIT_MAX, READ_IDS_MAX, replayed
from notifications.protocol.items import KIND_PATTERN, encode, parse_id, timestamp

# 200 ids take 8 KiB; indented they take twice that.
BODY_MAX_BYTES = 64 * 1024
RETRY_AFTER_SECONDS = 1

View: TypeAlias = Callable[[HttpRequest, str], Awaitable[HttpResponse]]
Done: TypeAlias = Callable[..., Coroutine[Any, Any, HttpResponse]]


class Problem(Exception):
    """An answer that is an error: its status, what it means to a program (`code`) and to a person (`detail`)."""

    def __init__(self, status: HTTPStatus, code: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code
        self.headers = headers or {}

    def response(self, **more: Any) -> HttpResponse:
        """The HTTP answer, with `more` members of the problem object."""
        body = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": int(self.status),
            "detail": str(self),
            "code": self.code,
            **more,
        }
        return HttpResponse(
            jsontext.dumps(body), status=self.status, content_type="application/problem+json", headers=self.headers
        )


def endpoint(*methods: str, bearer: bool = True) -> Callable[[View], Done]:
    """Make a view of a function of the request and the caller's uid; `bearer` says whether a token will do."""

    def decorate(view: View) -> Done:
        # A token cannot be sent by a foreign page, so only the session needs the check, which is made by hand.
        @csrf_exempt
        @wraps(view)
        async def wrapped(request: HttpRequest) -> HttpResponse:
            try:
                if request.method not in methods:
                    raise Problem(
                        HTTPStatus.METHOD_NOT_ALLOWED,
                        "method_not_allowed",
                        f"use {' or '.join(methods)}",
                        {"Allow": ", ".join(methods)},
                    )
                response = await view(request, await _caller(request, bearer=bearer))
            except Problem as problem:
                response = problem.response()
            except InvalidContent as error:
                response = Problem(HTTPStatus.BAD_REQUEST, error.code, error.message).response(errors=error.errors)
            except InvalidJSON as error:
                errors = [{"loc": [], "msg": error.message}]
                response = Problem(HTTPStatus.BAD_REQUEST, error.code, error.message).response(errors=errors)
            except TooLarge as error:
                response = Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error.code, error.message).response()
            except Unavailable as error:
                retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
                response = Problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, error.message, retry).response()
            return _unstored(response)

        return wrapped

    return decorate


# --- the views


@endpoint("GET", "HEAD")
async def list_items(request: HttpRequest, uid: str) -> HttpResponse:
    """`GET ?before=&limit=&unread=&kind=`: a page of the inbox, newest first, as `{items, next, unread}`."""
    asked = _query(request)

    def look() -> tuple[inbox.Page, int]:
        return inbox.page(uid, **asked), inbox.unread_counts([uid])[uid]

    page, unread = await in_thread(look)
    items = ",".join(replayed(encode(item)) for item in page.items)
    next_id = jsontext.dumps(page.next and str(page.next))
    return _json(f'{{"items":[{items}],"next":{next_id},"unread":{unread}}}')


@endpoint("GET", "HEAD")
async def unread(request: HttpRequest, uid: str) -> HttpResponse:
    """`GET`: how many items are unread, as `{unread}`; answered from the unread index where there is one."""
    found = await in_thread(replay.snapshots, [uid])
    return _json(jsontext.dumps({"unread": found[uid].unread}))


@endpoint("POST")
async def read(request: HttpRequest, uid: str) -> HttpResponse:
    """`POST {ids, via, confirm}` or `{before}`: mark as read; `{ids, unread}`, after commit, as on the socket."""
    body = _body(request)
    if "before" in body:
        result = await in_thread(inbox.read_until, uid, body["before"])
    else:
        result = await in_thread(inbox.read, uid, body["ids"], via=body["via"], confirm=body["confirm"])
    await asyncio.sleep(result.confirm_after)
    return _json(jsontext.dumps({"ids": [str(i) for i in result.ids], "unread": result.unread}))


@endpoint("POST", bearer=False)
async def token(request: HttpRequest, uid: str) -> HttpResponse:
    """`POST` with a session: an access token for the page's socket, as `{access, expires_at}`."""
    lifetime = timedelta(seconds=conf().page_token_lifetime)
    expires_at = clock.now() + lifetime
    try:
        access = tokens.issue(uid, lifetime)
    except TokenBackendError as error:
        raise Problem(HTTPStatus.NOT_IMPLEMENTED, "not_supported", str(error)) from None
    return _json(jsontext.dumps({"access": access, "expires_at": timestamp(expires_at)}))


@endpoint("GET", "HEAD", "PUT")
async def choices(request: HttpRequest, uid: str) -> HttpResponse:
    """`GET`: what the user has chosen, as `{quiet_hours, sound, muted_kinds}`; `PUT` puts something else in its place.

    With `?kinds=true` also the `kinds` of their inbox as `[{kind, name}]`, named in the request's language. After a
    `PUT` the user's sockets are sent their inbox again: pages that know about preferences then ask for them.
    """
    if request.method == "PUT":
        chosen = await in_thread(preferences.keep, uid, _object(request))
        publisher.put(Event(Op.RESYNC, uid, ()))
        return _json(jsontext.dumps(chosen))
    if _TRUTH.get(request.GET.get("kinds", "").lower()):
        return _json(jsontext.dumps(await in_thread(_with_kinds, uid)))
    return _json(jsontext.dumps(await in_thread(preferences.of, uid)))


def _with_kinds(uid: str) -> dict[str, Any]:
    chosen = preferences.of(uid)
    kinds = sorted({*inbox.kinds(uid), *chosen["muted_kinds"]})
    return {**chosen, "kinds": [{"kind": kind, "name": preferences.kind_name(kind)} for kind in kinds]}


async def not_found(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Any other address under the API's."""
    return _unstored(Problem(HTTPStatus.NOT_FOUND, "not_found", "there is nothing at this address").response())


# --- who calls


async def _caller(request: HttpRequest, *, bearer: bool) -> str:
    scheme, _, raw = request.headers.get("Authorization", "").partition(" ")
    if bearer and scheme.lower() == "bearer":
        try:
            claims = await tokens.averify(raw.strip())
        except TokenRefused as error:
            _unauthorized(error.message, ', error="invalid_token"')
        if not conf().standalone and claims.uid not in await in_thread(users.active, [claims.uid]):
            _unauthorized("unknown or inactive user", ', error="invalid_token"')
        return claims.uid
    uid, foreign = await in_thread(_of_session, request)
    if uid is None:
        _unauthorized("sign in, or send an access token" if bearer else "sign in")
    if foreign:
        raise Problem(HTTPStatus.FORBIDDEN, "csrf", foreign)
    return uid


def _of_session(request: HttpRequest) -> tuple[str | None, str | None]:
    """The uid that is signed in, if any, and why the request may come from a foreign page, if it may."""
    # Without the auth middleware (a service of its own) there are no sessions.
    user = getattr(request, "user", None)
    if user is None or not user.is_authenticated or not user.is_active:
        return None, None
    check = CSRFCheck(lambda request: HttpResponse())
    check.process_request(request)
    # Django's own check, of which REST framework makes the reason the result.
    reason: Any = check.process_view(request, lambda: None, (), {})  # type: ignore[arg-type,return-value]
    return users.uid_of(user), reason


def _unauthorized(detail: str, more: str = "") -> NoReturn:
    challenge = {"WWW-Authenticate": f'Bearer realm="notifications"{more}'}
    raise Problem(HTTPStatus.UNAUTHORIZED, "unauthorized", detail, challenge)


# --- what comes in


def _query(request: HttpRequest) -> dict[str, Any]:
    """The arguments for `inbox.page`; empty parameters are as good as none. Raises `InvalidContent`."""
    given = {name: value for name in request.GET if (value := request.GET[name])}
    asked: dict[str, Any] = {"before": None, "limit": LIST_LIMIT_DEFAULT, "unread": False, "kind": given.get("kind")}
    errors = []
    if "before" in given:
        asked["before"] = parse_id(given["before"])
        if asked["before"] is None:
            errors.append(_wrong("before", "must be an item's id"))
    if "limit" in given:
        text = given["limit"]
        asked["limit"] = int(text) if len(text) <= 3 and text.isascii() and text.isdigit() else 0
        if not 1 <= asked["limit"] <= LIST_LIMIT_MAX:
            errors.append(_wrong("limit", f"must be 1 to {LIST_LIMIT_MAX}"))
    if "unread" in given:
        asked["unread"] = _TRUTH.get(given["unread"].lower())
        if asked["unread"] is None:
            errors.append(_wrong("unread", "must be true or false"))
    if asked["kind"] is not None and not KIND_PATTERN.fullmatch(asked["kind"]):
        errors.append(_wrong("kind", "must match [a-z0-9_]+(\\.[a-z0-9_]+)*"))
    if errors:
        raise InvalidContent(errors)
    return asked


_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def _object(request: HttpRequest) -> dict[str, Any]:
    """The body, which must be an object of JSON."""
    if request.content_type != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", "send application/json")
    if int(request.META.get("CONTENT_LENGTH") or 0) > BODY_MAX_BYTES:
        raise TooLarge(f"over {BODY_MAX_BYTES} bytes")
    body = jsontext.loads(request.read(BODY_MAX_BYTES + 1), BODY_MAX_BYTES)
    if not isinstance(body, dict):
        raise InvalidContent([{"loc": [], "msg": "must be an object"}])
    return body


def _body(request: HttpRequest) -> dict[str, Any]:
    """Either `before`, or `ids` (those that are no UUID left out), `via` and `confirm`."""
    body = _object(request)
    # null is as good as left out, as in a frame.
    given = {name: value for name, value in body.items() if value is not None}
    if ("before" in given) == ("ids" in given):
        raise InvalidContent([_wrong("ids", "give either ids or before")])
    if "before" in given:
        before: UUID | None = parse_id(given["before"])
        if before is None:
            raise InvalidContent([_wrong("before", "must be the newest id that was seen")])
        return {"before": before}
    ids, via, confirm = given["ids"], given.get("via", "list"), given.get("confirm", False)
    errors = []
    if not isinstance(ids, list) or not 1 <= len(ids) <= READ_IDS_MAX:
        errors.append(_wrong("ids", f"must be a list of 1 to {READ_IDS_MAX} ids"))
    elif not all(isinstance(i, str) for i in ids):
        errors.append(_wrong("ids", "must be strings"))
    if via not in ("popup", "list"):
        errors.append(_wrong("via", "must be popup or list"))
    if not isinstance(confirm, bool):
        errors.append(_wrong("confirm", "must be true or false"))
    if errors:
        raise InvalidContent(errors)
    known = [parsed for i in ids if (parsed := parse_id(i)) is not None]
    return {"ids": known, "via": via, "confirm": confirm}


def _wrong(name: str, problem: str) -> dict[str, Any]:
    return {"loc": [name], "msg": problem}


# --- what goes out


def _json(text: str) -> HttpResponse:
    return HttpResponse(text, content_type="application/json")


def _unstored(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    return response
