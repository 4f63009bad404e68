"""The tail: whatever was not pushed, it finds in the tables."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Collection
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from channels.db import database_sync_to_async
from django.contrib.auth.models import User
from django.db import OperationalError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext

from notifications import clock, inbox, models, tail
from notifications.announcing import announce, end_announcement, withdraw_announcement
from notifications.channel_layer import publisher
from notifications.conf import conf
from notifications.hub import Hub
from notifications.models import Announcement, Disconnection, Notification, Receipt
from notifications.publishing import disconnect, notify, retract
from notifications.tail import Tail
from tests.peers import Peer
from tests.servers.node import Business, Node, Platform
from tests.servers.process import aeventually
from tests.servers.sockets import Socket, mint

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _every_push_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publisher, "put", lambda event: None)


@pytest.fixture
async def hub() -> Hub:
    """A hub whose membership answers at once: there is no group to join."""
    hub = Hub()
    hub.membership._away = True
    return hub


@pytest.fixture
async def looking(hub: Hub) -> AsyncIterator[Tail]:
    """The hub's tail, which has looked once: its further looks are the usual ones."""
    looking = Tail(hub)
    await looking.look()
    yield looking
    if looking._settling is not None:
        await looking._settling


async def _do(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await database_sync_to_async(call, thread_sensitive=False)(*args, **kwargs)


async def _notify(uid: str = "7", title: str = "x", **kwargs: Any) -> UUID:
    accepted = await _do(notify, uid, title, **kwargs)
    return UUID(str(accepted.id))


async def _look(looking: Tail) -> None:
    """One look, and everything that comes of it."""
    await looking.look()
    await aeventually(lambda: looking._settling is None and looking._hub._broadcasting is None)


def _aged(**kwargs: float) -> Any:
    """Moves `changed_at` back, as if the row had been written so long ago."""
    return {"changed_at": F("changed_at") - timedelta(**kwargs)}


# --- what it repairs


async def test_a_lost_push_is_made_good_once(hub: Hub, looking: Tail) -> None:
    """By the first look after the commit, with the content and the count, and by no later look again."""
    peer, other = await Peer(hub, "7").open(), await Peer(hub, "8").open()
    item_id = await _notify(title="lost", data={"n": 1})
    for _ in range(3):
        await _look(looking)
    (frame,) = peer.of("notification")
    assert (frame["id"], frame["title"], frame["data"]) == (str(item_id), "lost", {"n": 1})
    assert (frame["unread"], frame["live"]) == (1, True)
    assert other.of("notification") == []
    assert looking.repaired == 1


async def test_items_come_in_their_order(hub: Hub, looking: Tail) -> None:
    """Many at once, by id."""
    peer = (await Peer(hub, "7").open()).age(60)
    for n in range(5):
        await _notify(title=f"{n}")
    await _look(looking)
    assert peer.titles == ["0", "1", "2", "3", "4"]


async def test_lost_news_of_reading_and_retracting(hub: Hub, looking: Tail) -> None:
    """Of both kinds of items; what ended before it was ever pushed is not pushed."""
    peer = (await Peer(hub, "7").open()).age(60)
    ids = [await _notify(), await _notify(), (await _do(announce, "x")).id, (await _do(announce, "x")).id]
    await _look(looking)
    assert len(peer.titles) == 4
    await _do(inbox.read, "7", [ids[0], ids[2]])
    await _do(retract, ids[1])
    await _do(withdraw_announcement, ids[3])
    never = await _notify()
    await _do(retract, never)
    await _look(looking)
    await _look(looking)
    assert sorted(frame["ids"][0] for frame in peer.of("read")) == sorted(str(i) for i in (ids[0], ids[2]))
    assert sorted(i for frame in peer.of("retracted") for i in frame["ids"]) == sorted(
        str(i) for i in (ids[1], ids[3], never)
    )
    assert len(peer.titles) == 4
    assert hub.users["7"].count == 0


async def test_a_scheduled_announcement_comes_due(hub: Hub, looking: Tail) -> None:
    """Not before its start, and with the first look after it, though nothing was written then."""
    peer = await Peer(hub, "7").open()
    await _do(announce, "later", starts_at=clock.now() + timedelta(hours=1))
    await _look(looking)
    assert peer.titles == []
    await Announcement.objects.aupdate(live_at=clock.now(), **_aged(seconds=60))
    await _look(looking)
    assert peer.titles == ["later"]


async def test_time_takes_items_away(hub: Hub, looking: Tail) -> None:
    """An item that expires, read or not, and an announcement that ends, by itself or by hand, leave the screen."""
    later = clock.now() + timedelta(hours=1)
    short, read = await _notify(expires_at=later), await _notify(expires_at=later)
    await _do(inbox.read, "7", [read])
    general, ended = (await _do(announce, "x", ends_at=later)).id, (await _do(announce, "y")).id
    peer = await Peer(hub, "7").open(None)
    await _look(looking)
    assert peer.of("retracted") == []
    # The hour has passed: nothing was written since.
    await Notification.objects.aupdate(expires_at=clock.now(), **_aged(seconds=60))
    await Announcement.objects.filter(pk=general).aupdate(ends_at=clock.now(), **_aged(seconds=60))
    await _do(end_announcement, ended)
    await _look(looking)
    gone = sorted(i for frame in peer.of("retracted") for i in frame["ids"])
    assert gone == sorted(str(i) for i in (short, read, general, ended))
    assert hub.users["7"].count == 0


async def test_a_wish_to_disconnect_is_found(hub: Hub, looking: Tail) -> None:
    """Whoever was open when it was made is closed; who comes back is not."""
    peer, other = await Peer(hub, "7").open(), await Peer(hub, "8").open()
    await asyncio.sleep(0.002)  # a millisecond, so that the wish is after the opening
    await _do(disconnect, "7")
    await _look(looking)
    assert (peer.closed, other.closed) == (4003, None)
    back = Peer(hub, "7")
    back.connection.opened_at_ms += 1
    await back.open()
    await _look(looking)
    assert back.closed is None


# --- doubts


async def test_who_opened_just_now_is_asked_about(hub: Hub, looking: Tail) -> None:
    """What the database says is unread is pushed; what was read, retracted or is not for late joiners is not."""
    user = await User.objects.acreate(username="late", date_joined=clock.now() + timedelta(minutes=1))
    uid = str(user.pk)
    peer, late = await Peer(hub, "7").open(), await Peer(hub, uid).open()
    unread, read, retracted = [await _notify() for _ in range(3)]
    general, read_general = (await _do(announce, "a", late_join=False)).id, (await _do(announce, "b")).id
    await Notification.objects.filter(pk=read).aupdate(read_at=clock.now())
    await Notification.objects.filter(pk=retracted).aupdate(retracted_at=clock.now())
    await Receipt.objects.acreate(announcement_id=read_general, uid="7", read_at=clock.now())
    await _look(looking)
    assert {frame["id"] for frame in peer.of("notification")} == {str(unread), str(general)}
    assert [frame["id"] for frame in late.of("notification")] == [str(read_general)]


async def test_many_doubts_share_their_queries(hub: Hub, looking: Tail) -> None:
    """A hundred sockets that opened just before a broadcast are settled by a handful of queries."""
    peers = [await Peer(hub, f"u{n}").open() for n in range(100)]
    await _do(announce, "x")
    queries = 0
    still_unread = tail._still_unread

    def counted(asked: Any) -> Any:
        nonlocal queries
        with CaptureQueriesContext(connection) as captured:
            found = still_unread(asked)
        queries += len(captured)
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "_still_unread", counted)
        await _look(looking)
    assert all(peer.titles == ["x"] for peer in peers)
    assert queries <= 3


