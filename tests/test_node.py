"""The node: heartbeats, expiries, slow readers, draining; begun and ended with its tasks."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async

from notifications import clock, node, roll, unread_index
from notifications.channel_layer import publisher
from notifications.hub import SENDS_PER_TURN
from notifications.models import Drain, Unindexed
from notifications.node import Node
from notifications.publishing import anotify
from tests.peers import Peer
from tests.servers.process import aeventually
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)

QUICK = {"TAIL_INTERVAL": 0.05}


@pytest.fixture
async def running(settings: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Node]:
    """A node of the test's loop that sweeps fifty times a second."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, **QUICK}
    monkeypatch.setattr(node, "SWEEP_SECONDS", 0.02)
    yield node.current()
    await node.stop()


class Time:
    """What the sweep takes for the time: the real one, and so many seconds."""

    def __init__(self, running: Node) -> None:
        self._node = running
        self.later = 0.0

    def look_at(self, peer: Peer, seconds: float) -> None:
        """Sweep over one connection `seconds` from now."""
        self._node._look_at(peer.connection, time.monotonic() + seconds, clock.now_ms() / 1000 + seconds)


@pytest.fixture
def at(running: Node) -> Time:
    """Sweeps at other times."""
    return Time(running)


# --- the sweep


async def test_silent_peers_are_pinged_and_then_closed(running: Node, at: Time) -> None:
    """A ping every 25 s; after 35 s without any frame 4105, just before that nothing; a frame sets it back."""
    peer = await Peer(running.hub, "7").open()
    at.look_at(peer, 24)
    assert peer.of("ping") == []
    at.look_at(peer, 25.1)
    at.look_at(peer, 26)
    assert len(peer.of("ping")) == 1
    codes = []
    for seconds, heard in ((34.9, 0), (35.5, 10), (45.5, 0)):
        peer.connection.last_seen += heard
        at.look_at(peer, seconds)
        codes.append(peer.closed)
    assert codes == [None, None, 4105]
    assert running.hub.size == 0


async def test_a_token_that_ends_is_told_and_then_closed(running: Node, at: Time) -> None:
    """`token_expiring` once, a minute before; 4201 at its end; a renewal in between sets both back."""
    peer = await Peer(running.hub, "7", lives=100).open()
    peer.connection.last_seen += 1_000
    at.look_at(peer, 39)
    assert peer.of("token_expiring") == []
    at.look_at(peer, 40.5)
    at.look_at(peer, 41)
    (frame,) = peer.of("token_expiring")
    assert frame["in"] in (59, 60)
    peer.connection.expires_at += 100
    peer.connection.warned = False
    at.look_at(peer, 101)
    assert peer.closed is None
    at.look_at(peer, 199)
    assert len(peer.of("token_expiring")) == 2
    assert peer.closed is None
    at.look_at(peer, 200.1)
    assert peer.closed == 4201


async def test_a_reader_that_is_stuck_is_closed(running: Node, at: Time) -> None:
    """It answers heartbeats and reads nothing: after 20 s it is closed with 4103, just before that it is not."""
    peer = await Peer(running.hub, "7").open()
    peer.reads.clear()
    peer.connection.send("{}")
    peer.connection.last_seen += 1_000
    states = []
    for seconds in (19.5, 20.5):
        at.look_at(peer, seconds)
        states.append(peer.connection.closing)
    assert states == [False, True]
    peer.reads.set()
    await aeventually(lambda: peer.closed == 4103)


async def test_what_is_closing_is_left_alone(running: Node, at: Time) -> None:
    """No frame and no second close for it."""
    peer = await Peer(running.hub, "7").open()
    peer.connection.close(4003)
    at.look_at(peer, 1_000)
    assert (peer.closed, peer.of("ping")) == (4003, [])


