"""The hub: who is connected, what is pushed to whom, and the counts that go with it."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from notifications import clock
from notifications.connection import BUFFER_EVENTS, Connection
from notifications.hub import DOUBT_MS, SENDS_PER_TURN, Hub, prune_replayed
from notifications.protocol.events import Event, Op
from notifications.protocol.items import Content, Item, encode
from notifications.replay import Snapshot
from tests.peers import NOTHING, Peer
from tests.servers.process import aeventually


@pytest.fixture
def joining(hub: Hub) -> Iterator[None]:
    """Group membership is kept, as in a node."""
    tasks = [asyncio.ensure_future(hub.membership.receive()), asyncio.ensure_future(hub.membership.keep())]
    yield
    for task in tasks:
        task.cancel()


@pytest.fixture
async def hub() -> Hub:
    """A hub whose membership answers at once: there is no group to join."""
    hub = Hub()
    hub.membership._away = True
    return hub


def _head(item_id: UUID, title: str = "x", audience: str = "user") -> str:
    return encode(Item(item_id, audience, Content(title), clock.moment_of(item_id)))


def _created(uid: str | None = "7", title: str = "x", seconds: float = 0.0) -> Event:
    """An item made so many seconds from now."""
    item_id = clock.new_id(clock.now() + timedelta(seconds=seconds))
    return Event(Op.CREATED, uid, (item_id,), head=_head(item_id, title, "everyone" if uid is None else "user"))


def _snapshot(*events: Event, older: int = 0) -> Snapshot:
    return Snapshot(tuple(e.ids[0] for e in events), tuple(e.head for e in events), len(events) + older)


async def _old(hub: Hub, uid: str = "7", snapshot: Snapshot = NOTHING) -> Peer:
    """A peer that has been open for long."""
    return (await Peer(hub, uid).open(snapshot)).age(60)


# --- who gets what


async def test_an_item_goes_to_every_connection_of_its_uid_and_to_no_other(hub: Hub) -> None:
    """On every tab and device, with the count of unread; not to uids that look alike."""
    mine = [await _old(hub) for _ in range(3)]
    others = [await _old(hub, uid) for uid in ("8", "77", "07", "everyone")]
    hub.handle(_created(title="one"))
    hub.handle(_created(title="two"))
    for peer in mine:
        assert [(frame["title"], frame["unread"], frame["live"]) for frame in peer.of("notification")] == [
            ("one", 1, True),
            ("two", 2, True),
        ]
    assert [peer.got for peer in others] == [[{"type": "inbox", "items": [], "unread": 0, "more": False}]] * 4


async def test_nobody_connected_is_no_trouble(hub: Hub) -> None:
    """Events for uids that are elsewhere are left alone, and not remembered."""
    event = _created()
    hub.handle(event)
    assert not hub.knows(event.ids[0], Op.CREATED, "7")
    peer = await _old(hub)
    hub.handle(event)
    assert peer.titles == ["x"]


async def test_whatever_brings_an_event_again_it_is_pushed_once(hub: Hub) -> None:
    """The channel layer and the tail bring the same; also the other way round in time."""
    peer = await _old(hub)
    event = _created()
    for _ in range(3):
        hub.handle(event)
    read = Event(Op.READ, "7", event.ids)
    hub.handle(read)
    hub.handle(event)
    hub.handle(read)
    retracted = Event(Op.RETRACTED, "7", event.ids)
    hub.handle(retracted)
    hub.handle(read)
    assert [frame["type"] for frame in peer.got] == ["inbox", "notification", "read", "retracted"]
    assert [frame.get("unread") for frame in peer.got] == [0, 1, 0, 0]


async def test_what_is_over_before_it_comes_is_not_pushed(hub: Hub) -> None:
    """Out-of-order news: an item whose retraction or reading is known stays away."""
    peer = await _old(hub)
    for op in (Op.READ, Op.RETRACTED):
        event = _created()
        hub.handle(Event(op, "7", event.ids))
        hub.handle(event)
        general = _created(None)
        hub.handle(Event(op, None if op == Op.RETRACTED else "7", general.ids))
        hub.handle(general)
    await aeventually(lambda: hub._broadcasting is None)
    assert peer.titles == []


async def test_news_of_reading_goes_to_all_but_who_read(hub: Hub) -> None:
    """The sender has its own answer; the other tabs take the item away."""
    peers = [await _old(hub) for _ in range(3)]
    first, second = _created(), _created()
    hub.handle(first)
    hub.handle(second)
    hub.handle(Event(Op.READ, "7", first.ids, origin=peers[0].connection.id))
    assert peers[0].of("read") == []
    for peer in peers[1:]:
        assert peer.of("read") == [{"type": "read", "ids": [str(first.ids[0])], "unread": 1}]


async def test_of_news_half_known_only_the_rest_is_told(hub: Hub) -> None:
    """Two tabs read overlapping items at once: each item is counted off once."""
    peer = await _old(hub, snapshot=_snapshot(_created(seconds=-5), older=10))
    old = [_created(seconds=-100), _created(seconds=-99)]
    hub.handle(Event(Op.READ, "7", old[0].ids))
    hub.handle(Event(Op.READ, "7", (*old[0].ids, *old[1].ids)))
    assert [(frame["ids"], frame["unread"]) for frame in peer.of("read")] == [
        ([str(old[0].ids[0])], 10),
        ([str(old[1].ids[0])], 9),
    ]


async def test_everyone_gets_an_announcement_with_a_count_of_their_own(hub: Hub) -> None:
    """One text for all who have the same count."""
    peers = [await _old(hub, f"u{n}") for n in range(5)]
    hub.handle(_created("u0"))
    hub.handle(general := _created(None, "for all"))
    await aeventually(lambda: all("for all" in peer.titles for peer in peers))
    assert [peer.of("notification")[-1]["unread"] for peer in peers] == [2, 1, 1, 1, 1]
    hub.handle(Event(Op.RETRACTED, None, general.ids))
    await aeventually(lambda: all(peer.of("retracted") for peer in peers))
    assert [peer.of("retracted")[0]["unread"] for peer in peers] == [1, 0, 0, 0, 0]


async def test_a_broadcast_yields_to_the_loop(hub: Hub) -> None:
    """Heartbeats and targeted pushes go out between its turns, and broadcasts keep their order."""
    peers = [await _old(hub, f"u{n}") for n in range(3 * SENDS_PER_TURN)]
    hub.handle(_created(None, "first"))
    hub.handle(_created(None, "second"))
    await asyncio.sleep(0)
    served = sum(bool(peer.titles) for peer in peers)
    assert 0 < served < len(peers)
    hub.handle(_created("u0", "mine"))
    assert "mine" in peers[0].titles
    await aeventually(lambda: hub._broadcasting is None)
    assert all([title for title in peer.titles if title != "mine"] == ["first", "second"] for peer in peers)


async def test_a_slow_reader_delays_nobody(hub: Hub) -> None:
    """Its own frames wait in its outbox, in order; the others have theirs at once."""
    slow, quick = await _old(hub), await _old(hub)
    slow.reads.clear()
    for title in ("a", "b", "c"):
        hub.handle(_created(title=title))
    assert quick.titles == ["a", "b", "c"]
    assert slow.titles == []
    slow.reads.set()
    await aeventually(lambda: slow.titles == ["a", "b", "c"])


async def test_a_broadcast_that_breaks_is_made_good(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It counts as handled, so nobody would bring it again: all get their inbox anew, and the next one goes out."""
    peer = await _old(hub)
    deliver = hub._deliver

    def broken(*args: Any) -> int:
        monkeypatch.setattr(hub, "_deliver", deliver)
        raise ZeroDivisionError

    monkeypatch.setattr(hub, "_deliver", broken)
    hub.handle(_created(None, "lost"))
    hub.handle(_created(None, "next"))
    await aeventually(lambda: peer.titles == ["next"])
    assert peer.resyncs == 1
    assert "ended half-way" in caplog.text