async def test_doubts_that_cannot_be_settled_end_in_a_new_inbox(hub: Hub, looking: Tail) -> None:
    """The database fails just then: nothing is pushed on suspicion, and nothing is lost."""
    peer = await Peer(hub, "7").open()
    await _notify()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "_still_unread", lambda asked: 1 / 0)
        await _look(looking)
    assert (peer.titles, peer.resyncs) == ([], 1)


# --- windows


async def test_what_is_older_than_the_window_waits_for_a_deep_look(
    hub: Hub, looking: Tail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Just inside the window, just outside of it, and outside of the deep one too."""
    peer = (await Peer(hub, "7").open()).age(600)
    settings = conf()
    ages = {
        "inside": settings.tail_window,
        "outside": settings.tail_window + 5,
        "deep": settings.tail_deep_window - 5,
        "ancient": settings.tail_deep_window + 5,
    }
    for title, age in ages.items():
        item_id = await _notify(title=title)
        await Notification.objects.filter(pk=item_id).aupdate(**_aged(seconds=age))
    await _look(looking)
    assert peer.titles == ["inside"]
    looking._deep_at -= settings.tail_deep_interval
    await _look(looking)
    assert peer.titles == ["inside", "outside", "deep"]


async def test_after_a_pause_it_looks_further_back(hub: Hub, looking: Tail) -> None:
    """Stopped for longer than the window, it goes as deep as it can."""
    peer = (await Peer(hub, "7").open()).age(600)
    item_id = await _notify()
    await Notification.objects.filter(pk=item_id).aupdate(**_aged(seconds=60))
    assert looking._looked_at is not None
    looking._looked_at -= 61
    await _look(looking)
    assert (peer.titles, peer.resyncs) == (["x"], 0)


async def test_after_a_long_pause_everybody_gets_the_inbox(hub: Hub, looking: Tail) -> None:
    """Longer than any look goes back, it cannot prove that nothing was missed."""
    peer = await Peer(hub, "7").open()
    assert looking._looked_at is not None
    looking._looked_at -= conf().tail_deep_window + 1
    await _look(looking)
    await _look(looking)
    assert peer.resyncs == 1


async def test_the_first_look_is_deep(hub: Hub) -> None:
    """What was stamped long before a node began, and committed only then, is found."""
    peer = (await Peer(hub, "7").open()).age(600)
    item_id = await _notify()
    await Notification.objects.filter(pk=item_id).aupdate(**_aged(seconds=60))
    await _look(Tail(hub))
    assert peer.titles == ["x"]


async def test_a_look_that_fails_is_made_up_for(
    hub: Hub, looking: Tail, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The database is away for a moment: the tail goes on, says so, and delivers afterwards."""
    settings.NOTIFICATIONS = {"TAIL_INTERVAL": 0.02}
    peer = await Peer(hub, "7").open()
    away = True

    def changes(seconds: float) -> Any:
        if away:
            raise OperationalError("away")
        return Tail._changes(looking, seconds)

    monkeypatch.setattr(looking, "_changes", changes)
    running = asyncio.ensure_future(looking.run())
    caplog.set_level("INFO")
    await aeventually(lambda: "could not be read (away)" in caplog.text)
    # It may be so for hours: one line each time.
    assert "Traceback" not in caplog.text
    await _notify()
    away = False
    await aeventually(lambda: peer.titles == ["x"])
    assert 0 <= looking.age < 20
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# --- late commits


async def _late_commit(looking: Tail, uid: str, write: Callable[[], Any]) -> None:
    """Write in a transaction that stays open over a look, is stamped long before, and then commits."""
    written, go = threading.Event(), threading.Event()

    def business() -> None:
        try:
            with transaction.atomic():
                write()
                written.set()
                assert go.wait(20)
        finally:
            connection.close()

    thread = threading.Thread(target=business)
    thread.start()
    assert await asyncio.to_thread(written.wait, 10)
    await _look(looking)
    await _look(looking)
    go.set()
    await asyncio.to_thread(thread.join, 10)


@pytest.mark.server
@pytest.mark.usefixtures("_on_postgresql_here")
async def test_a_transaction_of_an_hour_is_found_when_it_commits(hub: Hub, looking: Tail) -> None:
    """Its rows are stamped as they were written; the look after the commit goes back to when it was first seen."""
    peer = (await Peer(hub, "7").open()).age(7_200)
    writing: list[dict[str, datetime]] = []

    def write() -> None:
        item_id = notify("7", "late").id
        Notification.objects.filter(pk=item_id).update(**_aged(hours=1))

    # As if the transaction had been seen first an hour ago.
    original = tail._writing

    def an_hour_ago() -> Collection[str]:
        names = original()
        for name in names:
            looking._writing.setdefault(name, models.database_now() - timedelta(hours=1, seconds=5))
            writing.append(dict(looking._writing))
        return names

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tail, "_writing", an_hour_ago)
        await _late_commit(looking, "7", write)
        assert peer.titles == []
        await _look(looking)
    assert writing
    assert peer.titles == ["late"]
    await _look(looking)
    assert peer.titles == ["late"]
    assert looking._writing == {}


