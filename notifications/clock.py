"""The one source of time and of ids, so that both can follow the database's clock instead of this machine's."""

import secrets
import threading
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID

# A clock that goes back by less is being adjusted; by more, it was wrong before.
ADJUSTED_MS = 1_000

_offset_ms = 0
_lock = threading.Lock()
_last_ms = _last_tail = 0


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

    Ids that one process makes for now rise even within a millisecond (RFC 9562 section 6.2, method 2).
    """
    global _last_ms, _last_tail
    if at is not None:
        return _uuid7(round(at.timestamp() * 1000), secrets.randbits(74))
    with _lock:
        # Not by a library: uuid_utils and the standard library keep to the latest moment they ever saw, so that after
        # a clock that was two hours ahead is set right all ids are two hours ahead (seen with uuid_utils 1.2).
        ms = now_ms()
        if _last_ms - ADJUSTED_MS < ms <= _last_ms:
            ms, tail = _last_ms, _last_tail + 1 + secrets.randbits(32)
        else:
            # The first of 74 bits is left free for counting on from there.
            tail = secrets.randbits(73)
        _last_ms, _last_tail = ms, tail
    return _uuid7(ms, tail)


def moment_of(item_id: UUID) -> datetime:
    """The moment that a UUIDv7 carries in its first 48 bits."""
    return _EPOCH + timedelta(milliseconds=item_id.int >> 80)


def _uuid7(ms: int, tail: int) -> UUID:
    # 48 bits of time, 4 of version, 12 of the tail, 2 of variant, 62 of the tail.
    return UUID(int=ms << 80 | 0x7 << 76 | tail >> 62 << 64 | 0b10 << 62 | tail & (1 << 62) - 1)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
