"""Where the socket is."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User

from notifications import node
from notifications.routing import websocket_application
from notifications.tokens import issue

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
async def own_node() -> AsyncIterator[None]:
    """Whatever node a test begins ends with it."""
    yield
    await node.stop()


@pytest.mark.parametrize(
    ("prefix", "path", "there"),
    [
        (None, "/ws/notifications/", True),
        (None, "/ws/notifications", False),
        (None, "/ws/notifications/more", False),
        (None, "/ws/other/", False),
        (None, "/", False),
        (None, "//ws/notifications/", False),
        ("live/", "/live/", True),
        ("live/", "/ws/notifications/", False),
    ],
)
async def test_paths(alice: User, prefix: str | None, path: str, there: bool) -> None:
    """One address, with another prefix where wished; everything else is refused and no error."""
    application = websocket_application() if prefix is None else websocket_application(prefix)
    raw = issue(str(alice.pk), timedelta(minutes=5))
    communicator = WebsocketCommunicator(application, path, subprotocols=["notifications.v1", f"bearer.{raw}"])
    connected, detail = await communicator.connect(15)
    assert connected is there
    if there:
        assert detail == "notifications.v1"
    await communicator.disconnect()
