"""Whatever arrives at a node's doors harms the connection that brought it and nobody else (S10, S13, S20).

Real nodes, asked over the wire. Hypothesis makes what arrives: bytes, WebSocket frames and handshakes that keep to
RFC 6455 by half, JSON close to what is expected. At the end of each test a bystander's socket is still served, and the
node's log holds no traceback.
"""

import json
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifications.rpc.errors import MESSAGES
from tests.servers.node import Business, Node, Platform, copied_sqlite
from tests.servers.process import HOST
from tests.servers.sockets import mint
from tests.test_server import Raw

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

# The servers live as long as the module; each example has connections of its own.
FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
# What the server may say of what is no WebSocket, and the app of what is not its protocol; None: cut without a word.
CLOSES = {None, 1000, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1011, 4007, 4101}


class Target:
    """A node with a bystander."""

    def __init__(self, node: Node, business: Business, key: str) -> None:
        self.node = node
        self.http = httpx.Client(base_url=node.url, timeout=30)
        self.rpc_key = key
        self._business = business

    def token(self, uid: str) -> str:
        """A good access token."""
        return mint(uid, self.node.platform.jwt_signing_key)

    def connection(self) -> socket.socket:
        """A bare connection."""
        return socket.create_connection((HOST, self.node.port), timeout=60)


@pytest.fixture(scope="module", params=["uvicorn", "daphne"])
def target(
    request: pytest.FixtureRequest, migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """A node of each kind, without a user table."""
    platform = Platform(copied_sqlite(migrated_sqlite, tmp_path_factory.mktemp("fuzzed")), standalone=True)
    made = platform.manage("create_service_key", "fuzz", "--scope", "notify", "announce", "inbox", "connections")
    with Node(platform, request.param) as node, Business(platform) as business:
        found = Target(node, business, made.stdout.strip())
        with found.http:
            yield found


@pytest.fixture
def bystander(target: Target) -> Iterator[None]:
    """Somebody whose socket is open all the while, and gets an answer and a new item at the end."""
    with Raw(target.node, target.token("bystander")) as other:
        yield
        assert send_and_hear(other, b'{"type":"ping","ref":"mine"}') == "pong"
        target._business.notify("bystander", "Still here")
        hear(other, lambda frame: frame["type"] == "notification")
    assert "Traceback" not in target.node.log, target.node.log[-4000:]


def hear(raw: Raw, wanted: Any) -> dict[str, Any] | None:
    """The first frame that is wanted; None where the server closes before."""
    while (frame := read_frame(raw.socket)) is not None:
        opcode, payload = frame
        if opcode == 8:
            raw.code = struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else None  # type: ignore[attr-defined]
            return None
        if opcode == 1 and wanted(found := json.loads(payload)):
            return dict(found)
    return None


def read_frame(connection: socket.socket) -> tuple[int, bytes] | None:
    """One frame of the server's, as opcode and payload; None at the end."""

    def exactly(size: int) -> bytes:
        data = b""
        while len(data) < size:
            if not (chunk := connection.recv(size - len(data))):
                raise ConnectionResetError
            data += chunk
        return data

    try:
        first, size = exactly(2)
        if size == 126:
            (size,) = struct.unpack("!H", exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", exactly(8))
        return first & 15, exactly(size)
    except ConnectionError:
        return None


def send_and_hear(raw: Raw, text: bytes) -> str | None:
    """The type of the answer to a ping with the ref "mine", sent as `text`."""
    raw.send(text)
    frame = hear(raw, lambda frame: frame.get("ref") == "mine")
    return None if frame is None else str(frame["type"])


frames: st.SearchStrategy[dict[str, Any]] = st.builds(
    dict,
    payload=st.one_of(st.binary(max_size=300), st.just(b'{"type":"ping"}'), st.just(b"x" * 70_000)),
    opcode=st.integers(0, 15),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 1, 4, 7]),
    masked=st.sampled_from([True, True, True, False]),
)


