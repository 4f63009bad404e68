"""What is sent arrives: at whom it is for, on every node, once, whole; and what was not sent does not."""

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.servers.deployment import Deployment
from tests.servers.node import BusinessError
from tests.servers.sockets import Socket

pytestmark = pytest.mark.server


async def test_a_socket_is_welcomed_and_gets_what_is_unread(deployment: Deployment) -> None:
    """`welcome` first, `inbox` second, with the unread items, oldest first."""
    uid = deployment.new_user()
    ids = [deployment.business.notify(uid, f"Number {n}") for n in range(3)]
    async with deployment.socket(uid) as socket:
        inbox = await socket.ready()
        welcome = socket.frames[0]
        assert welcome["type"] == "welcome"
        assert welcome["protocol"] == 1
        assert welcome["uid"] == uid
        assert welcome["unread"] == 3
        assert welcome["heartbeat"] == {"interval": 25, "timeout": 35}
        assert welcome["connection"]
        for moment in ("server_time", "token_expires_at"):
            assert datetime.fromisoformat(welcome[moment]) > datetime(2026, 1, 1, tzinfo=UTC)
        assert socket.frames[1] is inbox
        assert [item["id"] for item in inbox["items"]] == ids == sorted(ids)
        assert (inbox["unread"], inbox["more"]) == (3, False)
        assert all(item["live"] is False for item in inbox["items"])


async def test_a_push_reaches_every_socket_of_the_user_and_nobody_else(deployment: Deployment) -> None:
    """Two tabs on each node get it within a second, whole and live; another user's sockets get nothing."""
    alice, bob = deployment.new_user("alice"), deployment.new_user("bob")
    nodes = range(len(deployment.nodes))
    tabs = [deployment.socket(alice, node) for node in (*nodes, *nodes)]
    others = [deployment.socket(bob, node) for node in nodes]
    for socket in (*tabs, *others):
        await socket.open()
        await socket.ready()
    expires_at = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)
    sent_at = time.monotonic()
    item_id = deployment.business.run(
        "from datetime import datetime\n"
        "result = notify(uid, 'Ünïcode 通知 <b>', 'Body\\nof two lines', kind='recharge.succeeded', level='success',"
        " url='/wallet/42', data={'n': [1, 2.5, None]}, ref='order-42', display='banner', confirm=True,"
        " expires_at=datetime.fromisoformat(expires_at)).id",
        uid=alice,
        expires_at=expires_at.isoformat(),
    )
    for socket in tabs:
        frame = await socket.wait_item(item_id, 2)
        assert socket.moment_of(lambda f: f.get("id") == item_id) - sent_at < 1
        assert frame.pop("created_at").endswith("Z")
        assert datetime.fromisoformat(frame.pop("expires_at")) == expires_at
        assert frame == {
            "type": "notification",
            "id": item_id,
            "audience": "user",
            "kind": "recharge.succeeded",
            "level": "success",
            "title": "Ünïcode 通知 <b>",
            "body": "Body\nof two lines",
            "url": "/wallet/42",
            "data": {"n": [1, 2.5, None]},
            "ref": "order-42",
            "display": "banner",
            "confirm": True,
            "read_at": None,
            "live": True,
            "unread": 1,
        }
    for socket in others:
        await socket.silent("notification", "inbox")
    for socket in (*tabs, *others):
        assert socket.items.count(item_id) == (1 if socket in tabs else 0)
        await socket.close()


async def test_an_announcement_reaches_everyone_and_goes_when_it_is_withdrawn(deployment: Deployment) -> None:
    """Users on every node get it at once; who comes later finds it in the inbox; withdrawn, it leaves every screen."""
    users = [deployment.new_user() for _ in range(4)]
    sockets = [deployment.socket(uid, n % len(deployment.nodes)) for n, uid in enumerate(users[:3])]
    for socket in sockets:
        await socket.open()
        await socket.ready()
    item_id = deployment.business.announce("Maintenance at ten", body="The site closes.")
    async with deployment.socket(users[3]) as late:
        frames = [await socket.wait_item(item_id, 2) for socket in (*sockets, late)]
        assert {(f["audience"], f["title"]) for f in frames} == {("everyone", "Maintenance at ten")}
        assert [f["live"] for f in frames] == [True, True, True, False]
        deployment.business.withdraw(item_id)
        for socket in (*sockets, late):
            gone = await socket.wait_type("retracted", 2)
            assert (gone["ids"], gone["unread"]) == ([item_id], 0)
    for socket in sockets:
        await socket.close()
    async with deployment.socket(users[0]) as again:
        assert item_id not in [item["id"] for item in (await again.ready())["items"]]