# --- opening: the race that must be closed


@pytest.mark.parametrize("gate", ["attached", "read", "activated"])
@pytest.mark.parametrize("uid", ["7", None])
async def test_whatever_is_published_while_a_socket_opens_arrives_once(hub: Hub, gate: str, uid: str | None) -> None:
    """Between joining, reading the unread and sending it: pushed exactly once, or replayed."""
    peer = Peer(hub, "7")
    event = _created(uid, "meanwhile")
    await hub.attach(peer.connection)
    if gate == "attached":
        hub.handle(event)
    snapshot = _snapshot(event) if gate == "attached" else NOTHING
    if gate == "read":
        hub.handle(event)
    await aeventually(lambda: hub._broadcasting is None)
    assert peer.got == []
    peer.connection.welcome()
    hub.activate(peer.connection, snapshot)
    if gate == "activated":
        hub.handle(event)
    hub.handle(event)
    await aeventually(lambda: hub._broadcasting is None)
    assert peer.titles == ([] if gate == "attached" else ["meanwhile"])
    assert hub.users["7"].count == 1


async def test_what_ends_while_a_socket_opens_is_told_after_the_replay(hub: Hub) -> None:
    """The replay was read before: the item is in it, and taken away at once."""
    first, second = _created(seconds=-5), _created(seconds=-4)
    peer = Peer(hub, "7")
    await hub.attach(peer.connection)
    hub.handle(Event(Op.READ, "7", first.ids))
    hub.handle(Event(Op.RETRACTED, None, second.ids))
    await aeventually(lambda: hub._broadcasting is None)
    peer.connection.welcome()
    hub.activate(peer.connection, _snapshot(first, second))
    assert [(frame["type"], frame["unread"]) for frame in peer.got] == [("read", 1), ("retracted", 0)]