@pytest.mark.server
@pytest.mark.usefixtures("_on_postgresql_here")
async def test_open_transactions_are_known_to_postgresql(hub: Hub, looking: Tail) -> None:
    """One that has written is named until it ends; who only reads, or writes elsewhere, is not."""
    assert await _do(tail._writing) == frozenset()
    seen: list[int] = []

    def write() -> None:
        Disconnection.objects.create(uid="7")

    def readers() -> None:
        with transaction.atomic():
            Notification.objects.count()
            User.objects.create(username="x")
            seen.append(len(tail._writing()))

    await _do(readers)
    assert seen == [0]
    await _late_commit(looking, "7", write)
    assert len(looking._writing) == 1
    await _look(looking)
    assert looking._writing == {}


@pytest.mark.server
@pytest.mark.usefixtures("_on_postgresql_here")
async def test_the_repairs_hold_on_postgresql(hub: Hub, looking: Tail) -> None:
    """Push, read, retraction, announcement: the same queries give the same there."""
    peer = (await Peer(hub, "7").open()).age(60)
    item_id = await _notify()
    general = (await _do(announce, "y")).id
    await _look(looking)
    await _do(inbox.read, "7", [item_id])
    await _do(withdraw_announcement, general)
    await _look(looking)
    await _do(disconnect, "7")
    await _look(looking)
    assert sorted(frame["type"] for frame in peer.got) == ["inbox", "notification", "notification", "read", "retracted"]
    assert peer.closed == 4003


