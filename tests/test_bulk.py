"""Many notifications by one call: what is stored, by how many statements, and who is pushed to."""

from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext

from notifications import bulk, clock, presence, publishing, replay
from notifications.bulk import Letter
from notifications.channel_layer import Publisher, publisher
from notifications.exceptions import InvalidContent, KeyReused
from notifications.models import Notification
from notifications.protocol.events import Event, Op
from notifications.protocol.items import Content
from notifications.publishing import notify
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)
CONTENT = Content(title="x", ref="r", data={"a": 1})


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What is handed to the channel layer."""
    events: list[Event] = []
    monkeypatch.setattr(publisher, "_put", lambda queue, event: events.append(event))
    return events


def letters(count: int) -> list[Letter | InvalidContent]:
    """To so many users."""
    return [Letter(f"u{index}", CONTENT) for index in range(count)]


def test_letters_become_rows_in_their_order(published: list[Event]) -> None:
    """Ids rise with the index, and the source is the caller's."""
    done = bulk.send_many(letters(5), source="billing")
    ids = [outcome.id for outcome in done.each]
    assert ids == sorted(ids, key=str)
    rows = list(Notification.objects.order_by("id").values_list("id", "uid", "title", "ref", "data", "source"))
    assert rows == [(ids[i], f"u{i}", "x", "r", {"a": 1}, "billing") for i in range(5)]
    assert done.duplicate is False
    row = Notification.objects.first()
    assert row is not None
    assert row.created_at == clock.moment_of(row.id)


def test_letters_with_keys_of_their_own_keep_their_places(published: list[Event]) -> None:
    """The inbox shows all of them in the order of the call."""
    keys = [None, "a", None, None, "b", "c", None]
    done = bulk.send_many([Letter("7", CONTENT, idempotency_key=key) for key in keys])
    ids = [outcome.id for outcome in done.each]
    assert None not in ids
    assert ids == sorted(ids, key=str)
    assert sorted(event.ids[0] for event in published) == sorted(Notification.objects.values_list("id", flat=True))


def test_statements_do_not_grow_with_the_letters(published: list[Event]) -> None:
    """On SQLite a statement has at most 999 values, elsewhere one has 1,000 rows: far below one a row."""
    with CaptureQueriesContext(connection) as few:
        bulk.send_many(letters(10))
    with CaptureQueriesContext(connection) as many:
        bulk.send_many(letters(1_000))
    assert len(few) <= 5
    assert len(many) <= len(few) + 25


def test_what_fails_in_the_middle_accepts_nothing(monkeypatch: pytest.MonkeyPatch, published: list[Event]) -> None:
    """All chunks are one transaction: neither rows nor the key stay, and nobody is told."""
    real = bulk._store
    calls = 0

    def store(some: Any, source: str) -> list[UUID]:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise DatabaseError("cut")
        return real(some, source)

    monkeypatch.setattr(bulk, "_store", store)
    monkeypatch.setattr(bulk, "CHUNK", 10)
    with pytest.raises(DatabaseError):
        bulk.multicast([f"u{i}" for i in range(15)], CONTENT, idempotency_key="k")
    assert Notification.objects.count() == 0
    assert published == []
    done = bulk.multicast([f"u{i}" for i in range(15)], CONTENT, idempotency_key="k")
    assert (done.accepted, done.duplicate) == (15, False)


def test_it_joins_the_callers_transaction(published: list[Event]) -> None:
    """Rolled back business, nothing sent."""
    here = presence.Here()
    presence.serve(here)
    here.note("u0", 1)
    try:
        with pytest.raises(ZeroDivisionError), transaction.atomic():
            bulk.send_many(letters(3))
            raise ZeroDivisionError
        assert Notification.objects.count() == 0
        assert published == []
    finally:
        presence.serve(None)


