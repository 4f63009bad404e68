"""Who is writing: the transactions that have changed what users see and are still open."""

from django.db import OperationalError, connection

from notifications.models import Announcement, Disconnection, Notification, Receipt, Recipient

# What is waited for: whoever writes here changes what sockets are to be told.
WATCHED = (Notification, Announcement, Receipt, Recipient, Disconnection)
# Things that happened and that are still asked about: the last few flushes of a few Redis.
EVENTS_MOST = 64


def transactions() -> frozenset[str]:
    """Those that have written and are still open, each by a name of its own.

    In SQLite there is one at most, and the next has its name too.
    """
    if connection.vendor != "postgresql":
        return frozenset(["the writer"]) if _somebody_writes() else frozenset()
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT DISTINCT virtualtransaction FROM pg_locks
            WHERE mode = 'RowExclusiveLock' AND granted AND relation = ANY(%s::regclass[])
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())""",
            [[table._meta.db_table for table in WATCHED]],
        )
        return frozenset(name for (name,) in cursor.fetchall())


def _somebody_writes() -> bool:
    """Whether SQLite's write lock is taken: tried for, without waiting."""
    with connection.cursor() as cursor:
        patience = cursor.execute("PRAGMA busy_timeout").fetchone()[0]
        cursor.execute("PRAGMA busy_timeout = 0")
        try:
            cursor.execute("BEGIN IMMEDIATE")
            cursor.execute("ROLLBACK")
        except OperationalError:
            return True
        finally:
            cursor.execute(f"PRAGMA busy_timeout = {patience}")
    return False


class Endings:
    """Tells of events whether whoever was writing when they happened has ended since."""

    def __init__(self) -> None:
        self._open: dict[str, frozenset[str]] = {}

    def seen(self, event: str) -> bool:
        """Whether no transaction is open any more that was when `event`, which is over, was first asked about."""
        before = self._open.get(event)
        if before is None or before:
            now = transactions()
            before = self._open[event] = now if before is None else before & now
            while len(self._open) > EVENTS_MOST:
                self._open.pop(next(iter(self._open)), None)
        return not before
