"""The channel layer: group names, the publisher, and a node's membership; in memory and on real Redis."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from channels.layers import get_channel_layer
from hypothesis import given
from hypothesis import settings as limits
from hypothesis import strategies as st

from notifications import channel_layer, clock
from notifications.channel_layer import Membership, Publisher, group_of
from notifications.protocol.events import Event, Op, to_message
from tests.servers.process import aeventually
from tests.servers.redis import Redis


def _event(uid: str | None = "7") -> Event:
    return Event(Op.RETRACTED, uid, (clock.new_id(),))


def _use(settings: Any, layers: dict[str, Any]) -> Any:
    settings.CHANNEL_LAYERS = layers
    return get_channel_layer()


@pytest.fixture
def hosts() -> Iterator[list[Redis]]:
    """Two Redis servers."""
    with Redis() as one, Redis() as two:
        yield [one, two]


def _pubsub(*servers: Redis) -> dict[str, Any]:
    return {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [{"address": server.url, "socket_timeout": 15} for server in servers]},
        }
    }


class Here:
    """A process's membership, with the uids that are connected to it and the events it got."""

    def __init__(self) -> None:
        self.uids: set[str] = set()
        self.got: list[Event] = []
        self.membership = Membership(self.uids.__contains__, self.got.append)

    async def come(self, uid: str) -> None:
        """The first connection of `uid` opens."""
        self.uids.add(uid)
        await self.membership.joined(uid)

    def go(self, uid: str) -> None:
        """The last connection of `uid` closes."""
        self.uids.discard(uid)
        self.membership.left(uid)


@asynccontextmanager
async def _here() -> AsyncIterator[Here]:
    here = Here()
    tasks = [asyncio.ensure_future(here.membership.receive()), asyncio.ensure_future(here.membership.keep())]
    try:
        await aeventually(lambda: here.membership.healthy)
        yield here
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        layer: Any = get_channel_layer()
        if hasattr(layer, "flush"):
            await layer.flush()


async def _until_heard(here: Here, send: Callable[[], Any], event: Event, seconds: float = 30.0) -> None:
    """Send again until it arrives: a pub/sub layer may lose what is sent while it reconnects."""
    deadline = time.monotonic() + seconds
    while event not in here.got:
        assert time.monotonic() < deadline
        try:
            async with asyncio.timeout(1):
                await send()
        except Exception:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.02)


# --- group names


@pytest.mark.security("S7")
@limits(deadline=None)
@given(st.text(min_size=1, max_size=255), st.text(min_size=1, max_size=255))
def test_every_uid_has_a_group_of_its_own(one: str, two: str) -> None:
    """Any two uids have groups of different names, which the layer takes and which are not everyone's."""
    groups = [group_of(uid) for uid in (one, two)]
    assert (groups[0] == groups[1]) == (one == two)
    layer: Any = get_channel_layer()
    for group in groups:
        assert layer.require_valid_group_name(group)
        assert group != group_of(None)


@pytest.mark.security("S7")
@pytest.mark.parametrize(
    ("uid", "group"),
    [
        ("7", "user.7"),
        ("everyone", "user.everyone"),
        ("a-B9", "user.a-B9"),
        ("../x", "user._2e_2e_2fx"),
        ("_", "user._5f"),
        ("用", "user._e7_94_a8"),
        ("a" * 80, "user." + "a" * 80),
        ("\ud800", "user._ed_a0_80"),
    ],
)
def test_group_names_are_the_contracts(uid: str, group: str) -> None:
    """`user.<encoded uid>`, short of the layer's limit spelled out."""
    assert group_of(uid) == group


def test_long_uids_become_a_hash() -> None:
    """Past the limit, of the same length for all; no short uid can spell such a name."""
    assert group_of("a" * 81) != group_of("a" * 82)
    assert len(group_of("用" * 255)) == len("user._h") + 64
    assert group_of("_h" + "0" * 64) != "user._h" + "0" * 64


# --- the publisher


