"""`notifications.*` through the door: what is stored, what is answered, what is refused."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from notifications import bulk, clock, presence
from notifications.models import Notification
from notifications.protocol import items
from notifications.protocol.items import timestamp
from tests.rpc.caller import Caller, Failed, amake_caller

FULL: dict[str, Any] = {
    "uid": "7",
    "title": "Top-up arrived",
    "body": "50.00",
    "kind": "recharge.succeeded",
    "level": "success",
    "url": "/wallet/42",
    "data": {"amount": [1, None, {"ä": 1.5}]},
    "ref": "order-42",
    "display": "banner",
    "confirm": True,
    "expires_at": "2099-01-02T03:04:05.678+02:00",
    "idempotency_key": "k",
}


async def refused(caller: Caller, method: str, /, *args: Any, **kwargs: Any) -> Failed:
    """The error that a call meets."""
    with pytest.raises(Failed) as failed:
        await caller.call(method, *args, **kwargs)
    return failed.value


async def test_send_stores_what_it_was_given_under_the_callers_name(billing: Caller) -> None:
    """By name and by position alike."""
    by_name = await billing.call("notifications.send", **FULL)
    row = await Notification.objects.aget(id=by_name["id"])
    for name in ("uid", "title", "body", "kind", "level", "url", "data", "ref", "display", "confirm"):
        assert getattr(row, name) == FULL[name]
    assert timestamp(row.expires_at) == "2099-01-02T01:04:05.678Z"
    assert row.source == "billing"
    assert by_name == {"id": str(row.id), "duplicate": False, "online": False}
    by_position = await billing.call("notifications.send", *FULL.values())
    assert by_position == by_name | {"duplicate": True}


async def test_what_is_sent_at_once_is_stored_together(billing: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each caller gets its own answer, whatever the others sent; a few commits do for all."""
    shop = await amake_caller("shop")
    calls: list[int] = []
    send_many = bulk.send_many

    def counted(letters: Any, **kwargs: Any) -> Any:
        calls.append(len(letters))
        return send_many(letters, **kwargs)

    monkeypatch.setattr(bulk, "send_many", counted)
    past = timestamp(clock.now() - timedelta(minutes=1))
    sent = await asyncio.gather(
        *(caller.call("notifications.send", uid="7", title=f"{n}") for n in range(20) for caller in (billing, shop)),
        refused(billing, "notifications.send", uid="7", title="late", expires_at=past),
        refused(shop, "notifications.send", uid="7", title=""),
    )
    assert [failed.data[0]["loc"] for failed in sent[40:]] == [["expires_at"], ["title"]]
    stored = {str(row.id): (row.title, row.source) async for row in Notification.objects.all()}
    assert [stored[answer["id"]] for answer in sent[:40]] == [
        (f"{n}", s) for n in range(20) for s in ("billing", "shop")
    ]
    assert len(stored) == 40
    assert len(calls) < 20


async def test_the_defaults_are_those_of_the_contract(billing: Caller) -> None:
    """Only uid and title are needed; a whole number is a uid too."""
    sent = await billing.call("notifications.send", 7, "x")
    row = await Notification.objects.aget(id=sent["id"])
    found = (row.uid, row.body, row.kind, row.level, row.url, row.data, row.ref, row.display, row.confirm)
    assert found == ("7", "", "general", "info", None, {}, None, "popup", False)
    assert row.expires_at is None


