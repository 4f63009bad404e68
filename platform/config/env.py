"""The environment of a node: every variable read, checked and explained in one place.

Every missing or bad value is told, all at once, one line each: the variable, what is wrong, the mend.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import url2pathname

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from environ import Env

T = TypeVar("T")

# 256 bits, what HS256 asks of its key (RFC 7518 section 3.2).
MIN_KEY_BYTES = 32
MAKE_KEY = """make one with: python -c "import secrets; print(secrets.token_urlsafe(48))\""""
LOG_FORMATS = ("json", "line")
JWT_KEYS = ("JWT_SIGNING_KEY", "JWT_PUBLIC_KEY", "JWT_JWKS_URL")


class BadEnvironment(Exception):
    """Some variables are missing or wrong; `lines` has one for each, with its name and the mend."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


@dataclass(frozen=True, slots=True)
class Environment:
    """What the environment says, checked. Secrets stay out of its `repr`."""

    secret_key: str = field(repr=False)
    jwt: "Jwt" = field(repr=False)
    database: dict[str, Any] = field(repr=False)
    redis_urls: list[str] = field(repr=False)
    wallet_callback_key: str = field(repr=False)
    allowed_hosts: list[str]
    allowed_origins: list[str]
    debug: bool
    standalone: bool
    plain_http: bool
    demo_payments: bool
    log_format: str
    channel_encryption_keys: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Jwt:
    """How access tokens are verified and, with a signing key, made. `algorithm` belongs to the first key given."""

    algorithm: str
    signing_key: str = ""
    previous_signing_key: str = ""
    public_key: str = ""
    jwks_url: str = ""
    audience: str | None = None
    issuer: str | None = None


class _Wrong(Exception):
    """A variable's value is not usable; the message says what is wrong and the mend."""


def read(variables: Mapping[str, str], var: Path) -> Environment:
    """Read and check `variables`; `var` is the folder of the SQLite file where `DATABASE_URL` is not set.

    Raises `BadEnvironment` with a line for every variable that is missing or wrong.
    """
    lines: list[str] = []

    def get(name: str, parse: Callable[[str], T], default: T, required: str = "") -> T:
        raw = variables.get(name, "").strip()
        try:
            if raw:
                return parse(raw)
            if required:
                raise _Wrong(f"is missing; {required}")
        except _Wrong as wrong:
            lines.append(f"{name} {wrong}")
        return default

    def flag(name: str) -> bool:
        return get(name, _flag, False)

    secret_key = get("SECRET_KEY", _key, "", required=MAKE_KEY)
    found = Environment(
        secret_key=secret_key,
        jwt=_jwt(get, variables, secret_key, lines),
        database=get("DATABASE_URL", _database, {}) or _sqlite(var / "db.sqlite3"),
        redis_urls=get("REDIS_URL", _redis, []),
        wallet_callback_key=get("WALLET_CALLBACK_KEY", _key, ""),
        allowed_hosts=get("ALLOWED_HOSTS", _hosts, [], required="list the host names served: example.org"),
        allowed_origins=get(
            "ALLOWED_ORIGINS", _origins, [], required="list the addresses of your pages: https://example.org"
        ),
        debug=flag("DEBUG"),
        standalone=flag("STANDALONE"),
        plain_http=flag("PLAIN_HTTP"),
        demo_payments=flag("DEMO_PAYMENTS"),
        log_format=get("LOG_FORMAT", _log_format, "json"),
        channel_encryption_keys=get("CHANNEL_ENCRYPTION_KEYS", _keys, []),
    )
    if lines:
        raise BadEnvironment(lines)
    return found


def _jwt(get: Any, variables: Mapping[str, str], secret_key: str, lines: list[str]) -> Jwt:
    given = [name for name in JWT_KEYS if variables.get(name, "").strip()]
    if not given:
        lines.append(f"JWT_SIGNING_KEY is missing; {MAKE_KEY} (or give JWT_PUBLIC_KEY or JWT_JWKS_URL to verify only)")
    elif len(given) > 1:
        lines.append(f"{given[1]} is set beside {given[0]}; keep one of them")
    signing_key: str = get("JWT_SIGNING_KEY", _key, "")
    if signing_key and signing_key == secret_key:
        lines.append(f"JWT_SIGNING_KEY is the same as SECRET_KEY; {MAKE_KEY}")
    previous: str = get("JWT_SIGNING_KEY_PREVIOUS", _key, "")
    if previous and not variables.get("JWT_SIGNING_KEY", "").strip():
        lines.append("JWT_SIGNING_KEY_PREVIOUS is set without JWT_SIGNING_KEY; unset it, or set both")
    public_key, algorithm = get("JWT_PUBLIC_KEY", _public_key, ("", "HS256"))
    jwks_url: str = get("JWT_JWKS_URL", _key_set, "")
    return Jwt(
        algorithm="RS256" if jwks_url else algorithm,
        signing_key=signing_key,
        previous_signing_key=previous,
        public_key=public_key,
        jwks_url=jwks_url,
        audience=get("JWT_AUDIENCE", str, "") or None,
        issuer=get("JWT_ISSUER", str, "") or None,
    )


def _flag(raw: str) -> bool:
    if raw.lower() in ("1", "true", "yes", "on"):
        return True
    if raw.lower() in ("0", "false", "no", "off"):
        return False
    raise _Wrong(f"is {raw!r}; set it to 1 or 0")


