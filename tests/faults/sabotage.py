"""Breaks a node on purpose: crash points, and mechanisms switched off one at a time, to see that tests notice.

The variable SABOTAGE names what to break, separated by commas. Only `tests.faults.settings` installs this.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any
from uuid import UUID

from django.apps import AppConfig

# A process that is to publish this dies at the crash point that is set.
CRASH_MARK = "crash-here"


class Sabotage(AppConfig):
    """Breaks what SABOTAGE names as soon as the models are there."""

    name = "tests.faults.sabotage"
    label = "sabotage"
    path = str(Path(__file__).parent)

    def ready(self) -> None:
        """Break it."""
        for name in filter(None, os.environ.get("SABOTAGE", "").split(",")):
            globals()[name]()


def crash_before_push() -> None:
    """Die after the commit, when the item is to be handed to the channel layer."""
    from notifications.channel_layer import Publisher

    put = Publisher.put

    def dying(self: Publisher, event: Any) -> None:
        if CRASH_MARK in event.head:
            os.kill(os.getpid(), signal.SIGKILL)
        put(self, event)

    Publisher.put = dying  # type: ignore[method-assign]


def crash_before_index() -> None:
    """Die after the commit, when the unread index is to be told."""
    from notifications.unread_index import Change

    done = Change.done

    def dying(self: Change, added: Any = None, removed: Any = None) -> None:
        if CRASH_MARK in str(added):
            os.kill(os.getpid(), signal.SIGKILL)
        done(self, added, removed)

    Change.done = dying  # type: ignore[method-assign]


def crash_before_commit() -> None:
    """Die when everything is written, and nothing committed."""
    from notifications.models import Notification

    save = Notification.save

    def dying(self: Notification, *args: Any, **kwargs: Any) -> None:
        save(self, *args, **kwargs)
        if CRASH_MARK in self.title:
            os.kill(os.getpid(), signal.SIGKILL)

    Notification.save = dying  # type: ignore[method-assign,assignment]


def clock_ahead() -> None:
    """This process's clock is two hours ahead."""
    import time

    seconds, nanoseconds = time.time, time.time_ns
    time.time = lambda: seconds() + 7_200
    time.time_ns = lambda: nanoseconds() + 7_200_000_000_000


def tail_off() -> None:
    """Nobody looks into the tables for what was missed."""
    from notifications.tail import Tail

    async def look(self: Tail) -> None:
        return

    Tail.look = look  # type: ignore[method-assign]


def join_after_read() -> None:
    """An opening socket reads its inbox first and joins after, on a machine that is slow in between."""
    from notifications import clock, consumers
    from notifications.protocol import frames

    async def opening(self: Any) -> None:
        hub, connection = self._node.hub, self._connection
        connection.snapshot_ms = clock.now_ms()
        snapshot = await consumers._snapshot_of(connection.uid)
        await asyncio.sleep(0.5)
        await hub.attach(connection)
        connection.buffer.clear()
        inbox = frames.inbox(snapshot.heads, snapshot.unread, more=snapshot.unread > len(snapshot.ids))
        connection.welcome(self._welcome(snapshot), inbox)
        hub.activate(connection, snapshot)

    consumers.NotificationConsumer._open = opening  # type: ignore[method-assign]


def unscoped_read() -> None:
    """`read` takes any id, whoever's it is."""
    from notifications import clock, inbox
    from notifications.models import Announcement, Notification

    def read(uid: str, ids: Any, *, via: str = "list", confirm: bool = False, origin: str = "") -> inbox.ReadResult:
        wanted: list[UUID] = list(ids)
        notifications = Notification.objects.filter(id__in=wanted)
        general = Announcement.objects.live(clock.now()).filter(item_id__in=wanted)
        return inbox._mark(
            uid, notifications, lambda _: inbox._reaching(uid, general), via=via, confirm=confirm, origin=origin
        )

    inbox.read = read


def index_over_database() -> None:
    """The unread index is believed whatever happens: no writer tells it, nobody asks the database whether it may be."""
    from notifications import unread_index

    unread_index.begin = lambda uids: unread_index.Change()
    unread_index.Guard.trusted = lambda self: True  # type: ignore[method-assign]


def push_never() -> None:
    """Nothing that this process publishes is handed to the channel layer."""
    from notifications.channel_layer import Publisher

    Publisher.put = lambda self, event: None  # type: ignore[method-assign]