WRONG: list[tuple[str, Any, str]] = [
    ("uid", "", "must have 1 to 255 characters, not 0"),
    ("uid", "x" * 256, "must have 1 to 255 characters, not 256"),
    ("uid", True, "must be a string"),
    ("uid", None, "must be a string"),
    ("uid", ["7"], "must be a string"),
    ("title", "", "must have 1 to 200 characters, not 0"),
    ("title", "x" * 201, "must have 1 to 200 characters, not 201"),
    ("title", 7, "must be a string"),
    ("title", None, "must be a string"),
    ("body", "x" * 4001, "must have 0 to 4000 characters, not 4001"),
    ("body", None, "must be a string"),
    ("kind", "Not A Kind", "must match [a-z0-9_]+(\\.[a-z0-9_]+)*"),
    ("level", "fatal", "must be one of info, success, warning, error"),
    ("url", "javascript:alert(1)", "must be a path or an http(s) address"),
    ("url", "//evil.example", "must be a path or an http(s) address"),
    ("data", [1], "must be an object"),
    ("data", {"x": "y" * 8192}, "must have at most 8192 bytes as JSON"),
    ("ref", "", "must have 1 to 200 characters, not 0"),
    ("display", "fullscreen", "must be one of popup, list, banner"),
    ("confirm", 1, "must be true or false"),
    ("expires_at", "tomorrow", "must be an RFC 3339 date and time with its offset"),
    ("expires_at", "2099-01-02T03:04:05", "must be an RFC 3339 date and time with its offset"),
    ("expires_at", "2099-13-02T03:04:05Z", "must be an RFC 3339 date and time with its offset"),
    ("expires_at", "0001-01-01T00:00:00+14:00", "must be an RFC 3339 date and time with its offset"),
    ("expires_at", 4070908800, "must be an RFC 3339 date and time with its offset"),
    ("expires_at", "2001-01-02T03:04:05Z", "must be in the future"),
    ("idempotency_key", "", "must be a string of 1 to 200 characters"),
    ("idempotency_key", "x" * 201, "must be a string of 1 to 200 characters"),
    ("idempotency_key", 7, "Input should be a valid string"),
    ("nonsense", 7, "Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("name", "value", "message"), WRONG)
async def test_each_wrong_parameter_is_named_with_what_is_wrong(
    billing: Caller, name: str, value: Any, message: str
) -> None:
    """`data` is a list of exactly that, and nothing is stored."""
    error = await refused(billing, "notifications.send", **{"uid": "7", "title": "x"} | {name: value})
    assert (error.code, error.message) == (-32602, "Invalid params")
    assert error.data == [{"loc": [name], "msg": message}]
    assert await Notification.objects.acount() == 0


async def test_all_that_is_wrong_is_told_at_once(billing: Caller) -> None:
    """Types, content and missing ones together."""
    error = await refused(billing, "notifications.send", level="x", idempotency_key=5, nonsense=1)
    assert {tuple(e["loc"]) for e in error.data} == {
        ("uid",),
        ("title",),
        ("level",),
        ("idempotency_key",),
        ("nonsense",),
    }
    error = await refused(billing, "notifications.send", *range(13))
    assert error.data == [{"loc": [12], "msg": "at most 12 parameters"}]


async def test_at_their_limits_values_are_good(billing: Caller) -> None:
    """One character fewer than the tests above refuse."""
    text = "x" * (items.DATA_MAX_BYTES - len('{"x":""}'))
    sent = await billing.call(
        "notifications.send",
        uid="x" * 255,
        title="é" * 200,
        body="x" * 4000,
        data={"x": text},
        ref="r" * 200,
        idempotency_key="k" * 200,
    )
    assert sent["duplicate"] is False


async def test_fifty_parallel_repeats_with_one_key_are_one_row_and_one_id(billing: Caller) -> None:
    """All are answered, one of them as the first; the key is the caller's own."""
    results = await asyncio.gather(
        *(billing.call("notifications.send", uid="7", title="x", idempotency_key="k") for _ in range(50)),
        return_exceptions=True,
    )
    # SQLite lets one write at a time: who waited too long was told to repeat, and does.
    again = [r for r in results if isinstance(r, Failed)]
    assert all(r.code == -32050 for r in again)
    good = [r for r in results if isinstance(r, dict)]
    for _ in again:
        good.append(await billing.call("notifications.send", uid="7", title="x", idempotency_key="k"))
    assert len({r["id"] for r in good}) == 1
    assert sorted(r["duplicate"] for r in good) == [False] + [True] * 49
    assert await Notification.objects.acount() == 1
    other = await amake_caller("other")
    assert (await other.call("notifications.send", uid="7", title="x", idempotency_key="k"))["duplicate"] is False


async def test_a_key_used_for_other_content_is_refused(billing: Caller) -> None:
    """-32009, and nothing is stored; the order of `data`'s keys is no other content."""
    first = await billing.call("notifications.send", uid="7", title="x", data={"a": 1, "b": 2}, idempotency_key="k")
    again = await billing.call("notifications.send", uid="7", title="x", data={"b": 2, "a": 1}, idempotency_key="k")
    assert (again["id"], again["duplicate"]) == (first["id"], True)
    assert (await refused(billing, "notifications.send", uid="8", title="x", idempotency_key="k")).code == -32009
    assert await Notification.objects.acount() == 1


async def test_send_many_accepts_and_refuses_by_index(billing: Caller) -> None:
    """Whatever an item is, the others are sent."""
    past = "2001-01-01T00:00:00Z"
    done = await billing.call(
        "notifications.send_many",
        items=[
            {"uid": "7", "title": "a"},
            {"uid": "7", "title": ""},
            "nonsense",
            {"uid": 8, "title": "b", "expires_at": past},
            {"uid": "9", "title": "c", "nonsense": 1},
            {"uid": "7", "title": "d"},
        ],
    )
    assert (done["accepted"], done["rejected"]) == (2, 4)
    assert [result["index"] for result in done["results"]] == list(range(6))
    assert set(done) == {"results", "accepted", "rejected"}
    errors = [result.get("error") for result in done["results"]]
    assert [error and error["code"] for error in errors] == [None, -32602, -32602, -32602, -32602, None]
    assert errors[2]["data"] == [{"loc": [], "msg": "must be an object"}]
    assert errors[3]["data"] == [{"loc": ["expires_at"], "msg": "must be in the future"}]
    rows = [row.title async for row in Notification.objects.order_by("id")]
    assert rows == ["a", "d"]
    assert [done["results"][0]["id"], done["results"][5]["id"]] == [
        str(row.id) async for row in Notification.objects.order_by("id")
    ]


async def test_send_many_is_replayed_whole_under_its_key(billing: Caller) -> None:
    """The whole first result, errors too, with `duplicate`; other content is refused."""
    items_ = [{"uid": "7", "title": "a"}, {"uid": "7", "title": ""}, {"uid": "8", "title": "b"}]
    first = await billing.call("notifications.send_many", items=items_, idempotency_key="k")
    again = await billing.call("notifications.send_many", items=items_, idempotency_key="k")
    assert again == first | {"duplicate": True}
    assert await Notification.objects.acount() == 2
    error = await refused(billing, "notifications.send_many", items=items_[:1], idempotency_key="k")
    assert error.code == -32009


async def test_an_item_of_send_many_may_have_a_key_of_its_own(billing: Caller) -> None:
    """It means the same as in `send`."""
    sent = await billing.call("notifications.send", uid="7", title="a", idempotency_key="k")
    done = await billing.call(
        "notifications.send_many",
        items=[
            {"uid": "7", "title": "a", "idempotency_key": "k"},
            {"uid": "7", "title": "other", "idempotency_key": "k"},
            {"uid": "7", "title": "new", "idempotency_key": "k2"},
            {"uid": "7", "title": "new", "idempotency_key": "k2"},
            {"uid": "7", "title": "past", "idempotency_key": "k3", "expires_at": "2001-01-01T00:00:00Z"},
        ],
    )
    results = done["results"]
    assert results[0]["id"] == sent["id"]
    assert results[1]["error"]["code"] == -32009
    assert results[2]["id"] == results[3]["id"]
    assert results[4]["error"]["data"] == [{"loc": ["expires_at"], "msg": "must be in the future"}]
    assert await Notification.objects.acount() == 2


@pytest.mark.parametrize(("count", "good"), [(0, False), (1, True), (1000, True), (1001, False)])
async def test_send_many_takes_1_to_1000_items(billing: Caller, count: int, good: bool) -> None:
    """At, below and above."""
    call = billing.call("notifications.send_many", items=[{"uid": f"{i}", "title": "x"} for i in range(count)])
    if good:
        assert (await call)["accepted"] == count
    else:
        with pytest.raises(Failed) as failed:
            await call
        assert failed.value.code == -32602
        assert failed.value.data[0]["loc"] == ["items"]
    assert await Notification.objects.acount() == (count if good else 0)


async def test_multicast_sends_once_to_each(billing: Caller) -> None:
    """Uids named twice are one; what cannot be a uid is counted as rejected."""
    done = await billing.call("notifications.multicast", uids=["7", 8, "7", "", None, "9"], title="x", ref="r")
    assert done == {"accepted": 3, "rejected": 2}
    rows = [(row.uid, row.title, row.ref, row.source) async for row in Notification.objects.order_by("uid")]
    assert rows == [(uid, "x", "r", "billing") for uid in ("7", "8", "9")]


async def test_multicast_is_replayed_under_its_key(billing: Caller) -> None:
    """The first result with `duplicate`; other uids are other content."""
    first = await billing.call("notifications.multicast", uids=["7", "8"], title="x", idempotency_key="k")
    again = await billing.call("notifications.multicast", uids=["7", "8"], title="x", idempotency_key="k")
    assert again == first | {"duplicate": True}
    assert (
        await refused(billing, "notifications.multicast", uids=["7"], title="x", idempotency_key="k")
    ).code == -32009
    assert await Notification.objects.acount() == 2


async def test_multicast_checks_its_content_as_a_whole(billing: Caller) -> None:
    """Wrong content is nobody's."""
    error = await refused(billing, "notifications.multicast", uids=["7"], title="", level="x")
    assert {tuple(e["loc"]) for e in error.data} == {("title",), ("level",)}
    error = await refused(billing, "notifications.multicast", uids=["7"], title="x", expires_at="2001-01-01T00:00:00Z")
    assert error.data == [{"loc": ["expires_at"], "msg": "must be in the future"}]
    for uids in ([], ["7"] * 10_001, "7"):
        error = await refused(billing, "notifications.multicast", uids=uids, title="x")
        assert error.data[0]["loc"] == ["uids"]


async def test_multicast_reaches_10000(billing: Caller) -> None:
    """The most that one call may name; the body is within its limit where uids are short."""
    done = await billing.call("notifications.multicast", uids=list(range(10_000)), title="x")
    assert done == {"accepted": 10_000, "rejected": 0}
    assert await Notification.objects.acount() == 10_000


async def test_retract_takes_back_by_id_and_by_ref(billing: Caller) -> None:
    """Only this service's own; repeating is harmless; foreign and missing ones are not found alike."""
    sent = await billing.call("notifications.send", uid="7", title="x")
    for uid in ("7", "7", "8"):
        await billing.call("notifications.send", uid=uid, title="x", ref="r")
    other = await amake_caller("other")
    for wrong in ({"id": sent["id"]}, {"ref": "r"}):
        assert (await refused(other, "notifications.retract", **wrong)).code == -32004
    for wrong in ({"id": str(clock.new_id())}, {"id": "nonsense"}, {"ref": "none"}, {"ref": "r", "uid": "9"}):
        assert (await refused(billing, "notifications.retract", **wrong)).code == -32004
    assert await billing.call("notifications.retract", id=sent["id"]) == {"retracted": 1, "already_read": 0}
    assert await billing.call("notifications.retract", sent["id"]) == {"retracted": 0, "already_read": 0}
    assert await billing.call("inbox.mark_read", uid="7", ref="r")
    assert await billing.call("notifications.retract", ref="r", uid="7") == {"retracted": 2, "already_read": 2}
    assert await billing.call("notifications.retract", ref="r") == {"retracted": 1, "already_read": 0}
    for wrong in ({}, {"id": sent["id"], "ref": "r"}):
        assert (await refused(billing, "notifications.retract", **wrong)).data == [
            {"loc": ["id"], "msg": "give either id or ref"}
        ]


async def test_status_says_what_became_of_each(billing: Caller) -> None:
    """In the order asked, with the moment; other services' and nonsense are unknown."""
    now = clock.now()
    ids = [(await billing.call("notifications.send", uid="7", title="x"))["id"] for _ in range(7)]
    moments: list[dict[str, Any]] = [
        {},
        {"delivered_at": now},
        {"delivered_at": now, "read_at": now},
        {"read_at": now, "confirmed_at": now},
        {"expires_at": now - timedelta(seconds=1), "delivered_at": now},
        {"expires_at": now - timedelta(seconds=1), "read_at": now},
        {"read_at": now, "retracted_at": now},
    ]
    for item_id, changed in zip(ids, moments, strict=True):
        if changed:
            await Notification.objects.filter(id=item_id).aupdate(**changed)
    answer = await billing.call("notifications.status", ids=[*ids, ids[0].upper(), "nonsense", str(clock.new_id())])
    states = ["accepted", "delivered", "read", "confirmed", "expired", "read", "retracted"]
    assert [entry["state"] for entry in answer] == [*states, "accepted", "unknown", "unknown"]
    assert [entry["id"] for entry in answer[:7]] == ids
    assert answer[1]["at"] == timestamp(now)
    assert answer[4]["at"] == timestamp(now - timedelta(seconds=1))
    assert answer[8] == {"id": "nonsense", "state": "unknown", "at": None}
    other = await amake_caller("other")
    assert [e["state"] for e in await other.call("notifications.status", ids=ids)] == ["unknown"] * 7


@pytest.mark.parametrize(("count", "good"), [(0, False), (500, True), (501, False)])
async def test_status_takes_1_to_500_ids(billing: Caller, count: int, good: bool) -> None:
    """At, below and above."""
    if good:
        assert len(await billing.call("notifications.status", ids=["x"] * count)) == count
    else:
        assert (await refused(billing, "notifications.status", ids=["x"] * count)).data[0]["loc"] == ["ids"]


async def test_send_says_whether_the_user_is_online(billing: Caller) -> None:
    """True while this node has a socket of the user's."""
    here = presence.Here()
    presence.serve(here)
    try:
        here.note("7", 1)
        assert (await billing.call("notifications.send", uid="7", title="x"))["online"] is True
        assert (await billing.call("notifications.send", uid="8", title="x"))["online"] is False
    finally:
        presence.serve(None)
