"""Audiences: an announcement for some reaches them, whatever happens on the way, and never anybody else."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext

from notifications import audiences, clock, inbox, models, node, replay, statistics, unread_index
from notifications.announcing import announce, end_announcement, publish_announcement, withdraw_announcement
from notifications.audiences import Audience, enlist, grow, people, register_audience
from notifications.channel_layer import publisher
from notifications.hub import Hub
from notifications.models import Announcement, Recipient
from notifications.protocol import frames
from notifications.protocol.events import Event
from notifications.protocol.items import parse_id
from notifications.tail import Tail
from tests.peers import NOTHING, Peer
from tests.servers.process import aeventually
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)

VIPS = "shop.vips"


def _vips() -> QuerySet[User]:
    return User.objects.filter(first_name="vip")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The platform of these tests has one audience."""
    monkeypatch.setattr(audiences, "_registered", {VIPS: Audience(VIPS, "VIPs", _vips)})


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What was published, in place of sending it."""
    events: list[Event] = []
    monkeypatch.setattr(publisher, "put", events.append)
    return events


@pytest.fixture
async def hub(told: list[Event]) -> Hub:
    """A hub whose membership answers at once: there is no group to join."""
    hub = Hub()
    hub.membership._away = True
    return hub


@pytest.fixture
async def looking(hub: Hub) -> AsyncIterator[Tail]:
    """The hub's tail, which has looked once."""
    looking = Tail(hub)
    await looking.look()
    yield looking
    await _quiet(looking)


async def _quiet(looking: Tail) -> None:
    await aeventually(lambda: looking._settling is None and looking._hub._broadcasting is None)


async def _look(looking: Tail) -> None:
    await looking.look()
    await _quiet(looking)


async def _do(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await database_sync_to_async(call, thread_sensitive=False)(*args, **kwargs)


def _users(count: int, **columns: Any) -> list[User]:
    """So many more users; VIPs unless told otherwise."""
    start = User.objects.count()
    columns = {"first_name": "vip", **columns}
    return User.objects.bulk_create(User(username=f"u{start + n}", **columns) for n in range(count))


def _draft(audience: str = Announcement.LISTED, uids: tuple[str, ...] = (), **columns: Any) -> Announcement:
    announcement = Announcement.objects.create(
        **{"title": "For some", "ends_at": clock.now() + timedelta(days=1), "audience": audience, **columns}
    )
    enlist(announcement, uids)
    return announcement


def _published(*args: Any, **kwargs: Any) -> Announcement:
    announcement = _draft(*args, **kwargs)
    publish_announcement(announcement.pk)
    announcement.refresh_from_db()
    return announcement


def _in_inbox(uid: str) -> list[str]:
    """What the list, the count and the replay say: they must agree."""
    items = [item.content.title for item in inbox.page(uid).items]
    unread = [item.content.title for item in inbox.page(uid, unread=True).items]
    assert inbox.unread_counts([uid])[uid] == len(unread) == len(replay.snapshots([uid])[uid].ids)
    return items


# --- registering


def test_registered_audiences_are_offered(settings: Any) -> None:
    """In their order; none where there is no user table. A name must be one, free, and not mean something already."""
    register_audience("club", "Club", _vips)
    assert [each.name for each in audiences.offered()] == [VIPS, "club"]
    for name in ("club", "everyone", "listed", "", "Club", "a b", "x" * 101):
        with pytest.raises(ValueError, match="audience"):
            register_audience(name, "x", _vips)
    register_audience("x" * 100, "x", _vips)
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "STANDALONE": True}
    assert audiences.offered() == []
    assert list(people(VIPS)) == []


def test_who_is_in_it() -> None:
    """The active ones, each once, whatever joins the platform's query set makes; nobody in one that is gone."""
    first, second = _users(2)
    _users(1, is_active=False)
    _users(1, first_name="")
    assert {user.as_uid for user in people(VIPS)} == {str(first.pk), str(second.pk)}
    assert not people("gone").exists()


