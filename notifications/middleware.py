"""In front of the consumer: who may open a socket. Refused handshakes touch neither Redis nor any inbox."""

import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

from notifications import metrics, node, users
from notifications.conf import conf
from notifications.database import in_thread
from notifications.exceptions import TokenRefused, Unavailable
from notifications.gather import GatherPerLoop
from notifications.protocol.frames import BEARER_PREFIX
from notifications.tokens import averify

logger = logging.getLogger(__name__)

QUERY_MAX_BYTES = 16 * 1024

App = Callable[[dict[str, Any], Any, Any], Awaitable[None]]


class OriginMiddleware:
    """Lets browsers in from the exact origins of `ALLOWED_ORIGINS` only (RFC 6455 section 10.2).

    Any page on the web may try to open a socket with a token it got hold of. A client that sends no `Origin` is no
    browser and its token alone decides, unless `REQUIRE_ORIGIN` is set.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The ASGI application."""
        origins = [value for name, value in scope["headers"] if name == b"origin"]
        settings = conf()
        if origins:
            allowed = len(origins) == 1 and origins[0].decode("latin-1") in settings.allowed_origins
        else:
            allowed = not settings.require_origin
        if not allowed:
            await refuse(scope, receive, send, "origin", "foreign origin")
            return
        await self._app(scope, receive, send)


class TokenMiddleware:
    """Lets in whoever brings a good access token of an active user, and puts its `Claims` into `scope["claims"]`.

    The token is the subprotocol `bearer.<token>` beside `notifications.v1`, or the query parameter `token`. It is taken
    out of the scope, so that nothing further in can log it.
    """

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The ASGI application."""
        if node.draining():
            await refuse(scope, receive, send, "draining", "this node is going away", status=503)
            return
        try:
            claims = await averify(token_in(scope))
            await require_active(claims.uid)
        except Unavailable as error:
            await refuse(scope, receive, send, error.code, error.message, status=503)
            return
        except TokenRefused as error:
            await refuse(scope, receive, send, error.code, error.message)
            return
        subprotocols = [p for p in scope.get("subprotocols", []) if not p.startswith(BEARER_PREFIX)]
        headers = [(name, value) for name, value in scope["headers"] if name != b"sec-websocket-protocol"]
        clean = {
            **scope,
            "claims": claims,
            "query_string": b"",
            "subprotocols": subprotocols,
            "headers": headers,
        }
        await self._app(clean, receive, send)


async def require_active(uid: str) -> None:
    """Raise `TokenRefused` where `uid` is no active user's, `Unavailable` where the database cannot say.

    Look-ups of many sockets at once share a query. In standalone mode nobody is looked up.
    """
    if not conf().standalone and not await _is_active(uid):
        raise TokenRefused("unknown or inactive user")


def token_in(scope: dict[str, Any]) -> str:
    """The token that a handshake carries, or an empty text. Two tokens are as good as none."""
    bearers = [p.removeprefix(BEARER_PREFIX) for p in scope.get("subprotocols", []) if p.startswith(BEARER_PREFIX)]
    query = scope["query_string"]
    if not bearers and len(query) <= QUERY_MAX_BYTES:
        bearers = [value for name, value in parse_qsl(query.decode("latin-1")) if name == "token"]
    return bearers[0] if len(bearers) == 1 else ""


async def refuse(
    scope: dict[str, Any], receive: Any, send: Any, reason: str, detail: str, *, status: int = 403
) -> None:
    """Answer the handshake with an HTTP error: 403, or `status` where the server can say so.

    503 is for what another node may grant: a proxy that is told to (docker/nginx) asks the next one.
    Closing before accepting is a 403 everywhere (ASGI WebSocket spec, "Close" and "WebSocket Denial Response").
    `reason` is one of a few words, to be counted by; `detail` is for the log.
    """
    metrics.handshakes_refused.labels(reason).inc()
    logger.info("handshake refused: %s", detail)
    await receive()
    if status == 403 or "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    headers = [(b"content-length", b"0"), (b"retry-after", b"1")]
    await send({"type": "websocket.http.response.start", "status": status, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": b""})


async def _look_up(uids: list[str]) -> dict[str, bool]:
    active = await in_thread(users.active, uids)
    return {uid: uid in active for uid in uids}


_is_active = GatherPerLoop(_look_up, seconds=lambda: conf().gather_seconds)
