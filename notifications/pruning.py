"""Pruning: what is over and old is deleted, in small transactions, so that nobody waits for a lock.

What is over: notifications that were read, retracted or have expired; announcements that have ended or were withdrawn,
with their receipts. Unread items stay however old they are: they are promised until they are read or expire. Beside
these goes what the app keeps for itself and needs no more: wishes and idempotency keys past their days.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef, Q, QuerySet

from notifications import clock
from notifications.conf import conf
from notifications.models import Announcement, Disconnection, Drain, IdempotencyKey, Notification, Receipt, Recipient

# Rows of one transaction: some 20 ms on SQLite, the slowest at it.
BATCH = 500
# Every look of a tail goes back minutes at most.
WISH_LIFE = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Chore:
    """Rows of one kind that can go."""

    name: str
    rows: QuerySet[Any]


def chores(older_than: timedelta) -> list[Chore]:
    """What can be deleted now of all that is older than that, in the order in which it must be."""
    now = clock.now()
    horizon = now - older_than
    over = Announcement.objects.filter(Q(ends_at__lt=horizon, live_at__isnull=False) | Q(withdrawn_at__lt=horizon))
    return [
        Chore("notifications", _finished(horizon, now)),
        # Before their announcements, whose deletion would take them all along in one transaction.
        Chore("receipts", Receipt.objects.filter(Exists(over.filter(pk=OuterRef("announcement_id"))))),
        Chore("recipients", Recipient.objects.filter(Exists(over.filter(pk=OuterRef("announcement_id"))))),
        Chore("announcements", over),
        Chore("idempotency_keys", IdempotencyKey.objects.filter(created_at__lt=now - _days(conf().idempotency_days))),
        Chore("disconnections", Disconnection.objects.filter(changed_at__lt=now - WISH_LIFE)),
        Chore("drains", Drain.objects.filter(changed_at__lt=now - WISH_LIFE)),
    ]


def prune(chore: Chore, progress: Callable[[int], object]) -> int:
    """Delete a chore's rows, telling `progress` the size of each batch; gives how many rows went."""
    deleted = 0
    for keys in _batches(chore.rows):
        # The condition once more: what changed since the keys were read stays.
        count = chore.rows.filter(pk__in=keys).delete()[0]
        progress(count)
        deleted += count
    return deleted


def _finished(horizon: datetime, now: datetime) -> QuerySet[Notification]:
    over = Q(read_at__isnull=False) | Q(retracted_at__isnull=False) | Q(expires_at__lte=now)
    return Notification.objects.filter(over, created_at__lt=horizon)


def _batches(rows: QuerySet[Any]) -> Iterator[list[Any]]:
    ordered, last = rows.order_by("pk"), None
    while True:
        found = ordered if last is None else ordered.filter(pk__gt=last)
        keys = list(found.values_list("pk", flat=True)[:BATCH])
        if keys:
            yield keys
        if len(keys) < BATCH:
            return
        last = keys[-1]


def _days(days: float) -> timedelta:
    return timedelta(days=days)