async def test_the_sweep_runs_by_itself(running: Node, caplog: pytest.LogCaptureFixture) -> None:
    """Over all connections, for ever; one that breaks it does not end it."""
    peers = [await Peer(running.hub, f"u{n}").open() for n in range(2 * SENDS_PER_TURN)]
    for peer in peers:
        peer.connection.next_ping = 0
    await aeventually(lambda: all(peer.of("ping") for peer in peers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "_look_at", lambda *_: 1 / 0)
        await aeventually(lambda: "sweep" in caplog.text)
    peers[0].connection.expires_at = 0
    await aeventually(lambda: peers[0].closed == 4201)


async def test_old_replays_are_forgotten(running: Node, at: Time) -> None:
    """The memory of what was replayed goes when no look of the tail can bring it again."""
    peer = await Peer(running.hub, "7").open()
    peer.connection.replayed = frozenset([clock.new_id()])
    at.look_at(peer, 0)
    assert peer.connection.replayed
    peer.age(241)
    at.look_at(peer, 0)
    assert not peer.connection.replayed


# --- draining


async def test_a_drain_spreads_its_closes(running: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody hears `reconnect` at once, with the moment of the close, and is closed with 4200 at about it."""
    monkeypatch.setattr(node, "GENTLE_CLOSES_PER_SECOND", 1)
    peers = [await Peer(running.hub, f"u{n}").open() for n in range(40)]
    begun = time.monotonic()
    draining = asyncio.ensure_future(running.drain(2))
    await aeventually(lambda: all(peer.of("reconnect") for peer in peers))
    assert node.draining()
    after = sorted(peer.of("reconnect")[0]["after_ms"] for peer in peers)
    assert after == [n * 50 for n in range(40)]
    await aeventually(lambda: sum(peer.closed is not None for peer in peers) >= 10)
    assert time.monotonic() - begun > 0.4
    pushed = await anotify(next(peer for peer in peers if peer.closed is None).connection.uid, "still pushed")
    await draining
    assert time.monotonic() - begun >= 1.9
    assert [peer.closed for peer in peers] == [4200] * 40
    assert pushed.id
    assert running.hub.size == 0


async def test_a_few_sockets_drain_quickly(running: Node) -> None:
    """Ten are no wave, and who came in last goes too; an empty node drains at once."""
    begun = time.monotonic()
    peers = [await Peer(running.hub, f"u{n}").open() for n in range(10)]
    draining = asyncio.ensure_future(running.drain(20))
    await asyncio.sleep(0)
    late = await Peer(running.hub, "late").open()
    await draining
    assert time.monotonic() - begun < 15
    assert [peer.closed for peer in (*peers, late)] == [4200] * 11
    await running.drain(20)


async def test_an_operators_wish_drains_the_node(running: Node, settings: Any) -> None:
    """One made for this machine or for all, after the node began; not one for another machine, or an old one."""
    peer = await Peer(running.hub, "7").open()
    await Drain.objects.acreate(host="another")
    await aeventually(lambda: running.tail._looked_at is not None)
    looked_at = running.tail._looked_at
    await aeventually(lambda: running.tail._looked_at != looked_at)
    assert peer.closed is None
    await Drain.objects.acreate(host=roll.HOST)
    await aeventually(lambda: peer.closed == 4200)
    await node.stop()
    again = node.current()
    other = await Peer(again.hub, "7").open()
    looked_at = again.tail._looked_at
    await aeventually(lambda: again.tail._looked_at not in (None, looked_at))
    assert (other.closed, node.draining()) == (None, False)


# --- beginning, ending, and what runs meanwhile


async def test_a_loop_has_one_node(running: Node) -> None:
    """Begun with the first socket, ended once; ending twice is harmless."""
    assert node.current() is running is node.running()
    await node.stop()
    assert node.running() is None
    assert not node.draining()
    await node.stop()


async def test_a_push_reaches_the_sockets_of_a_node(running: Node) -> None:
    """Through the channel layer, well before the tail's turn."""
    peer = (await Peer(running.hub, "7").open()).age(60)
    await anotify("7", "hello")
    await aeventually(lambda: peer.titles == ["hello"])
    assert publisher._serving is asyncio.get_running_loop()
    running.measure()


async def test_the_tasks_outlive_a_database_that_is_away(
    running: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They say so and go on."""
    caplog.set_level(logging.DEBUG, "notifications")

    def away() -> Any:
        raise ConnectionError("away")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(node, "_newest_wish", away)
        patch.setattr(roll, "REPORT_SECONDS", 0.05)
        patch.setattr(running._on_the_roll, "report", lambda figures: away())
        await aeventually(lambda: "wishes to drain could not be read" in caplog.text)
        await aeventually(lambda: "could not report" in caplog.text)
    assert all(not task.done() for task in running._tasks)


@pytest.mark.server
async def test_who_was_answered_from_a_stale_index_is_replayed_anew(
    redis_server: Redis, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """A writer that could not reach Redis has said so in the database: the young get their inbox, the old do not."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, **QUICK, "REDIS_URLS": [redis_server.url]}
    running = node.current()
    try:
        await aeventually(unread_index._guard.trusted)
        young, old = await Peer(running.hub, "7").open(), (await Peer(running.hub, "7").open()).age(60)
        other = await Peer(running.hub, "8").open()
        await Unindexed.objects.acreate(uid="7")
        await aeventually(lambda: young.resyncs == 1)
        assert (old.resyncs, other.resyncs) == (0, 0)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(unread_index, "poll", lambda: 1 / 0)
            await aeventually(lambda: "the guard could not ask" in caplog.text)
        await Unindexed.objects.acreate(uid="")
        await aeventually(lambda: other.resyncs == 1)
        await aeventually(lambda: not unread_index._guard.trusted())
    finally:
        await node.stop()
    await sync_to_async(Unindexed.objects.all().delete)()