async def test_a_reason_to_replay_during_a_replay_is_not_lost(hub: Hub) -> None:
    """What is being sent may have been read too early: it is sent once more afterwards."""
    peer = Peer(hub, "7")
    await hub.attach(peer.connection)
    hub.handle(Event(Op.RESYNC, "7", ()))
    assert peer.resyncs == 0
    hub.activate(peer.connection, NOTHING)
    assert peer.resyncs == 1


@pytest.mark.parametrize(("more", "resyncs"), [(0, 0), (1, 1)])
async def test_what_is_held_while_a_socket_opens_is_bounded(hub: Hub, more: int, resyncs: int) -> None:
    """A thousand events wait for the replay; where more came, another replay makes up for them."""
    peer = Peer(hub, "7")
    await hub.attach(peer.connection)
    for _ in range(BUFFER_EVENTS + more):
        hub.handle(Event(Op.READ, "7", (clock.new_id(),)))
    assert len(peer.connection.buffer) <= BUFFER_EVENTS
    peer.connection.welcome()
    hub.activate(peer.connection, NOTHING)
    assert peer.resyncs == resyncs
    assert len(peer.got) == (1 if more else BUFFER_EVENTS)


async def test_a_socket_that_goes_while_it_opens_leaves_nothing(hub: Hub) -> None:
    """Closed between joining and the replay."""
    peer = Peer(hub, "7")
    await hub.attach(peer.connection)
    hub.detach(peer.connection)
    hub.detach(peer.connection)
    hub.activate(peer.connection, NOTHING)
    assert (hub.users, hub.size) == ({}, 0)