@pytest.mark.security("S20")
@pytest.mark.usefixtures("bystander")
@FUZZED
@given(sent=st.lists(frames, min_size=1, max_size=4), loose=st.binary(max_size=40))
def test_frames(target: Target, sent: list[dict[str, Any]], loose: bytes) -> None:
    """Frames of any opcode, bits, length and content, then loose bytes: a close that says why, or an answer."""
    with Raw(target.node, target.token("fuzz")) as raw:
        with suppress(OSError):
            for frame in sent:
                raw.send(**frame)
            raw.socket.sendall(loose)
            raw.socket.shutdown(socket.SHUT_WR)
        assert raw.end() in CLOSES


names = st.sampled_from(
    ["Host", "Upgrade", "Connection", "Sec-WebSocket-Key", "Sec-WebSocket-Version", "Sec-WebSocket-Protocol",
     "Sec-WebSocket-Extensions", "Origin", "Content-Length", "Transfer-Encoding", "X-Request-ID", "Expect"]
)  # fmt: skip
values = st.one_of(
    st.sampled_from(
        ["websocket", "Upgrade", "13", "8", "dGhlIHNhbXBsZSBub25jZQ==", "notifications.v1",
         "notifications.v1, bearer.", "bearer.a.b.c, bearer.d.e.f", "permessage-deflate", "null",
         "http://evil.test", "chunked", "-1", "100-continue"]
    ),
    st.text(st.characters(min_codepoint=1, max_codepoint=255, exclude_characters="\r\n"), max_size=60),
)  # fmt: skip
paths = st.one_of(
    st.sampled_from(
        ["/ws/notifications/", "/ws/notifications/?token=x", "/ws/", "//", "*", "/ws/notifications/?token=%00%ff"]
    ),
    st.text(st.characters(min_codepoint=33, max_codepoint=255), max_size=60).map("/".__add__),
)


@pytest.mark.security("S20")
@pytest.mark.usefixtures("bystander")
@FUZZED
@given(
    method=st.sampled_from(["GET", "GET", "GET", "POST", "HEAD", "OPTIONS", "BREW"]),
    path=paths,
    version=st.sampled_from(["1.1", "1.1", "1.0", "2.0", "9.9"]),
    headers=st.lists(st.tuples(names, values), max_size=8),
)
def test_handshakes(target: Target, method: str, path: str, version: str, headers: list[tuple[str, str]]) -> None:
    """Requests that are handshakes by half: none opens a socket, none is a fault of ours."""
    lines = [f"{method} {path} HTTP/{version}", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
    with target.connection() as connection:
        answer = b""
        with suppress(OSError):
            connection.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            while chunk := connection.recv(65_536):
                answer += chunk
    status = answer.split(b" ", 2)[1:2]
    assert status != [b"101"], answer
    assert status != [b"500"], answer


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)


def spoiled(texts: st.SearchStrategy[str]) -> st.SearchStrategy[bytes]:
    """JSON as it is, cut short, or with a few bytes in its midst."""
    whole = texts.map(lambda text: text.encode("utf-8", "surrogatepass"))
    places = st.integers(0, 200)
    return (
        whole
        | st.builds(lambda text, at: text[:at], whole, places)
        | st.builds(
            lambda text, at, more: text[:at] + more + text[at:], whole, places, st.binary(min_size=1, max_size=4)
        )
    )


client_frames = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["ping", "pong", "read", "read_all", "list", "auth", "welcome", "notification"])
        | json_values
    },
    optional={
        name: json_values
        | st.sampled_from([[], ["x"], "list", "popup", 1, True, "0197b1c0-0000-7000-8000-000000000000"])
        for name in ("ref", "ids", "via", "confirm", "before", "limit", "unread", "kind", "token", "__class__")
    },
).map(json.dumps)


