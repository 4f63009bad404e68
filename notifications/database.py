"""Calls to the database from async code, and what its failures mean to callers."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async
from django.db import InterfaceError, OperationalError

from notifications import metrics
from notifications.exceptions import Unavailable

P = ParamSpec("P")
R = TypeVar("R")

# Threads of their own: in the event loop's default pool (6 on 2 cores) a database that hangs would hold up all else
# that runs there, Django's answer that it hangs included. As many as psycopg's pool has connections.
_threads = ThreadPoolExecutor(16, thread_name_prefix="notifications-database")


@contextmanager
def available() -> Iterator[None]:
    """Turn a database that is away, locked, or slower than its time-outs into `Unavailable`: nothing was accepted."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        metrics.database_errors.inc()
        raise Unavailable("the database is not available now; repeat the call") from error


async def in_thread(call: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function that uses the ORM in a worker thread; raises `Unavailable` as `available` does.

    Not on asgiref's one shared thread, where everything waits behind the slowest query of the process (measured 1.9 s).
    """
    with available():
        result: R = await database_sync_to_async(call, thread_sensitive=False, executor=_threads)(*args, **kwargs)
    return result
