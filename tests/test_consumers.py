"""One socket through the whole WebSocket application: opening, requests, limits, ends."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.auth.models import User
from django.db import OperationalError
from django.test import override_settings

from notifications import anotify as notify
from notifications import clock, consumers, inbox, node, replay
from notifications.announcing import announce
from notifications.channel_layer import group_of
from notifications.consumers import NotificationConsumer
from notifications.models import Notification
from notifications.protocol.events import Event, Op, to_message
from notifications.protocol.items import encode
from notifications.publishing import adisconnect
from notifications.routing import websocket_application
from notifications.tokens import issue
from tests.protocol.golden import entries

pytestmark = pytest.mark.django_db(transaction=True)

aannounce = sync_to_async(announce, thread_sensitive=False)


@pytest.fixture(autouse=True)
async def own_node() -> AsyncIterator[None]:
    """Whatever node a test begins ends with it."""
    yield
    await node.stop()


def configured(**values: Any) -> override_settings:
    """Other settings of the app."""
    return override_settings(NOTIFICATIONS={**settings.NOTIFICATIONS, **values})


class Client:
    """A WebSocket of `user`. `async with Client(user) as client`: open, its first frames in `welcome` and `inbox`."""

    def __init__(self, user: User | str, *, lifetime: timedelta = timedelta(minutes=5)) -> None:
        self.uid = user if isinstance(user, str) else str(user.pk)
        raw = issue(self.uid, lifetime)
        protocols = ["notifications.v1", f"bearer.{raw}"]
        self.communicator = WebsocketCommunicator(websocket_application(), "/ws/notifications/", None, protocols)
        self.welcome: dict[str, Any] = {}
        self.inbox: dict[str, Any] = {}

    async def accept(self) -> None:
        """The handshake alone."""
        connected, subprotocol = await self.communicator.connect(15)
        assert (connected, subprotocol) == (True, "notifications.v1")

    async def open(self) -> "Client":
        """The handshake, `welcome` and `inbox`."""
        await self.accept()
        self.welcome, self.inbox = await self.next(), await self.next()
        assert (self.welcome["type"], self.inbox["type"]) == ("welcome", "inbox")
        return self

    async def next(self, seconds: float = 15) -> dict[str, Any]:
        """The next frame."""
        output = await self.communicator.receive_output(seconds)
        assert output["type"] == "websocket.send", output
        frame: dict[str, Any] = json.loads(output["text"])
        return frame

    async def code(self, seconds: float = 15) -> int:
        """The code of the close that comes next."""
        output = await self.communicator.receive_output(seconds)
        assert output["type"] == "websocket.close", output
        return int(output["code"])

    async def say(self, **frame: Any) -> None:
        """Send a frame."""
        await self.communicator.send_to(text_data=json.dumps(frame))

    async def ask(self, type_: str, **frame: Any) -> dict[str, Any]:
        """Send a request, give the next frame."""
        await self.say(type=type_, **frame)
        return await self.next()

    async def quiet(self) -> None:
        """Assert that nothing else has come: the next frame is the answer to a ping."""
        assert (await self.ask("ping", ref="quiet")).get("ref") == "quiet"

    async def close(self) -> None:
        """The peer goes."""
        await self.communicator.disconnect()

    async def __aenter__(self) -> "Client":
        return await self.open()

    async def __aexit__(self, *_: object) -> None:
        await self.close()


async def until(true: Callable[[], object], seconds: float = 15) -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.005)


# --- opening


async def test_welcome_then_inbox(alice: User) -> None:
    """`welcome` has what a client needs; `inbox` the unread, oldest first, personal and general, not live."""
    first = (await notify(alice.pk, "One", data={"n": 1})).id
    second = (await aannounce("All")).id
    await notify("somebody else", "Not hers")
    async with Client(alice) as client:
        welcome = client.welcome
        assert welcome.keys() == next(e["frame"] for e in entries("server_frames") if e["name"] == "welcome").keys()
        assert (welcome["protocol"], welcome["uid"], welcome["unread"]) == (1, str(alice.pk), 2)
        assert welcome["heartbeat"] == {"interval": 25, "timeout": 35}
        UUID(welcome["connection"])
        ends = clock.now() + timedelta(minutes=5)
        assert abs(datetime.fromisoformat(welcome["token_expires_at"]) - ends) < timedelta(seconds=30)
        assert [i["id"] for i in client.inbox["items"]] == [str(first), str(second)]
        assert [i["live"] for i in client.inbox["items"]] == [False, False]
        assert (client.inbox["unread"], client.inbox["more"]) == (2, False)
        assert client.inbox["items"][0].keys() == entries("server_frames")[1]["frame"]["items"][0].keys()
        await client.quiet()


@pytest.mark.parametrize(("count", "replayed", "more"), [(2, 2, False), (3, 3, False), (4, 3, True)])
async def test_the_newest_are_replayed(alice: User, count: int, replayed: int, more: bool) -> None:
    """Up to the limit all, above it the newest, still oldest first, and `more`; the count is of all."""
    ids = [str((await notify(alice.pk, f"{n}")).id) for n in range(count)]
    with configured(REPLAY_LIMIT=3):
        async with Client(alice) as client:
            assert [i["id"] for i in client.inbox["items"]] == ids[-replayed:]
            assert (client.inbox["unread"], client.inbox["more"], client.welcome["unread"]) == (count, more, count)


async def test_without_the_subprotocol_none_is_chosen(alice: User) -> None:
    """A client that gave its token in the query and offered nothing."""
    raw = issue(str(alice.pk), timedelta(minutes=5))
    communicator = WebsocketCommunicator(websocket_application(), f"/ws/notifications/?token={raw}")
    assert await communicator.connect() == (True, None)
    await communicator.disconnect()


async def test_live_push_and_its_end(alice: User) -> None:
    """What is published comes live with the count; retracted it is taken back."""
    from notifications.publishing import aretract

    async with Client(alice) as client, Client(alice) as other:
        item_id = str((await notify(alice.pk, "Hello", ref="order-1")).id)
        for each in (client, other):
            frame = await each.next()
            assert (frame["type"], frame["id"], frame["live"], frame["unread"]) == ("notification", item_id, True, 1)
        await aretract(item_id)
        for each in (client, other):
            assert await each.next() == {"type": "retracted", "ids": [item_id], "unread": 0}


class Gate:
    """Stops whoever calls `wrapped` before or after the call, until `open` is set."""

    def __init__(self, wrapped: Any, *, after: bool = False) -> None:
        self.wrapped, self.after = wrapped, after
        self.reached, self.open = asyncio.Event(), asyncio.Event()

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The wrapped coroutine function, held up once."""
        if self.after:
            result = await self.wrapped(*args, **kwargs)
            await self.hold()
            return result
        await self.hold()
        return await self.wrapped(*args, **kwargs)

    async def hold(self) -> None:
        """Wait for the gate."""
        self.reached.set()
        await self.open.wait()