@pytest.mark.security("S10", "S20")
@pytest.mark.usefixtures("bystander")
@FUZZED
@given(texts=st.lists(spoiled(client_frames | json_values.map(json.dumps)), min_size=1, max_size=2))
def test_json_frames(target: Target, texts: list[bytes]) -> None:
    """Two frames are too few to be sent away for: what is JSON or close to it is answered, and the socket stays."""
    with Raw(target.node, target.token("fuzz")) as raw:
        if not all(is_utf8(text) for text in texts):
            # It ends a socket before the app hears of it (RFC 6455 section 8.1).
            with suppress(OSError):
                for text in texts:
                    raw.send(text)
            assert raw.end() in (1007, None)
            return
        for text in texts:
            raw.send(text)
        assert send_and_hear(raw, b'{"type":"ping","ref":"mine"}') == "pong"


def is_utf8(text: bytes) -> bool:
    """Whether it is UTF-8."""
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


methods = st.sampled_from(
    ["notifications.send", "notifications.send_many", "notifications.multicast", "notifications.retract",
     "notifications.status", "announcements.create", "announcements.stats", "inbox.list", "inbox.mark_read",
     "inbox.unread_count", "connections.online", "service.info", "rpc.discover", "system.listMethods", "__init__"]
)  # fmt: skip
params = st.dictionaries(
    st.sampled_from(
        ["uid", "uids", "title", "body", "data", "ids", "id", "ref", "items", "limit", "ends_at", "request"]
    ),
    json_values | st.sampled_from(["7", ["7"], "Hello", {"a": 1}]),
    max_size=5,
) | st.lists(json_values, max_size=4)
calls = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0") | json_values, "method": methods | json_values},
    optional={"params": params | json_values, "id": json_values},
)
bodies = spoiled((calls | st.lists(calls, max_size=3) | json_values).map(json.dumps)) | st.binary(max_size=200)


@pytest.mark.security("S10", "S13")
@pytest.mark.usefixtures("bystander")
@settings(FUZZED, max_examples=150)
@given(body=bodies)
def test_rpc_bodies(target: Target, body: bytes) -> None:
    """With a good key: an answer, or an error of the contract with its own message; nothing internal, ever."""
    headers = {"Authorization": f"Bearer {target.rpc_key}", "Content-Type": "application/json"}
    answer = target.http.post("/rpc/", content=body, headers=headers)
    assert answer.status_code in (200, 204), answer.text
    if not answer.content:
        return
    outcomes = answer.json()
    for outcome in outcomes if isinstance(outcomes, list) else [outcomes]:
        assert set(outcome) in ({"jsonrpc", "id", "result"}, {"jsonrpc", "id", "error"})
        if "error" in outcome:
            error = outcome["error"]
            assert error["code"] != -32603, (body, outcome)
            assert error["message"] == MESSAGES[error["code"]]


@pytest.mark.security("S13")
@pytest.mark.usefixtures("bystander")
@FUZZED
@given(body=bodies, key=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60))
def test_rpc_without_a_key(target: Target, body: bytes, key: str) -> None:
    """Whatever is asked, the answer is 401 and the same for everything."""
    answer = target.http.post("/rpc/", content=body, headers={"Authorization": f"Bearer {key}"})
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == -32001


reads = st.dictionaries(
    st.sampled_from(["ids", "via", "confirm", "before"]),
    json_values | st.sampled_from([["x"], "list", "popup", True, "0197b1c0-0000-7000-8000-000000000000"]),
).map(json.dumps)


@pytest.mark.security("S10")
@pytest.mark.usefixtures("bystander")
@settings(FUZZED, max_examples=100)
@given(body=spoiled(reads | json_values.map(json.dumps)) | st.binary(max_size=200), query=st.text(max_size=40))
def test_http_bodies(target: Target, body: bytes, query: str) -> None:
    """Bodies and queries of the inbox's API: an answer, or a problem of the client's in the form of RFC 9457."""
    headers = {"Authorization": f"Bearer {target.token('fuzz')}", "Content-Type": "application/json"}
    for answer in (
        target.http.post("/api/notifications/read/", content=body, headers=headers),
        target.http.get(
            "/api/notifications/", params={"before": query, "limit": query, "kind": query}, headers=headers
        ),
    ):
        assert answer.status_code in (200, 400, 413), answer.text
        if answer.status_code != 200:
            assert answer.headers["content-type"] == "application/problem+json"
