"""How many calls each service key has made: counted in memory, stored together about once a second."""

import asyncio
import logging
from collections import Counter

from notifications import service_keys
from notifications.database import in_thread

logger = logging.getLogger(__name__)

STORE_SECONDS = 1.0

_counts: Counter[str] = Counter()
_task: asyncio.Task[None] | None = None


def note(prefix: str, calls: int = 1) -> None:
    """Count calls of the key with this prefix; returns at once."""
    global _task  # noqa: PLW0603  one count per process is the point
    _counts[prefix] += calls
    loop = asyncio.get_running_loop()
    if _task is None or _task.done() or _task.get_loop() is not loop:
        _task = loop.create_task(_store_soon())


async def _store_soon() -> None:
    await asyncio.sleep(STORE_SECONDS)
    counts = dict(_counts)
    _counts.clear()
    try:
        await in_thread(service_keys.add_calls, counts)
    except Exception as error:  # kept, and stored with the next calls
        logger.debug("calls could not be counted (%s)", error)
        _counts.update(counts)
