"""`make bench-growth`: what a node asks of PostgreSQL all day, over an almost empty table and over millions of items.

Cost must not grow with history. Beside the times, PostgreSQL says by which index it went and how many pages it touched.
"""

import argparse
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.report import Row, table, write
from tests.servers.node import Business, Platform
from tests.servers.postgresql import PostgreSQL

# Rows that changed within the tail's window: a node of a platform that sends 20 items a second.
FRESH = 200
# As many more, to know what each costs: one that sends 400 a second.
MORE = 4_000
USUAL = "look of the tail, all pushed already"
# Uids whose sockets open together and share one look-up.
TOGETHER = 100
# What each user but one has unread.
UNREAD_ITEMS = 3
# Who asks: so many users with three unread items each, and one with very many.
ASKERS = 997
MANY = "many"
# Of the larger tables. Primes: the items of each user lie as far apart as they would.
USERS = 99_991
FILLED = {f"notifications_{name}" for name in ("notification", "announcement", "receipt", "disconnection")}
# What is meant by "does not grow": an index of a million entries is a page deeper than one of a thousand. A user with a
# hundred times as many unread may cost more, though not as many times.
GROWS_AT_MOST = 2
MANY_GROWS_AT_MOST = 5

# Everything below is made by the server itself: nothing crosses the wire, five million rows take about two minutes.
UUID7 = """(lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(md5(n::text), 1, 3)
    || '8' || substr(md5(n::text), 4, 15))::uuid"""
WRITTEN = "kind, level, title, body, url, data, display, confirm, source"
TEXT = """'recharge.succeeded', 'success', 'Top-up arrived', '50.00 was added to your balance.', '/wallet/42/',
    '{{}}', 'popup', false, ''"""
ITEMS = f"""
INSERT INTO notifications_notification (id, uid, created_at, delivered_at, ref, read_via, {WRITTEN},
    read_at, retracted_at, expires_at, changed_at)
SELECT {UUID7}, uid, at, at, 'order-' || n, 'list', {TEXT},
    CASE WHEN n % 100 > 0 AND NOT unread THEN at + interval '1 hour' END,
    CASE WHEN n % 100 = 0 AND NOT unread THEN at + interval '1 hour' END,
    CASE WHEN n % 10 = 0 AND NOT unread THEN at + interval '7 days' END, at + interval '1 hour'
FROM (SELECT n, now() - interval '1 day' - interval '90 days' * (1 - n::float / {{items}}) AS at,
        CASE WHEN n % {{every}} = 0 THEN '{MANY}' ELSE (n % {{users}})::text END AS uid,
        n % {{every}} = 0 OR (n > {{items}} - {UNREAD_ITEMS} * {{users}} AND n % {{users}} < {ASKERS}) AS unread
    FROM generate_series(1, {{items}}) n) items
"""  # noqa: S608
ANNOUNCEMENTS = f"""
INSERT INTO notifications_announcement (id, item_id, created_at, ends_at, late_join, created_by, edited_by,
    published_at, published_by, live_at, changed_at, {WRITTEN})
SELECT {UUID7}, {UUID7}, at, at + interval '1 day', true, '', '[]', at, '', at, at, {TEXT}
FROM (SELECT n, now() - interval '2 days' - interval '700 days' * (1 - n::float / {{count}}) AS at
    FROM generate_series(1, {{count}}) n) announcements
"""  # noqa: S608
RECEIPTS = """
INSERT INTO notifications_receipt (announcement_id, uid, read_at, read_via, changed_at)
SELECT id, (n + number * 7)::text, live_at, 'popup', live_at
FROM (SELECT id, live_at, row_number() OVER () AS number FROM notifications_announcement) announcements,
    generate_series(1, {each}) n
"""
DISCONNECTIONS = """
INSERT INTO notifications_disconnection (id, uid, changed_at)
SELECT gen_random_uuid(), n::text, now() - interval '1 day' - interval '1 second' * n FROM generate_series(1, {count}) n
"""


@dataclass(frozen=True, slots=True)
class Size:
    """How much lies in the tables: items over 90 days, `many` of them unread and of one user; announcements."""

    items: int
    many: int
    users: int
    announcements: int


LITTLE = Size(UNREAD_ITEMS * ASKERS, 100, ASKERS, 10)


