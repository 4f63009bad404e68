"""Who calls: from the header to the service's key, with few queries whatever strangers send.

A key that is in use is looked up every four seconds. One that is not known here may be new, so the database is asked;
but for all of them together, ten times a second at most. A flood of made-up keys costs that and no more, and nobody
whose key is known here waits for it.
"""

import asyncio
import time

from django.http import HttpRequest

from notifications import key_usage, service_keys
from notifications.database import in_thread
from notifications.exceptions import ServiceKeyRefused
from notifications.gather import GatherPerLoop
from notifications.models import ServiceKey
from notifications.rpc.exchange import Caller

# Seconds between two look-ups of keys that are not known here.
UNKNOWN_EVERY = 0.1

_unknown_asked_at = float("-inf")


async def caller_of(request: HttpRequest) -> Caller:
    """The calling service; raises `ServiceKeyRefused`, or `Unavailable` where its key cannot be looked up."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    raw = given.strip()
    if scheme.lower() != "bearer" or not raw:
        raise ServiceKeyRefused("no service key")
    key = service_keys.verify_cached(raw)
    if key is None:
        prefix = service_keys.prefix_of(raw)
        key = service_keys.check(raw, await (_known if service_keys.exists(prefix) else _unknown)(prefix))
    # Whatever the request turns out to hold, the key is in use.
    key_usage.note(key.prefix, calls=0)
    return Caller(key.name, key.prefix, tuple(key.scopes))


async def _look_up(prefixes: list[str]) -> dict[str, ServiceKey | None]:
    return await in_thread(service_keys.look_up, prefixes)


async def _look_up_slowly(prefixes: list[str]) -> dict[str, ServiceKey | None]:
    global _unknown_asked_at  # noqa: PLW0603  one pace per process is the point
    await asyncio.sleep(max(0.0, _unknown_asked_at + UNKNOWN_EVERY - time.monotonic()))
    _unknown_asked_at = time.monotonic()
    return await _look_up(prefixes)


_known = GatherPerLoop(_look_up, seconds=lambda: 0.0)
_unknown = GatherPerLoop(_look_up_slowly, seconds=lambda: 0.0)
