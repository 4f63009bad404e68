"""Access tokens: the good ones, and every kind of bad one."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from django.conf import settings
from django.test import override_settings
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken, SlidingToken, UntypedToken

from notifications import key_sets, tokens
from notifications.conf import JWTKey
from notifications.exceptions import TokenRefused
from notifications.tokens import averify, issue, verify
from tests.servers.sockets import mint

KEY = settings.SIMPLE_JWT["SIGNING_KEY"]
OTHER = "a-key-that-was-never-used-here-but-is-long-enough"
RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
OTHER_RSA_KEY = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
FOREIGN_JWK = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(RSA_KEY.public_key()))
EC_KEY = ec.generate_private_key(ec.SECP256R1())


def pem(key: Any) -> str:
    """The public half, as JWT_PUBLIC_KEY holds it."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    text: bytes = key.public_key().public_bytes(serialization.Encoding.PEM, form)
    return text.decode()


def by_hand(header: Any, payload: Any, signature: bytes = b"") -> str:
    """A token of any header and payload, texts taken as they are."""

    def part(value: Any) -> str:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    return f"{part(header)}.{part(payload)}.{part(signature)}"


def by_hmac(algorithm: str, secret: str, digest: Callable[..., Any]) -> str:
    """A good token's claims, signed with any secret."""
    body = by_hand({"alg": algorithm, "typ": "JWT"}, payload()).rsplit(".", 1)[0]
    signature = hmac.new(secret.encode(), body.encode(), digest).digest()
    return f"{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def signed_text(payload: str) -> str:
    """A token with this very text as its payload, well signed."""
    return jwt.api_jws.encode(payload.encode(), KEY, algorithm="HS256", headers={"typ": "JWT"})


def payload(**claims: Any) -> dict[str, Any]:
    """The claims of a good token."""
    return {"token_type": "access", "exp": int(time.time()) + 600, "user_id": "7", **claims}


@pytest.mark.parametrize(("uid", "expected"), [("7", "7"), (7, "7"), ("x" * 255, "x" * 255), ("../", "../"), (0, "0")])
def test_a_good_token(uid: str | int, expected: str) -> None:
    """Gives the uid, a number as text, and the moment at which it ends."""
    claims = verify(mint(uid, KEY, lifetime=600))
    assert claims.uid == expected
    assert 590 < claims.expires_at - time.time() <= 600


def test_tokens_of_simplejwt_and_of_ours() -> None:
    """What simplejwt makes for a user is good; so is what `issue` makes."""
    made = AccessToken()
    made["user_id"] = "7"
    assert verify(str(made)).uid == "7"
    claims = verify(issue("42", timedelta(minutes=5)))
    assert claims.uid == "42"
    assert 295 < claims.expires_at - time.time() <= 301


def test_claims_that_are_not_demanded() -> None:
    """`iat` and `jti` may be missing."""
    assert verify(mint("7", KEY, iat=None, jti=None)).uid == "7"


UNSIGNED = by_hand({"alg": "none", "typ": "JWT"}, payload())