@pytest.fixture
def _on_postgresql_here(on_postgresql: None) -> None:
    """`on_postgresql` in spite of this module's mark: what the mark prepares is SQLite, and stays unused."""


# --- cost


async def test_a_look_costs_the_same_whatever_lies_in_the_tables(hub: Hub, looking: Tail) -> None:
    """Five queries by indexes; history and uids that are not here cost nothing more."""
    await Peer(hub, "7").open()
    now = clock.now()

    def fill() -> None:
        old = [Notification(uid="7", title="x", created_at=now) for _ in range(2_000)]
        Notification.objects.bulk_create(old)
        Notification.objects.update(**_aged(days=1))
        Notification.objects.bulk_create([Notification(uid=f"u{n}", title="x", created_at=now) for n in range(500)])

    def cost() -> tuple[int, int]:
        with CaptureQueriesContext(connection) as captured:
            events = looking._changes(12.0)
        return len(captured), len(events)

    before = await _do(cost)
    await _do(fill)
    assert await _do(cost) == before == (5, 0)

    def plans() -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            looking._changes(12.0)
        statements = [query["sql"] for query in captured.captured_queries if query["sql"].startswith("SELECT")]
        found = []
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
                found += [str(row[-1]) for row in cursor.fetchall()]
        return found

    assert not [step for step in await _do(plans) if step.startswith("SCAN notifications_notification ")]


# --- the clock, and who may stay


async def test_the_clock_follows_the_database(hub: Hub, looking: Tail, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine hours off is set right by a look; an answer that took long says too little."""
    monkeypatch.setattr(clock, "_offset_ms", 0)
    reference = models.database_now
    monkeypatch.setattr(models, "database_now", lambda: reference() + timedelta(hours=2))
    await _until_quick(looking, lambda: clock._offset_ms != 0)
    assert abs(clock._offset_ms - 7_200_000) < 1_000

    def slowly() -> datetime:
        time.sleep(0.6)  # a slow database
        return reference()

    monkeypatch.setattr(models, "database_now", slowly)
    await looking.look()
    assert abs(clock._offset_ms - 7_200_000) < 1_000
    monkeypatch.setattr(models, "database_now", reference)
    await _until_quick(looking, lambda: clock._offset_ms == 0)


async def _until_quick(looking: Tail, true: Callable[[], bool]) -> None:
    """Look until an answer came quickly enough to say something of the time: on a busy machine not every one does."""
    async with asyncio.timeout(20):
        await looking.look()
        while not true():
            await looking.look()


async def test_who_was_banned_behind_our_back_is_closed(hub: Hub, looking: Tail, settings: Any) -> None:
    """A user made inactive, or deleted, straight in the database: within the interval, and not before it is due."""
    users = [await User.objects.acreate(username=f"u{n}") for n in range(3)]
    peers = [await Peer(hub, str(user.pk)).open() for user in users]
    await User.objects.filter(pk=users[0].pk).aupdate(is_active=False)
    await User.objects.filter(pk=users[1].pk).adelete()
    await looking._recheck()
    assert [peer.closed for peer in peers] == [None, None, None]
    looking._rechecked_at -= conf().recheck_interval
    await looking._recheck()
    assert [peer.closed for peer in peers] == [4003, 4003, None]


# --- processes without Redis


# What is promised (guarantees: without Redis, within 2 s).
WITHIN = 2.0


@pytest.mark.server
async def test_two_processes_on_one_file_deliver_to_each_other(
    sqlite_url: str, start_node: Callable[..., Node], start_business: Callable[[Platform], Business]
) -> None:
    """No Redis, one SQLite: what one process writes reaches the sockets of two others within two seconds."""
    platform = Platform(sqlite_url, standalone=True)
    nodes, business = [start_node(platform) for _ in range(2)], start_business(platform)
    token = mint("7", platform.jwt_signing_key)
    async with Socket(nodes[0].socket_url, token) as one, Socket(nodes[1].socket_url, token) as two:
        for socket in (one, two):
            await socket.ready()
        item_id = await asyncio.to_thread(business.notify, "7", "across")
        for socket in (one, two):
            assert (await socket.wait_type("notification", WITHIN))["id"] == item_id
        await one.send(type="read", ids=[item_id])
        assert (await two.wait_type("read", WITHIN))["ids"] == [item_id]
