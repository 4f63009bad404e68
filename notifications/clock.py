"""The one source of time and of ids, so that both can follow the database's clock instead of this machine's."""

import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

import uuid_utils.compat

_offset_ms = 0


def follow(reference: datetime) -> None:
    """Take `reference` (the database's present moment, aware) as the true time from now on.

    Every node asks the same database, so ids made on different nodes sort by time and expiry is judged alike,
    even where one machine's clock is hours off. Offsets below 250 ms are noise of the round trip and ignored.
    """
    global _offset_ms  # noqa: PLW0603  one clock per process is the point
    offset = int(reference.timestamp() * 1000) - time.time_ns() // 1_000_000
    _offset_ms = offset if abs(offset) >= 250 else 0


def now_ms() -> int:
    """The present moment in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000 + _offset_ms


def now() -> datetime:
    """The present moment as an aware UTC datetime, cut to milliseconds, the precision of the wire."""
    return _EPOCH + timedelta(milliseconds=now_ms())


def new_id(at: datetime | None = None) -> UUID:
    """A new UUIDv7 (RFC 9562 section 5.7) for the moment `at` (aware; now if left out).

    Ids that one process makes for now rise even within a millisecond (RFC 9562 section 6.2).
    """
    if at is not None:
        return uuid_utils.compat.uuid7(nanoseconds=int(at.timestamp() * 1000) * 1_000_000)
    if _offset_ms:
        return uuid_utils.compat.uuid7(nanoseconds=now_ms() * 1_000_000)
    return uuid_utils.compat.uuid7()


def moment_of(item_id: UUID) -> datetime:
    """The moment that a UUIDv7 carries in its first 48 bits."""
    return _EPOCH + timedelta(milliseconds=item_id.int >> 80)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
