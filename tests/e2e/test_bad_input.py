"""Bad input of every kind gets its error, and other users' sockets do not notice."""

import asyncio
import json

import pytest

from tests.servers.deployment import Deployment
from tests.servers.sockets import Socket

pytestmark = pytest.mark.server

# Unmasked frames, reserved bits and opcodes, compression that was not agreed upon, a fragment that is not masked.
GARBAGE = (b"\x00" * 64, b"\xff" * 64, b"\x8f\x80\x00\x00\x00\x00", b"\xc1\x85\x01\x02\x03\x04hello", b"\x01\x00")

INVALID_JSON = {
    "empty": "",
    "words": "hello",
    "cut": '{"type":"ping"',
    "two": '{"type":"ping"}{"type":"ping"}',
    "NaN": '{"type":"ping","ref":NaN}',
    "Infinity": '{"type":"ping","ref":-Infinity}',
    "overflow": '{"type":"ping","ref":1e999}',
    "huge integer": '{"type":"ping","ref":' + "9" * 5000 + "}",
    "duplicate keys": '{"type":"ping","type":"ping"}',
    "deep": '{"type":"ping","x":' + "[" * 2000 + "]" * 2000 + "}",
    "lone surrogate": '{"type":"ping","ref":"\\ud800"}',
    "NUL": '{"type":"ping","ref":"\\u0000"}',
}
INVALID_FRAME = {
    "array": "[]",
    "number": "1",
    "text": '"ping"',
    "null": "null",
    "no type": "{}",
    "type of another kind": '{"type":7}',
    "unknown type": '{"type":"publish"}',
    "a server's type": '{"type":"welcome"}',
    "dunder": '{"type":"__init__"}',
    "method": '{"type":"websocket.disconnect"}',
    "ref of another kind": '{"type":"ping","ref":{}}',
    "read without ids": '{"type":"read"}',
    "read of nothing": '{"type":"read","ids":[]}',
    "read of numbers": '{"type":"read","ids":[1]}',
    "read of 201": json.dumps({"type": "read", "ids": [str(n) for n in range(201)]}),
    "read by mail": '{"type":"read","ids":["x"],"via":"mail"}',
    "confirm of another kind": '{"type":"read","ids":["x"],"confirm":"yes"}',
    "read_all without before": '{"type":"read_all"}',
    "read_all before no id": '{"type":"read_all","before":"yesterday"}',
    "list of none": '{"type":"list","limit":0}',
    "list of 101": '{"type":"list","limit":101}',
    "list before no id": '{"type":"list","before":"x"}',
    "list of a bad kind": '{"type":"list","kind":"A b"}',
    "list unread of another kind": '{"type":"list","unread":1}',
    "auth without token": '{"type":"auth"}',
    "auth with a number": '{"type":"auth","token":1}',
}


async def error_to(socket: Socket, data: str | bytes) -> str:
    """The code of the error that answers this frame."""
    before = len(socket.received)
    await socket.send_raw(data)
    frame = await socket.wait_type("error", after=before)
    assert frame["message"]
    return str(frame["code"])


@pytest.mark.security("S10")
@pytest.mark.parametrize("code", ["invalid_json", "invalid_frame"])
async def test_each_bad_frame_gets_its_error_and_nobody_else_notices(two_kinds: Deployment, code: str) -> None:
    """Two bad frames a socket are answered and leave it open; a bystander's socket goes on as if nothing were."""
    bad = INVALID_JSON if code == "invalid_json" else INVALID_FRAME
    uid, other = two_kinds.new_user(), two_kinds.new_user()
    async with two_kinds.socket(other) as bystander:
        await bystander.ready()
        names = list(bad)
        for pair in zip(names[::2], names[1::2], strict=True):
            async with two_kinds.socket(uid) as socket:
                for name in pair:
                    assert await error_to(socket, bad[name]) == code, name
                await socket.ping()
        item_id = two_kinds.business.notify(other, "Still here")
        assert await bystander.wait_item(item_id)
        assert not bystander.of_type("error")


async def test_binary_frames_are_invalid(deployment: Deployment) -> None:
    """Whatever is in them."""
    async with deployment.socket(deployment.new_user()) as socket:
        assert await error_to(socket, b'{"type":"ping"}') == "invalid_frame"
        assert await error_to(socket, b"\xff\xfe\x00") == "invalid_frame"
        await socket.ping()


@pytest.mark.security("S9")
async def test_the_third_invalid_frame_ends_the_socket(deployment: Deployment) -> None:
    """It still gets its error, then 4007."""
    async with deployment.socket(deployment.new_user()) as socket:
        await socket.ready()
        for _ in range(3):
            await socket.send_raw("nonsense")
        assert await socket.wait_closed() == 4007
        assert len(socket.of_type("error")) == 3


