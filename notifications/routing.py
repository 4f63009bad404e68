"""The WebSocket side of the app, for the project's `asgi.py`."""

from typing import Any

from channels.routing import URLRouter
from django.urls import path

from notifications.consumers import NotificationConsumer
from notifications.middleware import OriginMiddleware, TokenMiddleware, refuse


def websocket_application(prefix: str = "ws/notifications/") -> Any:
    """The ASGI application for sockets at `prefix`: origin check, token check, consumer. Other paths are refused."""
    guarded = OriginMiddleware(TokenMiddleware(NotificationConsumer.as_asgi()))

    async def not_here(scope: dict[str, Any], receive: Any, send: Any) -> None:
        await refuse(scope, receive, send, "path", "no such path")

    # Django's path() is annotated for views; channels routes ASGI applications with it.
    routes: list[tuple[str, Any]] = [(prefix, guarded), ("<path:rest>", not_here), ("", not_here)]
    return URLRouter([path(route, application) for route, application in routes])
