"""`announcements.*`, `inbox.*`, `connections.*` and `service.*` through the door."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User

from notifications import __version__, clock, node, presence
from notifications.models import Announcement, Disconnection
from notifications.protocol.items import timestamp
from tests.peers import Peer
from tests.rpc.caller import Caller, Failed, amake_caller
from tests.rpc.test_notifications import refused
from tests.servers.process import aeventually


def soon(**delta: float) -> str:
    """A moment from now on, as it is written."""
    return timestamp(clock.now() + timedelta(**delta)) or ""


@pytest.fixture
async def running_node(transactional_db: None) -> AsyncIterator[node.Node]:
    """The node of this test's event loop."""
    yield node.current()
    await node.stop()


# --- announcements


async def test_create_publishes_at_once_later_or_not(billing: Caller) -> None:
    """`status` says which."""
    live = await billing.call("announcements.create", title="a", ends_at=soon(hours=1))
    scheduled = await billing.call("announcements.create", title="b", starts_at=soon(minutes=1), ends_at=soon(hours=1))
    draft = await billing.call("announcements.create", title="c", ends_at=soon(hours=1), publish=False)
    begun = await billing.call("announcements.create", title="d", starts_at=soon(minutes=-1), ends_at=soon(hours=1))
    assert [entry["status"] for entry in (live, scheduled, draft, begun)] == ["live", "scheduled", "draft", "live"]
    for entry in (live, scheduled, draft, begun):
        row = await Announcement.objects.aget(id=entry["id"])
        assert (row.status.value, row.source) == (entry["status"], "billing")
        assert set(entry) == {"id", "status"}


async def test_create_takes_its_parameters_by_position(billing: Caller) -> None:
    """In the contract's order."""
    end = soon(hours=1)
    made = await billing.call(
        "announcements.create",
        "t",
        "b",
        "k.k",
        "warning",
        "/u",
        {"x": 1},
        "banner",
        True,
        None,
        end,
        False,
        False,
        "key",
    )
    row = await Announcement.objects.aget(id=made["id"])
    found = (row.title, row.body, row.kind, row.level, row.url, row.data, row.display, row.confirm, row.late_join)
    assert found == ("t", "b", "k.k", "warning", "/u", {"x": 1}, "banner", True, False)
    assert timestamp(row.ends_at) == end
    assert made["status"] == "draft"


async def test_create_is_answered_the_same_under_its_key(billing: Caller) -> None:
    """What it was made as, although a schedule has begun since."""
    given = {"title": "a", "starts_at": soon(seconds=60), "ends_at": soon(hours=1), "idempotency_key": "k"}
    first = await billing.call("announcements.create", **given)
    now = clock.now()
    await Announcement.objects.aupdate(live_at=now, created_at=now - timedelta(seconds=60))
    again = await billing.call("announcements.create", **given)
    assert again == first | {"duplicate": True}
    assert (await refused(billing, "announcements.create", **given | {"title": "b"})).code == -32009
    assert await Announcement.objects.acount() == 1


@pytest.mark.parametrize(
    ("wrong", "loc"),
    [
        ({"title": ""}, "title"),
        ({"ends_at": None}, "ends_at"),
        ({"ends_at": "2001-01-01T00:00:00Z"}, "ends_at"),
        ({"starts_at": "2099-01-01T00:00:00Z"}, "ends_at"),
        ({"late_join": 1}, "late_join"),
        ({"publish": "yes"}, "publish"),
        ({"ref": "r"}, "ref"),
        ({"uid": "7"}, "uid"),
    ],
)
async def test_create_names_what_is_wrong(billing: Caller, wrong: dict[str, Any], loc: str) -> None:
    """An announcement has no ref and no uid."""
    error = await refused(billing, "announcements.create", **{"title": "a", "ends_at": soon(hours=1)} | wrong)
    assert (error.code, [e["loc"] for e in error.data]) == (-32602, [[loc]])
    assert await Announcement.objects.acount() == 0


async def test_an_announcement_needs_an_end(billing: Caller) -> None:
    """There is no default."""
    assert (await refused(billing, "announcements.create", title="a")).data == [
        {"loc": ["ends_at"], "msg": "Field required"}
    ]


