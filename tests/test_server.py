"""Real nodes on uvicorn and Daphne: how they drain, whom they cut, and what malformed input does."""

import asyncio
import base64
import logging
import os
import random
import resource
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable

import httpx
import pytest

from notifications import server as node_server
from notifications.protocol.frames import CloseCode
from tests.servers.node import Business, Node, Platform
from tests.servers.process import HOST
from tests.servers.sockets import Refused, Socket, mint

pytestmark = pytest.mark.server

BOTH = pytest.mark.parametrize("server", ["uvicorn", "daphne"])


class Raw:
    """A WebSocket by hand, so that it can do what no client library does. The handshake is done on making it."""

    def __init__(self, node: Node, token: str, *, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(60)
        self.socket.connect((HOST, node.port))
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET /ws/notifications/ HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Extensions: permessage-deflate\r\n"
            f"Sec-WebSocket-Protocol: notifications.v1, bearer.{token}\r\n\r\n".encode()
        )
        self.head = b""
        while b"\r\n\r\n" not in self.head:
            self.head += self.socket.recv(1)
        assert self.head.startswith(b"HTTP/1.1 101"), self.head

    def send(self, payload: bytes, opcode: int = 1, *, fin: bool = True, rsv: int = 0, masked: bool = True) -> None:
        """Send one frame as RFC 6455 section 5.2 has it, or not."""
        first = (fin << 7) | (rsv << 4) | opcode
        size = len(payload)
        bit = masked << 7
        if size < 126:
            head = struct.pack("!BB", first, bit | size)
        elif size < 65_536:
            head = struct.pack("!BBH", first, bit | 126, size)
        else:
            head = struct.pack("!BBQ", first, bit | 127, size)
        # A mask of zeros leaves the payload as it is.
        self.socket.sendall(head + (bytes(4) if masked else b"") + payload)

    def end(self) -> int | None:
        """Read until the server ends the connection; gives the code of its close frame, None if it just cut."""
        data = b""
        try:
            while chunk := self.socket.recv(65_536):
                data += chunk
        except ConnectionError:
            pass
        code = None
        while len(data) >= 2:
            opcode, size = data[0] & 15, data[1] & 127
            start = 2
            if size == 126:
                size, start = struct.unpack("!H", data[2:4])[0], 4
            elif size == 127:
                size, start = struct.unpack("!Q", data[2:10])[0], 10
            if opcode == 8 and len(data) >= start + 2:
                code = struct.unpack("!H", data[start : start + 2])[0]
            data = data[start + size :]
        return code

    def __enter__(self) -> "Raw":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()


@pytest.fixture
def platform(sqlite_url: str) -> Platform:
    """An installation without a user table."""
    return Platform(sqlite_url, standalone=True)


@BOTH
async def test_sigterm_sends_every_socket_away(
    server: str, platform: Platform, start_node: Callable[..., Node]
) -> None:
    """`reconnect` with evenly spread moments, then 4200, nobody gets 1006; meanwhile not ready, newcomers get a 503."""
    node = start_node(platform, server)
    key = platform.jwt_signing_key
    sockets = await asyncio.gather(*(Socket(node.socket_url, mint(i, key)).open() for i in range(500)))
    for each in sockets:
        await each.ready()
    node.signal(signal.SIGTERM)
    await sockets[0].wait_type("reconnect")
    async with httpx.AsyncClient() as client:
        assert (await client.get(f"{node.url}/readyz")).status_code == 503
    with pytest.raises(Refused) as refused:
        await Socket(node.socket_url, mint("late", key)).open()
    assert refused.value.status == 503
    for each in sockets:
        assert await each.wait_closed() == 4200
    assert sorted(each.of_type("reconnect")[0]["after_ms"] for each in sockets) == [n * 10 for n in range(500)]
    assert node.wait_ended() == 0


@BOTH
async def test_a_reader_that_stops_is_closed_and_costs_nobody_else(
    server: str, platform: Platform, start_node: Callable[..., Node], start_business: Callable[..., Business]
) -> None:
    """It goes on sending heartbeats: still 4103, and others get their items meanwhile."""
    node, business = start_node(platform, server), start_business(platform)
    key = platform.jwt_signing_key
    async with Socket(node.socket_url, mint("quick", key)) as quick:
        await quick.ready()
        with Raw(node, mint("slow", key), receive_buffer=4_096) as slow:
            business.run("for i in range(400): notify('slow', 'x', 'y' * 4000, data={'z': 'z' * 8000})\nresult = 0")
            for _ in range(5):
                slow.send(b'{"type":"ping"}')
                await quick.wait_item(await asyncio.to_thread(business.notify, "quick", "Hello"))
            assert await asyncio.to_thread(slow.end) == 4103
    node.stop()