BAD = {
    "empty": "",
    "no token": "hello",
    "two parts": "a.b",
    "dots": "..",
    "not base64": "a!.b!.c!",
    "not ascii": "é.ü.ñ",
    "lone surrogate": "\ud800.a.b",
    "NUL": "\0",
    "too long": "a" * (tokens.TOKEN_MAX_BYTES + 1),
    "expired": mint("7", KEY, lifetime=-1),
    "not yet valid": mint("7", KEY, nbf=int(time.time()) + 600),
    "issued in the future": mint("7", KEY, iat=int(time.time()) + 600),
    "no expiry": mint("7", KEY, exp=None),
    "expiry is text": mint("7", KEY, exp=str(int(time.time()) + 600)),
    "expiry is true": mint("7", KEY, exp=True),
    "expiry is a list": mint("7", KEY, exp=[]),
    "expiry after the year 9999": mint("7", KEY, exp=10**12),
    "expiry beyond any double": signed_text('{"token_type":"access","user_id":"7","exp":1%s}' % ("0" * 400)),
    "expiry is infinite": signed_text('{"token_type":"access","user_id":"7","exp":1e999}'),
    "expiry is NaN": signed_text('{"token_type":"access","user_id":"7","exp":NaN}'),
    "nbf is text": mint("7", KEY, nbf="soon"),
    "another key": mint("7", OTHER),
    "HS512 with the key": by_hmac("HS512", KEY, hashlib.sha512),
    "alg none": UNSIGNED,
    "alg None by hand": by_hand({"alg": "None", "typ": "JWT"}, payload()),
    "alg none, signature kept": UNSIGNED + mint("7", KEY).rsplit(".", 1)[1],
    "no alg": by_hand({"typ": "JWT"}, payload()),
    "alg is a list": by_hand({"alg": ["HS256"]}, payload()),
    "header is no object": by_hand([], payload()),
    "header is no JSON": by_hand(b"{", payload()),
    "header is deep": by_hand(b'{"alg":"HS256","x":' + b"[" * 1_500 + b"]" * 1_500 + b"}", payload()),
    "payload is no object": signed_text("[]"),
    "payload is no JSON": signed_text("{"),
    "payload is deep": signed_text("[" * 1_800 + "]" * 1_800),
    "no signature": mint("7", KEY).rsplit(".", 1)[0] + ".",
    "signature cut": mint("7", KEY)[:-4],
    "unknown crit": jwt.encode(payload(), KEY, headers={"crit": ["exp2"], "exp2": 1}),
    "crit b64": jwt.encode(payload(), KEY, headers={"crit": ["b64"], "b64": False}),
    "foreign jwk in the header": jwt.encode(payload(), RSA_KEY, algorithm="RS256", headers={"jwk": FOREIGN_JWK}),
    "refresh token": str(RefreshToken()),
    "refresh token of a user": mint("7", KEY, token_type="refresh"),
    "sliding token": str(SlidingToken()),
    "token without a kind": mint("7", KEY, token_type=None),
    "kind in capitals": mint("7", KEY, token_type="ACCESS"),
    "no uid": mint("7", KEY, user_id=None),
    "uid is empty": mint("", KEY),
    "uid is too long": mint("x" * 256, KEY),
    "uid is true": mint("7", KEY, user_id=True),
    "uid is a fraction": mint("7", KEY, user_id=7.0),
    "uid is a list": mint("7", KEY, user_id=["7"]),
    "uid has NUL": mint("7\0", KEY),
    "uid has half a pair": signed_text('{"token_type":"access","exp":9999999999,"user_id":"\\ud800"}'),
}  # fmt: skip


@pytest.mark.security("S2")
@pytest.mark.parametrize("raw", BAD.values(), ids=BAD.keys())
async def test_a_bad_token_is_refused(raw: str) -> None:
    """Each with the one error that callers know, and without the token in its message."""
    with pytest.raises(TokenRefused) as caught:
        verify(raw)
    assert raw not in caught.value.message or not raw
    with pytest.raises(TokenRefused):
        await averify(raw)


@pytest.mark.security("S2")
def test_a_refresh_token_would_pass_where_kinds_are_not_checked() -> None:
    """The trap that the check is for: simplejwt's `UntypedToken` takes it."""
    UntypedToken(str(RefreshToken()))  # type: ignore[arg-type]


@contextmanager
def configured(extra: list[JWTKey] | None = None, **simple_jwt: Any) -> Iterator[None]:
    """Other settings of simplejwt, and other extra keys."""
    notifications = {**settings.NOTIFICATIONS, "JWT_EXTRA_KEYS": extra or []}
    with override_settings(SIMPLE_JWT={**settings.SIMPLE_JWT, **simple_jwt}, NOTIFICATIONS=notifications):
        yield