@pytest.mark.parametrize(("count", "pushed"), [(100, 100), (101, 2)])
def test_of_many_only_who_is_connected_is_pushed_to(published: list[Event], count: int, pushed: int) -> None:
    """One event a uid and item. To few it is pushed unasked: who has just come waits for no tail."""
    here = presence.Here()
    presence.serve(here)
    here.note("u1", 2)
    here.note("u2", 1)
    try:
        bulk.multicast([f"u{n}" for n in range(count)], CONTENT)
        assert len(published) == pushed
        bulk.send_many([Letter("u1", CONTENT)] * count)
    finally:
        presence.serve(None)
    assert {(event.op, event.uid) for event in published} >= {(Op.CREATED, "u1"), (Op.CREATED, "u2")}
    assert len(published) == pushed + count
    rows = dict(Notification.objects.values_list("id", "uid"))
    assert all(rows[event.ids[0]] == event.uid for event in published)
    assert '"title":"x"' in published[0].head


def test_a_single_push_goes_out_in_between(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent to one while a multicast to hundreds is being published is the first or second to go out."""
    order: list[Event] = []
    waiting = Publisher()

    async def nothing() -> None:
        """Publish later."""
        waiting._task = None

    monkeypatch.setattr(waiting, "_drain", nothing)
    for module in (bulk, publishing):
        monkeypatch.setattr(module, "publisher", waiting)
    here = presence.Here()
    presence.serve(here)
    for index in range(300):
        here.note(f"u{index}", 1)
    try:
        bulk.multicast([f"u{index}" for index in range(300)], CONTENT)
        sent = notify("u7", "at once")
        with suppress(IndexError):
            while True:
                order.append(waiting._take()[1])
    finally:
        presence.serve(None)
    assert len(order) == 301
    assert [event.ids[0] for event in order].index(sent.id) <= 1


def test_a_letter_that_is_wrong_is_refused_alone(published: list[Event]) -> None:
    """Its maker's errors, or an expiry that has passed."""
    wrong = InvalidContent([{"loc": ["title"], "msg": "is wrong"}])
    past, future = clock.now() - timedelta(seconds=1), clock.now() + timedelta(hours=1)
    done = bulk.send_many([wrong, Letter("7", CONTENT, past), Letter("7", CONTENT, future)], idempotency_key="k")
    errors = [outcome.error for outcome in done.each]
    assert [e.errors[0]["loc"] if isinstance(e, InvalidContent) else e for e in errors] == [
        ["title"],
        ["expires_at"],
        None,
    ]
    assert Notification.objects.get().expires_at == future
    again = bulk.send_many([wrong, Letter("7", CONTENT, past), Letter("7", CONTENT, future)], idempotency_key="k")
    assert again.duplicate is True
    assert [outcome.id for outcome in again.each] == [outcome.id for outcome in done.each]


def test_a_key_means_the_same_to_a_letter_and_to_notify(published: list[Event]) -> None:
    """Whichever of them came first."""
    sent = notify("7", "x", ref="r", data={"a": 1}, idempotency_key="k", source="billing")
    done = bulk.send_many([Letter("7", CONTENT, idempotency_key="k")], source="billing")
    assert done.each[0].id == sent.id
    assert isinstance(
        bulk.send_many([Letter("8", CONTENT, idempotency_key="k")], source="billing").each[0].error, KeyReused
    )
    assert Notification.objects.count() == 1


def test_multicast_counts_what_cannot_be_a_uid(published: list[Event]) -> None:
    """Numbers are good; whoever is named twice is sent one."""
    done = bulk.multicast([7, "7", "8", "", None, True, "x" * 256, "a\0"], CONTENT)
    assert (done.accepted, done.rejected) == (2, 5)
    assert sorted(Notification.objects.values_list("uid", flat=True)) == ["7", "8"]


@pytest.mark.server
def test_the_unread_index_follows(redis_server: Redis, settings: Any, published: list[Event]) -> None:
    """An index that was there before the call holds the items after it."""
    from notifications import unread_index

    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": [redis_server.url]}
    unread_index.poll()
    replay.snapshots(["u0", "u1"])
    bulk.multicast(["u0", "u1", "u2"], CONTENT)
    row = Notification.objects.get(uid="u0")
    assert redis_server.ask("HKEYS", "notifications:unread:u0") in ([str(row.id)], [str(row.id).encode()])
    unread_index.poll()
    assert [snapshot.unread for snapshot in replay.snapshots(["u0", "u1", "u2"]).values()] == [1, 1, 1]