async def test_what_has_not_begun_has_reached_nobody(billing: Caller) -> None:
    """A draft or a scheduled announcement: whoever is there, it is in no inbox yet."""
    await User.objects.acreate_user("somebody")
    for begins, reached in (({"publish": False}, 0), ({"starts_at": soon(minutes=30)}, 0), ({}, 1)):
        made = await billing.call("announcements.create", title="a", ends_at=soon(hours=1), **begins)
        assert (await billing.call("announcements.stats", id=made["id"]))["reached"] == reached


async def test_retract_and_stats_are_for_the_maker_only(billing: Caller) -> None:
    """Others' and missing ones are not found alike; retracting again says so."""
    made = await billing.call("announcements.create", title="a", ends_at=soon(hours=1))
    other = await amake_caller("other")
    for method in ("announcements.retract", "announcements.stats"):
        for caller, wrong in ((other, made["id"]), (billing, "nonsense"), (billing, str(clock.new_id()))):
            assert (await refused(caller, method, id=wrong)).code == -32004
    stats = await billing.call("announcements.stats", id=made["id"])
    assert (stats["status"], stats["reached"], stats["read"], stats["confirmed"]) == ("live", 0, 0, 0)
    assert stats["median_seconds"] is None
    assert await billing.call("inbox.mark_read", uid="7", ids=[made["id"]]) == {"ids": [made["id"]], "unread": 0}
    stats = await billing.call("announcements.stats", id=made["id"])
    assert stats["read"] == 1
    assert stats["median_seconds"] >= 0
    assert await billing.call("announcements.retract", id=made["id"]) == {"retracted": True}
    assert await billing.call("announcements.retract", made["id"]) == {"retracted": False}
    assert (await billing.call("announcements.stats", id=made["id"]))["status"] == "withdrawn"


# --- inbox


async def test_list_pages_through_an_inbox(billing: Caller) -> None:
    """Newest first, announcements among them, in the wire's form."""
    for index in range(3):
        await billing.call("notifications.send", uid="7", title=f"{index}", ref="r")
    await billing.call("announcements.create", title="all", ends_at=soon(hours=1))
    page = await billing.call("inbox.list", uid="7", limit=2)
    assert [item["title"] for item in page["items"]] == ["all", "2"]
    assert page["unread"] == 4
    assert page["items"][1]["audience"] == "user"
    assert page["items"][0]["live"] is False
    rest = await billing.call("inbox.list", "7", page["next"], 2)
    assert [item["title"] for item in rest["items"]] == ["1", "0"]
    assert rest["next"] is None
    await billing.call("inbox.mark_read", uid="7", ref="r")
    unread = await billing.call("inbox.list", uid="7", unread=True)
    assert [item["title"] for item in unread["items"]] == ["all"]


@pytest.mark.parametrize(
    "wrong",
    [{"limit": 0}, {"limit": 101}, {"limit": "5"}, {"limit": True}, {"before": "x"}, {"unread": 1}, {"uid": ""}],
)
async def test_list_names_what_is_wrong(billing: Caller, wrong: dict[str, Any]) -> None:
    """At the limits of `limit` it is good."""
    error = await refused(billing, "inbox.list", **{"uid": "7"} | wrong)
    assert [e["loc"] for e in error.data] == [[next(iter(wrong))]]
    for limit in (1, 100):
        assert (await billing.call("inbox.list", uid="7", limit=limit))["items"] == []


async def test_unread_count_answers_for_each(billing: Caller) -> None:
    """Those without any too; 1 to 1,000 uids."""
    await billing.call("notifications.send", uid="7", title="x")
    assert await billing.call("inbox.unread_count", uids=["7", 8]) == {"7": 1, "8": 0}
    assert len(await billing.call("inbox.unread_count", uids=list(range(1000)))) == 1000
    for uids in ([], list(range(1001)), ["7", ""]):
        assert (await refused(billing, "inbox.unread_count", uids=uids)).code == -32602


