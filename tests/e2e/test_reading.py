"""What is read once stays read, everywhere; and the inbox can be leafed through."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from tests.servers.deployment import Deployment
from tests.servers.sockets import Frame, Socket

pytestmark = pytest.mark.server

UNKNOWN = "01a207b6-45ac-776c-a9b4-312094ad3315"


@asynccontextmanager
async def tabs(deployment: Deployment, uid: str) -> AsyncIterator[tuple[Socket, Socket]]:
    """Two open sockets of one user, on different nodes where there are several."""
    async with deployment.socket(uid, 0) as one, deployment.socket(uid, -1) as two:
        await one.ready()
        await two.ready()
        yield one, two


async def replay(deployment: Deployment, uid: str) -> Frame:
    """What a socket that opens now is sent."""
    async with deployment.socket(uid) as socket:
        return await socket.ready()


async def test_read_in_one_tab_is_read_in_all_and_for_good(deployment: Deployment) -> None:
    """The tab that reads is answered, the other one told; no socket that opens later is sent it, on any node."""
    uid = deployment.new_user()
    async with tabs(deployment, uid) as (one, two):
        first, second = (deployment.business.notify(uid, title) for title in ("First", "Second"))
        await one.wait_item(second)
        await two.wait_item(second)
        answer = await one.read(first, via="popup")
        assert (answer["type"], answer["ids"], answer["unread"]) == ("read", [first], 1)
        news = await two.wait_type("read", 3)
        assert (news["ids"], news["unread"], "ref" in news) == ([first], 1, False)
        # Again, from both: the same answer, no news.
        assert (await one.read(first))["ids"] == (await two.read(first))["ids"] == [first]
        await one.silent("notification")
        assert len([f for f in one.of_type("read") if "ref" not in f]) == 0
    for node in range(len(deployment.nodes)):
        async with deployment.socket(uid, node) as again:
            inbox = await again.ready()
            assert ([item["id"] for item in inbox["items"]], inbox["unread"]) == ([second], 1)


async def test_two_tabs_read_the_same_item_at_once(deployment: Deployment) -> None:
    """Both are answered, and the item is read once."""
    uid = deployment.new_user()
    async with tabs(deployment, uid) as (one, two):
        for n in range(5):
            item_id = deployment.business.notify(uid, f"Item {n}")
            await one.wait_item(item_id)
            await two.wait_item(item_id)
            answers = await asyncio.gather(one.read(item_id), two.read(item_id))
            assert [(a["ids"], a["unread"]) for a in answers] == [([item_id], 0)] * 2
    assert (await replay(deployment, uid))["items"] == []


async def test_an_announcement_is_read_by_each_user_alone(deployment: Deployment) -> None:
    """Alice's reading leaves it unread for Bob; read, it is not replayed to her."""
    alice, bob = deployment.new_user("alice"), deployment.new_user("bob")
    item_id = deployment.business.announce("Summer party")
    async with tabs(deployment, alice) as (one, two):
        await one.wait_item(item_id)
        assert (await one.read(item_id))["ids"] == [item_id]
        await two.wait_for(lambda f: f["type"] == "read" and f["ids"] == [item_id], 3)
    assert item_id not in [item["id"] for item in (await replay(deployment, alice))["items"]]
    assert item_id in [item["id"] for item in (await replay(deployment, bob))["items"]]
    deployment.business.withdraw(item_id)


@pytest.mark.security("S8")
async def test_foreign_and_unknown_ids_look_alike(deployment: Deployment) -> None:
    """Both are left out of the answer, and the other user's item stays unread."""
    alice, bob = deployment.new_user("alice"), deployment.new_user("bob")
    hers, his = deployment.business.notify(alice, "Hers"), deployment.business.notify(bob, "His")
    async with deployment.socket(alice) as socket:
        await socket.ready()
        answer = await socket.read(his, UNKNOWN, "no-uuid", hers)
        assert answer["ids"] == [hers]
        assert (await socket.read(his))["ids"] == []
    assert [item["id"] for item in (await replay(deployment, bob))["items"]] == [his]


async def test_what_needs_a_confirmation_is_read_by_that_alone(deployment: Deployment) -> None:
    """Seen in the list it stays unread; `confirm: true` reads it."""
    uid = deployment.new_user()
    item_id = deployment.business.notify(uid, "Please confirm", confirm=True)
    async with deployment.socket(uid) as socket:
        await socket.ready()
        assert (await socket.read(item_id, via="list"))["ids"] == []
        assert (await socket.read_all(item_id))["ids"] == []
        assert [item["id"] for item in (await replay(deployment, uid))["items"]] == [item_id]
        answer = await socket.read(item_id, via="popup", confirm=True)
        assert (answer["ids"], answer["unread"]) == ([item_id], 0)
    assert (await replay(deployment, uid))["items"] == []


