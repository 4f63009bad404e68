"""Which notifications were delivered, stored in gathered batches."""

import asyncio
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test.utils import CaptureQueriesContext

from notifications import clock, delivered
from notifications.delivered import Delivered
from notifications.exceptions import Unavailable
from notifications.models import Notification
from notifications.publishing import notify

pytestmark = pytest.mark.django_db(transaction=True)


def send(count: int) -> list[Any]:
    """Ids of so many notifications."""
    return [notify("7", f"{index}").id for index in range(count)]


asend = database_sync_to_async(send)


async def stored() -> int:
    """How many are known to be delivered."""
    return await Notification.objects.filter(delivered_at__isnull=False).acount()


def test_any_number_is_one_statement() -> None:
    """Up to 500."""
    ids = send(20)
    with CaptureQueriesContext(connection) as queries:
        delivered._store(ids)
    assert len(queries) == 1


async def test_what_was_noted_is_stored_once() -> None:
    """The moment stays the first, and the tail sees no change in it."""
    ids = await asend(20)
    before = {row.id: row.changed_at async for row in Notification.objects.all()}
    noted = Delivered()
    for item_id in ids:
        noted.note([item_id, clock.new_id()])
    await noted.flush()
    assert await stored() == 20
    first = {row.id: row.delivered_at async for row in Notification.objects.all()}
    assert {row.id: row.changed_at async for row in Notification.objects.all()} == before
    other_node = Delivered()
    other_node.note(ids)
    await other_node.flush()
    assert {row.id: row.delivered_at async for row in Notification.objects.all()} == first


async def test_what_is_stored_is_not_stored_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replays of the same items cost nothing; what is remembered is bounded."""
    monkeypatch.setattr(delivered, "STORED_MOST", 3)
    calls: list[int] = []
    real = delivered._store

    def store(ids: list[Any]) -> None:
        calls.append(len(ids))
        real(ids)

    monkeypatch.setattr(delivered, "_store", store)
    ids = await asend(4)
    noted = Delivered()
    noted.note(ids)
    await noted.flush()
    noted.note(ids)
    await noted.flush()
    await noted.flush()
    # Of four only the newest three are remembered.
    assert calls == [4, 1]


async def test_a_flush_and_what_waits_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wave of reconnects is stored little by little."""
    monkeypatch.setattr(delivered, "FLUSH_MOST", 3)
    monkeypatch.setattr(delivered, "WAITING_MOST", 5)
    noted = Delivered()
    noted.note(await asend(7))
    for expected in (3, 5, 5):
        await noted.flush()
        assert await stored() == expected


async def test_a_database_that_is_away_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be stored is stored by the task once it can be."""
    monkeypatch.setattr(delivered, "FLUSH_SECONDS", 0.01)
    noted = Delivered()
    noted.note(await asend(1))
    failures = 0

    def away(_: BaseDatabaseWrapper) -> None:
        nonlocal failures
        failures += 1
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(BaseDatabaseWrapper, "cursor", away)
        with pytest.raises(Unavailable):
            await noted.flush()
        task = asyncio.create_task(noted.keep())
        async with asyncio.timeout(15):
            while failures < 3:
                await asyncio.to_thread(lambda: None)
    try:
        async with asyncio.timeout(15):
            while not await stored():
                pass
    finally:
        task.cancel()