@pytest.mark.security("S2")
def test_audience_and_issuer() -> None:
    """Where they are set, only their own tokens are good; where they are not, nobody asks."""
    assert verify(mint("7", KEY, aud="anyone", iss="anywhere")).uid == "7"
    with configured(AUDIENCE="platform", ISSUER="https://sso"):
        assert verify(mint("7", KEY, aud="platform", iss="https://sso")).uid == "7"
        assert verify(mint("7", KEY, aud=["else", "platform"], iss="https://sso")).uid == "7"
        for claims in (
            {}, {"aud": "platform"}, {"iss": "https://sso"}, {"aud": "else", "iss": "https://sso"},
            {"aud": "platform", "iss": "https://evil"}, {"aud": 5, "iss": "https://sso"},
        ):  # fmt: skip
            with pytest.raises(TokenRefused):
                verify(mint("7", KEY, **claims))


def test_leeway() -> None:
    """A token that ended within the leeway is good still."""
    with configured(LEEWAY=10):
        assert verify(mint("7", KEY, lifetime=-5)).uid == "7"
        with pytest.raises(TokenRefused):
            verify(mint("7", KEY, lifetime=-15))


@pytest.mark.parametrize(("algorithm", "key"), [("RS256", RSA_KEY), ("ES256", EC_KEY)])
def test_a_public_key(algorithm: str, key: Any) -> None:
    """Only tokens signed by its private half are good: none by a shared secret, least of all the key's own text."""
    with configured(ALGORITHM=algorithm, SIGNING_KEY="", VERIFYING_KEY=pem(key)):
        assert verify(jwt.encode(payload(), key, algorithm=algorithm)).uid == "7"
        for confused in (pem(key), pem(key).strip(), KEY, ""):
            raw = by_hmac("HS256", confused, hashlib.sha256)
            with pytest.raises(TokenRefused):
                verify(raw)
        other = OTHER_RSA_KEY if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())
        with pytest.raises(TokenRefused):
            verify(jwt.encode(payload(), other, algorithm=algorithm))
        with pytest.raises(TokenBackendError):
            issue("7", timedelta(minutes=1))


@pytest.mark.security("S3")
def test_two_keys_during_a_rotation() -> None:
    """Old and new tokens are good, those of no key are not, and after the rotation the old ones are not either."""
    with configured(extra=[JWTKey("HS256", key=OTHER), JWTKey("RS256", key=pem(RSA_KEY))]):
        assert verify(mint("1", KEY)).uid == "1"
        assert verify(mint("2", OTHER)).uid == "2"
        assert verify(jwt.encode(payload(user_id="3"), RSA_KEY, algorithm="RS256")).uid == "3"
        assert verify(issue("4", timedelta(minutes=1))).uid == "4"
        for bad in (mint("5", "x" * 40), mint("5", pem(RSA_KEY).replace("-----", "")), BAD["alg none"]):
            with pytest.raises(TokenRefused):
                verify(bad)
    with pytest.raises(TokenRefused):
        verify(mint("2", OTHER))