# --- whose inbox it is in


def test_only_its_recipients_have_it() -> None:
    """In list, count and replay; others neither see it by its id nor read it."""
    announcement = _published(uids=("7", "8"))
    announce("For all")
    item_id = announcement.item_id
    assert item_id
    assert _in_inbox("7") == _in_inbox("8") == ["For all", "For some"]
    assert _in_inbox("9") == ["For all"]
    assert inbox.get("9", item_id) is None
    assert inbox.read("9", [item_id]).ids == []
    assert (item := inbox.get("7", item_id)) is not None
    assert item.audience == "user"
    assert inbox.read("7", [item_id]).ids == [item_id]
    assert inbox.page("7", unread=True).items[0].content.title == "For all"
    assert inbox.kinds("9") == ["general"]


def test_a_draft_and_a_scheduled_one_are_in_no_inbox() -> None:
    """Whoever is in their lists."""
    _draft(uids=("7",))
    _published(uids=("7",), starts_at=clock.now() + timedelta(hours=1))
    assert _in_inbox("7") == []


def test_a_list_is_not_spared_late_joiners() -> None:
    """Uids that staff gave are meant, whenever their users joined."""
    (user,) = _users(1, date_joined=clock.now() + timedelta(hours=1))
    _published(uids=(str(user.pk),), late_join=False)
    assert _in_inbox(str(user.pk)) == ["For some"]


def test_a_named_audience_is_who_is_in_it_when_it_is_published() -> None:
    """Who leaves it keeps what was sent; a list that was given before counts for nothing."""
    inside, outside = _users(1), _users(1, first_name="")
    draft = _draft(VIPS, uids=("list",))
    publish_announcement(draft.pk)
    inside[0].first_name = ""
    inside[0].save()
    assert [_in_inbox(str(user.pk)) for user in (*inside, *outside)] == [["For some"], []]
    assert _in_inbox("list") == []


def test_for_everyone_a_list_that_was_given_before_is_forgotten() -> None:
    """Staff chose otherwise."""
    draft = _draft(Announcement.EVERYONE, uids=("7",))
    publish_announcement(draft.pk)
    assert not Recipient.objects.exists()
    assert _in_inbox("8") == ["For some"]


def test_a_hundred_thousand_are_enrolled_by_one_statement() -> None:
    """No row passes through this process: publishing asks as much for 2,000 as for 2."""
    costs = []
    for count in (2, 2_000):
        _users(count)
        draft = _draft(VIPS)
        with CaptureQueriesContext(connection) as queries:
            publish_announcement(draft.pk)
        costs.append(len(queries))
        assert Recipient.objects.filter(announcement=draft).count() == User.objects.count()
    assert costs[0] == costs[1]