@BOTH
async def test_a_peer_that_never_answers_the_close_is_cut(
    server: str, platform: Platform, start_node: Callable[..., Node]
) -> None:
    """It gets its close frame, says nothing more, and 8 s later its socket is gone."""
    node = start_node(platform, server)
    with Raw(node, mint("7", platform.jwt_signing_key)) as raw:
        for _ in range(3):
            raw.send(b"nonsense")
        begun = time.monotonic()
        assert await asyncio.to_thread(raw.end) == 4007
        # Nothing else would cut it before the 35 s of a peer that is silent.
        assert 7 < time.monotonic() - begun < 30


@BOTH
async def test_a_peer_that_never_answers_holds_up_no_end(
    server: str, platform: Platform, start_node: Callable[..., Node]
) -> None:
    """SIGTERM: it is sent its 4200, and after a few seconds more the node ends without it."""
    node = start_node(platform, server)
    with Raw(node, mint("7", platform.jwt_signing_key)) as raw:
        raw.send(b'{"type":"ping"}')
        begun = time.monotonic()
        node.signal(signal.SIGTERM)
        await asyncio.to_thread(node.wait_ended, 30)
        assert time.monotonic() - begun > 4
        assert await asyncio.to_thread(raw.end) == 4200


@pytest.mark.security("S11")
@BOTH
async def test_a_handshake_that_never_ends_is_cut(
    server: str, platform: Platform, start_node: Callable[..., Node]
) -> None:
    """Who sends nothing, or half a request, loses the connection after 10 s; a later request may be slow no more."""
    node = start_node(platform, server)

    def wait_cut(first: bytes) -> float:
        with socket.create_connection((HOST, node.port), timeout=60) as client:
            begun = time.monotonic()
            client.sendall(first)
            try:
                while client.recv(65_536):
                    pass
            except ConnectionResetError:
                pass
            return time.monotonic() - begun

    half = f"GET /healthz HTTP/1.1\r\nHost: {HOST}\r\n".encode()
    cuts = await asyncio.gather(*(asyncio.to_thread(wait_cut, text) for text in (b"", half, half + b"\r\n" + half)))
    # The last had its answer: uvicorn then waits 5 s.
    assert min(cuts[:2]) > 9, cuts
    assert cuts[2] > 4, cuts
    node.stop()


@pytest.mark.security("S11")
@BOTH
async def test_a_handshake_that_is_too_long_is_answered(
    server: str, platform: Platform, start_node: Callable[..., Node]
) -> None:
    """Over 8 KiB a line or 128 headers uvicorn says so; Daphne reads them and refuses; both close the connection."""
    node = start_node(platform, server)
    long = 9_000 * "a"

    def answer(query: str, headers: str) -> bytes:
        with socket.create_connection((HOST, node.port), timeout=60) as client:
            client.sendall(
                f"GET /ws/notifications/{query} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\n"
                "Connection: Upgrade\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                f"Sec-WebSocket-Version: 13\r\n{headers}\r\n".encode()
            )
            return b"".join(iter(lambda: client.recv(65_536), b""))

    for query, headers, status in (
        (f"?token={long}", "", b"414"),
        ("", f"X-Long: {long}\r\n", b"431"),
        ("", "".join(f"X-{number}: a\r\n" for number in range(200)), b"431"),
    ):
        answered = await asyncio.to_thread(answer, query, headers)
        assert answered.split()[1] == (status if server == "uvicorn" else b"403")
    assert long not in node.log


@BOTH
async def test_frames_by_size(server: str, platform: Platform, start_node: Callable[..., Node]) -> None:
    """8 KiB is good, up to 64 KiB is `too_large` on a socket that stays, over it the server closes with 1009."""
    node = start_node(platform, server)
    async with Socket(node.socket_url, mint("7", platform.jwt_signing_key)) as opened:
        await opened.ready()

        def ping(size: int) -> str:
            return '{"type":"ping","ref":"r","x":"' + "a" * (size - 32) + '"}'

        await opened.send_raw(ping(8_192))
        await opened.wait_for(lambda f: f["type"] == "pong" and f.get("ref") == "r")
        await opened.send_raw(ping(8_193))
        assert (await opened.wait_type("error"))["code"] == "too_large"
        await opened.send_raw(ping(65_536))
        await opened.wait_for(lambda f: f["type"] == "error", after=len(opened.received))
        await opened.ping()
        await opened.send_raw(ping(65_537))
        assert await opened.wait_closed() == 1009


MALFORMED = {
    "reserved opcode": lambda raw: raw.send(b"x", 3),
    "reserved control opcode": lambda raw: raw.send(b"x", 11),
    "reserved bit": lambda raw: raw.send(b"x", rsv=1),
    "all reserved bits": lambda raw: raw.send(b"x", rsv=7),
    "no mask": lambda raw: raw.send(b'{"type":"ping"}', masked=False),
    "fragmented control": lambda raw: raw.send(b"", 9, fin=False),
    "long control": lambda raw: raw.send(b"x" * 126, 9),
    "continuation of nothing": lambda raw: raw.send(b"x", 0),
    "no continuation": lambda raw: (raw.send(b"x", fin=False), raw.send(b"y")),
    "bad UTF-8": lambda raw: raw.send(b"\xff\xfe"),
    "surrogate in UTF-8": lambda raw: raw.send(b"\xed\xa0\x80"),
    "close of one byte": lambda raw: raw.send(b"x", 8),
    "close with a forbidden code": lambda raw: raw.send(struct.pack("!H", 1005), 8),
    "close with bad UTF-8": lambda raw: raw.send(struct.pack("!H", 1000) + b"\xff", 8),
    "length of 2**63": lambda raw: raw.socket.sendall(b"\x81\xff" + b"\xff" * 8 + bytes(4)),
    "too many bytes": lambda raw: raw.send(b"x" * 65_537),
}


