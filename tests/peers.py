"""The far ends of connections, for tests of what goes out to them: real connections, with no server between."""

import asyncio
import json
from typing import Any

from channels.db import database_sync_to_async

from notifications import clock, replay
from notifications.conf import conf
from notifications.connection import Connection
from notifications.hub import Hub
from notifications.protocol import frames
from notifications.replay import Snapshot

NOTHING = Snapshot((), (), 0)


class Peer:
    """A client of `uid`. `got` are the frames that reached it, `closed` the code it was closed with."""

    def __init__(self, hub: Hub, uid: str, *, lives: float = 3_600.0, outbox_bytes: int = 256 * 1024) -> None:
        self.hub = hub
        self.got: list[dict[str, Any]] = []
        self.closed: int | None = None
        self.resyncs = 0
        self.reads = asyncio.Event()
        self.reads.set()
        self.connection = Connection(
            uid, clock.now_ms() / 1000 + lives, self._take, outbox_bytes=outbox_bytes, on_resync=self._resync
        )
        self.connection.next_ping += conf().heartbeat_interval

    async def _take(self, message: dict[str, Any]) -> None:
        # Like uvicorn, which holds `send` back while the peer reads nothing.
        if not self.reads.is_set():
            await self.reads.wait()
        if message["type"] == "websocket.close":
            self.closed = message["code"]
        else:
            self.got.append(json.loads(message["text"]))

    def _resync(self) -> None:
        self.resyncs += 1

    async def open(self, snapshot: Snapshot | None = NOTHING) -> "Peer":
        """Attach, and be replayed `snapshot`; None: what the database (or its index) says."""
        await self.hub.attach(self.connection)
        if snapshot is None:
            self.connection.snapshot_ms = clock.now_ms()
            look_up = database_sync_to_async(replay.snapshots, thread_sensitive=False)
            snapshot = (await look_up([self.connection.uid]))[self.connection.uid]
        more = snapshot.unread > len(snapshot.ids)
        self.connection.welcome(frames.inbox(snapshot.heads, snapshot.unread, more=more))
        self.hub.activate(self.connection, snapshot)
        return self

    def age(self, seconds: float) -> "Peer":
        """Be as if the replay had been so long ago."""
        self.connection.snapshot_ms -= int(seconds * 1000)
        self.connection.opened_at_ms -= int(seconds * 1000)
        return self

    def of(self, kind: str) -> list[dict[str, Any]]:
        """The frames of one type."""
        return [frame for frame in self.got if frame["type"] == kind]

    @property
    def titles(self) -> list[str]:
        """Of the notifications that were pushed, in order."""
        return [frame["title"] for frame in self.of("notification")]