@dataclass(slots=True)
class Stored:
    """What lies in the tables, and what each question costs over it (`bench.questions.Answer`)."""

    items: int
    many: int
    receipts: int
    answers: list[dict[str, Any]]


class Tables:
    """A PostgreSQL with the platform's tables, and a process of the platform's that asks."""

    def __init__(self, postgresql: PostgreSQL) -> None:
        self._postgresql = postgresql
        self._database = postgresql.make_database()
        self._platform = Platform(postgresql.url(self._database), standalone=True)
        self._platform.migrate()

    def fill(self, size: Size) -> Stored:
        """Store so much, and as many receipts as are a fifth of the items."""
        each = size.items // (5 * size.announcements)
        self._execute(ITEMS.format(items=size.items, every=size.items // size.many, users=size.users))
        self._execute(ANNOUNCEMENTS.format(count=size.announcements))
        self._execute(RECEIPTS.format(each=each))
        self._execute(DISCONNECTIONS.format(count=10 * size.announcements))
        self._execute("VACUUM (ANALYZE)")
        return Stored(size.items, size.many, size.announcements * each, [])

    def ask(self, stored: Stored, rounds: int) -> Stored:
        """Ask every question so many times."""
        business = Business(self._platform)
        with business:
            stored.answers = business.run(
                "from bench import questions\nresult = questions.ask(uids, many, rounds)",
                uids=[str(n) for n in range(ASKERS)],
                many=MANY,
                rounds=rounds,
            )
        return stored

    def _execute(self, statement: str) -> None:
        self._postgresql.execute(statement, self._database)


@contextmanager
def tables(size: Size) -> Iterator[tuple[Tables, Stored]]:
    """Tables with so much in them."""
    with PostgreSQL() as postgresql:
        site = Tables(postgresql)
        yield site, site.fill(size)


def read_whole(answer: Mapping[str, Any]) -> set[str]:
    """Of the tables that hold much, those of which every row was read."""
    return FILLED.intersection(answer["scans"].get("Seq Scan", ()))


def rows_of(little: Stored, much: Stored) -> list[Row]:
    """Lines of the table: each question over much, against the same over little."""
    rows = []
    few, over = f"{little.items:,} items", f"{much.items:,} items"
    for before, after in zip(little.answers, much.answers, strict=True):
        case = after["question"]
        grows = MANY_GROWS_AT_MOST if "very many" in case else GROWS_AT_MOST
        whole = len(read_whole(after))
        rows += [
            Row(case, few, before["ms"], "ms"),
            Row(case, over, after["ms"], "ms"),
            Row(f"{case}: times that of {few}", over, after["ms"] / before["ms"], "x", f"<= {grows}"),
            Row(f"{case}: pages touched", over, after["pages"], "pages"),
            Row(f"{case}: tables read as a whole", over, whole, "tables", "<= 0"),
        ]
    times = {answer["question"]: answer["ms"] for answer in much.answers}
    more = next((ms for question, ms in times.items() if question.endswith("more rows")), None)
    if more is not None:
        rows.append(Row("look of the tail, for each further row", over, (more - times[USUAL]) / MORE * 1e3, "us"))
    return rows


def main() -> None:
    """Measure, print, write; exit status 1 where something grows."""
    parser = argparse.ArgumentParser(prog="bench.growth", description=__doc__)
    parser.add_argument("--items", type=int, default=5_000_000, help="stored items that are over (5,000,000)")
    parser.add_argument("--many", type=int, default=10_000, help="unread items of one user (10,000)")
    parser.add_argument("--rounds", type=int, default=100, help="times that each question is asked (100)")
    parser.add_argument("--out", type=Path, default=Path("var/bench-growth"), help="folder of the results")
    options = parser.parse_args()
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - begun:5.0f} s] {text}", file=sys.stderr, flush=True)

    found = []
    for size in (LITTLE, Size(options.items, options.many, USERS, 10_000)):
        say(f"{size.items:,} items, {size.many:,} unread of one user")
        with tables(size) as (site, stored):
            say("asking")
            found.append(site.ask(stored, options.rounds))
    rows = rows_of(*found)
    print(table(rows))
    print(f"\nWritten to {write(options.out, rows, found)}")
    missed = [row.case for row in rows if row.verdict == "MISSED"]
    sys.exit(f"missed: {', '.join(missed)}" if missed else 0)


if __name__ == "__main__":
    main()
