"""announce, publish, withdraw, end: the life of an announcement and what goes out at each step."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from django.db import transaction
from django.db.models.signals import post_save

from notifications import clock
from notifications.announcing import (
    aannounce,
    announce,
    end_announcement,
    publish_announcement,
    withdraw_announcement,
)
from notifications.channel_layer import EVERYONE, publisher
from notifications.exceptions import InvalidContent, KeyReused, NotFound
from notifications.models import Announcement
from notifications.protocol.events import Event, Op, from_message

Status = Announcement.Status


class Heard:
    """What goes to everyone's group."""

    def __init__(self, channel: str) -> None:
        self._channel = channel

    async def next(self) -> Event:
        """The next event, within 15 s."""
        layer: Any = get_channel_layer()
        async with asyncio.timeout(15):
            event = from_message(await layer.receive(self._channel))
        assert event is not None
        return event


@pytest.fixture
async def heard() -> AsyncIterator[Heard]:
    """This test's loop publishes, as a node's does, and hears everyone's group."""
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    await layer.group_add(EVERYONE, channel)
    publisher.serve_on(asyncio.get_running_loop())
    yield Heard(channel)
    publisher.serve_on(None)
    await layer.group_discard(EVERYONE, channel)


def _in(**kwargs: float) -> datetime:
    return clock.now() + timedelta(**kwargs)


@pytest.mark.django_db(transaction=True)
async def test_an_announcement_is_live_at_once(heard: Heard) -> None:
    """Made without times it is live now, for 7 days, pushed once, and users see the id that its maker was given."""
    made = await aannounce("Title", "Body", kind="news", level="warning", data={"n": 1}, source="ops")
    event = await heard.next()
    row = await Announcement.objects.aget()
    assert (event.op, event.uid, event.ids) == (Op.CREATED, None, (made.id,))
    assert '"title":"Title"' in event.head
    assert '"audience":"everyone"' in event.head
    assert row.id == row.item_id == made.id
    assert row.status == Status.LIVE
    assert row.live_at is not None
    assert abs(row.ends_at - row.live_at - timedelta(days=7)) < timedelta(minutes=1)
    assert (row.source, row.published_by, row.late_join) == ("ops", "ops", True)


@pytest.mark.django_db(transaction=True)
async def test_however_long_the_making_takes_the_id_is_the_one_that_was_given(heard: Heard) -> None:
    """Three seconds pass between its row and its publication, as with a database that is held up."""

    def later(**_: Any) -> None:
        clock.follow(clock.now() + timedelta(seconds=3))

    post_save.connect(later, sender=Announcement)
    try:
        made = await aannounce("Slowly")
    finally:
        post_save.disconnect(later, sender=Announcement)
        clock.follow(datetime.now(UTC))
    row = await Announcement.objects.aget()
    assert row.item_id == made.id
    assert (await heard.next()).ids == (made.id,)


@pytest.mark.django_db(transaction=True)
async def test_a_scheduled_one_waits_for_its_start(heard: Heard) -> None:
    """It is stored and published, but not pushed: the tail does that when the time has come."""
    starts_at = _in(hours=1)
    made = await aannounce("Later", starts_at=starts_at)
    await aannounce("Now")
    assert '"title":"Now"' in (await heard.next()).head
    row = await Announcement.objects.aget(pk=made.id)
    assert row.status == Status.SCHEDULED
    assert row.live_at == row.starts_at == starts_at
    # Inboxes sort by when it goes live, not by when it was made.
    assert row.item_id == made.id
    assert clock.moment_of(made.id) == starts_at
    assert row.ends_at == starts_at + timedelta(days=7)


@pytest.mark.django_db(transaction=True)
async def test_a_draft_gets_its_place_when_it_is_published(heard: Heard) -> None:
    """However long it lay, its item sorts by the moment it went live; publishing twice is once."""
    made = await aannounce("Draft", publish=False)
    assert (await Announcement.objects.aget()).status == Status.DRAFT
    await Announcement.objects.aupdate(id=clock.new_id(_in(hours=-3)))
    draft = await Announcement.objects.aget()
    assert draft.id != made.id
    assert await sync_to_async(publish_announcement)(draft.id, by="boss")
    event = await heard.next()
    row = await Announcement.objects.aget()
    assert row.item_id is not None
    assert row.item_id != row.id
    assert event.ids == (row.item_id,)
    assert clock.moment_of(row.item_id) == row.live_at
    assert row.published_by == "boss"
    assert not await sync_to_async(publish_announcement)(draft.id)


