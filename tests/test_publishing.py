"""notify, retract, disconnect: what is accepted, what is refused, and what goes out after the commit."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from channels.db import database_sync_to_async
from channels.layers import get_channel_layer
from django.db import OperationalError, connection, transaction

import notifications
from notifications import announcing, clock, publishing
from notifications.channel_layer import group_of, publisher
from notifications.exceptions import InvalidContent, KeyReused, NotFound, Unavailable
from notifications.models import Disconnection, Notification, Receipt
from notifications.protocol.events import Event, Op, from_message
from notifications.protocol.items import Item, encode
from notifications.publishing import Retracted, adisconnect, anotify, aretract, disconnect, notify, retract

Listen = Callable[[str | None], "Listener"]


class Listener:
    """Hears what goes to the group of one uid, or to everyone's."""

    def __init__(self, uid: str | None) -> None:
        self._uid = uid
        self._layer: Any = get_channel_layer()
        self._channel = ""

    async def start(self) -> "Listener":
        """Join the group."""
        self._channel = await self._layer.new_channel()
        await self._layer.group_add(group_of(self._uid), self._channel)
        return self

    async def next(self) -> Event:
        """The next event, within 15 s."""
        async with asyncio.timeout(15):
            event = from_message(await self._layer.receive(self._channel))
        assert event is not None
        return event


@pytest.fixture
async def serving() -> AsyncIterator[None]:
    """This test's loop is the one that publishes, as a node's is."""
    publisher.serve_on(asyncio.get_running_loop())
    yield
    publisher.serve_on(None)


def _in_thread(call: Callable[[], Any]) -> Any:
    return database_sync_to_async(call, thread_sensitive=False)()


def _wrong(error: InvalidContent) -> list[str]:
    return [str(problem["loc"][0]) for problem in error.errors]


# --- notify


@pytest.mark.django_db
def test_what_is_accepted_is_stored_as_it_was_given() -> None:
    """The row holds every value, and its id carries the moment of its making."""
    expires_at = datetime(2040, 1, 2, 3, 4, 5, tzinfo=UTC)
    accepted = notify(
        "7",
        "Title",
        "Body",
        kind="a.b_1",
        level="error",
        url="/x?y=1#z",
        data={"n": 1, "inner": [None, "text"]},
        ref="order-1",
        display="banner",
        confirm=True,
        expires_at=expires_at,
        source="shop",
    )
    row = Notification.objects.get()
    assert not accepted.duplicate
    assert row.id == accepted.id
    assert (row.uid, row.title, row.body, row.kind, row.level) == ("7", "Title", "Body", "a.b_1", "error")
    assert (row.url, row.data) == ("/x?y=1#z", {"n": 1, "inner": [None, "text"]})
    assert (row.ref, row.display, row.confirm, row.source) == ("order-1", "banner", True, "shop")
    assert row.expires_at == expires_at
    assert row.created_at == clock.moment_of(row.id)
    assert row.read_at is row.retracted_at is None


@pytest.mark.django_db
def test_a_number_is_a_uid_too() -> None:
    """`notify(user.pk, ...)` needs no `str()`; True is no number here."""
    notify(42, "x")
    assert Notification.objects.get().uid == "42"
    with pytest.raises(InvalidContent) as refused:
        notify(True, "x")
    assert _wrong(refused.value) == ["uid"]


