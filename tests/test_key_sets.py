"""Key sets at an address that is slow, away, or not what it should be."""

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from notifications import key_sets
from notifications.key_sets import COOLDOWN_SECONDS, FRESH_SECONDS, MAX_BYTES, KeySet, kid_of

KEY = ec.generate_private_key(ec.SECP256R1())
JWK = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(KEY.public_key()))


def document(*kids: str, size: int = 0) -> bytes:
    """A key set with keys of these ids, filled up to `size` bytes."""
    return json.dumps({"keys": [JWK | {"kid": kid, "use": "sig"} for kid in kids]}).encode().ljust(size)


def token(kid: str) -> str:
    """A token that names this key."""
    return jwt.encode({}, KEY, algorithm="ES256", headers={"kid": kid})


class Source:
    """An address with a key set. It answers nothing until `go` is set, and a byte at a time while it `trickles`."""

    def __init__(self) -> None:
        self.body = document("one")
        self.status = 200
        self.asked = 0
        self.go = Event()
        self.go.set()
        self.came = Event()
        self.trickles = False
        self._ended = Event()
        source = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                source.asked += 1
                source.came.set()
                source.go.wait(60)
                self.send_response(source.status if self.path == "/jwks" else 200)
                self.send_header("Location", "/elsewhere")
                self.end_headers()
                if not source.trickles:
                    self.wfile.write(source.body)
                    return
                while not source._ended.wait(0.05):
                    self.wfile.write(b" ")

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a client that gave up
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """End."""
        self._ended.set()
        self.go.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def source() -> Iterator[Source]:
    """An address with one key, `one`."""
    made = Source()
    yield made
    made.close()


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`later(seconds)`: so much time passes for the key sets."""
    passed = 0.0
    real = time.monotonic

    def go(seconds: float) -> None:
        nonlocal passed
        passed += seconds

    monkeypatch.setattr(time, "monotonic", lambda: real() + passed)
    return go


def has(keys: KeySet, kid: str) -> bool:
    """Whether a token that names this key could be judged now."""
    try:
        keys.get_signing_key_from_jwt(token(kid))
    except jwt.PyJWKClientError:
        return False
    return True


async def test_all_who_wait_share_one_request(source: Source) -> None:
    """Two hundred sockets that open before the first answer: one request, and all of them have the key."""
    keys = KeySet(source.url)
    source.go.clear()
    waiting = [asyncio.ensure_future(keys.aprepare(kid)) for kid in ["one"] * 100 + [str(n) for n in range(100)]]
    await asyncio.to_thread(source.came.wait, 60)
    waiting += [asyncio.ensure_future(keys.aprepare("one")) for _ in range(100)]
    source.go.set()
    await asyncio.gather(*waiting)
    assert has(keys, "one")
    assert source.asked == 1


@pytest.mark.security("S2")
async def test_unknown_keys_ask_once_in_a_cool_down(source: Source, later: Callable[[float], None]) -> None:
    """Made-up ones too, whether by threads or tasks; a token that names none never asks."""
    keys = KeySet(source.url)
    for number in range(20):
        keys.prepare(f"made up {number}")
        await keys.aprepare(f"made up by a task {number}")
    assert source.asked == 1
    later(COOLDOWN_SECONDS + 1)
    keys.prepare(None)
    keys.prepare("one")
    assert source.asked == 1
    await keys.aprepare("made up")
    assert source.asked == 2


def test_a_key_that_was_withdrawn_ends_with_the_set(source: Source, later: Callable[[float], None]) -> None:
    """Within five minutes, though no token names an unknown key meanwhile."""
    keys = KeySet(source.url)
    keys.prepare("one")
    source.body = document("two")
    later(FRESH_SECONDS - 10)
    keys.prepare("one")
    assert has(keys, "one")
    later(20)
    keys.prepare("one")
    assert not has(keys, "one")
    assert has(keys, "two")


async def test_nobody_with_a_known_key_waits_for_a_source_that_fails(
    source: Source, later: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked beside, and what it then says is taken."""
    keys = KeySet(source.url)
    keys.prepare("one")
    source.status = 500
    later(FRESH_SECONDS + 1)
    keys.prepare("one")
    assert source.asked == 2
    source.came.clear()
    source.go.clear()
    # Who waited for the source would wait for ever.
    monkeypatch.setattr(key_sets, "TIMEOUT_SECONDS", 1_000.0)
    for number in range(5):
        later(COOLDOWN_SECONDS + 1)
        await keys.aprepare("one")
        keys.prepare("one")
        assert has(keys, "one"), number
    assert source.came.wait(60)
    assert source.asked == 3
    source.status, source.body = 200, document("one", "two")
    source.go.set()
    assert keys._background is not None
    keys._background.join(60)
    assert has(keys, "two")


@pytest.mark.parametrize("trickles", [False, True])
async def test_a_source_that_does_not_end_is_given_up(
    source: Source, monkeypatch: pytest.MonkeyPatch, trickles: bool
) -> None:
    """Whether it says nothing or ever more: callers are let go, and the keys are what they were."""
    monkeypatch.setattr(key_sets, "TIMEOUT_SECONDS", 0.3)
    keys = KeySet(source.url)
    source.trickles = trickles
    if not trickles:
        source.go.clear()
    await keys.aprepare("one")
    keys.refresh()
    assert not has(keys, "one")


@pytest.mark.parametrize(("size", "good"), [(MAX_BYTES, True), (MAX_BYTES + 1, False), (20 * MAX_BYTES, False)])
def test_a_set_has_at_most_so_many_bytes(source: Source, size: int, good: bool) -> None:
    """More of it is not even read."""
    source.body = document("one", size=size)
    keys = KeySet(source.url)
    keys.prepare("one")
    assert has(keys, "one") is good


def test_a_file_has_at_most_so_many_bytes(tmp_path_factory: pytest.TempPathFactory) -> None:
    """As an address has."""
    file = tmp_path_factory.mktemp("keys") / "jwks.json"
    for size, good in ((MAX_BYTES, True), (MAX_BYTES + 1, False)):
        file.write_bytes(document("one", size=size))
        keys = KeySet(file.as_uri())
        keys.prepare("one")
        assert has(keys, "one") is good


@pytest.mark.security("S2")
def test_redirects_are_not_followed(source: Source) -> None:
    """The operator has named one address; what it points to is nobody's word."""
    source.status = 302
    keys = KeySet(source.url)
    keys.prepare("one")
    assert not has(keys, "one")
    assert source.asked == 1


def test_keys_for_other_uses_or_without_an_id_are_left_out(source: Source) -> None:
    """What encrypts does not sign; what has no id cannot be named."""
    source.body = json.dumps({"keys": [JWK | {"kid": "enc", "use": "enc"}, JWK, JWK | {"kid": "plain"}]}).encode()
    keys = KeySet(source.url)
    keys.prepare("plain")
    assert [has(keys, kid) for kid in ("enc", "plain")] == [False, True]


@pytest.mark.parametrize(
    "raw",
    ["", "a", "a.b.c", "\ud800.a.b", token("one").partition(".")[2]],
    ids=["none", "word", "odd", "surrogate", "headless"],
)
def test_what_is_no_token_names_no_key(raw: str) -> None:
    """Nor does it raise."""
    assert kid_of(raw) is None
