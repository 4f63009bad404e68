"""Stock Channels on Daphne: every consumer in one group, `group_send` wakes each.

On the in-memory layer, the quickest there is, with a capacity under which nothing is dropped.
"""

import asyncio
import json
import signal
import sys
from typing import Any

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.layers import get_channel_layer
from daphne.server import Server
from django.conf import settings
from twisted.internet import reactor

from bench.peers.frames import TEXT


class Consumer(AsyncJsonWebsocketConsumer):
    """As the Channels tutorial has it."""

    async def connect(self) -> None:
        """Join."""
        await self.channel_layer.group_add("everyone", self.channel_name)
        await self.accept()

    async def disconnect(self, code: int) -> None:
        """Leave."""
        await self.channel_layer.group_discard("everyone", self.channel_name)

    async def push(self, event: dict[str, Any]) -> None:
        """Send on what the group was sent."""
        await self.send_json(event["item"])


async def _send_all(item: Any) -> None:
    await get_channel_layer().group_send("everyone", {"type": "push", "item": item})


def main(port: int) -> None:
    """Serve for ever."""
    settings.configure(
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
        CHANNEL_LAYERS={
            "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 1_000}},
        },
    )
    django.setup()
    item = json.loads(TEXT)

    def told(*_: Any) -> None:
        reactor.callFromThread(lambda: asyncio.ensure_future(_send_all(item)))

    signal.signal(signal.SIGUSR1, told)
    Server(
        Consumer.as_asgi(),
        endpoints=[f"tcp:port={port}:interface=127.0.0.1:backlog=4096"],
        action_logger=None,
        ping_interval=86_400,
        verbosity=0,
    ).run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