async def test_an_announcement_comes_due_by_itself(two_kinds: Deployment) -> None:
    """One that starts in a second is pushed within two seconds of its start, and not before; at its end it goes."""
    uid = two_kinds.new_user()
    async with two_kinds.socket(uid) as socket:
        await socket.ready()
        begins = time.time() + 1
        item_id = two_kinds.business.run(
            "from datetime import datetime, UTC\n"
            "moment = lambda t: datetime.fromtimestamp(t, UTC)\n"
            "result = announce('Soon', starts_at=moment(begins), ends_at=moment(begins + 2)).id",
            begins=begins,
        )
        await socket.wait_for(lambda f: f["type"] == "notification" and f["title"] == "Soon", 5)
        assert begins - 0.05 <= time.time() <= begins + 2.2
        gone = await socket.wait_type("retracted", 5)
        assert gone["ids"] == [socket.pushed[-1]]
        assert time.time() <= begins + 4.2
        assert item_id


async def test_what_is_rolled_back_is_never_seen(deployment: Deployment) -> None:
    """`notify` in a transaction that fails sends nothing, in one that commits it sends one frame after the commit."""
    uid = deployment.new_user()
    async with deployment.socket(uid) as socket:
        await socket.ready()
        with pytest.raises(BusinessError, match="ZeroDivisionError"):
            deployment.business.run("with transaction.atomic():\n notify(uid, 'Never')\n 1 / 0", uid=uid)
        kept = deployment.business.run(
            "with transaction.atomic():\n result = notify(uid, 'Kept').id\n"
            " try:\n  with transaction.atomic():\n   notify(uid, 'Undone')\n   1 / 0\n except ZeroDivisionError: pass",
            uid=uid,
        )
        await socket.wait_item(kept, 2)
        page = await socket.list()
        assert [item["title"] for item in page["items"]] == ["Kept"]
        await asyncio.sleep(2.5)  # two looks of the tail: what it would repair has come by then
        await socket.silent("notification")
        assert socket.pushed == [kept]


async def test_a_retracted_item_leaves_every_screen(deployment: Deployment) -> None:
    """By id or by reference: open sockets on each node are told, a new one does not see it."""
    uid = deployment.new_user()
    sockets = [deployment.socket(uid, n) for n in range(len(deployment.nodes))]
    for socket in sockets:
        await socket.open()
        await socket.ready()
    by_id = deployment.business.notify(uid, "By id")
    by_ref = deployment.business.notify(uid, "By reference", ref=f"order-{uid}")
    for socket in sockets:
        await socket.wait_item(by_ref)
    assert deployment.business.run("result = retract(i)", i=by_id) == {"retracted": 1, "already_read": 0}
    assert deployment.business.run("result = retract(ref=r)", r=f"order-{uid}") == {"retracted": 1, "already_read": 0}
    for socket in sockets:
        first = await socket.wait_type("retracted", 3)
        assert (first["ids"], first["unread"]) == ([by_id], 1)
        await socket.wait_for(lambda f: f["type"] == "retracted" and f["ids"] == [by_ref], 3)
        await socket.close()
    async with deployment.socket(uid) as again:
        assert (await again.ready())["items"] == []


async def test_nothing_published_while_a_socket_opens_is_lost_or_doubled(deployment: Deployment) -> None:
    """While one user opens sockets, items come out in a stream: each socket gets each once, by inbox or by push."""
    uid = deployment.new_user()
    publishing = asyncio.get_running_loop().run_in_executor(
        None,
        lambda: deployment.business.run(
            "import time\nresult = []\nfor n in range(60):\n"
            " result.append(str(notify(uid, 'Item %d' % n).id))\n time.sleep(0.01)",
            uid=uid,
        ),
    )
    sockets: list[Socket] = []
    while not publishing.done() and len(sockets) < 8:
        sockets.append(await deployment.socket(uid, len(sockets) % len(deployment.nodes)).open())
        await asyncio.sleep(0.05)  # spreads the openings over the stream
    ids = await publishing
    for socket in sockets:
        for item_id in ids:
            await socket.wait_item(item_id)
        await socket.silent("read")
        assert sorted(socket.items) == ids
        await socket.close()
    assert len(sockets) > 3