async def test_a_young_connection_is_pushed_only_what_the_database_says(hub: Hub) -> None:
    """An item made before its replay, or just after by another node's clock, may have been read before it opened."""
    asked: list[tuple[Event, list[Connection]]] = []
    hub.settle = lambda event, connections: asked.append((event, connections))
    young, old = await Peer(hub, "7").open(), await _old(hub)
    opened = young.connection.snapshot_ms - clock.now_ms()
    before, border, after = [_created(seconds=(opened + ms) / 1000) for ms in (-1, DOUBT_MS - 500, DOUBT_MS + 5_000)]
    for event in (before, border, after):
        hub.handle(event)
    assert [(event, connections) for event, connections in asked] == [
        (before, [young.connection]),
        (border, [young.connection]),
    ]
    assert len(old.titles) == 3
    assert [frame["id"] for frame in young.of("notification")] == [str(after.ids[0])]
    hub.push(before, [young.connection])
    hub.handle(Event(Op.READ, "7", border.ids))
    hub.push(border, [young.connection])
    assert [frame["id"] for frame in young.of("notification")] == [str(after.ids[0]), str(before.ids[0])]


async def test_a_doubt_that_is_settled_late_is_not_pushed_twice(hub: Hub) -> None:
    """By then the connection may have gone, been replayed anew with the item, or be in the middle of that."""
    event = _created()
    gone, again, replaying = [await Peer(hub, "7").open() for _ in range(3)]
    hub.activate(again.connection, _snapshot(event))
    replaying.connection.opening = True
    hub.detach(gone.connection)
    other = await Peer(hub, "8").open()
    hub.detach(other.connection)
    hub.push(event, [again.connection, replaying.connection, other.connection])
    assert again.titles == replaying.titles == other.titles == []
    hub.activate(replaying.connection, NOTHING)
    assert replaying.titles == ["x"]


async def test_a_replayed_item_is_not_pushed_again(hub: Hub) -> None:
    """The tail finds it in its window and hands it over: who has it is left in peace."""
    event = _created(seconds=-1)
    has = await Peer(hub, "7").open(_snapshot(event))
    lacks = await Peer(hub, "7").open()
    hub.handle(event)
    assert has.titles == []
    assert lacks.titles == ["x"]


async def test_a_replay_is_forgotten_when_nothing_can_come_again(hub: Hub) -> None:
    """At the border of the deepest look, and past it."""
    event = _created(seconds=-1)
    peer = await Peer(hub, "7").open(_snapshot(event))
    peer.age(99)
    prune_replayed(peer.connection, 100)
    assert peer.connection.replayed == {event.ids[0]}
    peer.age(2)
    prune_replayed(peer.connection, 100)
    assert peer.connection.replayed == frozenset()


# --- more unread than a replay holds


async def test_older_unread_are_counted_and_never_popped_up(hub: Hub) -> None:
    """Of 5,000 that came at once, the tail brings those too that the replay left out: one more inbox, no flood."""
    newest = [_created(seconds=-3 + n / 1000) for n in range(3)]
    peer = await Peer(hub, "7").open(_snapshot(*newest, older=50))
    for n in range(50):
        hub.handle(_created(seconds=-10 + n / 1000))
    assert peer.titles == []
    assert peer.resyncs == 50  # which the consumer makes one of
    assert hub.users["7"].count == 53
    hub.push(_created(seconds=-9), [peer.connection])
    assert (peer.titles, peer.resyncs) == ([], 51)


async def test_the_count_falls_with_older_ones_too(hub: Hub) -> None:
    """What is read elsewhere was unread; what is retracted may have been read, so the inbox says how many are left."""
    newest = _created(seconds=-3)
    peer = await _old(hub, snapshot=_snapshot(newest, older=5))
    hub.handle(Event(Op.READ, "7", _created(seconds=-10).ids))
    assert peer.of("read")[-1]["unread"] == 5
    hub.handle(Event(Op.RETRACTED, "7", _created(seconds=-9).ids))
    assert peer.resyncs == 1
    hub.handle(Event(Op.READ, "7", newest.ids))
    assert peer.of("read")[-1]["unread"] == 3
    for n in range(9):
        hub.handle(Event(Op.READ, "7", _created(seconds=-20 + n / 1000).ids))
    assert peer.of("read")[-1]["unread"] == 0