STEPS = ["before join", "after join", "after read", "after send"]


@pytest.fixture
def gate_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Gate]:
    """`gate_at(step)`: the opening of the next sockets stops there."""

    def put(step: str) -> Gate:
        hub = node.current().hub
        match step:
            case "before join" | "after join":
                gate = Gate(hub.membership.joined, after=step == "after join")
                monkeypatch.setattr(hub.membership, "joined", gate)
            case "after read":
                gate = Gate(consumers._snapshot_of, after=True)
                monkeypatch.setattr(consumers, "_snapshot_of", gate)
            case _:
                # Nothing waits between sending the replay and activating; here something does.
                gate = Gate(None)
                activate = hub.activate
                held: list[Any] = []

                def later(*args: Any) -> None:
                    async def go() -> None:
                        await gate.hold()
                        activate(*args)

                    held.append(asyncio.ensure_future(go()))

                monkeypatch.setattr(hub, "activate", later)
        return gate

    return put


def told(frames: list[dict[str, Any]]) -> tuple[list[str], set[str]]:
    """From the frames of one socket: every id of an item as often as it came, and those taken away or read."""
    came: list[str] = []
    gone: set[str] = set()
    for frame in frames:
        if frame["type"] == "inbox":
            came += [item["id"] for item in frame["items"]]
        elif frame["type"] == "notification":
            assert frame["id"] not in gone, "pushed after it was read or retracted"
            came.append(frame["id"])
        elif frame["type"] in ("read", "retracted"):
            gone |= set(frame["ids"])
    return came, gone


