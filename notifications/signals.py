"""Signals for the platform's own code: an item was created, items were read.

They are sent after the commit, by the process and in the thread that did it, once for each item that this call made or
read first. What a receiver raises is logged and changes nothing. Receivers hold the caller up: long work belongs in a
queue. Connect them in an `AppConfig.ready`; a process that is killed between commit and signal sends none.
"""

from collections.abc import Sequence
from uuid import UUID

from django.dispatch import Signal

item_created = Signal()
"""`uid` (None: an announcement was published), `id`, `kind`, `ref` and `source` (the calling service, or "")."""

item_read = Signal()
"""`uid`, `ids` (those that had not been read before) and `via` ("popup" or "list")."""


def created(uid: str | None, item_id: UUID | None, kind: str, ref: str | None, source: str) -> None:
    """Send `item_created` to whoever is connected."""
    item_created.send_robust(sender=None, uid=uid, id=item_id, kind=kind, ref=ref, source=source)


def read(uid: str, ids: Sequence[UUID], via: str) -> None:
    """Send `item_read` to whoever is connected."""
    item_read.send_robust(sender=None, uid=uid, ids=list(ids), via=via)