@pytest.mark.security("S8")
async def test_mark_read_by_ids_leaves_out_what_is_not_the_users(billing: Caller) -> None:
    """And what needs a confirmation; by `ref` that is confirmed too."""
    mine = (await billing.call("notifications.send", uid="7", title="x"))["id"]
    asks = (await billing.call("notifications.send", uid="7", title="x", confirm=True, ref="r"))["id"]
    theirs = (await billing.call("notifications.send", uid="8", title="x"))["id"]
    read = await billing.call("inbox.mark_read", uid="7", ids=[mine, asks, theirs, "nonsense"])
    assert read == {"ids": [mine], "unread": 1}
    assert await billing.call("inbox.mark_read", uid="7", ref="r") == {"ids": [asks], "unread": 0}
    states = await billing.call("notifications.status", ids=[mine, asks, theirs])
    assert [state["state"] for state in states] == ["read", "confirmed", "accepted"]
    wrongs: list[dict[str, Any]] = [{}, {"ids": [mine], "ref": "r"}, {"ids": []}, {"ids": [mine] * 201}]
    for wrong in wrongs:
        assert (await refused(billing, "inbox.mark_read", uid="7", **wrong)).code == -32602


async def test_a_read_by_reference_clears_it_on_every_screen(billing: Caller, running_node: node.Node) -> None:
    """The user's sockets are told."""
    sent = await billing.call("notifications.send", uid="7", title="x", ref="r")
    peer = await Peer(running_node.hub, "7").open(None)
    await billing.call("inbox.mark_read", uid="7", ref="r")
    await aeventually(lambda: peer.of("read"))
    assert peer.of("read")[0]["ids"] == [sent["id"]]


# --- connections


async def test_online_counts_sockets_and_disconnect_closes_them(billing: Caller, running_node: node.Node) -> None:
    """`closed` is how many there were."""
    peers = [await Peer(running_node.hub, "7").age(1).open() for _ in range(2)]
    assert await billing.call("connections.online", uids=["7", 8]) == {"7": 2, "8": 0}
    assert (await billing.call("notifications.send", uid="7", title="x"))["online"] is True
    assert await billing.call("connections.disconnect", uid="7") == {"closed": 2}
    await aeventually(lambda: all(peer.closed is not None for peer in peers))
    assert {peer.closed for peer in peers} == {4003}
    assert await billing.call("connections.online", uids=["7"]) == {"7": 0}
    assert await billing.call("connections.disconnect", uid="7") == {"closed": 0}


async def test_online_takes_1_to_1000_uids(billing: Caller) -> None:
    """At, below and above."""
    assert len(await billing.call("connections.online", uids=list(range(1000)))) == 1000
    for uids in ([], list(range(1001))):
        assert (await refused(billing, "connections.online", uids=uids)).data[0]["loc"] == ["uids"]


async def test_presence_that_is_away_is_said(billing: Caller, settings: Any) -> None:
    """`connections.online` asks to be repeated; sending and disconnecting go on."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": ["redis://127.0.0.1:1"]}
    error = await refused(billing, "connections.online", uids=["7"])
    assert (error.code, error.data) == (-32050, {"retryable": True})
    here = presence.Here()
    presence.serve(here)
    here.note("7", 1)
    try:
        assert (await billing.call("notifications.send", uid="7", title="x"))["online"] is True
        assert await billing.call("connections.disconnect", uid="7") == {"closed": 1}
    finally:
        presence.serve(None)
    assert await Disconnection.objects.acount() == 1


# --- delivered


async def test_what_reached_a_socket_is_delivered(billing: Caller, running_node: node.Node) -> None:
    """By push and by replay, stored within about a second; what a page of the list gave is so at once."""
    replayed = (await billing.call("notifications.send", uid="7", title="x"))["id"]
    elsewhere = (await billing.call("notifications.send", uid="8", title="x"))["id"]
    await Peer(running_node.hub, "7").open(None)
    pushed = (await billing.call("notifications.send", uid="7", title="y"))["id"]

    async def states() -> list[str]:
        answer = await billing.call("notifications.status", ids=[replayed, pushed, elsewhere])
        return [entry["state"] for entry in answer]

    seen: list[str] = []
    async with asyncio.timeout(10):
        while seen != ["delivered", "delivered", "accepted"]:
            seen = await states()
    await billing.call("inbox.list", uid="8")
    assert await states() == ["delivered", "delivered", "delivered"]


# --- service


async def test_info_tells_name_scopes_version_and_time(transactional_db: None) -> None:
    """A check of address, key and scopes."""
    caller = await amake_caller("reports", ["inbox", "notify"])
    info = await caller.call("service.info")
    assert (info["name"], info["scopes"], info["version"]) == ("reports", ["inbox", "notify"], __version__)
    assert info["time"][:4].isdigit()
    with pytest.raises(Failed):
        await caller.call("service.info", 1)