async def test_older_ones_that_end_during_a_replay_ask_for_another(hub: Hub) -> None:
    """Nobody can say here whether the replay still counted them."""
    peer = Peer(hub, "7")
    await hub.attach(peer.connection)
    hub.handle(Event(Op.READ, "7", _created(seconds=-10).ids))
    peer.connection.welcome()
    hub.activate(peer.connection, _snapshot(_created(seconds=-3), older=5))
    assert (peer.resyncs, peer.of("read")) == (1, [])


# --- coming and going


async def test_the_eleventh_connection_ends_the_oldest(hub: Hub) -> None:
    """Ten are good; with one more the first is closed with 4004, and another uid's are not touched."""
    other = await Peer(hub, "8").open()
    peers = [await Peer(hub, "7").open() for _ in range(10)]
    assert [peer.closed for peer in peers] == [None] * 10
    peers.append(await Peer(hub, "7").open())
    assert [peer.closed for peer in peers] == [4004, *[None] * 10]
    assert (len(hub.users["7"].connections), hub.size, other.closed) == (10, 11, None)


async def test_a_wish_to_disconnect_closes_what_was_open_then(hub: Hub) -> None:
    """Opened before the wish: closed with 4003, opening or open; opened after it, or of another uid: left alone."""
    open_before, other = await Peer(hub, "7").open(), await Peer(hub, "8").open()
    opening_before = Peer(hub, "7")
    await hub.attach(opening_before.connection)
    wish = Event(Op.DISCONNECT, "7", (clock.new_id(),))
    after = Peer(hub, "7")
    after.connection.opened_at_ms = clock.now_ms() + 1
    await after.open()
    hub.handle(wish)
    hub.handle(wish)
    assert [peer.closed for peer in (open_before, opening_before, after, other)] == [4003, 4003, None, None]
    assert hub.size == 2


async def test_all_or_the_young_are_replayed_anew(hub: Hub) -> None:
    """After a gap everybody; after doubts about the index those who may have been answered from it."""
    young, old, other = await Peer(hub, "7").open(), await _old(hub, "7"), await Peer(hub, "8").open()
    hub.resync_young({"7"}, 2.0)
    assert [young.resyncs, old.resyncs, other.resyncs] == [1, 0, 0]
    hub.resync_young({""}, 2.0)
    assert [young.resyncs, old.resyncs, other.resyncs] == [2, 0, 1]
    hub.resync_young({"unknown"}, 2.0)
    hub.handle(Event(Op.RESYNC, "8", ()))
    hub.handle(Event(Op.RESYNC, "unknown", ()))
    assert other.resyncs == 2
    hub.handle(Event(Op.RESYNC, None, ()))
    hub.resync_all()
    assert [young.resyncs, old.resyncs, other.resyncs] == [4, 2, 4]


async def test_what_was_seen_is_forgotten_in_time(hub: Hub) -> None:
    """Memory does not grow with history: what is older than any look goes, what is younger stays."""
    await _old(hub)
    first, second = _created(), _created()
    hub.handle(first)
    hub.handle(second)
    (key, (op, at)) = next(iter(hub._seen.items()))
    hub._seen[key] = (op, at - 100)
    hub.forget_older_than(50)
    assert not hub.knows(first.ids[0], Op.CREATED, "7")
    assert hub.knows(second.ids[0], Op.CREATED, "7")
    hub.forget_older_than(-1)
    assert not hub._seen


async def test_groups_are_joined_and_left_with_the_first_and_last_connection(hub: Hub, joining: None) -> None:
    """A message to the group arrives as long as there is one, and the group is empty after it."""
    hub.membership._away = False
    first, second = await Peer(hub, "7").open(), await Peer(hub, "7").open()

    def is_member() -> bool:
        # Other tests' hubs may have left theirs in the layer, which all share.
        return hub.membership._channel in hub.membership._layer.groups.get("user.7", ())

    assert is_member()
    hub.detach(first.connection)
    await asyncio.sleep(0)
    assert is_member()
    hub.detach(second.connection)
    await aeventually(lambda: not is_member())
