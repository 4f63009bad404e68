"""How many calls a service key may make: a token bucket per key, in this process's memory."""

import time
from dataclasses import dataclass
from math import ceil

from notifications.conf import conf

# Buckets that are full again are dropped once there are so many.
BUCKETS_MAX = 10_000


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


_buckets: dict[str, _Bucket] = {}


def take(prefix: str) -> int:
    """Count one call of the key with this prefix. 0 if it may be made, else the seconds until the next may.

    A minute's worth may come at once; then they come back evenly.
    """
    most = conf().rpc_calls_per_minute
    per_second = most / 60
    now = time.monotonic()
    bucket = _buckets.get(prefix)
    if bucket is None:
        if len(_buckets) >= BUCKETS_MAX:
            _drop_full(now, most, per_second)
        bucket = _buckets[prefix] = _Bucket(most, now)
    bucket.tokens = min(most, bucket.tokens + (now - bucket.at) * per_second)
    bucket.at = now
    if bucket.tokens >= 1:
        bucket.tokens -= 1
        return 0
    return max(1, ceil((1 - bucket.tokens) / per_second)) if per_second else 60


def forget() -> None:
    """Fill every bucket again."""
    _buckets.clear()


def _drop_full(now: float, most: float, per_second: float) -> None:
    for prefix, bucket in list(_buckets.items()):
        if bucket.tokens + (now - bucket.at) * per_second >= most:
            del _buckets[prefix]