async def test_an_event_goes_to_its_group(settings: Any) -> None:
    """From the loop that serves sockets or from any thread, in order."""
    async with _here() as here:
        await here.come("7")
        publisher = Publisher()
        publisher.serve_on(asyncio.get_running_loop())
        events = [_event(), _event(None), _event("8"), _event()]
        await asyncio.to_thread(publisher.put_all, events)
        await aeventually(lambda: len(here.got) == 3)
        assert here.got == [events[0], events[1], events[3]]
        assert publisher.dropped == 0


@pytest.mark.server
def test_a_process_without_sockets_sends_from_a_thread_of_its_own(settings: Any, hosts: list[Redis]) -> None:
    """A command or a worker: the call returns at once, `flush` waits, one connection serves all events."""
    _use(settings, _pubsub(*hosts))
    publisher = Publisher()
    for _ in range(50):
        publisher.put(_event())
    assert publisher.flush(10)
    assert publisher.dropped == 0
    published = sum(
        int(server.ask("INFO", "commandstats").get("cmdstat_publish", {}).get("calls", 0)) for server in hosts
    )
    assert published == 50
    clients = [len(str(server.ask("CLIENT", "LIST")).splitlines()) for server in hosts]
    assert sum(clients) < 10


class SlowLayer:
    """A channel layer whose Redis hangs until it is let go, or fails."""

    def __init__(self) -> None:
        self.hangs = self.fails = False
        self.sent: list[dict[str, Any]] = []

    async def group_send(self, group: str, message: dict[str, Any]) -> None:
        """As the channel layer's."""
        while self.hangs:  # noqa: ASYNC110  also on the loop of another thread
            await asyncio.sleep(0.005)
        if self.fails:
            raise ConnectionError("away")
        self.sent.append(message)