@pytest.mark.security("S20")
@BOTH
async def test_malformed_frames_close_only_their_own_socket(
    server: str, platform: Platform, start_node: Callable[..., Node]
) -> None:
    """Each way to break RFC 6455, and random bytes, end the socket they came on; another one never notices."""
    node = start_node(platform, server)
    key = platform.jwt_signing_key
    async with Socket(node.socket_url, mint("other", key)) as other:
        await other.ready()
        for number, (name, breach) in enumerate(MALFORMED.items()):
            with Raw(node, mint(f"bad{number}", key)) as raw:
                breach(raw)
                code = await asyncio.to_thread(raw.end)
                assert code in (None, 1002, 1005, 1007, 1009), (name, code)
        randomness = random.Random(7)
        for number in range(30):
            with Raw(node, mint(f"random{number}", key)) as raw:
                raw.socket.sendall(randomness.randbytes(randomness.randint(1, 400)))
                raw.socket.shutdown(socket.SHUT_WR)
                await asyncio.to_thread(raw.end)
        await other.ping()
        assert "Traceback" not in node.log


@pytest.mark.security("S4")
@BOTH
async def test_refusals_and_openings_leave_no_token_in_the_log(
    server: str, platform: Platform, start_node: Callable[..., Node]
) -> None:
    """403 for a bad token, a foreign origin and another path; nothing is compressed; no log line holds a token."""
    node = start_node(platform, server)
    good, bad = mint("7", platform.jwt_signing_key), mint("7", "another-key-" * 4)
    for url, token, origin in (
        (node.socket_url, bad, None),
        (node.socket_url, "", None),
        (node.socket_url, good, "http://platform.test.evil"),
        (node.socket_url, good, "http://platform.test:80.evil"),
        (node.socket_url, good, "null"),
        (node.socket_url.replace("notifications", "elsewhere"), good, None),
    ):
        for by_query in (True, False):
            with pytest.raises(Refused) as refused:
                await Socket(url, token, by_query=by_query, origin=origin).open()
            assert refused.value.status == 403
    for by_query in (True, False):
        async with Socket(node.socket_url, good, by_query=by_query, origin=platform.origin) as opened:
            await opened.ready()
            assert opened.websocket.subprotocol == (None if by_query else "notifications.v1")
    with Raw(node, good) as raw:
        assert b"extensions" not in raw.head.lower()
    for token in (good, bad):
        assert token.split(".")[2] not in node.log


@BOTH
async def test_a_second_interrupt_does_not_wait_for_the_drain(
    server: str, platform: Platform, start_node: Callable[..., Node]
) -> None:
    """Ctrl+C twice on uvicorn cuts a long drain short; Daphne goes on with it. Both end."""
    node = start_node(platform, server)
    key = platform.jwt_signing_key
    sockets = await asyncio.gather(*(Socket(node.socket_url, mint(i, key)).open() for i in range(400)))
    for each in sockets:
        await each.ready()
    node.signal(signal.SIGINT)
    await sockets[0].wait_type("reconnect")
    node.signal(signal.SIGINT)
    await asyncio.to_thread(node.wait_ended, 60)
    codes = Counter([await each.wait_closed() for each in sockets])
    assert codes.total() == 400
    if server == "uvicorn":
        # Those whose moment had not come are told by uvicorn itself.
        assert codes.keys() <= {1012, CloseCode.RESTARTING}, codes
        assert codes[1012] > 0, codes
    else:
        assert codes == {CloseCode.RESTARTING: 400}


def test_as_many_descriptors_as_the_system_allows() -> None:
    """The soft limit of open files is raised to the hard one, and the number of sockets follows from it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 256), hard))
        assert node_server.raise_descriptor_limit() == hard - node_server.SPARE_DESCRIPTORS
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_uvicorns_lines_about_sockets_are_kept_out() -> None:
    """Those with the path and its token, and those about each opening and closing; others stay."""
    keep = node_server.WithoutSockets().filter

    def record(text: str) -> logging.LogRecord:
        return logging.LogRecord("uvicorn.error", logging.INFO, "", 0, text, None, None)

    assert not keep(record('%s - "WebSocket %s" [accepted]'))
    assert not keep(record("connection open"))
    assert not keep(record("Invalid UTF-8 sequence received from client."))
    assert keep(record("Started server process [%d]"))
