"""Delivered: which notifications have been written to a socket of their user, stored without a write per push.

The hub notes ids as it sends; once a second they go to the database together. It is news for the sender
(`notifications.status`), nothing depends on it: what a crash loses here is delivered all the same.
"""

import asyncio
import logging
from collections.abc import Iterable
from itertools import islice
from uuid import UUID

from notifications import clock
from notifications.database import in_thread
from notifications.models import Notification

logger = logging.getLogger(__name__)

FLUSH_SECONDS = 1.0
BATCH = 500
# A wave of reconnects replays far more than it delivers: at most so many ids are looked at in one flush.
FLUSH_MOST = 10 * BATCH
# Ids that may wait (about 10 MB), and ids remembered so that a replay does not store them again.
WAITING_MOST = 100_000
STORED_MOST = 50_000


class Delivered:
    """What one node has delivered and not yet stored."""

    def __init__(self) -> None:
        # Dicts for their order: the oldest go first.
        self._waiting: dict[UUID, None] = {}
        self._stored: dict[UUID, None] = {}

    def note(self, ids: Iterable[UUID]) -> None:
        """These were written to a socket. Announcements' ids are harmless."""
        for item_id in ids:
            if item_id not in self._stored and len(self._waiting) < WAITING_MOST:
                self._waiting[item_id] = None

    async def keep(self) -> None:
        """Store what was noted, once a second, for ever."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            try:
                await self.flush()
            except Exception as error:  # kept for the next time
                logger.debug("what was delivered could not be stored (%s)", error)

    async def flush(self) -> None:
        """Store the oldest of what was noted; raises `Unavailable`, and then keeps it."""
        ids = list(islice(self._waiting, FLUSH_MOST))
        if not ids:
            return
        await in_thread(_store, ids)
        for item_id in ids:
            self._waiting.pop(item_id, None)
            self._stored[item_id] = None
        for item_id in list(islice(self._stored, max(0, len(self._stored) - STORED_MOST))):
            del self._stored[item_id]


def _store(ids: list[UUID]) -> None:
    for start in range(0, len(ids), BATCH):
        # Not `changed_at`: no socket is to be told.
        undelivered = Notification.objects.filter(id__in=ids[start : start + BATCH], delivered_at__isnull=True)
        undelivered.update(delivered_at=clock.now())
