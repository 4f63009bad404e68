"""What a node asks of PostgreSQL all day, timed and explained. Runs in a process of the platform's."""

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection
from django.db.backends.signals import connection_created

from bench.growth import FRESH, MORE, TOGETHER, UNREAD_ITEMS, USUAL
from notifications import clock, inbox, replay
from notifications.hub import Hub, User
from notifications.models import Notification
from notifications.tail import Tail


@dataclass(slots=True)
class Answer:
    """What one question costs: milliseconds (the median), queries, pages touched, index entries and rows looked at.

    `scans` says for each kind of access which index or table it went by.
    """

    question: str
    ms: float
    worst_ms: float
    statements: int
    pages: int
    rows: int
    scans: dict[str, list[str]] = field(default_factory=dict)


def ask(uids: Sequence[str], many: str, rounds: int) -> list[Answer]:
    """Ask each question so many times. `uids` have few unread items each, `many` has very many."""
    together = uids[:TOGETHER]
    answers = [
        *_looks(uids, FRESH, rounds),
        _asked(f"unread of {TOGETHER} sockets that open together", lambda: replay.snapshots(together), rounds),
        _asked("unread of one socket that opens", lambda: replay.snapshots(uids[:1]), rounds),
        _asked("unread of a socket whose user has very many", lambda: replay.snapshots([many]), rounds),
        _asked("count of very many unread", lambda: inbox.unread_counts([many]), rounds),
        _asked("first three of the list", lambda: inbox.page(uids[0], limit=UNREAD_ITEMS), rounds),
        _asked("first fifty of the list of the one with very many", lambda: inbox.page(many), rounds),
    ]
    usual, _ = _looks(uids, MORE, max(3, rounds // 10))
    usual.question = f"{USUAL}, of {MORE:,} more rows"
    return [*answers, usual]


def fresh(uids: Sequence[str], items: int) -> None:
    """Store items as if they had been sent just now."""
    Notification.objects.bulk_create(
        Notification(id=clock.new_id(), uid=uids[n % len(uids)], title="New", created_at=clock.now())
        for n in range(items)
    )


def _looks(uids: Sequence[str], items: int, rounds: int) -> list[Answer]:
    """Looks of the tail that find what their node has pushed already, and first looks, that find it all missed."""
    fresh(uids, items)
    usual: list[float] = []
    first: list[float] = []
    its: list[tuple[str, Any]] = []

    async def look(tail: Tail, times: list[float]) -> None:
        statements.clear()
        begun = time.perf_counter()
        await tail.look()
        times.append(time.perf_counter() - begun)

    async def looks() -> None:
        for _ in range(max(3, rounds // 5)):
            await look(tail := _tail(uids), first)
        its.extend(statements)
        for _ in range(rounds):
            await look(tail, usual)

    with _recorded() as statements:
        asyncio.run(looks())
        return [_answer(USUAL, usual, list(statements)), _answer(f"look of the tail, {items} items missed", first, its)]


def _tail(uids: Sequence[str]) -> Tail:
    hub = Hub()
    hub.users.update({uid: User() for uid in uids})
    return Tail(hub)


def _asked(question: str, call: Callable[[], Any], rounds: int) -> Answer:
    with _recorded() as statements:
        call()
        its = list(statements)
        times = []
        for _ in range(rounds):
            begun = time.perf_counter()
            call()
            times.append(time.perf_counter() - begun)
    return _answer(question, times, its)


def _answer(question: str, times: Sequence[float], statements: Sequence[tuple[str, Any]]) -> Answer:
    answer = Answer(question, statistics.median(times) * 1e3, max(times) * 1e3, len(statements), 0, 0)
    with connection.cursor() as cursor:
        for sql, params in statements:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            plan = cursor.fetchone()[0][0]["Plan"]
            answer.pages += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
            for node in _nodes(plan):
                way = node.get("Index Name") or node.get("Relation Name")
                if way is not None and node["Node Type"] != "Bitmap Heap Scan":
                    answer.rows += node["Actual Rows"] * node["Actual Loops"]
                    ways = answer.scans.setdefault(node["Node Type"], [])
                    if way not in ways:
                        ways.append(way)
    return answer


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


@contextmanager
def _recorded() -> Iterator[list[tuple[str, Any]]]:
    """The queries that any thread sends meanwhile, with their parameters."""
    statements: list[tuple[str, Any]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and "pg_locks" not in sql:
            statements.append((sql, params))
        return execute(sql, params, many, context)

    noted = []

    def begin(connection: Any, **_: Any) -> None:
        # Threads keep their wrappers, and connect anew for each call: the pool is below.
        if note not in connection.execute_wrappers:
            connection.execute_wrappers.append(note)
            noted.append(connection)

    begin(connection)
    connection_created.connect(begin)
    try:
        yield statements
    finally:
        connection_created.disconnect(begin)
        for wrapper in noted:
            wrapper.execute_wrappers.remove(note)
