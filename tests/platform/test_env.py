"""`config.env`: every variable, good and bad."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from config.env import BadEnvironment, Environment, read

KEY = "k" * 32
GOOD = {
    "SECRET_KEY": "s" * 50,
    "JWT_SIGNING_KEY": KEY,
    "ALLOWED_HOSTS": "push.example.org",
    "ALLOWED_ORIGINS": "https://push.example.org",
}


def pem(key: PublicKeyTypes) -> str:
    """The public key as an operator would give it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def good(**variables: str) -> Environment:
    """The environment with `variables` on top of a good one."""
    return read(GOOD | variables, Path("/var/lib/example"))


def refused(**variables: str) -> list[str]:
    """The lines that such an environment is refused with."""
    with pytest.raises(BadEnvironment) as caught:
        good(**variables)
    return caught.value.lines


@pytest.mark.parametrize("name", GOOD)
def test_read_without_a_needed_variable_names_it(name: str) -> None:
    """A missing variable is one line with its name and the mend; an empty one counts as missing."""
    (line,) = refused(**{name: " "})
    assert line.startswith(f"{name} is missing; ")


def test_read_of_nothing_tells_all_at_once() -> None:
    """Whoever starts a node for the first time need not start it four times."""
    with pytest.raises(BadEnvironment) as caught:
        read({}, Path())
    assert [line.split()[0] for line in caught.value.lines] == list(GOOD)
    assert str(caught.value).count("\n") == 3


BAD = {
    "SECRET_KEY": ["s" * 31],
    "JWT_SIGNING_KEY": ["k" * 31, "s" * 50],
    "JWT_SIGNING_KEY_PREVIOUS": ["short"],
    "ALLOWED_HOSTS": ["https://example.org", "example.org:8000", "example.org/", "a b", "example..org"],
    "ALLOWED_ORIGINS": [
        "example.org",
        "https://example.org/",
        "https://example.org:443",
        "http://example.org:80",
        "https://Example.org",
        "https://*.example.org",
        "https://user@example.org",
        "ftp://example.org",
        "null",
        "*",
        "https://",
        "https://example.org,wrong",
    ],
    "DATABASE_URL": [
        "mysql://localhost/name",
        "postgresql://localhost:port/name",
        "postgresql://localhost",
        "nothing",
        "sqlite://",
        "sqlite://:memory:",
        "sqlite:////no/such/folder/db.sqlite3",
    ],
    "REDIS_URL": [
        "localhost:6379",
        "http://localhost",
        "redis://",
        "redis://a:6379,b",
        "redis://a,,redis://b",
        "redis://a,",
        "redis://a:port",
        "redis://[a",
    ],
    "DEBUG": ["maybe"],
    "STANDALONE": ["2"],
    "PLAIN_HTTP": ["y e s"],
    "DEMO_PAYMENTS": ["?"],
    "WALLET_CALLBACK_KEY": ["short"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in BAD.items() for value in values])
def test_read_of_a_bad_value_names_the_variable(name: str, value: str) -> None:
    """A bad value is one line, with the variable in front and a mend behind."""
    (line,) = refused(**{name: value})
    assert line.startswith(f"{name} ")
    assert "; " in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("name", "value"),
    [("REDIS_URL", "redis://:pa55@a:6379,pa55"), ("DATABASE_URL", "mysql://u:pa55@h/n"), ("SECRET_KEY", "pa55")],
)
def test_read_never_repeats_a_secret(name: str, value: str) -> None:
    """Start-up lines land in logs."""
    assert "pa55" not in refused(**{name: value})[0]


def test_repr_never_shows_a_secret() -> None:
    """Nor do tracebacks with local variables."""
    shown = repr(good(REDIS_URL="redis://:pa55@a", DATABASE_URL="postgresql://u:pa55@h/n"))
    assert "pa55" not in shown
    assert KEY not in shown


@pytest.mark.parametrize(("raw", "value"), [("1", True), ("true", True), ("ON", True), ("0", False), ("no", False)])
def test_flags(raw: str, value: bool) -> None:
    """The usual words are flags; unset means no."""
    assert good(STANDALONE=raw).standalone is value
    assert good().standalone is False


def test_lists() -> None:
    """Commas separate, spaces and empty places do not matter."""
    found = good(ALLOWED_HOSTS=" a.org, .b.org,,[::1] ", ALLOWED_ORIGINS="https://a.org,http://127.0.0.1:8000")
    assert found.allowed_hosts == ["a.org", ".b.org", "[::1]"]
    assert found.allowed_origins == ["https://a.org", "http://127.0.0.1:8000"]
    assert good(REDIS_URL="redis://a:1/0, rediss://b").redis_urls == ["redis://a:1/0", "rediss://b"]