def _log_format(raw: str) -> str:
    if raw not in LOG_FORMATS:
        raise _Wrong(f"is {raw!r}; set it to {' or '.join(LOG_FORMATS)}")
    return raw


def _keys(raw: str) -> list[str]:
    return [_key(key) for key in _list(raw)]


def _key(raw: str) -> str:
    if len(raw.encode()) < MIN_KEY_BYTES:
        raise _Wrong(f"is shorter than {MIN_KEY_BYTES} bytes; {MAKE_KEY}")
    return raw


def _public_key(raw: str) -> tuple[str, str]:
    """The PEM, with line ends where the environment has backslash and n, and the algorithm of its kind of key."""
    pem = raw.replace("\\n", "\n")
    mend = "give a PEM of an RSA key of 2048 bits or more, or of a P-256 key"
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise _Wrong(f"is no public key; {mend}") from None
    if isinstance(key, RSAPublicKey) and key.key_size >= 2048:
        return pem, "RS256"
    if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1):
        return pem, "ES256"
    raise _Wrong(f"is a key of another kind; {mend}")


def _key_set(raw: str) -> str:
    parts = urlsplit(raw)
    if parts.scheme == "file" and not parts.netloc and Path(url2pathname(parts.path)).is_file():
        return raw
    if parts.scheme not in ("https", "http") or not parts.hostname:
        mend = "write an address such as https://login.example.org/jwks.json, or file:///run/jwks.json, which is there"
        raise _Wrong(f"is {raw!r}; {mend}")
    return raw


def _list(raw: str) -> list[str]:
    return [item.strip() for item in raw.split(",") if item.strip()]


def _hosts(raw: str) -> list[str]:
    hosts = _list(raw)
    for host in hosts:
        if not re.fullmatch(r"\*|\.?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]", host):
            raise _Wrong(f"holds {host!r}; write host names alone, without scheme, port or path, separated by commas")
    return hosts


def _origins(raw: str) -> list[str]:
    origins = _list(raw)
    for origin in origins:
        parts = urlsplit(origin)
        bare = parts.netloc and origin == f"{parts.scheme}://{parts.netloc}".lower() and "@" not in origin
        # A browser never sends the default port, so such an entry would match nothing.
        default_port = origin.endswith(":80" if parts.scheme == "http" else ":443")
        if parts.scheme not in ("http", "https") or not bare or default_port or "*" in origin:
            raise _Wrong(
                f"holds {origin!r}; write scheme://host or scheme://host:port as browsers send it, "
                "lower case, without path, wildcard or default port, separated by commas"
            )
    return origins


def _redis(raw: str) -> list[str]:
    # An empty one is wrong too: which shard holds whom hangs on how many there are.
    urls = [url.strip() for url in raw.split(",")]
    if not all(_is_redis(url) for url in urls):
        # The address may hold a password: it is not repeated.
        raise _Wrong("holds something that is no Redis address; write redis://host:6379/0, commas between shards")
    return urls


def _is_redis(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        # A port that is no number, a bracket that is never closed.
        return False
    place = parts.hostname or (port is None and parts.path.strip("/"))
    return parts.scheme in {"redis", "rediss", "unix"} and bool(place)


def _database(raw: str) -> dict[str, Any]:
    mend = "write postgresql://user:password@host/name or sqlite:////folder/file.sqlite3"
    try:
        scheme = urlsplit(raw).scheme
        config: dict[str, Any] = Env.db_url_config(raw) if scheme in ("postgres", "postgresql", "sqlite") else {}
    except ValueError:
        config = {}
    if not config or not config["NAME"] or config["NAME"] == ":memory:":
        # The address holds a password: it is not repeated.
        raise _Wrong(f"is no database address that works here; {mend}")
    if scheme != "sqlite":
        return _postgresql(config)
    path = Path(config["NAME"])
    if not path.parent.is_dir():
        raise _Wrong(f"names a file in {path.parent}, which is no folder; make that folder")
    return _sqlite(path)


def _sqlite(path: Path) -> dict[str, Any]:
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "OPTIONS": {
            # A transaction that reads first and writes later fails at once where another wrote in between, whatever
            # the time-out; one that is immediate waits its turn.
            "transaction_mode": "IMMEDIATE",
            "timeout": 10,
            "init_command": "PRAGMA journal_mode=WAL",
        },
    }


def _postgresql(config: dict[str, Any]) -> dict[str, Any]:
    # Milliseconds. A stuck query must become an error before callers give up; `?options=` in the address overrides.
    limits = "-c statement_timeout=15000 -c lock_timeout=5000 -c idle_in_transaction_session_timeout=30000"
    return config | {
        # Connections live in psycopg's pool, so Django keeps none of its own (CONN_MAX_AGE 0, its default).
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "options": limits,
            "connect_timeout": 5,
            # With PostgreSQL's default of 100 connections: six nodes. Whoever waits for a connection has one tried anew
            # every few seconds; by the pool's own default the pauses double for 5 minutes, and a database that was away
            # for a minute would be for one more.
            "pool": {"min_size": 1, "max_size": 16, "timeout": 3, "reconnect_timeout": 2},
            **config.get("OPTIONS", {}),
        },
    }