async def test_read_all_takes_everything_up_to_what_was_seen(deployment: Deployment) -> None:
    """It and all older ones are read, newer ones are not; the other tab is told."""
    uid = deployment.new_user()
    async with tabs(deployment, uid) as (one, two):
        ids = [deployment.business.notify(uid, f"Item {n}") for n in range(5)]
        await one.wait_item(ids[-1])
        answer = await one.read_all(ids[2])
        assert (sorted(answer["ids"]), answer["unread"]) == (ids[:3], 2)
        news = await two.wait_type("read", 3)
        assert sorted(news["ids"]) == ids[:3]
    assert [item["id"] for item in (await replay(deployment, uid))["items"]] == ids[3:]


async def test_the_list_is_paged_newest_first(deployment: Deployment) -> None:
    """Pages join without hole or repetition; `unread` and `kind` choose; read items show when they were read."""
    uid = deployment.new_user()
    ids = deployment.business.run(
        "result = [str(notify(uid, 'Item', kind=('a.b', 'c')[n % 2]).id) for n in range(7)]", uid=uid
    )
    async with deployment.socket(uid) as socket:
        await socket.ready()
        await socket.read(ids[0], ids[1])
        seen, before = [], None
        while True:
            page = await socket.list(limit=3, **({"before": before} if before else {}))
            seen += page["items"]
            before = page["next"]
            if before is None:
                break
        assert [item["id"] for item in seen] == ids[::-1]
        assert [item["read_at"] is not None for item in seen] == [False] * 5 + [True] * 2
        assert [i["id"] for i in (await socket.list(unread=True))["items"]] == ids[:1:-1]
        assert [i["id"] for i in (await socket.list(kind="a.b"))["items"]] == ids[::-2]
        assert (await socket.list(kind="nothing"))["items"] == []


async def test_more_unread_than_a_replay_holds(two_kinds: Deployment) -> None:
    """The newest 100 are sent with the true count and `more`; the rest is paged; read, they stay away."""
    uid = two_kinds.new_user()
    ids = two_kinds.business.run("result = [str(notify(uid, 'Item').id) for _ in range(130)]", uid=uid)
    async with two_kinds.socket(uid) as socket:
        inbox = await socket.ready()
        assert [item["id"] for item in inbox["items"]] == ids[30:]
        assert (inbox["unread"], inbox["more"]) == (130, True)
        page = await socket.list(before=inbox["items"][0]["id"], unread=True, limit=100)
        assert ([item["id"] for item in page["items"]], page["next"]) == (ids[29::-1], None)
        assert (await socket.read_all(ids[-1]))["unread"] == 0
    assert (await replay(two_kinds, uid))["unread"] == 0


async def test_the_http_api_and_the_socket_show_one_inbox(deployment: Deployment) -> None:
    """Listed, counted and read by HTTP; the open socket is told, and nothing comes again."""
    uid = deployment.new_user()
    ids = [deployment.business.notify(uid, f"Item {n}") for n in range(4)]
    headers = {"Authorization": f"Bearer {deployment.token(uid)}"}
    url = f"{deployment.nodes[0].url}/api/notifications/"
    async with deployment.socket(uid) as socket, httpx.AsyncClient(base_url=url, headers=headers) as client:
        await socket.ready()
        page = (await client.get("", params={"limit": 3})).json()
        assert ([item["id"] for item in page["items"]], page["unread"]) == (ids[:0:-1], 4)
        rest = (await client.get("", params={"before": page["next"]})).json()
        assert ([item["id"] for item in rest["items"]], rest["next"]) == (ids[:1], None)
        assert (await client.get("unread/")).json() == {"unread": 4}
        done = (await client.post("read/", json={"ids": [ids[3], UNKNOWN], "via": "list"})).json()
        assert done == {"ids": [ids[3]], "unread": 3}
        news = await socket.wait_type("read", 3)
        assert (news["ids"], news["unread"]) == ([ids[3]], 3)
        done = (await client.post("read/", json={"before": ids[1]})).json()
        assert (sorted(done["ids"]), done["unread"]) == (ids[:2], 1)
        wrong = await client.post("read/", json={"ids": "all"})
        assert (wrong.status_code, wrong.headers["content-type"]) == (400, "application/problem+json")
    assert [item["id"] for item in (await replay(deployment, uid))["items"]] == [ids[2]]