@pytest.mark.security("S3")
def test_jwt_signing_key() -> None:
    """A shared secret means HS256; the one before is accepted besides."""
    jwt = good(JWT_SIGNING_KEY_PREVIOUS="p" * 32, JWT_AUDIENCE="push", JWT_ISSUER="login").jwt
    assert (jwt.algorithm, jwt.signing_key, jwt.previous_signing_key) == ("HS256", KEY, "p" * 32)
    assert (jwt.audience, jwt.issuer) == ("push", "login")
    assert good().jwt.audience is None


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa.generate_private_key(65537, 2048).public_key(), "RS256"),
        (ec.generate_private_key(ec.SECP256R1()).public_key(), "ES256"),
    ],
)
def test_jwt_public_key(key: PublicKeyTypes, algorithm: str) -> None:
    """The kind of the PEM decides the algorithm; its line ends may be written as backslash and n."""
    for given in (pem(key), pem(key).replace("\n", "\\n")):
        jwt = good(JWT_SIGNING_KEY="", JWT_PUBLIC_KEY=given).jwt
        assert (jwt.algorithm, jwt.public_key.strip(), jwt.signing_key) == (algorithm, pem(key).strip(), "")


@pytest.mark.parametrize(
    "given",
    [
        "nothing",
        pem(rsa.generate_private_key(65537, 1024).public_key()),  # noqa: S505  that is the point
        pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
    ],
)
def test_jwt_public_key_of_no_use(given: str) -> None:
    """Weak keys, other curves and what is no key are refused."""
    (line,) = refused(JWT_SIGNING_KEY="", JWT_PUBLIC_KEY=given)
    assert line.startswith("JWT_PUBLIC_KEY is ")


def test_jwt_jwks_url() -> None:
    """A key set's address means RS256 in the first place."""
    jwt = good(JWT_SIGNING_KEY="", JWT_JWKS_URL="https://login.example.org/jwks.json").jwt
    assert (jwt.algorithm, jwt.jwks_url) == ("RS256", "https://login.example.org/jwks.json")
    assert refused(JWT_SIGNING_KEY="", JWT_JWKS_URL="login.example.org")[0].startswith("JWT_JWKS_URL is ")


def test_jwt_jwks_file(tmp_path: Path) -> None:
    """A key set may also lie in a file, which is there."""
    file = tmp_path / "a key set.json"
    file.touch()
    assert good(JWT_SIGNING_KEY="", JWT_JWKS_URL=file.as_uri()).jwt.jwks_url == file.as_uri()
    for wrong in ((tmp_path / "nothing.json").as_uri(), tmp_path.as_uri(), f"file://host{file}", str(file)):
        assert refused(JWT_SIGNING_KEY="", JWT_JWKS_URL=wrong)[0].startswith("JWT_JWKS_URL is ")


def test_jwt_keys_of_two_kinds() -> None:
    """Two ways to verify at once are a mistake, not a choice made in silence."""
    assert refused(JWT_JWKS_URL="https://a.org/jwks") == [
        "JWT_JWKS_URL is set beside JWT_SIGNING_KEY; keep one of them"
    ]
    lines = refused(JWT_SIGNING_KEY="", JWT_JWKS_URL="https://a.org/jwks", JWT_SIGNING_KEY_PREVIOUS=KEY)
    assert [line.split()[0] for line in lines] == ["JWT_SIGNING_KEY_PREVIOUS"]


def test_database_of_sqlite(tmp_path: Path) -> None:
    """Without an address a file in var/; with one that file. Write-ahead log and immediate transactions in both."""
    default = good().database
    named = good(DATABASE_URL=f"sqlite:///{tmp_path}/a.sqlite3").database
    assert (default["NAME"], named["NAME"]) == (Path("/var/lib/example/db.sqlite3"), tmp_path / "a.sqlite3")
    assert default["OPTIONS"] == named["OPTIONS"]
    assert default["OPTIONS"]["transaction_mode"] == "IMMEDIATE"


def test_database_of_postgresql() -> None:
    """A pool, and limits that the address can override."""
    found = good(DATABASE_URL="postgresql://u:p%40ss@db:5433/push").database
    assert (found["HOST"], found["PORT"], found["USER"], found["PASSWORD"]) == ("db", 5433, "u", "p@ss")
    assert "statement_timeout=15000" in found["OPTIONS"]["options"]
    assert found["OPTIONS"]["pool"]["max_size"] == 16
    # The pauses between attempts to reconnect double until then.
    assert found["OPTIONS"]["pool"]["reconnect_timeout"] <= 2
    other = good(DATABASE_URL="postgres://u@db/push?options=-c%20statement_timeout%3D0").database
    assert other["OPTIONS"]["options"] == "-c statement_timeout=0"


def test_log_format() -> None:
    """JSON unless lines are asked for; there is no third."""
    assert good().log_format == "json"
    assert good(LOG_FORMAT="line").log_format == "line"
    (line,) = refused(LOG_FORMAT="xml")
    assert line == "LOG_FORMAT is 'xml'; set it to json or line"


def test_channel_encryption_keys() -> None:
    """None, or several, each long enough; no line of a refusal repeats one."""
    assert good().channel_encryption_keys == []
    assert good(CHANNEL_ENCRYPTION_KEYS=f"{KEY},{'o' * 32}").channel_encryption_keys == [KEY, "o" * 32]
    (line,) = refused(CHANNEL_ENCRYPTION_KEYS=f"{KEY},too-short")
    assert line.startswith("CHANNEL_ENCRYPTION_KEYS is shorter than 32 bytes")
    assert "too-short" not in line
