"""Other systems call by JSON-RPC: what they send arrives, what they may not do is refused."""

import asyncio

import pytest

from tests.servers.deployment import Deployment
from tests.servers.node import RpcError

pytestmark = pytest.mark.server

UNKNOWN = "01a207b6-45ac-776c-a9b4-312094ad3315"


async def test_send_reaches_the_user_and_status_follows_it(two_kinds: Deployment) -> None:
    """By name and by position; `online` tells; the state goes from accepted or delivered to read."""
    uid, offline = two_kinds.new_user(), two_kinds.new_user()
    async with two_kinds.rpc(two_kinds.service_key()) as rpc, two_kinds.socket(uid) as socket:
        await socket.ready()
        sent = await rpc.call("notifications.send", uid=uid, title="Top-up arrived", ref="order-42", data={"n": 1})
        assert (sent["duplicate"], sent["online"]) == (False, True)
        item = await socket.wait_item(sent["id"], 2)
        assert (item["title"], item["ref"], item["data"], item["live"]) == (
            "Top-up arrived",
            "order-42",
            {"n": 1},
            True,
        )
        other = await rpc.call("notifications.send", offline, "By position", "Body")
        assert other["online"] is False
        await socket.read(sent["id"])
        states = await rpc.call("notifications.status", ids=[sent["id"], other["id"], UNKNOWN])
        assert [state["state"] for state in states] == ["read", "accepted", "unknown"]
        listed = await rpc.call("inbox.list", uid=offline)
        assert ([item["id"] for item in listed["items"]], listed["unread"]) == ([other["id"]], 1)
        assert await rpc.call("inbox.unread_count", uids=[uid, offline]) == {uid: 0, offline: 1}


async def test_send_many_and_multicast_reach_each_user(two_kinds: Deployment) -> None:
    """Good ones go out, each bad one is named with its index."""
    uids = [two_kinds.new_user() for _ in range(3)]
    async with two_kinds.rpc(two_kinds.service_key("notify")) as rpc, two_kinds.socket(uids[1]) as socket:
        await socket.ready()
        many = await rpc.call(
            "notifications.send_many", items=[{"uid": uids[0], "title": "A"}, {"uid": uids[1], "title": ""}]
        )
        assert (many["accepted"], many["rejected"]) == (1, 1)
        assert [("id" in r, "error" in r) for r in many["results"]] == [(True, False), (False, True)]
        cast = await rpc.call("notifications.multicast", uids=uids, title="To three")
        assert (cast["accepted"], cast["rejected"]) in ((3, 0), (3, []))
        await socket.wait_for(lambda f: f.get("title") == "To three", 2)


async def test_fifty_calls_with_one_key_make_one_row(two_kinds: Deployment) -> None:
    """In parallel, over all nodes: one id, one push; other content with the same key is -32009."""
    uid = two_kinds.new_user()
    key = two_kinds.service_key("notify")
    async with two_kinds.rpc(key, 0) as one, two_kinds.rpc(key, -1) as two, two_kinds.socket(uid) as socket:
        await socket.ready()
        call = {"uid": uid, "title": "Once", "idempotency_key": f"once-{uid}"}
        answers = []
        for _ in range(5):
            answers += await asyncio.gather(*(rpc.call("notifications.send", **call) for rpc in [one, two] * 5))
        assert len({answer["id"] for answer in answers}) == 1
        assert sorted(answer["duplicate"] for answer in answers) == [False] + [True] * 49
        with pytest.raises(RpcError) as reused:
            await one.call("notifications.send", **{**call, "title": "Other"})
        assert reused.value.code == -32009
        await socket.wait_item(answers[0]["id"])
        await socket.silent("inbox")
        assert socket.items == [answers[0]["id"]]
        assert len((await socket.list())["items"]) == 1


