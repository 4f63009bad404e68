"""The ASGI application: HTTP by Django, WebSockets by the notifications app."""

import os

from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
http = get_asgi_application()

# Only now: consumers import models, which need the app registry that the line above fills.
from notifications.log_ids import RequestIds  # noqa: E402
from notifications.routing import websocket_application  # noqa: E402
from notifications.rpc.bounds import BoundedCalls  # noqa: E402

application = RequestIds(ProtocolTypeRouter({"http": BoundedCalls(http), "websocket": websocket_application()}))
