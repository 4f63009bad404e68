"""Lifecycle: what became of notifications, for those who sent them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from notifications import clock
from notifications.models import Notification
from notifications.protocol.items import parse_id


class State(StrEnum):
    """Where a notification is in its life; the later of two that hold wins, in the order of `states`."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    READ = "read"
    CONFIRMED = "confirmed"
    EXPIRED = "expired"
    RETRACTED = "retracted"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reached:
    """The state of the notification that was asked for as `id`, and since when; None for an unknown one."""

    id: str
    state: State
    at: datetime | None = None


def states(ids: Sequence[str], *, source: str) -> list[Reached]:
    """The state of each of `ids`, in their order, by one query; missing ones and other senders' alike are unknown."""
    asked = {text: parse_id(text) for text in ids}
    wanted = [item_id for item_id in asked.values() if item_id is not None]
    rows = {row.id: row for row in Notification.objects.filter(id__in=wanted, source=source).defer("body", "data")}
    now = clock.now()
    found = []
    for text in ids:
        item_id = asked[text]
        row = rows.get(item_id) if item_id is not None else None
        found.append(Reached(text, State.UNKNOWN) if row is None else Reached(text, *_reached(row, now)))
    return found


def _reached(row: Notification, now: datetime) -> tuple[State, datetime]:
    if row.retracted_at is not None:
        return State.RETRACTED, row.retracted_at
    if row.confirmed_at is not None:
        return State.CONFIRMED, row.confirmed_at
    if row.read_at is not None:
        return State.READ, row.read_at
    if row.expires_at is not None and row.expires_at <= now:
        return State.EXPIRED, row.expires_at
    if row.delivered_at is not None:
        return State.DELIVERED, row.delivered_at
    return State.ACCEPTED, row.created_at
