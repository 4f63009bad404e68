"""Who used which service key, and how often: counted in memory, stored every few seconds by one commit.

It is news for operators (who still calls, is this key in use?), nothing depends on it: what a killed process had not
stored is lost.
"""

import asyncio
import logging
from collections import Counter

from notifications import service_keys
from notifications.database import in_thread

logger = logging.getLogger(__name__)

STORE_SECONDS = 5.0

_counts: Counter[str] = Counter()
_task: asyncio.Task[None] | None = None


def note(prefix: str, calls: int) -> None:
    """The key with this prefix was used just now, for so many calls; returns at once."""
    global _task  # noqa: PLW0603  one count per process is the point
    _counts[prefix] += calls
    loop = asyncio.get_running_loop()
    if _task is None or _task.done() or _task.get_loop() is not loop:
        _task = loop.create_task(_store_soon())


async def flush() -> None:
    """Store what was noted; raises `Unavailable`, and then keeps it."""
    counts = dict(_counts)
    if not counts:
        return
    _counts.clear()
    try:
        await in_thread(service_keys.add_calls, counts)
    except Exception:
        _counts.update(counts)
        raise


async def _store_soon() -> None:
    await asyncio.sleep(STORE_SECONDS)
    try:
        await flush()
    except Exception as error:  # kept, and stored with the next calls
        logger.debug("calls could not be counted (%s)", error)