async def test_a_full_queue_drops_instead_of_growing(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the limit it still takes one, past it none; what is dropped the tail delivers."""
    settings.NOTIFICATIONS = {"PUBLISH_QUEUE": 3}
    layer = SlowLayer()
    monkeypatch.setattr(channel_layer, "get_channel_layer", lambda: layer)
    publisher = Publisher()
    publisher.serve_on(asyncio.get_running_loop())
    publisher.put_all([_event() for _ in range(3)])
    assert publisher.dropped == 0
    publisher.put(_event())
    assert publisher.dropped == 1
    await aeventually(lambda: len(layer.sent) == 3)


async def _order(monkeypatch: pytest.MonkeyPatch, put: Callable[[Publisher], None]) -> list[dict[str, Any]]:
    """What goes out, in its order, of what `put` hands over before anything has gone out."""
    layer = SlowLayer()
    monkeypatch.setattr(channel_layer, "get_channel_layer", lambda: layer)
    publisher = Publisher()
    publisher.serve_on(asyncio.get_running_loop())
    put(publisher)
    waiting = len(publisher._queue) + len(publisher._bulk)
    await aeventually(lambda: len(layer.sent) == waiting)
    assert publisher.dropped == 0
    return layer.sent


async def test_what_is_for_one_does_not_wait_behind_what_is_for_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take turns: the last of three single ones is the sixth to go out, though five thousand were there before."""
    many, single = [_event() for _ in range(5_000)], [_event() for _ in range(3)]

    def put(publisher: Publisher) -> None:
        publisher.put_all(many)
        publisher.put_all(single)

    sent = await _order(monkeypatch, put)
    assert max(sent.index(to_message(event)) for event in single) <= 5
    bulk = [message for message in sent if message not in [to_message(event) for event in single]]
    assert bulk == [to_message(event) for event in many]


async def test_what_is_for_many_does_not_wait_for_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """They take turns: a stream of single ones does not hold it up either."""
    few = [_event() for _ in range(10)]

    def put(publisher: Publisher) -> None:
        for _ in range(1_000):
            publisher.put(_event())
        publisher.put_all(few, bulk=True)

    sent = await _order(monkeypatch, put)
    assert max(sent.index(to_message(event)) for event in few) <= 19


@pytest.mark.parametrize(("count", "bulk"), [(channel_layer.BULK, 0), (channel_layer.BULK + 1, channel_layer.BULK + 1)])
async def test_over_a_hundred_at_once_are_many(monkeypatch: pytest.MonkeyPatch, count: int, bulk: int) -> None:
    """At the limit they are still sent as single ones."""
    monkeypatch.setattr(channel_layer, "get_channel_layer", SlowLayer)
    publisher = Publisher()
    publisher.serve_on(asyncio.get_running_loop())
    publisher.put_all([_event() for _ in range(count)])
    assert (len(publisher._bulk), len(publisher._queue)) == (bulk, count - bulk)
    await aeventually(lambda: not publisher._bulk and not publisher._queue)


async def test_a_full_bulk_drops_nobody_elses(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each queue has its own room."""
    settings.NOTIFICATIONS = {"PUBLISH_QUEUE": 3}
    layer = SlowLayer()
    monkeypatch.setattr(channel_layer, "get_channel_layer", lambda: layer)
    publisher = Publisher()
    publisher.serve_on(asyncio.get_running_loop())
    publisher.put_all([_event() for _ in range(5)], bulk=True)
    assert publisher.dropped == 2
    publisher.put_all([_event() for _ in range(3)])
    assert publisher.dropped == 2
    await aeventually(lambda: len(layer.sent) == 6)


async def test_a_layer_that_hangs_holds_nobody_up(
    settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each try has its time; when it works again what is young is sent, and what is stale is left to the tail."""
    settings.NOTIFICATIONS = {"CHANNEL_LAYER_TIMEOUT": 0.05}
    layer = SlowLayer()
    layer.hangs = True
    monkeypatch.setattr(channel_layer, "get_channel_layer", lambda: layer)
    publisher = Publisher()
    publisher.serve_on(asyncio.get_running_loop())
    begun = time.monotonic()
    publisher.put(_event())
    stale, young = _event(), _event()
    publisher.put(stale)
    publisher._queue[-1] = (begun - channel_layer.STALE_SECONDS - 1, stale)
    publisher.put(young)
    # Nothing is awaited before the loop goes on.
    assert (publisher.dropped, layer.sent) == (0, [])
    await aeventually(lambda: publisher.dropped >= 1)
    layer.hangs = False
    await aeventually(lambda: layer.sent == [to_message(young)])
    assert publisher.dropped == 2
    assert caplog.text.count("publishing failed") == 1


async def test_a_layer_that_fails_is_told_of_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Not once for every event, and again after it has worked between."""
    layer = SlowLayer()
    monkeypatch.setattr(channel_layer, "get_channel_layer", lambda: layer)
    publisher = Publisher()
    publisher.serve_on(asyncio.get_running_loop())
    layer.fails = True
    publisher.put_all([_event() for _ in range(5)])
    await aeventually(lambda: publisher.dropped == 5)
    assert caplog.text.count("publishing failed") == 1


def test_flush_does_not_wait_for_ever(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that ends while Redis hangs ends all the same."""
    settings.NOTIFICATIONS = {"CHANNEL_LAYER_TIMEOUT": 30}
    layer = SlowLayer()
    layer.hangs = True
    monkeypatch.setattr(channel_layer, "get_channel_layer", lambda: layer)
    publisher = Publisher()
    publisher.put(_event())
    begun = time.monotonic()
    assert not publisher.flush(0.1)
    assert time.monotonic() - begun < 20
    layer.hangs = False
    assert publisher.flush(20)
    assert len(layer.sent) == 1


async def test_events_from_many_threads_are_all_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever thread commits: nothing is lost or doubled on the way to the loop."""
    layer = SlowLayer()
    monkeypatch.setattr(channel_layer, "get_channel_layer", lambda: layer)
    publisher = Publisher()
    publisher.serve_on(asyncio.get_running_loop())
    events = [_event() for _ in range(400)]
    threads = [threading.Thread(target=publisher.put_all, args=(events[n::8],)) for n in range(8)]
    for thread in threads:
        thread.start()
    await aeventually(lambda: len(layer.sent) == 400)
    assert {message["ids"][0] for message in layer.sent} == {str(event.ids[0]) for event in events}


# --- membership, in memory


async def test_what_is_no_event_is_ignored(caplog: pytest.LogCaptureFixture) -> None:
    """Poison in the group: unknown types, wrong fields, odd values. The next event arrives."""
    poison: list[Any] = [
        {},
        {"type": "close"},
        {"type": "websocket.disconnect"},
        {"type": "notifications.event"},
        {"type": "notifications.event", "op": "1", "uid": "7", "ids": []},
        {"type": "notifications.event", "op": 99, "uid": "7", "ids": [str(clock.new_id())]},
        {"type": "notifications.event", "op": float("nan"), "uid": "7", "ids": [str(clock.new_id())]},
        {"type": "notifications.event", "op": 1, "uid": "7", "ids": [str(clock.new_id())], "head": "not an item"},
        {"type": "notifications.event", "op": 2, "uid": 7, "ids": [str(clock.new_id())]},
        {"type": "notifications.event", "op": 2, "uid": "7", "ids": ["x"]},
        {"type": "notifications.event", "op": 2, "uid": "7", "ids": [str(clock.new_id())] * 1001},
        {"type": "notifications.event", "op": [], "uid": "7", "ids": [str(clock.new_id())]},
    ]
    layer: Any = get_channel_layer()
    async with _here() as here:
        await here.come("7")
        for message in poison:
            await layer.group_send(group_of("7"), message)
        await layer.group_send(group_of("7"), to_message(good := _event()))
        await aeventually(lambda: here.got)
        assert here.got == [good]
        assert "no event" in caplog.text


async def test_an_event_that_cannot_be_handled_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """It is told of, and the next one is handled."""
    layer: Any = get_channel_layer()
    async with _here() as here:
        await here.come("7")
        events = [_event(), _event()]

        def handle(event: Event) -> None:
            if event == events[0]:
                raise ZeroDivisionError
            here.got.append(event)

        here.membership._handle = handle
        for event in events:
            await layer.group_send(group_of("7"), to_message(event))
        await aeventually(lambda: here.got == [events[1]])
        assert "could not be handled" in caplog.text


async def test_quick_comings_and_goings_do_not_overtake_each_other() -> None:
    """Whatever the order, at the end the process is in the groups of those who are connected, and no other."""
    async with _here() as here:
        layer = here.membership._layer
        for n in range(100):
            here.go(f"{n % 7}")
            joining = asyncio.ensure_future(here.come(f"{n % 5}"))
            if n % 3:
                here.go(f"{n % 5}")
            await joining
        await aeventually(lambda: not here.membership._dirty)
        assert {group for group in layer.groups if group != "everyone"} == {group_of(uid) for uid in here.uids}


async def test_members_are_renewed_before_the_layer_forgets_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """The in-memory and the core Redis layer forget after a day: everything is joined anew every hour."""
    monkeypatch.setattr(channel_layer, "REJOIN_SECONDS", 0.2)
    async with _here() as here:
        await here.come("7")
        layer = here.membership._layer
        layer.groups.clear()
        await aeventually(lambda: {"everyone", "user.7"} <= layer.groups.keys())


# --- membership, on Redis


@pytest.mark.server
@pytest.mark.parametrize("shards", [1, 2])
async def test_processes_hear_each_other_by_redis(settings: Any, hosts: list[Redis], shards: int) -> None:
    """To one uid or to everyone, over one host or several; who has left hears no more."""
    layer = _use(settings, _pubsub(*hosts[:shards]))
    async with _here() as here:
        uids = [f"u{n}" for n in range(10)]
        for uid in uids:
            await here.come(uid)
        events = [_event(uid) for uid in (*uids, None)]
        for event in events:
            await layer.group_send(group_of(event.uid), to_message(event))
        await aeventually(lambda: len(here.got) == 11)
        assert {event.uid for event in here.got} == {*uids, None}
        used = [server.ask("PUBSUB", "NUMPAT") is not None and server.ask("PUBSUB", "CHANNELS") for server in hosts]
        assert all(used[:shards])
        here.go("u0")
        await aeventually(lambda: not here.membership._dirty)
        await layer.group_send(group_of("u0"), to_message(_event("u0")))
        await layer.group_send(group_of("u1"), to_message(last := _event("u1")))
        await aeventually(lambda: here.got[-1] == last)
        assert len(here.got) == 12


@pytest.mark.server
async def test_uids_that_come_together_join_in_one_command(settings: Any, hosts: list[Redis]) -> None:
    """A hundred at once are one SUBSCRIBE, and leave the layer as if each had been added; all hear, and can leave."""
    layer = _use(settings, _pubsub(hosts[0]))
    uids = [f"u{n}" for n in range(100)]
    async with _here() as here:
        before = hosts[0].ask("INFO", "commandstats")["cmdstat_subscribe"]["calls"]
        await asyncio.gather(*(here.come(uid) for uid in uids))
        assert hosts[0].ask("INFO", "commandstats")["cmdstat_subscribe"]["calls"] == before + 1
        joined = dict(layer.groups)
        for uid in uids:
            await layer.group_add(group_of(uid), here.membership._channel)
        assert layer.groups == joined
        assert hosts[0].ask("INFO", "commandstats")["cmdstat_subscribe"]["calls"] == before + 1
        events = [_event(uid) for uid in uids]
        for event in events:
            await layer.group_send(group_of(event.uid), to_message(event))
        await aeventually(lambda: set(here.got) == set(events))
        for uid in uids:
            here.go(uid)
        await aeventually(lambda: not here.membership._dirty)
        assert len(hosts[0].ask("PUBSUB", "CHANNELS")) == 2


@pytest.mark.server
async def test_a_redis_that_comes_back_empty_is_joined_anew(settings: Any, hosts: list[Redis]) -> None:
    """Killed and started again: the process hears its groups, without anybody's doing."""
    layer = _use(settings, _pubsub(hosts[0]))
    async with _here() as here:
        await here.come("7")
        hosts[0].restart_empty()
        again = _event()
        await _until_heard(here, lambda: layer.group_send(group_of("7"), to_message(again)), again)


@pytest.mark.server
async def test_an_opening_socket_waits_a_bounded_time(settings: Any, hosts: list[Redis]) -> None:
    """With Redis paused, joining takes as long as the setting says, and then nobody waits; later it joins by itself."""
    settings.NOTIFICATIONS = {"CHANNEL_LAYER_TIMEOUT": 0.3}
    layer = _use(settings, _pubsub(hosts[0]))
    async with _here() as here:
        hosts[0].pause()
        begun = time.monotonic()
        await here.come("7")
        # Without a limit it would take the 15 s of the connection's own.
        assert time.monotonic() - begun < 10
        hosts[0].resume()
        late = _event()
        await _until_heard(here, lambda: layer.group_send(group_of("7"), to_message(late)), late)


class Refusing:
    """A layer that cannot be reached, until it is let."""

    def __init__(self) -> None:
        self.away = True
        self.calls = 0
        self.groups: set[str] = set()

    async def new_channel(self) -> str:
        """As the channel layer's."""
        if self.away:
            raise ConnectionError("away")
        return "c"

    async def group_add(self, group: str, channel: str) -> None:
        """As the channel layer's."""
        self.calls += 1
        if self.away:
            raise ConnectionError("away")
        self.groups.add(group)

    async def group_discard(self, group: str, channel: str) -> None:
        """As the channel layer's."""
        self.groups.discard(group)

    async def receive(self, channel: str) -> dict[str, Any]:
        """As the channel layer's."""
        await asyncio.Event().wait()
        raise AssertionError


async def test_nobody_waits_for_a_layer_that_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it is known to be away sockets open at once; it is tried every second, and then all are joined."""
    monkeypatch.setattr(channel_layer, "RETRY_SECONDS", 0.05)
    layer = Refusing()
    here = Here()
    here.membership._layer = layer
    tasks = [asyncio.ensure_future(here.membership.receive()), asyncio.ensure_future(here.membership.keep())]
    await aeventually(lambda: here.membership._away)
    begun = time.monotonic()
    for n in range(20):
        await here.come(f"{n}")
    # Each would wait the second that is given to a layer which hangs.
    assert time.monotonic() - begun < 10
    assert not here.membership.healthy
    layer.away = False
    await aeventually(lambda: len(layer.groups) == 21)
    # Then it fails in the middle of joining.
    layer.away = True
    joining = asyncio.ensure_future(here.come("late"))
    await asyncio.wait_for(joining, 15)
    assert here.membership._away
    layer.away = False
    await aeventually(lambda: group_of("late") in layer.groups)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