DATA_8192 = {"k": "a" * (8192 - len('{"k":""}'))}
GOOD: list[tuple[str, Any]] = [
    ("uid", "u"),
    ("uid", "u" * 254),
    ("uid", "用" * 255),
    ("title", "t"),
    ("title", "t" * 199),
    ("title", "😀" * 200),
    ("body", ""),
    ("body", "b" * 3999),
    ("body", "b" * 4000),
    ("kind", "k"),
    ("kind", "k" * 99),
    ("kind", "k" * 100),
    ("kind", "a.b_0.c"),
    ("level", "info"),
    ("level", "success"),
    ("level", "warning"),
    ("display", "list"),
    ("url", None),
    ("url", "/"),
    ("url", "/" + "u" * 1998),
    ("url", "/" + "u" * 1999),
    ("url", "https://example.org/x"),
    ("url", "http://example.org"),
    ("data", None),
    ("data", {}),
    ("data", {"k": "a" * 8183}),
    ("data", DATA_8192),
    ("data", {"n": 2**64 - 1}),
    ("ref", None),
    ("ref", "r"),
    ("ref", "r" * 199),
    ("ref", "r" * 200),
    ("idempotency_key", "k"),
    ("idempotency_key", "k" * 200),
    ("expires_at", datetime(9998, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))),
]
BAD: list[tuple[str, Any]] = [
    ("uid", ""),
    ("uid", "u" * 256),
    ("uid", None),
    ("uid", b"7"),
    ("uid", 7.0),
    ("title", ""),
    ("title", "t" * 201),
    ("title", None),
    ("body", "b" * 4001),
    ("body", None),
    ("kind", ""),
    ("kind", "k" * 101),
    ("kind", "Upper"),
    ("kind", "a..b"),
    ("kind", ".a"),
    ("kind", "a.b\n"),
    ("level", "fatal"),
    ("level", None),
    ("display", "toast"),
    ("url", ""),
    ("url", "/" + "u" * 2000),
    ("url", "javascript:alert(1)"),
    ("url", "//evil.example"),
    ("url", "/\\evil.example"),
    ("url", "/a b"),
    ("url", "relative"),
    ("url", "http://"),
    ("url", "http://[::1"),
    ("data", {"k": "a" * 8185}),
    ("data", []),
    ("data", "text"),
    ("data", {"k": float("nan")}),
    ("data", {"k": float("inf")}),
    ("data", {"k": {1, 2}}),
    ("data", {"k": 2**64}),
    ("data", {1: "a", "1": "b"}),
    ("ref", ""),
    ("ref", "r" * 201),
    ("ref", 7),
    ("confirm", 1),
    ("confirm", None),
    ("expires_at", datetime(2040, 1, 1)),  # noqa: DTZ001  that it is naive is the point
    ("expires_at", "2040-01-01T00:00:00Z"),
    ("expires_at", datetime(9999, 12, 31, 23, 59, tzinfo=timezone(timedelta(hours=-12)))),
    ("expires_at", datetime(2001, 1, 1, tzinfo=UTC)),
    ("idempotency_key", ""),
    ("idempotency_key", "k" * 201),
    ("idempotency_key", 7),
    *((name, f"a{bad}b") for name in ("uid", "title", "body", "ref", "idempotency_key") for bad in ("\0", "\ud800")),
    ("data", {"k": "a\0b"}),
    ("data", {"a\ud800b": 1}),
]


def _values(name: str, value: Any) -> dict[str, Any]:
    return {"uid": "7", "title": "x", name: value}


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "value"), GOOD)
def test_values_up_to_each_limit_are_accepted(name: str, value: Any) -> None:
    """At the limit and just below it, a value is stored."""
    accepted = notify(**_values(name, value))
    assert Notification.objects.get().id == accepted.id


@pytest.mark.django_db
@pytest.mark.parametrize(("name", "value"), BAD)
def test_values_past_a_limit_are_refused_by_name(name: str, value: Any) -> None:
    """Past the limit nothing is stored, and the error names the field."""
    with pytest.raises(InvalidContent) as refused:
        notify(**_values(name, value))
    assert _wrong(refused.value) == [name]
    assert not Notification.objects.exists()


@pytest.mark.django_db
def test_every_wrong_field_is_told_at_once() -> None:
    """A caller need not find the mistakes one by one."""
    with pytest.raises(InvalidContent) as refused:
        notify("", "", level="fatal", expires_at=datetime(2040, 1, 1))  # noqa: DTZ001
    assert sorted(_wrong(refused.value)) == ["expires_at", "level", "title", "uid"]


@pytest.mark.django_db
def test_nesting_is_bounded() -> None:
    """Data may nest as deep as a frame may, less the item around it, and no deeper."""

    def nested(depth: int) -> dict[str, Any]:
        value: Any = 1
        for _ in range(depth):
            value = {"k": value}
        return dict(value)

    notify("7", "x", data=nested(32))
    with pytest.raises(InvalidContent):
        notify("7", "x", data=nested(33))


@pytest.mark.django_db(transaction=True)
async def test_a_commit_sends_exactly_one_push(serving: None) -> None:
    """Nothing goes out before the commit, one event after it, and it holds the item as it was given."""
    listener = await Listener("7").start()

    def business() -> UUID:
        with transaction.atomic():
            data = {"n": 1}
            first = notify("7", "First", data=data).id
            # The caller's object is the caller's: what it becomes afterwards is not what was said.
            data["n"] = 2
            assert not publisher._queue
        return first

    first = await _in_thread(business)
    second = (await anotify("7", "Second")).id
    events = [await listener.next(), await listener.next()]
    assert [event.ids for event in events] == [(first,), (second,)]
    assert all(event.op == Op.CREATED and event.uid == "7" for event in events)
    assert '"title":"First"' in events[0].head
    assert '"data":{"n":1}' in events[0].head


