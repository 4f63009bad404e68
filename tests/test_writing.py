"""Who is writing: seen in the database, by whoever fills a Redis that has lost the marks of writers."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction
from pytest_django import DjangoDbBlocker

from notifications import announcing, inbox, publishing, unread_index, writing
from notifications.bulk import Letter, multicast, send_many
from notifications.models import Notification
from notifications.protocol.items import Content
from notifications.writing import EVENTS_MOST, Endings, transactions
from tests.databases import orm_on

pytestmark = pytest.mark.server


@pytest.fixture
def on_sqlite(sqlite_url: str, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The ORM is on a file, as the platform sets it."""
    options = {"transaction_mode": "IMMEDIATE", "timeout": 20, "init_command": "PRAGMA journal_mode=WAL"}
    with django_db_blocker.unblock(), orm_on(sqlite_url, **options):
        yield


@pytest.fixture(params=["on_postgresql", "on_sqlite"])
def either(request: pytest.FixtureRequest) -> str:
    """Both databases."""
    request.getfixturevalue(request.param)
    return str(request.param)


@contextmanager
def elsewhere(act: Callable[[], object]) -> Iterator[None]:
    """Another thread has done `act` in a transaction that is open meanwhile, and then commits."""
    acted, go = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                acted.set()
                assert go.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert acted.wait(30)
        yield
    finally:
        go.set()
        thread.join(30)


def test_who_has_written_is_seen_until_it_ends(either: str) -> None:
    """At once, though it has committed nothing; who only reads is none of them."""
    assert transactions() == frozenset()
    with elsewhere(lambda: publishing.notify("7", "x")):
        assert len(transactions()) == 1
        assert not Notification.objects.exists()
    assert transactions() == frozenset()
    assert Notification.objects.exists()
    if either == "on_postgresql":
        with elsewhere(lambda: list(Notification.objects.all())):
            assert transactions() == frozenset()
        with elsewhere(lambda: publishing.notify("7", "x")), elsewhere(lambda: publishing.notify("8", "x")):
            assert len(transactions()) == 2
    else:
        # It was not waited for, and whoever writes next has the patience that is set.
        assert connection.cursor().execute("PRAGMA busy_timeout").fetchone() == (20_000,)


WRITERS: dict[str, Callable[[Any], object]] = {
    "notify": lambda ids: publishing.notify("7", "x"),
    "retract": lambda ids: publishing.retract(ids.personal),
    "read": lambda ids: inbox.read("7", [ids.personal]),
    "read an announcement": lambda ids: inbox.read("7", [ids.general]),
    "read all": lambda ids: inbox.read_until("7", ids.general),
    "send_many": lambda ids: send_many([Letter("7", Content.checked(title="x"))]),
    "multicast": lambda ids: multicast(["7", "8"], Content.checked(title="x")),
    "announce": lambda ids: announcing.announce("x"),
    "withdraw": lambda ids: announcing.withdraw_announcement(ids.general),
    "end": lambda ids: announcing.end_announcement(ids.general),
}


@pytest.mark.usefixtures("on_postgresql")
@pytest.mark.parametrize("writer", WRITERS)
def test_whoever_makes_itself_known_to_the_index_has_written(writer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the database knows of it, should Redis forget."""

    class Ids:
        personal = publishing.notify("7", "x").id
        general = announcing.announce("x").id

    known: list[int] = []
    begin, everyones = unread_index.begin, unread_index.EveryonesChange.__init__

    def counted(original: Callable[..., Any]) -> Callable[..., Any]:
        def count(*args: Any) -> Any:
            known.append(len(transactions()))
            return original(*args)

        return count

    monkeypatch.setattr(unread_index, "begin", counted(begin))
    monkeypatch.setattr(unread_index.EveryonesChange, "__init__", counted(everyones))
    WRITERS[writer](Ids)
    assert known == [1]


def test_what_was_open_then_is_waited_for_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event has writers of its own; what is known of it is asked no more."""
    open_now: set[str] = {"a", "b"}
    asked = 0

    def ask() -> frozenset[str]:
        nonlocal asked
        asked += 1
        return frozenset(open_now)

    monkeypatch.setattr(writing, "transactions", ask)
    endings = Endings()
    assert not endings.seen("one")
    open_now.add("c")
    open_now.remove("a")
    assert not endings.seen("one")
    assert not endings.seen("two")
    open_now.remove("b")
    assert endings.seen("one")
    assert not endings.seen("two")
    open_now.clear()
    assert endings.seen("two")
    before = asked
    assert endings.seen("one")
    assert endings.seen("two")
    assert asked == before


def test_events_of_long_ago_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a Redis is emptied; one that is asked about again is looked at again."""
    monkeypatch.setattr(writing, "transactions", frozenset)
    endings = Endings()
    for number in range(3 * EVENTS_MOST):
        assert endings.seen(f"{number}")
    assert len(endings._open) == EVENTS_MOST
    assert endings.seen("0")
