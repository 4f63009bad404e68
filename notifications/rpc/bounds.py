"""A bound on what is read of a request to `/rpc/`, below Django, which reads every body to its end before anything."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from django.urls import reverse

from notifications.conf import conf

Message = dict[str, Any]


class BoundedCalls:
    """ASGI, around Django's application: of too large a call no more is read than shows that it is. It is optional.

    Django keeps a body on disk until it is whole, whoever sends it and however much: here it is cut a byte past
    `RPC_MAX_BYTES`, and so answered with -32013 while its sender is still sending. A proxy with a limit of its own does
    as much, in its own words.
    """

    def __init__(self, application: Any) -> None:
        self._application = application

    async def __call__(
        self,
        scope: dict[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
    ) -> None:
        """Serve a request."""
        ours = scope["type"] == "http" and scope["path"] == scope.get("root_path", "") + reverse("notifications:rpc")
        await self._application(scope, _bounded(receive, conf().rpc_max_bytes) if ours else receive, send)


def _bounded(receive: Callable[[], Awaitable[Message]], most: int) -> Callable[[], Awaitable[Message]]:
    read = 0

    async def bounded() -> Message:
        nonlocal read
        if read > most:
            # Django asks on, for a client that goes away. The server reads no more meanwhile; Django cancels this.
            await asyncio.get_running_loop().create_future()
        message = await receive()
        read += len(message.get("body", b""))
        return {**message, "more_body": False} if read > most else message

    return bounded