@pytest.mark.parametrize("kind", ["notification", "announcement"])
@pytest.mark.parametrize("step", STEPS)
async def test_the_race_of_opening(alice: User, gate_at: Callable[[str], Gate], step: str, kind: str) -> None:
    """Published, read and retracted while a socket opens: nothing lost, nothing doubled, nothing pushed after read."""
    from notifications.announcing import withdraw_announcement
    from notifications.publishing import aretract

    async def publish(title: str) -> str:
        accepted = await (notify(alice.pk, title) if kind == "notification" else aannounce(title))
        return str(accepted.id)

    async def take_back(item_id: str) -> None:
        if kind == "notification":
            await aretract(item_id)
        else:
            await sync_to_async(withdraw_announcement, thread_sensitive=False)(UUID(item_id))

    before = [await publish(f"before {n}") for n in range(3)]
    gate = gate_at(step)
    client = Client(alice)
    opening = asyncio.ensure_future(client.accept())
    async with asyncio.timeout(15):
        await gate.reached.wait()
    during = [await publish(f"during {n}") for n in range(3)]
    for ids in (before, during):
        await sync_to_async(inbox.read, thread_sensitive=False)(str(alice.pk), [UUID(ids[0])])
        await take_back(ids[1])
    await node.current().tail.look()
    gate.open.set()
    await opening
    after = await publish("after")
    frames: list[dict[str, Any]] = []
    # What is so young that the database is asked about it first may come after what is newer.
    while not {during[2], after} <= set(told(frames)[0]):
        frames.append(await client.next())
    await client.communicator.send_to(text_data='{"type":"ping","ref":"end"}')
    while frames[-1].get("ref") != "end":
        frames.append(await client.next())
    assert [frame["type"] for frame in frames[:2]] == ["welcome", "inbox"]
    came, gone = told(frames)
    assert len(came) == len(set(came)), "doubled"
    assert set(came) - gone == {before[2], during[2], after}
    assert frames[-2]["unread"] == 3
    # Anyone who opens now sees the same.
    async with Client(alice) as fresh:
        assert {item["id"] for item in fresh.inbox["items"]} == {before[2], during[2], after}
    await client.close()


async def test_a_late_push_finds_its_item_read(alice: User) -> None:
    """Read on this socket, from the list, before its push came by: it is pushed no more, nor on a second socket."""
    async with Client(alice) as client, Client(alice) as other:
        row = await Notification.objects.acreate(id=clock.new_id(), uid=client.uid, title="x", created_at=clock.now())
        answer = await client.ask("read", ids=[str(row.id)], ref=1)
        assert (answer["ids"], answer["ref"]) == ([str(row.id)], 1)
        news = await other.next()
        assert news == {"type": "read", "ids": [str(row.id)], "unread": 0}
        head = encode(row.item())
        node.current().hub.handle(Event(Op.CREATED, client.uid, (row.id,), head=head))
        await client.quiet()
        await other.quiet()


async def test_frames_that_come_before_welcome_wait_for_it(alice: User, gate_at: Callable[[str], Gate]) -> None:
    """`welcome` is first, `inbox` second; then the pong and the error that waited. Later pongs come at once."""
    gate = gate_at("after read")
    client = Client(alice)
    await client.accept()
    await gate.reached.wait()
    await client.say(type="ping", ref="early")
    await client.say(type="shout", ref="wrong")
    assert await client.communicator.receive_nothing(0.05)
    gate.open.set()
    frames = [await client.next() for _ in range(4)]
    assert [(f["type"], f.get("ref")) for f in frames] == [
        ("welcome", None), ("inbox", None), ("pong", "early"), ("error", "wrong"),
    ]  # fmt: skip
    # A second replay holds no heartbeat up.
    gate.open.clear()
    gate.reached.clear()
    node.current().hub.resync_all()
    await gate.reached.wait()
    assert (await client.ask("ping", ref="meanwhile"))["ref"] == "meanwhile"
    gate.open.set()
    assert (await client.next())["type"] == "inbox"
    await client.close()