def test_nothing_is_enrolled_where_publishing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """One transaction: there is no half of an audience."""
    _users(3)
    draft = _draft(VIPS)
    monkeypatch.setattr(unread_index, "EveryonesChange", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        publish_announcement(draft.pk)
    draft.refresh_from_db()
    assert (draft.status, Recipient.objects.count()) == ("draft", 0)


def test_an_audience_that_is_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Django knows without asking the database."""
    monkeypatch.setitem(audiences._registered, VIPS, Audience(VIPS, "VIPs", User.objects.none))
    assert _published(VIPS).recipients.count() == 0


# --- pushes


async def test_it_is_pushed_to_its_recipients_alone(hub: Hub, looking: Tail, told: list[Event]) -> None:
    """From the message and from the tail, once each; withdrawn, it goes from them alone."""
    peers = {uid: (await Peer(hub, uid).open()).age(60) for uid in ("7", "8", "9")}
    twin = (await Peer(hub, "7").open()).age(60)
    announcement = await _do(_published, uids=("7", "8"))
    (event,) = told
    assert event.narrow
    hub.handle(event)
    await _quiet(looking)
    for _ in range(2):
        await _look(looking)
    assert [peers[uid].titles for uid in ("7", "8", "9")] == [["For some"], ["For some"], []]
    assert twin.titles == ["For some"]
    assert (twin.of("notification")[0]["audience"], twin.of("notification")[0]["unread"]) == ("user", 1)
    await _do(withdraw_announcement, announcement.pk)
    hub.handle(told[1])
    await _quiet(looking)
    await _look(looking)
    for peer in (peers["7"], peers["8"], twin):
        assert [(f["ids"], f["unread"]) for f in peer.of("retracted")] == [([str(announcement.item_id)], 0)]
    assert [frame["type"] for frame in peers["9"].got] == ["inbox"]


async def test_a_lost_push_is_made_good_by_the_tail(hub: Hub, looking: Tail) -> None:
    """Going live at its start, ending by itself, and ended earlier: to its recipients alone."""
    seven, nine = (await Peer(hub, "7").open()).age(60), (await Peer(hub, "9").open()).age(60)
    scheduled = await _do(_published, uids=("7",), starts_at=clock.now() + timedelta(hours=1))
    await _look(looking)
    assert seven.titles == []
    begun = clock.now() - timedelta(seconds=1)
    await _do(Announcement.objects.filter(pk=scheduled.pk).update, starts_at=begun, live_at=begun)
    await _look(looking)
    assert (seven.titles, nine.titles) == (["For some"], [])
    await _do(end_announcement, scheduled.pk)
    await _look(looking)
    assert [len(peer.of("retracted")) for peer in (seven, nine)] == [1, 0]


async def test_a_socket_that_opens_meanwhile_gets_it_once(hub: Hub, looking: Tail, told: list[Event]) -> None:
    """By its replay or by the push that it buffered, and others by neither."""
    opening = {uid: Peer(hub, uid) for uid in ("7", "9")}
    for peer in opening.values():
        await hub.attach(peer.connection)
    await _do(_published, uids=("7",))
    hub.handle(told[0])
    await _quiet(looking)
    assert all(peer.got == [] for peer in opening.values())
    for peer in opening.values():
        # Replayed from just before it was published.
        peer.connection.welcome(frames.inbox((), 0, more=False))
        hub.activate(peer.connection, NOTHING)
    await _quiet(looking)
    assert [peer.titles for peer in opening.values()] == [["For some"], []]


async def test_many_connections_are_served_in_turns(hub: Hub, looking: Tail, told: list[Event]) -> None:
    """More than one turn's worth: all recipients get it, by few queries."""
    peers = [(await Peer(hub, f"u{n}").open()).age(60) for n in range(600)]
    await _do(_published, uids=tuple(f"u{n}" for n in range(0, 600, 2)))
    hub.handle(told[0])
    await _quiet(looking)
    assert [len(peer.titles) for peer in peers] == [1, 0] * 300


async def test_the_database_away_means_a_new_inbox(
    hub: Hub, looking: Tail, told: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whom it concerns cannot be said now: nobody is sent what may not be theirs, and nothing is lost."""
    peers = [(await Peer(hub, uid).open()).age(60) for uid in ("7", "9")]
    await _do(_published, uids=("7",))
    monkeypatch.setattr(audiences, "reached", lambda *_: 1 / 0)
    hub.handle(told[0])
    await _quiet(looking)
    assert [(peer.titles, peer.resyncs) for peer in peers] == [([], 1), ([], 1)]


# --- late joiners


def _due() -> None:
    Announcement.objects.update(enrolled_at=clock.now() - timedelta(minutes=2))


async def test_late_joiners_get_it(hub: Hub, looking: Tail, told: list[Event]) -> None:
    """Pushed by the message or by the tail, once; not again to those who had it; not where they are to be spared."""
    (old,) = await _do(_users, 1)
    announcement = await _do(_published, VIPS)
    spared = await _do(_published, VIPS, late_join=False, title="Spared")
    new = await _do(_users, 2)
    peers = [(await Peer(hub, str(user.pk)).open()).age(60) for user in (old, *new)]
    await _look(looking)
    told.clear()
    await _do(grow, timedelta(minutes=1))
    assert told == []
    await _do(_due)
    await _do(grow, timedelta(minutes=1))
    assert {event.uid for event in told} == {str(user.pk) for user in new}
    hub.handle(told[0])
    await _quiet(looking)
    for _ in range(2):
        await _look(looking)
    assert [sorted(peer.titles) for peer in peers] == [["For some", "Spared"], ["For some"], ["For some"]]
    assert await _do(_in_inbox, str(new[0].pk)) == ["For some"]
    assert await _do(lambda: (announcement.recipients.count(), spared.recipients.count())) == (3, 1)


async def test_who_has_had_it_for_long_is_not_told_again(hub: Hub, looking: Tail, told: list[Event]) -> None:
    """Somebody joins when every node has long forgotten the push: only they are told."""
    (old,) = await _do(_users, 1)
    there = (await Peer(hub, str(old.pk)).open()).age(60)
    announcement = await _do(_published, VIPS)
    await _look(looking)
    await _quiet(looking)
    assert there.titles == ["For some"]
    began = Announcement.objects.filter(pk=announcement.pk)
    await _do(lambda: began.update(live_at=clock.now() - timedelta(minutes=10)))
    hub._seen.clear()
    (new,) = await _do(_users, 1)
    comes = (await Peer(hub, str(new.pk)).open()).age(60)
    await _do(_due)
    await _do(grow, timedelta(minutes=1))
    for _ in range(2):
        await _look(looking)
        await _quiet(looking)
    assert (there.titles, comes.titles) == (["For some"], ["For some"])


async def test_nobody_joins_what_was_withdrawn_meanwhile(told: list[Event]) -> None:
    """Withdrawn after a node had begun to look for late joiners: they are not enrolled, nor told."""
    announcement = await _do(_published, VIPS)
    await _do(_users, 1)
    told.clear()
    await _do(lambda: Announcement.objects.filter(pk=announcement.pk).update(withdrawn_at=clock.now()))
    await _do(audiences._join, announcement, ["1"])
    assert told == []
    assert not await _do(lambda: announcement.recipients.filter(uid="1").exists())


def test_late_joiners_before_the_start_are_not_told_before_it(told: list[Event]) -> None:
    """They come into the audience, and the start does the rest."""
    scheduled = _published(VIPS, starts_at=clock.now() + timedelta(hours=1))
    (user,) = _users(1)
    _due()
    grow(timedelta(minutes=1))
    assert (told, scheduled.recipients.count(), _in_inbox(str(user.pk))) == ([], 1, [])


def test_each_announcement_is_looked_after_by_one_node(monkeypatch: pytest.MonkeyPatch, told: list[Event]) -> None:
    """Of two nodes that find it due at the same moment; and by none once it is over."""
    over, announcement = _published(VIPS), _published(VIPS)
    withdraw_announcement(over.pk)
    _users(1)
    _due()
    start = threading.Barrier(2)
    asked = []

    def counted(found: Announcement) -> Iterator[list[str]]:
        asked.append(found.pk)
        return iter(())

    monkeypatch.setattr(audiences, "_newcomers", counted)

    def run() -> None:
        try:
            start.wait(10)
            grow(timedelta(minutes=1))
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert asked == [announcement.pk]


def test_newcomers_come_in_batches(monkeypatch: pytest.MonkeyPatch, told: list[Event]) -> None:
    """Each a short transaction; whom another node was quicker to enrol is not told twice."""
    monkeypatch.setattr(audiences, "CHUNK", 3)
    announcement = _published(VIPS)
    _users(6)
    _due()
    taken = str(User.objects.order_by("pk")[1].pk)

    def quicker() -> Any:
        Recipient.objects.get_or_create(announcement=announcement, uid=taken, defaults={"joined_at": clock.now()})
        return models.database_now()

    monkeypatch.setattr(audiences, "database_now", quicker)
    grow(timedelta(minutes=1))
    assert announcement.recipients.count() == 6
    assert taken not in {event.uid for event in told}
    assert len([event for event in told if event.narrow]) == 5 + 1  # and the publishing


def test_an_audience_that_fails_keeps_no_other_from_growing(
    monkeypatch: pytest.MonkeyPatch, told: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    """The platform's mistake is logged."""

    def broken() -> QuerySet[User]:
        raise LookupError("no such table")

    monkeypatch.setitem(audiences._registered, "broken", Audience("broken", "x", User.objects.all))
    _published("broken")
    announcement = _published(VIPS)
    monkeypatch.setitem(audiences._registered, "broken", Audience("broken", "x", broken))
    _users(1)
    _due()
    grow(timedelta(minutes=1))
    assert announcement.recipients.count() == 1
    assert "audience broken" in caplog.text


async def test_a_node_lets_audiences_grow(settings: Any) -> None:
    """By itself, however little happens on it."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "RECHECK_INTERVAL": 0.1}
    announcement = await _do(_published, VIPS)
    (user,) = await _do(_users, 1)
    node.current()
    try:
        async with asyncio.timeout(20):
            while not await _do(announcement.recipients.exists):  # noqa: ASYNC110  the database has no event
                await asyncio.sleep(0.05)
    finally:
        await node.stop()
    assert await _do(_in_inbox, str(user.pk)) == ["For some"]


# --- figures


def test_figures_of_an_audience(settings: Any) -> None:
    """Its recipients are those it reached, user table or none; the missing have names as far as they are known."""
    user, other = _users(2)
    announcement = _published(uids=(str(user.pk), str(other.pk), "stranger"))
    assert announcement.item_id
    inbox.read(str(user.pk), [announcement.item_id])
    figures = statistics.of(announcement)
    assert (figures.reached, figures.read) == (3, 1)
    left = [person for chunk in statistics.waiting_chunks(announcement) for person in chunk]
    assert left == [(str(other.pk), other.username), ("stranger", "")]
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "STANDALONE": True}
    assert statistics.of(announcement).reached == 3


def test_a_drafts_audience_is_who_is_in_it_now() -> None:
    """As the page that publishes counts it."""
    _users(2)
    assert [statistics.audience(_draft(*args)).count() for args in ((VIPS,), (Announcement.LISTED, ("7",)))] == [2, 1]  # type: ignore[union-attr]


# --- the index


@pytest.mark.server
def test_the_index_in_redis_knows_audiences(redis_server: Redis, settings: Any, told: list[Event]) -> None:
    """Filled before it was published, while it is live, for late joiners and after it is withdrawn: always right."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": [redis_server.url]}

    def indexed(uid: str) -> list[UUID]:
        unread_index.poll()
        replay.snapshots([uid])  # fills it where it is void
        unread_index.poll()
        found, _ = unread_index.look_up([uid])
        assert set(found[uid].items) == set(replay.snapshots([uid])[uid].ids)
        return sorted(found[uid].items)

    (old,) = _users(1)
    (late,) = _users(1, first_name="")
    uids = [str(old.pk), str(late.pk)]
    assert [indexed(uid) for uid in uids] == [[], []]
    announcement = _published(VIPS)
    item_id = parse_id(str(announcement.item_id))
    assert [indexed(uid) for uid in uids] == [[item_id], []]
    late.first_name = "vip"
    late.save()
    _due()
    grow(timedelta(minutes=1))
    found, _ = unread_index.look_up(uids)
    assert set(found[uids[1]].items) == {item_id}
    assert item_id
    inbox.read(uids[0], [item_id])
    assert [indexed(uid) for uid in uids] == [[], [item_id]]
    withdraw_announcement(announcement.pk)
    assert [indexed(uid) for uid in uids] == [[], []]