@pytest.mark.django_db(transaction=True)
async def test_an_item_is_encoded_once(serving: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one expensive step is not repeated for the push, or for the index."""
    calls: list[Item] = []

    def counted(item: Item) -> str:
        calls.append(item)
        return encode(item)

    monkeypatch.setattr(publishing, "encode", counted)
    listener = await Listener("7").start()
    await anotify("7", "x")
    await listener.next()
    assert len(calls) == 1


@pytest.mark.django_db(transaction=True)
async def test_a_rollback_sends_nothing(serving: None) -> None:
    """Business that fails takes its notification with it: neither row nor push."""
    listener = await Listener("7").start()

    def business() -> None:
        with transaction.atomic():
            notify("7", "Never")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await _in_thread(business)
    await anotify("7", "Marker")
    assert '"title":"Marker"' in (await listener.next()).head
    assert await Notification.objects.acount() == 1


@pytest.mark.django_db(transaction=True)
async def test_a_rolled_back_savepoint_sends_nothing(serving: None) -> None:
    """Nor does a part of the business that failed and was given up."""
    listener = await Listener("7").start()

    def business() -> None:
        with transaction.atomic():
            try:
                with transaction.atomic():
                    notify("7", "Never")
                    raise ZeroDivisionError
            except ZeroDivisionError:
                notify("7", "Instead")

    await _in_thread(business)
    assert '"title":"Instead"' in (await listener.next()).head


@pytest.mark.django_db(transaction=True)
def test_a_push_that_fails_leaves_the_call_accepted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """After the commit it is a hint that failed, not the call: the caller gets its id."""

    def broken(event: Event) -> None:
        raise RuntimeError("no loop")

    monkeypatch.setattr(publisher, "put", broken)
    assert Notification.objects.get(id=notify("7", "x").id).title == "x"
    assert "no loop" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_a_repeated_call_is_answered_and_not_repeated() -> None:
    """Same key and content: the first id, and one row, even when the item has expired meanwhile."""
    first = notify("7", "x", data={"a": 1, "b": {"c": 1, "d": 2}}, idempotency_key="k", source="shop")
    again = notify("7", "x", data={"b": {"d": 2, "c": 1}, "a": 1}, idempotency_key="k", source="shop")
    assert (again.id, again.duplicate) == (first.id, True)
    assert Notification.objects.count() == 1
    with pytest.raises(KeyReused):
        notify("7", "y", idempotency_key="k", source="shop")
    assert notify("7", "x", idempotency_key="k", source="other").id != first.id


@pytest.mark.django_db(transaction=True)
def test_numbers_as_keys_of_data_are_the_same_content_every_time() -> None:
    """Python's dicts may mix keys that cannot be ordered; JSON makes strings of them all."""
    mixed: dict[Any, Any] = {1: "a", "b": 2}
    first = notify("7", "x", data=mixed, idempotency_key="k")
    assert notify("7", "x", data={"b": 2, "1": "a"}, idempotency_key="k").id == first.id


@pytest.mark.django_db(transaction=True)
def test_a_locked_database_is_unavailable(tmp_path: Any) -> None:
    """A database that does not answer in time raises `Unavailable`, and nothing was accepted."""

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT"):
            raise OperationalError("database is locked")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(refuse), pytest.raises(Unavailable):
        notify("7", "x")
    with connection.execute_wrapper(refuse), pytest.raises(Unavailable):
        disconnect("7")
    assert not Notification.objects.exists()


# --- retract


@pytest.mark.django_db(transaction=True)
async def test_a_retracted_item_goes_from_screen_and_inbox(serving: None) -> None:
    """By its id, as UUID or text; a second time there is nothing left to take."""
    listener = await Listener("7").start()
    item_id = (await anotify("7", "x")).id
    assert (await listener.next()).op == Op.CREATED
    assert await aretract(str(item_id)) == Retracted(1, 0)
    event = await listener.next()
    assert (event.op, event.ids) == (Op.RETRACTED, (item_id,))
    assert (await Notification.objects.aget()).retracted_at is not None
    assert await aretract(item_id) == Retracted(0, 0)


@pytest.mark.django_db(transaction=True)
async def test_one_reference_takes_every_item_of_it(serving: None) -> None:
    """`ref` means the business's own reference, over all uids or one; what had been read is counted."""
    listener = await Listener("8").start()
    for uid in ("7", "7", "8"):
        await anotify(uid, "x", ref="order-1")
    await anotify("8", "other", ref="order-2")
    await Notification.objects.filter(uid="8", ref="order-1").aupdate(read_at=clock.now())
    assert await aretract(ref="order-1", uid=7) == Retracted(2, 0)
    assert await aretract(ref="order-1") == Retracted(1, 1)
    assert [(await listener.next()).op for _ in range(3)] == [Op.CREATED, Op.CREATED, Op.RETRACTED]
    assert await Notification.objects.filter(retracted_at=None).acount() == 1


@pytest.mark.django_db(transaction=True)
def test_a_reference_may_name_thousands(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as there are, in chunks that every database takes; each uid is told by few messages."""
    now = clock.now()
    rows = [Notification(uid=f"{n % 2}", ref="all", title="x", created_at=now) for n in range(2_202)]
    Notification.objects.bulk_create(rows)
    told: list[Event] = []
    monkeypatch.setattr(publisher, "put", told.append)
    assert retract(ref="all") == Retracted(2_202, 0)
    assert not Notification.objects.filter(retracted_at=None).exists()
    assert sorted((event.uid, len(event.ids)) for event in told) == [("0", 101), ("0", 1_000), ("1", 101), ("1", 1_000)]
    assert {item_id for event in told for item_id in event.ids} == {row.id for row in rows}


@pytest.mark.django_db(transaction=True)
def test_what_is_not_the_callers_is_not_found() -> None:
    """Missing, foreign and impossible all look the same."""
    item_id = notify("7", "x", ref="r", source="shop").id
    foreign: list[dict[str, Any]] = [
        {"id": uuid4()},
        {"id": "no-uuid"},
        {"id": ""},
        {"id": item_id, "uid": "8"},
        {"id": item_id, "source": "other"},
        {"ref": "r", "source": "other"},
        {"ref": "unknown"},
        {"ref": "a\0b"},
        {"ref": 7},
        {"ref": "r", "uid": "a\ud800b"},
    ]
    for arguments in foreign:
        with pytest.raises(NotFound):
            retract(**arguments)
    assert retract(item_id, uid="7", source="shop") == Retracted(1, 0)


@pytest.mark.django_db
def test_either_id_or_ref_is_needed() -> None:
    """Neither and both are mistakes of the caller."""
    for arguments in ({}, {"id": uuid4(), "ref": "r"}):
        with pytest.raises(InvalidContent):
            retract(**arguments)  # type: ignore[arg-type]


@pytest.mark.django_db(transaction=True)
def test_an_announcements_id_withdraws_it() -> None:
    """What `announce` gave, `retract` takes; a service's call, which names its source, never reaches one."""
    announcement_id = announcing.announce("x", source="shop").id
    with pytest.raises(NotFound):
        retract(announcement_id, source="shop")
    Receipt.objects.create(announcement_id=announcement_id, uid="7", read_at=clock.now())
    assert retract(announcement_id) == Retracted(1, 1)
    assert retract(announcement_id) == Retracted(0, 0)
    unread_one = announcing.announce("y").id
    assert retract(unread_one) == Retracted(1, 0)


@pytest.mark.django_db(transaction=True)
async def test_a_rolled_back_retraction_takes_nothing(serving: None) -> None:
    """The item stays, and nobody is told."""
    listener = await Listener("7").start()
    item_id = (await anotify("7", "x")).id
    await listener.next()

    def business() -> None:
        with transaction.atomic():
            retract(item_id)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await _in_thread(business)
    await anotify("7", "Marker")
    assert (await listener.next()).op == Op.CREATED
    assert await Notification.objects.filter(retracted_at=None).acount() == 2


# --- disconnect


@pytest.mark.django_db(transaction=True)
async def test_a_wish_to_disconnect_is_stored_and_told(serving: None) -> None:
    """Stored for nodes that no message reaches, with a moment by the database's clock in its id."""
    listener = await Listener("7").start()
    await adisconnect(7)
    event = await listener.next()
    wish = await Disconnection.objects.aget()
    assert (event.op, event.uid, event.ids) == (Op.DISCONNECT, "7", (wish.id,))
    assert abs(clock.moment_of(wish.id) - wish.changed_at) < timedelta(minutes=1)


@pytest.mark.django_db(transaction=True)
def test_the_moment_of_a_wish_is_the_databases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose clock is hours behind still closes the sockets that are open now."""
    monkeypatch.setattr(clock, "_offset_ms", -7_200_000)
    disconnect("7")
    wish = Disconnection.objects.get()
    assert abs(clock.moment_of(wish.id) - wish.changed_at) < timedelta(minutes=1)


# --- the door


def test_the_package_is_the_door() -> None:
    """What the contract names can be imported from the package itself, and nothing else by accident."""
    assert notifications.notify is notify
    assert notifications.announce is announcing.announce
    assert notifications.aannounce is announcing.aannounce
    assert notifications.aretract is aretract
    with pytest.raises(AttributeError):
        _ = notifications.nonsense