async def test_a_gap_during_a_replay_makes_another(alice: User, gate_at: Callable[[str], Gate]) -> None:
    """What the replay read may be from before the gap: the inbox is sent again, once however many gaps there were."""
    gate = gate_at("after read")
    client = Client(alice)
    await client.accept()
    await gate.reached.wait()
    node.current().hub.resync_all()
    node.current().hub.resync_all()
    gate.open.set()
    assert [(await client.next())["type"] for _ in range(3)] == ["welcome", "inbox", "inbox"]
    await client.quiet()
    await client.close()


async def test_the_database_is_away_when_a_socket_opens(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is closed with 4100: the client backs off."""

    def away(*_: object) -> None:
        raise OperationalError("away")

    monkeypatch.setattr(replay, "snapshots", away)
    client = Client(alice)
    await client.accept()
    assert await client.code() == 4100
    await until(lambda: not node.current().hub.users)
    await client.close()


async def test_the_database_is_away_when_the_inbox_is_due_again(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """An open socket stays open, and gets its inbox once the database is back, with what came meanwhile."""
    with configured(TAIL_INTERVAL=0.01):
        async with Client(alice) as client:
            tried = asyncio.Event()
            loop = asyncio.get_running_loop()
            with monkeypatch.context() as patch:

                def away(*_: object) -> None:
                    loop.call_soon_threadsafe(tried.set)
                    raise OperationalError("away")

                patch.setattr(replay, "snapshots", away)
                node.current().hub.resync_all()
                await tried.wait()
                item_id = str((await notify(alice.pk, "Meanwhile")).id)
                await client.quiet()
            frames = [await client.next()]
            came, _ = told(frames)
            assert came == [item_id]
            await client.quiet()


async def test_requests_do_not_wait_for_an_inbox_that_cannot_be_had(
    alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the inbox is due again and the database is away, requests are answered; then it comes, once."""
    with configured(TAIL_INTERVAL=0.01):
        async with Client(alice) as client:
            tried = asyncio.Event()
            loop = asyncio.get_running_loop()
            with monkeypatch.context() as patch:

                def away(*_: object, **__: object) -> None:
                    loop.call_soon_threadsafe(tried.set)
                    raise OperationalError("away")

                for owner, name in ((replay, "snapshots"), (inbox, "read"), (inbox, "page")):
                    patch.setattr(owner, name, away)
                node.current().hub.resync_all()
                await tried.wait()
                assert (await client.ask("list", ref="l"))["code"] == "unavailable"
                assert (await client.ask("read", ids=[str(uuid4())], ref="r"))["code"] == "unavailable"
            assert (await client.next())["type"] == "inbox"
            assert (await client.ask("list"))["items"] == []
            await client.quiet()


async def test_a_fault_of_ours_closes_with_4100(
    alice: User, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Logged with the connection, and nothing internal goes out."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret")

    async with Client(alice) as client:
        monkeypatch.setattr(inbox, "page", broken)
        await client.say(type="list")
        assert await client.code() == 4100
        assert client.welcome["connection"] in caplog.text


# --- requests


async def test_ping_and_pong(alice: User) -> None:
    """A ping is answered at once, with its ref; a pong not at all."""
    async with Client(alice) as client:
        assert (await client.ask("ping", ref=0))["ref"] == 0
        answer = await client.ask("ping")
        assert answer.keys() == {"type", "server_time"}
        await client.say(type="pong")
        await client.quiet()


@pytest.mark.parametrize("entry", entries("client_frames"), ids=lambda e: e["name"])
async def test_every_request_is_answered_with_its_ref(alice: User, entry: dict[str, Any]) -> None:
    """Each example of a good frame gets the answer that the contract names."""
    expected = {"ping": "pong", "pong": None, "read": "read", "read_all": "read", "list": "list", "auth": "error"}
    frame = {**entry["frame"], "ref": "r"} if len(json.dumps(entry["frame"])) < 8_000 else entry["frame"]
    async with Client(alice) as client:
        await client.say(**frame) if entry["name"] != "largest" else await client.communicator.send_to(
            text_data=json.dumps(frame, separators=(",", ":"))
        )
        kind = expected[frame["type"]]
        if kind is not None:
            answer = await client.next()
            assert (answer["type"], answer.get("ref")) == (kind, frame.get("ref"))
        await client.quiet()


@pytest.mark.parametrize("entry", entries("client_frames_invalid"), ids=lambda e: e["name"])
async def test_every_invalid_frame_gets_its_error(alice: User, entry: dict[str, Any]) -> None:
    """With code and ref, and the socket stays open."""
    async with Client(alice) as client:
        await client.communicator.send_input({"type": "websocket.receive", "text": entry["text"]})
        answer = await client.next()
        assert (answer["type"], answer["code"], answer.get("ref")) == ("error", entry["error"], entry["ref"])
        await client.quiet()


async def test_read(alice: User, bob: User) -> None:
    """Ids that are read now, also those before; foreign and unknown ones alike are left out; other tabs are told."""
    mine, older = [str((await notify(alice.pk, t)).id) for t in ("a", "b")]
    foreign = str((await notify(bob.pk, "c")).id)
    async with Client(alice) as client, Client(alice) as tab, Client(bob) as stranger:
        answer = await client.ask("read", ids=[mine, foreign, str(uuid4()), "odd"], via="popup", ref="r")
        assert answer == {"type": "read", "ids": [mine], "unread": 1, "ref": "r"}
        assert await tab.next() == {"type": "read", "ids": [mine], "unread": 1}
        answer = await client.ask("read", ids=[mine, older], ref=2)
        assert (set(answer["ids"]), answer["unread"]) == ({mine, older}, 0)
        assert (await tab.next())["ids"] == [older]
        assert (await client.ask("read", ids=[foreign]))["ids"] == []
        for each in (client, tab, stranger):
            await each.quiet()
    row = await Notification.objects.aget(pk=mine)
    assert (row.read_via, row.confirmed_at) == ("popup", None)
    assert (await Notification.objects.aget(pk=foreign)).read_at is None
    async with Client(alice) as later:
        assert later.inbox["items"] == []


async def test_what_needs_a_confirmation(alice: User) -> None:
    """Is not read by being seen, nor by `read_all`; only by the confirm button."""
    item_id = str((await notify(alice.pk, "Agree", confirm=True)).id)
    async with Client(alice) as client:
        assert await client.ask("read", ids=[item_id]) == {"type": "read", "ids": [], "unread": 1}
        assert (await client.ask("read_all", before=item_id))["ids"] == []
        assert (await client.ask("read", ids=[item_id], via="popup", confirm=True))["ids"] == [item_id]


async def test_read_all(alice: User) -> None:
    """Up to and with the newest that was seen, and nothing newer."""
    ids = [str((await notify(alice.pk, f"{n}")).id) for n in range(3)]
    async with Client(alice) as client, Client(alice) as tab:
        answer = await client.ask("read_all", before=ids[1], ref="r")
        assert (answer["ids"], answer["unread"], answer["ref"]) == (ids[:2], 1, "r")
        assert (await tab.next())["ids"] == ids[:2]


async def test_list(alice: User, bob: User) -> None:
    """Newest first, in pages, of a kind, unread only; nothing of others."""
    ids = [str((await notify(alice.pk, f"{n}", kind="even" if n % 2 == 0 else "odd")).id) for n in range(5)][::-1]
    await notify(bob.pk, "his")
    async with Client(alice) as client:
        page = await client.ask("list", limit=2, ref="p")
        assert ([i["id"] for i in page["items"]], page["next"], page["ref"]) == (ids[:2], ids[1], "p")
        page = await client.ask("list", limit=3, before=page["next"])
        assert ([i["id"] for i in page["items"]], page["next"]) == (ids[2:], None)
        page = await client.ask("list", kind="odd")
        assert [i["id"] for i in page["items"]] == [ids[1], ids[3]]
        await client.ask("read", ids=[ids[0]])
        page = await client.ask("list", unread=True)
        assert [i["id"] for i in page["items"]] == ids[1:]
        assert all(i["live"] is False for i in page["items"])


@pytest.mark.parametrize(
    "request_frame",
    [{"type": "read", "ids": [str(uuid4())]}, {"type": "read_all", "before": str(uuid4())}, {"type": "list"}],
    ids=lambda f: f["type"],
)
async def test_the_database_is_away(
    alice: User, monkeypatch: pytest.MonkeyPatch, request_frame: dict[str, Any]
) -> None:
    """The request gets `unavailable` with its ref, the socket stays, heartbeats go on."""

    def away(*_: object, **__: object) -> None:
        raise OperationalError("connection refused at 10.0.0.5")

    async with Client(alice) as client:
        for name in ("read", "read_until", "page"):
            monkeypatch.setattr(inbox, name, away)
        await client.say(**request_frame, ref="r")
        answer = await client.next()
        assert (answer["code"], answer["ref"]) == ("unavailable", "r")
        assert "10.0.0.5" not in answer["message"]
        await client.quiet()


@pytest.mark.security("S9")
async def test_a_slow_database_holds_up_no_heartbeat(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request waits and pings are answered meanwhile; with 32 waiting the next is told so, and none is lost."""
    import threading

    begun, going = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()
    page = inbox.page

    def slow(*args: Any, **kwargs: Any) -> Any:
        loop.call_soon_threadsafe(begun.set)
        assert going.wait(10)
        return page(*args, **kwargs)

    monkeypatch.setattr(inbox, "page", slow)
    async with Client(alice) as client:
        # One is under way and 32 wait.
        await client.say(type="list", ref=0)
        await begun.wait()
        for number in range(1, 34):
            await client.say(type="list", ref=number)
        refused = await client.next()
        assert (refused["code"], refused["ref"]) == ("rate_limited", 33)
        assert (await client.ask("ping", ref="p"))["type"] == "pong"
        going.set()
        assert [(await client.next())["ref"] for _ in range(33)] == list(range(33))


# --- limits


async def test_the_third_invalid_frame_closes(alice: User) -> None:
    """Two get their error and the socket stays; the third gets its error, then 4007. Too large ones do not count."""
    async with Client(alice) as client:
        await client.communicator.send_to(bytes_data=b'{"type":"ping"}')
        assert (await client.next())["code"] == "invalid_frame"
        await client.communicator.send_to(text_data="{")
        assert (await client.next())["code"] == "invalid_json"
        for _ in range(3):
            await client.communicator.send_to(text_data=" " * 8_193)
            assert (await client.next())["code"] == "too_large"
        await client.quiet()
        await client.communicator.send_to(text_data="[]")
        assert (await client.next())["code"] == "invalid_frame"
        assert await client.code() == 4007
        await client.say(type="ping")
        assert await client.communicator.receive_nothing(0.02)


async def test_invalid_frames_are_counted_by_the_minute(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute after the first of them the count begins anew."""
    passed = 0.0
    real = time.monotonic
    with configured(HEARTBEAT_INTERVAL=1_000, HEARTBEAT_TIMEOUT=2_000):
        async with Client(alice) as client:
            monkeypatch.setattr(time, "monotonic", lambda: real() + passed)
            for _ in range(2):
                await client.communicator.send_to(text_data="[]")
                await client.next()
            passed = 61
            for _ in range(2):
                await client.communicator.send_to(text_data="[]")
                await client.next()
            await client.quiet()


@pytest.mark.security("S9")
async def test_the_rate(alice: User) -> None:
    """At 120 frames a minute all are done; the next 30 get `rate_limited` with their ref; one more closes with 4101."""
    async with Client(alice) as client:
        for number in range(120):
            assert (await client.ask("ping", ref=number))["ref"] == number
        for number in range(30):
            frame = await client.ask("ping", ref=number)
            assert (frame["type"], frame["code"], frame["ref"]) == ("error", "rate_limited", number)
        await client.say(type="ping")
        assert await client.code() == 4101


@pytest.mark.parametrize("text", ["{", "", None])
async def test_over_the_rate_nothing_is_done(alice: User, text: str | None) -> None:
    """Not even counted as invalid; the answer has no ref where there is none to read."""
    with configured(FRAMES_PER_MINUTE=1):
        async with Client(alice) as client:
            await client.ask("ping")
            for _ in range(4):
                await client.communicator.send_input({"type": "websocket.receive", "text": text})
                frame = await client.next()
                assert frame["code"] == "rate_limited"
                assert "ref" not in frame


async def test_the_rate_is_by_the_minute(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A minute after its first frame the count begins anew."""
    passed = 0.0
    real = time.monotonic
    with configured(FRAMES_PER_MINUTE=2, HEARTBEAT_INTERVAL=1_000, HEARTBEAT_TIMEOUT=2_000):
        async with Client(alice) as client:
            monkeypatch.setattr(time, "monotonic", lambda: real() + passed)
            assert [(await client.ask("ping"))["type"] for _ in range(3)] == ["pong", "pong", "error"]
            passed = 61
            assert (await client.ask("ping"))["type"] == "pong"


async def test_ten_connections_of_one_uid(alice: User, bob: User) -> None:
    """The eleventh closes the oldest with 4004; another user's stay."""
    clients = [await Client(alice).open() for _ in range(10)]
    other = await Client(bob).open()
    for client in clients:
        await client.quiet()
    eleventh = await Client(alice).open()
    assert await clients[0].code() == 4004
    for client in (*clients[1:], eleventh, other):
        await client.quiet()
    for client in (*clients, eleventh, other):
        await client.close()
    assert node.current().hub.size == 0


# --- ends


async def test_signed_out(alice: User, bob: User) -> None:
    """All sockets of the uid are closed with 4003, nobody else's; who signs in again gets in."""
    first, second, other = await Client(alice).open(), await Client(alice).open(), await Client(bob).open()
    await adisconnect(first.uid)
    assert await first.code() == 4003
    assert await second.code() == 4003
    await other.quiet()
    async with Client(alice) as again:
        await again.quiet()
    for each in (first, second, other):
        await each.close()


async def test_a_token_that_ends(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """Within its last minute `token_expiring` is said once; when it is over the socket closes with 4201."""
    monkeypatch.setattr(node, "SWEEP_SECONDS", 0.02)
    async with Client(alice, lifetime=timedelta(seconds=5)) as client:
        frame = await client.next()
        assert frame["type"] == "token_expiring"
        assert 1 <= frame["in"] <= 5
        assert await client.code(20) == 4201


async def test_renewal(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fresh token of the same uid in time: the socket lives on, and is warned again when that one ends."""
    monkeypatch.setattr(node, "SWEEP_SECONDS", 0.02)
    async with Client(alice, lifetime=timedelta(seconds=30)) as client:
        assert (await client.next())["type"] == "token_expiring"
        answer = await client.ask("auth", token=issue(client.uid, timedelta(minutes=10)), ref="a")
        assert (answer["type"], answer["ref"]) == ("auth", "a")
        ends = datetime.fromisoformat(answer["token_expires_at"])
        assert timedelta(minutes=9) < ends - clock.now() < timedelta(minutes=11)
        await client.quiet()
        await client.ask("auth", token=issue(client.uid, timedelta(seconds=20)))
        assert (await client.next())["type"] == "token_expiring"


async def test_renewal_with_a_token_that_is_no_good(alice: User, bob: User) -> None:
    """A bad or expired one gets `unauthorized` and the socket stays; another uid's closes with 4001."""
    async with Client(alice) as client:
        for bad in ("nonsense", issue(client.uid, timedelta(seconds=-5))):
            answer = await client.ask("auth", token=bad, ref="a")
            assert (answer["code"], answer["ref"]) == ("unauthorized", "a")
        await client.quiet()
        await client.say(type="auth", token=issue(str(bob.pk), timedelta(minutes=5)))
        assert await client.code() == 4001


async def test_renewal_by_a_user_who_was_banned(alice: User) -> None:
    """The token is good but its user is not: `unauthorized`."""
    async with Client(alice) as client:
        await User.objects.filter(pk=alice.pk).aupdate(is_active=False)
        answer = await client.ask("auth", token=issue(client.uid, timedelta(minutes=5)))
        assert answer["code"] == "unauthorized"


async def test_renewal_by_the_database_s_clock(alice: User) -> None:
    """A token that has ended by it is no good, whatever this machine's clock says."""
    async with Client(alice) as client:
        clock.follow(clock.now() + timedelta(hours=2))
        try:
            answer = await client.ask("auth", token=issue(client.uid, timedelta(minutes=5)))
            assert answer["code"] == "unauthorized"
        finally:
            clock.follow(datetime.now(UTC))


async def test_heartbeat(alice: User, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server pings; any frame keeps a socket, silence ends it with 4105."""
    monkeypatch.setattr(node, "SWEEP_SECONDS", 0.02)
    with configured(HEARTBEAT_INTERVAL=0.2, HEARTBEAT_TIMEOUT=3):
        async with Client(alice) as client:
            for _ in range(5):
                assert (await client.next())["type"] == "ping"
                await client.say(type="pong")
            pings = 0
            output = await client.communicator.receive_output(15)
            while output["type"] == "websocket.send":
                pings += 1
                output = await client.communicator.receive_output(15)
            assert output["code"] == 4105
            assert pings >= 1


async def test_drain(alice: User) -> None:
    """`reconnect`, then 4200; a socket that opens meanwhile is refused."""
    async with Client(alice) as client:
        await node.current().drain(0.1)
        frame = await client.next()
        assert frame.keys() == {"type", "after_ms"}
        assert frame["type"] == "reconnect"
        assert await client.code() == 4200
        late = WebsocketCommunicator(
            websocket_application(), f"/ws/notifications/?token={issue(client.uid, timedelta(minutes=5))}"
        )
        assert (await late.connect())[0] is False


async def test_a_peer_that_goes_leaves_nothing(alice: User, gate_at: Callable[[str], Gate]) -> None:
    """Neither when it is open nor while it opens nor with a request under way."""
    hub = node.current().hub
    async with Client(alice):
        assert hub.size == 1
    assert (hub.size, hub.users) == (0, {})
    gate = gate_at("after read")
    client = Client(alice)
    await client.accept()
    await gate.reached.wait()
    await client.close()
    assert (hub.size, hub.users) == (0, {})


async def test_a_socket_closed_while_it_joins(alice: User, gate_at: Callable[[str], Gate]) -> None:
    """Signed out before it was ever welcome: it is closed, and forgotten."""
    gate = gate_at("before join")
    client = Client(alice)
    await client.accept()
    await gate.reached.wait()
    await adisconnect(client.uid)
    assert await client.code() == 4003
    gate.open.set()
    for _ in range(5):
        await asyncio.sleep(0)
    assert not node.current().hub.users
    await client.close()


async def test_a_server_that_ends_the_application(alice: User) -> None:
    """Without a disconnect event, as Daphne does at its end: the connection is forgotten all the same."""
    client = await Client(alice).open()
    assert node.current().hub.size == 1
    client.communicator.future.cancel()
    await until(lambda: node.current().hub.size == 0)


async def test_an_application_that_ends_before_it_began() -> None:
    """A disconnect as the first event, and an event that nobody knows."""
    events: Iterator[dict[str, Any]] = iter([{"type": "websocket.odd"}, {"type": "websocket.disconnect", "code": 1006}])

    async def receive() -> dict[str, Any]:
        return next(events)

    async def send(message: dict[str, Any]) -> None:
        raise AssertionError(message)

    await NotificationConsumer()({"type": "websocket"}, receive, send)


async def test_poison_from_the_channel_layer(alice: User) -> None:
    """Malformed group messages, and one that would end everyone's sockets, do nothing; good ones still come."""
    from channels.layers import get_channel_layer

    layer = get_channel_layer()
    async with Client(alice) as client:
        good = to_message(Event(Op.CREATED, client.uid, (clock.new_id(),), head='{"type":"notification"'))
        for poison in (
            {"type": "websocket.close"}, {"type": "no.such.handler"}, {"type": good["type"]}, {**good, "op": []},
            {**good, "head": "x"}, good, {**good, "op": int(Op.DISCONNECT), "uid": None},
        ):  # fmt: skip
            await layer.group_send("everyone", poison)
            await layer.group_send(group_of(client.uid), poison)
        item_id = str((await notify(alice.pk, "Good")).id)
        assert (await client.next())["id"] == item_id
        await client.quiet()