class KeyServer:
    """A JWKS address. `keys` are the private keys it publishes, by kid; `fetched` counts; `broken` is what it says."""

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.fetched = 0
        self.broken: bytes | None = None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                """The key set."""
                outer.fetched += 1
                body = outer.document() if outer.broken is None else outer.broken
                self.send_response(200 if body else 500)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Nothing on stderr."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def document(self) -> bytes:
        """The key set as JSON."""
        entries = []
        for kid, key in self.keys.items():
            algorithm = (
                jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
            )
            entries.append({**json.loads(algorithm.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
        return json.dumps({"keys": entries}).encode()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def key_server() -> Iterator[KeyServer]:
    """A JWKS address that the platform verifies by, RS256 and ES256, as its settings have it."""
    server = KeyServer()
    server.keys = {"one": RSA_KEY, "two": EC_KEY}
    extra = [JWTKey("ES256", jwks_url=server.url)]
    with configured(extra=extra, ALGORITHM="RS256", SIGNING_KEY="", VERIFYING_KEY="", JWK_URL=server.url):
        yield server
    server.close()


def by_kid(kid: str | None, key: Any, uid: str = "7") -> str:
    """A token that names its key."""
    algorithm = "RS256" if isinstance(key, rsa.RSAPrivateKey) else "ES256"
    return jwt.encode(payload(user_id=uid), key, algorithm=algorithm, headers={"kid": kid} if kid else {})


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


async def test_keys_by_address(key_server: KeyServer) -> None:
    """Tokens by the keys published there are good, each by its own algorithm; fetched once, not in the event loop."""
    assert (await averify(by_kid("one", RSA_KEY))).uid == "7"
    assert (await averify(by_kid("two", EC_KEY))).uid == "7"
    for _ in range(5):
        verify(by_kid("one", RSA_KEY))
    assert key_server.fetched == 1
    for bad in (
        by_kid("one", OTHER_RSA_KEY),
        by_kid("two", RSA_KEY),
        by_kid(None, RSA_KEY),
        mint("7", KEY),
        BAD["alg none"],
    ):
        with pytest.raises(TokenRefused):
            await averify(bad)


def test_a_key_that_is_rotated(key_server: KeyServer, later: Callable[[float], None]) -> None:
    """Its token names a new key: the set is fetched anew; once the old key has gone its tokens are refused."""
    verify(by_kid("one", RSA_KEY))
    key_server.keys = {"three": OTHER_RSA_KEY}
    later(key_sets.COOLDOWN_SECONDS + 1)
    assert verify(by_kid("three", OTHER_RSA_KEY)).uid == "7"
    with pytest.raises(TokenRefused):
        verify(by_kid("one", RSA_KEY))


def test_unknown_keys_do_not_flood_the_key_server(key_server: KeyServer, later: Callable[[float], None]) -> None:
    """However many tokens name keys that do not exist, each set is fetched once within the cooldown."""
    later(1_000)
    for number in range(50):
        with pytest.raises(TokenRefused):
            verify(by_kid(f"made up {number}", OTHER_RSA_KEY))
    assert key_server.fetched == 1


@pytest.mark.parametrize("broken", [b"", b"<html>", b"[]", b'{"keys":[]}', b'{"keys":5}'])
def test_a_key_server_that_is_away(key_server: KeyServer, later: Callable[[float], None], broken: bytes) -> None:
    """The keys it gave last stay good; with none at all tokens are refused, until it is back."""
    key_server.broken = broken
    with pytest.raises(TokenRefused):
        verify(by_kid("one", RSA_KEY))
    key_server.broken = None
    later(key_sets.COOLDOWN_SECONDS + 1)
    assert verify(by_kid("one", RSA_KEY)).uid == "7"
    key_server.broken = broken
    later(3_600)
    assert verify(by_kid("one", RSA_KEY)).uid == "7"


def test_keys_in_a_file(tmp_path: Path, later: Callable[[float], None]) -> None:
    """Read once and kept; read anew when a token names another key; what is no key set leaves those before good."""
    server = KeyServer()
    server.close()
    server.keys = {"one": RSA_KEY, "two": EC_KEY}
    file = tmp_path / "key set.json"
    file.write_bytes(server.document())
    extra = [JWTKey(algorithm, jwks_url=file.as_uri()) for algorithm in ("RS256", "ES256")]
    with configured(extra=extra, ALGORITHM="RS256", SIGNING_KEY="", VERIFYING_KEY="", JWK_URL=None):
        assert verify(by_kid("one", RSA_KEY)).uid == verify(by_kid("two", EC_KEY)).uid == "7"
        server.keys = {"three": OTHER_RSA_KEY}
        file.write_bytes(server.document())
        later(key_sets.COOLDOWN_SECONDS + 1)
        assert verify(by_kid("three", OTHER_RSA_KEY)).uid == "7"
        with pytest.raises(TokenRefused):
            verify(by_kid("one", RSA_KEY))
        for broken in (b"", b"<html>", b"[]", b'{"keys":[]}'):
            file.write_bytes(broken)
            later(3_600)
            assert verify(by_kid("three", OTHER_RSA_KEY)).uid == "7"
        file.unlink()
        later(3_600)
        assert verify(by_kid("three", OTHER_RSA_KEY)).uid == "7"
        with pytest.raises(TokenRefused):
            verify(mint("7", KEY))