@pytest.mark.django_db(transaction=True)
def test_what_cannot_be_published_is_refused() -> None:
    """Unknown ones, and those whose end came while they lay; a withdrawn draft stays withdrawn."""
    with pytest.raises(NotFound):
        publish_announcement(uuid4())
    late = announce("x", publish=False).id
    Announcement.objects.filter(pk=late).update(ends_at=_in(seconds=-1))
    with pytest.raises(InvalidContent):
        publish_announcement(late)
    gone = announce("x", publish=False).id
    assert withdraw_announcement(gone)
    assert not publish_announcement(gone)
    assert Announcement.objects.get(pk=gone).status == Status.WITHDRAWN


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("starts", "ends", "good"),
    [
        (None, timedelta(milliseconds=-1), False),
        (None, timedelta(seconds=5), True),
        (timedelta(hours=1), timedelta(hours=1), False),
        (timedelta(hours=1), timedelta(hours=1, milliseconds=1), True),
        (timedelta(hours=1), timedelta(minutes=59), False),
        (timedelta(hours=-1), timedelta(seconds=5), True),
        (timedelta(hours=-1), timedelta(seconds=-5), False),
    ],
)
def test_its_end_comes_after_its_start_and_now(starts: timedelta | None, ends: timedelta, good: bool) -> None:
    """At, before and after each border."""
    now = clock.now()
    starts_at = None if starts is None else now + starts
    if good:
        announce("x", starts_at=starts_at, ends_at=now + ends)
        return
    with pytest.raises(InvalidContent) as refused:
        announce("x", starts_at=starts_at, ends_at=now + ends)
    assert refused.value.errors[0]["loc"] == ["ends_at"]
    assert not Announcement.objects.exists()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("title", ""),
        ("title", "t" * 201),
        ("body", "b" * 4001),
        ("level", "fatal"),
        ("url", "javascript:alert(1)"),
        ("starts_at", datetime(2040, 1, 1)),  # noqa: DTZ001  that it is naive is the point
        ("ends_at", "tomorrow"),
        ("starts_at", datetime(9999, 12, 30, tzinfo=UTC)),
    ],
)
def test_content_has_the_limits_of_any_item(name: str, value: Any) -> None:
    """Refused by name, with nothing stored."""
    with pytest.raises(InvalidContent) as refused:
        announce(**{"title": "x", name: value})
    assert [problem["loc"] for problem in refused.value.errors] == [[name]]
    assert not Announcement.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_repeated_call_is_answered_and_not_repeated() -> None:
    """Same key and content: one announcement; other content: refused."""
    first = announce("x", idempotency_key="k", source="ops")
    again = announce("x", idempotency_key="k", source="ops")
    assert (again.id, again.duplicate) == (first.id, True)
    with pytest.raises(KeyReused):
        announce("x", publish=False, idempotency_key="k", source="ops")
    assert Announcement.objects.count() == 1


@pytest.mark.django_db(transaction=True)
async def test_a_withdrawn_one_goes_from_every_screen(heard: Heard) -> None:
    """By its own id or its item's; the second time nothing happens."""
    made = await aannounce("x")
    await heard.next()
    await Announcement.objects.aupdate(item_id=(item_id := clock.new_id()))
    assert await sync_to_async(withdraw_announcement)(item_id)
    event = await heard.next()
    assert (event.op, event.ids) == (Op.RETRACTED, (item_id,))
    assert not await sync_to_async(withdraw_announcement)(made.id)
    assert (await Announcement.objects.aget()).status == Status.WITHDRAWN


@pytest.mark.django_db(transaction=True)
def test_a_service_withdraws_its_own_alone() -> None:
    """What another made looks like what is not there."""
    made = announce("x", source="ops").id
    for arguments in ((uuid4(),), (made, "other")):
        with pytest.raises(NotFound):
            withdraw_announcement(arguments[0], source=arguments[1] if len(arguments) > 1 else None)
    assert withdraw_announcement(made, source="ops")


@pytest.mark.django_db(transaction=True)
async def test_it_can_end_before_its_time(heard: Heard) -> None:
    """Ended now it goes from every screen; ended later it goes then."""
    end = sync_to_async(end_announcement)
    made = await aannounce("x")
    await heard.next()
    at = _in(hours=1)
    assert await end(made.id, at)
    assert (await Announcement.objects.aget()).ends_at == at
    await asyncio.sleep(0.002)  # a millisecond, so that now is after its start
    assert await end(made.id)
    event = await heard.next()
    assert (event.op, event.ids) == (Op.RETRACTED, (made.id,))
    assert (await Announcement.objects.aget()).status == Status.ENDED
    assert not await end(made.id)


@pytest.mark.django_db(transaction=True)
def test_an_end_is_neither_past_nor_later_nor_before_the_start() -> None:
    """Each wrong end is refused by name; drafts and unknown ones are not found."""
    made = announce("x", starts_at=_in(hours=1), ends_at=_in(hours=2)).id
    draft = announce("x", publish=False).id
    for at in (_in(hours=3), _in(minutes=30), _in(seconds=-1), datetime(2040, 1, 1)):  # noqa: DTZ001
        with pytest.raises(InvalidContent) as refused:
            end_announcement(made, at)
        assert refused.value.errors[0]["loc"] == ["at"]
    live = announce("x").id
    Announcement.objects.filter(pk=live).update(live_at=_in(hours=-2))
    with pytest.raises(InvalidContent):
        end_announcement(live, _in(hours=-1))
    for unknown in (uuid4(), draft):
        with pytest.raises(NotFound):
            end_announcement(unknown, _in(hours=1))
    assert withdraw_announcement(made)
    assert not end_announcement(made, _in(minutes=90))


@pytest.mark.django_db(transaction=True)
async def test_what_is_rolled_back_never_was(heard: Heard) -> None:
    """Making, withdrawing and ending join the caller's transaction."""

    def business(what: Any) -> None:
        with transaction.atomic():
            what()
            raise ZeroDivisionError

    kept = await aannounce("Kept")
    await heard.next()
    for what in (
        lambda: announce("Never"),
        lambda: withdraw_announcement(kept.id),
        lambda: end_announcement(kept.id, _in(hours=1)),
    ):
        with pytest.raises(ZeroDivisionError):
            await sync_to_async(business)(what)
    await aannounce("Marker")
    assert '"title":"Marker"' in (await heard.next()).head
    assert (await Announcement.objects.aget(pk=kept.id)).status == Status.LIVE
    assert await Announcement.objects.acount() == 2