async def test_an_announcement_by_rpc_reaches_all_and_is_taken_back(two_kinds: Deployment) -> None:
    """Made, seen, counted, retracted."""
    uid = two_kinds.new_user()
    async with two_kinds.rpc(two_kinds.service_key("announce")) as rpc, two_kinds.socket(uid) as socket:
        await socket.ready()
        made = await rpc.call("announcements.create", title="To all", ends_at="2099-01-01T00:00:00Z")
        assert made["status"] == "live"
        item = await socket.wait_for(lambda f: f.get("title") == "To all", 2)
        await socket.read(item["id"])
        stats = await rpc.call("announcements.stats", id=made["id"])
        assert (stats["status"], stats["read"]) == ("live", 1)
        assert await rpc.call("announcements.retract", id=made["id"]) == {"retracted": True}
        await socket.wait_for(lambda f: f["type"] == "retracted" and f["ids"] == [item["id"]], 3)


async def test_connections_are_counted_and_closed_on_every_node(uvicorn_deployment: Deployment) -> None:
    """`online` counts the sockets of all nodes, `disconnect` closes them with 4003."""
    uid, other = uvicorn_deployment.new_user(), uvicorn_deployment.new_user()
    key = uvicorn_deployment.service_key("connections")
    async with (
        uvicorn_deployment.rpc(key) as rpc,
        uvicorn_deployment.socket(uid, 0) as one,
        uvicorn_deployment.socket(uid, 1) as two,
    ):
        await one.ready()
        await two.ready()
        for _ in range(100):
            counted = await rpc.call("connections.online", uids=[uid, other])
            if counted == {uid: 2, other: 0}:
                break
            await asyncio.sleep(0.02)
        assert counted == {uid: 2, other: 0}
        assert await rpc.call("connections.disconnect", uid=uid) == {"closed": 2}
        assert await one.wait_closed(3) == 4003
        assert await two.wait_closed(3) == 4003


async def test_without_a_good_key_or_its_scope_nothing_is_done(two_kinds: Deployment) -> None:
    """-32001 and -32003, and no item."""
    uid = two_kinds.new_user()
    async with two_kinds.rpc("prefix.secret") as stranger, two_kinds.rpc(two_kinds.service_key("inbox")) as reader:
        for rpc, code in ((stranger, -32001), (reader, -32003)):
            with pytest.raises(RpcError) as refused:
                await rpc.call("notifications.send", uid=uid, title="No")
            assert refused.value.code == code
        assert (await reader.call("inbox.list", uid=uid))["items"] == []


async def test_bad_calls_get_the_standards_errors(two_kinds: Deployment) -> None:
    """Broken JSON, no request, unknown method, wrong parameters, too much: each its code, and never a 500."""
    uid = two_kinds.new_user()
    call = {"jsonrpc": "2.0", "id": 1, "method": "notifications.send"}
    async with two_kinds.rpc(two_kinds.service_key()) as rpc:
        bad = [
            (b"{", -32700),
            (b"\xff\xfe", -32700),
            (b'{"jsonrpc":"2.0","id":1,"method":"service.info","params":{"x":NaN}}', -32700),
            (b"[" * 5000 + b"]" * 5000, -32700),
            (b"7", -32600),
            (b"[]", -32600),
            ({"id": 1}, -32600),
            ({**call, "method": "rpc.discover"}, -32601),
            ({**call, "method": "system.listMethods"}, -32601),
            ({**call, "method": "nothing.here"}, -32601),
            ({**call, "params": {"uid": uid}}, -32602),
            ({**call, "params": {"uid": uid, "title": "x" * 201}}, -32602),
            ({**call, "params": {"uid": uid, "title": "x", "url": "javascript:alert(1)"}}, -32602),
            # NUL is refused while the text is still being parsed.
            ({**call, "params": {"uid": uid, "title": "\u0000"}}, -32700),
            ({**call, "params": {"uid": uid, "title": "x", "source": "me"}}, -32602),
            (b" " * (256 * 1024 + 1), -32013),
            ([{**call, "params": {"uid": uid, "title": "x"}}] * 51, -32013),
        ]
        for body, code in bad:
            response = await rpc.post(body)
            assert response.status_code < 500, body
            answer = response.json()
            answer = answer[0] if isinstance(answer, list) else answer
            assert answer["error"]["code"] == code, (body, answer)
        # A one-way call of a writing method changes nothing.
        await rpc.post({"jsonrpc": "2.0", "method": "notifications.send", "params": {"uid": uid, "title": "One way"}})
        assert (await rpc.call("inbox.list", uid=uid))["items"] == []
        info = await rpc.call("service.info")
        assert info["name"] == "billing"
