"""Which request and which connection a line in the log belongs to.

`RequestIds` around the ASGI application and `WithIds` on a logging handler; a formatter then finds `request_id` and
`connection_id` on every record, empty where a line belongs to none.
"""

import logging
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

request_id: ContextVar[str] = ContextVar("request_id", default="")
connection_id: ContextVar[str] = ContextVar("connection_id", default="")

HEADER = b"x-request-id"
# What a proxy gives its requests. Anything else is a client's own idea, and would be a text of its choice in our logs.
_GOOD = re.compile(rb"[A-Za-z0-9_-]{8,64}")


class WithIds(logging.Filter):
    """Gives every record the ids of the request and of the connection during which it was made."""

    def filter(self, record: logging.LogRecord) -> bool:
        """True: nothing is held back."""
        record.request_id = request_id.get()
        record.connection_id = connection_id.get()
        return True


class RequestIds:
    """ASGI middleware that gives each request and each handshake an id: the proxy's `X-Request-ID`, or a new one.

    HTTP answers carry it in a header of the same name.
    """

    def __init__(self, app: Callable[..., Any]) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """The ASGI application."""
        given = next((value for name, value in scope.get("headers", ()) if name == HEADER), b"")
        mine = given if _GOOD.fullmatch(given) else secrets.token_hex(8).encode()
        request_id.set(mine.decode())

        async def answer(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), (HEADER, mine)]}
            await send(message)

        # A socket's frames go out at once: nothing is put between.
        await self._app(scope, receive, answer if scope["type"] == "http" else send)