@pytest.mark.security("S9")
async def test_sizes_at_below_and_above_the_limit(deployment: Deployment) -> None:
    """8 KiB is good, a byte more is `too_large` and no offence; over 64 KiB the server itself closes with 1009."""
    uid = deployment.new_user()
    async with deployment.socket(uid) as socket:
        await socket.ready()
        frame = json.dumps({"type": "ping", "ref": "fits", "x": ""})
        fits = frame[:-2] + "x" * (8192 - len(frame)) + frame[-2:]
        assert len(fits) == 8192
        await socket.send_raw(fits)
        await socket.wait_for(lambda f: f.get("ref") == "fits")
        for _ in range(4):
            assert await error_to(socket, fits + " ") == "too_large"
        assert await error_to(socket, '{"type":"ping","x":"' + "é" * 4096 + '"}') == "too_large"
        await socket.ping()
        await socket.send_raw("x" * 70_000)
        assert await socket.wait_closed() in (1009, 1006)


@pytest.mark.security("S9")
async def test_no_more_than_120_frames_a_minute(deployment: Deployment) -> None:
    """120 are answered, the next get `rate_limited`, whoever goes on is sent away with 4101; another user is not."""
    uid, other = deployment.new_user(), deployment.new_user()
    async with deployment.socket(uid) as socket, deployment.socket(other) as bystander:
        await socket.ready()
        for n in range(120):
            await socket.send(type="ping", ref=n)
        await socket.wait_for(lambda f: f.get("ref") == 119)
        assert not socket.of_type("error")
        for n in range(200):
            await socket.send(type="ping", ref=200 + n)
        assert await socket.wait_closed() == 4101
        assert {f["code"] for f in socket.of_type("error")} == {"rate_limited"}
        assert len(socket.of_type("pong")) == 120
        await bystander.ping()


async def test_unknown_fields_are_ignored_and_refs_come_back(two_kinds: Deployment) -> None:
    """A text or a number as `ref` is returned as it was given; a request without one gets its answer without."""
    async with two_kinds.socket(two_kinds.new_user()) as socket:
        await socket.ready()
        for ref in ("x", "", 0, -1, 1.5, 2**53):
            answer = await socket.ask("ping", ref=ref, more={"nested": [None]})
            assert (answer["type"], answer["ref"]) == ("pong", ref)
        before = len(socket.received)
        await socket.send(type="ping")
        assert "ref" not in await socket.wait_type("pong", after=before)


@pytest.mark.security("S5")
async def test_a_bad_token_in_auth_is_an_error_and_another_users_ends_the_socket(deployment: Deployment) -> None:
    """A bad one changes nothing; one of another uid is answered with 4001."""
    alice, bob = deployment.new_user("alice"), deployment.new_user("bob")
    async with deployment.socket(alice) as socket:
        await socket.ready()
        for token in ("nonsense", deployment.token(alice, lifetime=-5), deployment.token(alice, token_type="refresh")):
            answer = await socket.auth(token)
            assert (answer["type"], answer["code"]) == ("error", "unauthorized")
        await socket.ping()
        await socket.send(type="auth", token=deployment.token(bob))
        assert await socket.wait_closed() == 4001


async def test_a_flood_of_bad_handshakes_harms_nobody(uvicorn_deployment: Deployment) -> None:
    """While strangers hammer at the door, an open socket is answered at once."""
    uid = uvicorn_deployment.new_user()

    async def stranger() -> None:
        for _ in range(40):
            try:
                await uvicorn_deployment.socket(uid, token="not.a.token").open()
            except Exception:
                await asyncio.sleep(0)

    async with uvicorn_deployment.socket(uid) as socket:
        await socket.ready()
        flood = [asyncio.create_task(stranger()) for _ in range(5)]
        pings = 0
        while not all(task.done() for task in flood) and pings < 100:
            await socket.ping(seconds=1)
            pings += 1
        await asyncio.gather(*flood)
        item_id = uvicorn_deployment.business.notify(uid, "Hello")
        await socket.wait_item(item_id, 1)
    assert pings > 3


@pytest.mark.security("S20")
async def test_raw_garbage_ends_only_its_own_connection(deployment: Deployment) -> None:
    """Bytes that are no WebSocket frames, after a good handshake, close that socket and no other."""
    uid, other = deployment.new_user(), deployment.new_user()
    async with deployment.socket(other) as bystander:
        await bystander.ready()
        for garbage in GARBAGE:
            socket = await deployment.socket(uid).open()
            await socket.ready()
            socket.websocket.transport.write(garbage)
            await socket.wait_closed(5)
        await bystander.ping()
        assert await bystander.wait_item(deployment.business.notify(other, "Still here"))
