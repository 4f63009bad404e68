"""The replay: what a socket is sent on opening, from the index or from the database."""

import asyncio
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import clock, replay, unread_index
from notifications.announcing import announce
from notifications.conf import conf
from notifications.database import in_thread
from notifications.gather import Gather
from notifications.models import Notification
from notifications.publishing import notify
from notifications.replay import Snapshot

pytestmark = pytest.mark.django_db


def _in(**kwargs: float) -> datetime:
    return clock.now() + timedelta(**kwargs)


def _notify(uid: str = "7", title: str = "x", **kwargs: Any) -> UUID:
    return notify(uid, title, **kwargs).id


def _announce(title: str = "x", **kwargs: Any) -> UUID:
    return announce(title, **kwargs).id


def _bulk(uid: str, count: int, **columns: Any) -> list[UUID]:
    rows = [Notification(uid=uid, title=f"{n}", created_at=clock.now(), **columns) for n in range(count)]
    Notification.objects.bulk_create(rows, batch_size=500)
    return [row.id for row in rows]


def _snapshot(uid: str) -> Snapshot:
    return replay.snapshots([uid])[uid]


def test_of_5000_unread_the_newest_hundred_are_replayed_and_all_counted() -> None:
    """Memory and frames stay small, whatever has piled up in a week."""
    ids = _bulk("7", 5_000)
    newest_of_all = _announce()
    with CaptureQueriesContext(connection) as queries:
        snapshot = _snapshot("7")
    assert snapshot.unread == 5_001
    assert snapshot.ids == (*sorted(ids)[-99:], newest_of_all)
    assert len(snapshot.heads) == 100
    assert len(queries) <= 3


@pytest.mark.parametrize(("unread", "replayed"), [(0, 0), (1, 1), (99, 99), (100, 100), (101, 100)])
def test_a_replay_holds_up_to_a_hundred(unread: int, replayed: int) -> None:
    """At, below and above the limit."""
    _bulk("7", unread)
    snapshot = _snapshot("7")
    assert (snapshot.unread, len(snapshot.ids)) == (unread, replayed)


def test_many_sockets_are_answered_by_few_queries() -> None:
    """What is unread for 500 uids costs as many queries as for one, and an announcement is encoded once for all."""
    uids = [f"u{n}" for n in range(500)]
    for uid in uids[:50]:
        _bulk(uid, 2)
    _announce()
    with CaptureQueriesContext(connection) as queries:
        found = replay.snapshots(uids)
    assert len(queries) <= 3
    assert [found[uid].unread for uid in uids] == [3] * 50 + [1] * 450
    assert len({id(found[uid].heads[-1]) for uid in uids}) == 1


@pytest.mark.django_db(transaction=True)
async def test_a_thousand_opens_share_their_queries() -> None:
    """Sockets that open together ask together: a handful of queries, not thousands."""
    uids = [f"u{n}" for n in range(1_000)]
    batches: list[int] = []
    queries = 0

    def look_up(some: list[str]) -> dict[str, Snapshot]:
        nonlocal queries
        batches.append(len(some))
        with CaptureQueriesContext(connection) as captured:
            found = replay.snapshots(some)
        queries += len(captured)
        return found

    async def many(some: list[str]) -> dict[str, Snapshot]:
        return await in_thread(look_up, some)

    gathered = Gather(many, seconds=conf().gather_seconds)
    answers = await asyncio.gather(*(gathered(uid) for uid in uids))
    assert [answer.unread for answer in answers] == [0] * 1_000
    assert sum(batches) == 1_000
    assert queries <= 3 * len(batches) <= 15


# --- with the index


@pytest.fixture
def indexed(redis_server: Any, settings: Any) -> Any:
    """The unread index is on, in a Redis of the test's own."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": [redis_server.url]}
    return redis_server


def _polled(uid: str) -> tuple[Snapshot, int]:
    """What `uid` is replayed just after a poll, when the index is trusted; and how many queries that took."""
    unread_index.poll()
    with CaptureQueriesContext(connection) as queries:
        snapshot = _snapshot(uid)
    return snapshot, len(queries)


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_a_second_open_asks_no_database(indexed: Any) -> None:
    """The first fills the hash that the contract names; the next is answered from it, the same to the letter."""
    ids = [_notify("7", "用"), _announce(), _notify("7", ref="r")]
    first, _ = _polled("7")
    assert _polled("7") == (first, 0)
    assert first.ids == tuple(sorted(ids))
    assert sorted(indexed.ask("HKEYS", "notifications:unread:7")) == sorted(map(str, ids))


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_an_inbox_too_large_for_a_replay_is_the_databases(indexed: Any) -> None:
    """With more unread than a replay holds it is never answered from the index, which could not count them."""
    _bulk("7", 101)
    for _ in range(2):
        assert _polled("7")[0].unread == 101
    assert indexed.ask("EXISTS", "notifications:unread:7") == 0


@pytest.mark.server
@pytest.mark.django_db(transaction=True)
def test_an_announcement_begins_by_itself_in_the_index_too(indexed: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was indexed before its start is no answer after it; nor after an item's expiry."""
    _notify("7", "Soon over", expires_at=_in(minutes=30))
    later = _announce("Later", starts_at=_in(hours=1))
    assert _polled("7")[0].unread == 1
    assert _polled("7")[1] == 0
    monkeypatch.setattr(clock, "_offset_ms", 31 * 60_000)
    assert _polled("7")[0].unread == 0
    assert _polled("7")[1] == 0
    monkeypatch.setattr(clock, "_offset_ms", 61 * 60_000)
    assert _polled("7")[0].ids == (later,)
