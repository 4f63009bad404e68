"""The app's settings: one frozen object, read live from `settings.NOTIFICATIONS`. No other module reads settings."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core.signals import setting_changed
from django.dispatch import receiver


@dataclass(frozen=True, slots=True)
class JWTKey:
    """One way to verify an access token: an algorithm with a shared secret, a PEM public key, or a JWKS address."""

    algorithm: str
    key: str = ""
    jwks_url: str = ""


@dataclass(frozen=True, slots=True)
class Conf:
    """Every setting of the app with its default. Durations are seconds, sizes bytes.

    `settings.NOTIFICATIONS` is a dict with these names in capitals: `{"HEARTBEAT_INTERVAL": 25}`.
    """

    allowed_origins: tuple[str, ...] = ()
    """Exact `Origin` values (scheme://host[:port]) that browsers may open sockets from."""
    require_origin: bool = False
    """Refuse sockets of clients that send no `Origin` header (clients other than browsers)."""
    standalone: bool = False
    """No user table: whoever holds a good token is a user."""

    jwt_extra_keys: tuple[JWTKey, ...] = ()
    """Keys that verify access tokens besides the one in `SIMPLE_JWT`: the one before, during a rotation."""
    page_token_lifetime: float = 300.0
    """Life of the access token that a page with a cookie session gets for its socket."""

    heartbeat_interval: float = 25.0
    heartbeat_timeout: float = 35.0
    token_warning: float = 60.0
    """How long before a token's expiry the socket is told `token_expiring`."""
    recheck_interval: float = 60.0
    """How often the user table is looked at anew: for the users of open sockets (a ban written straight to the
    database), and for who has come into the audience of an announcement."""

    max_frame_bytes: int = 8 * 1024
    frames_per_minute: int = 120
    frames_over_rate: int = 30
    """How many frames over the rate are answered with `rate_limited` before the socket is closed with 4101."""
    invalid_frames_per_minute: int = 3
    max_connections_per_uid: int = 10
    outbox_bytes: int = 256 * 1024
    """What may be held in all for a connection that does not read, before it is closed with 4103: 96 KiB of it are the
    server's own buffers, where `notifications.server` runs it."""
    outbox_patience: float = 20.0
    """How long a connection may hold back its reader before it is closed with 4103, whatever the size of its outbox."""
    replay_limit: int = 100
    drain_seconds: float = 20.0
    """How long a node that was told to stop takes to send its sockets away."""

    tail_interval: float = 1.0
    tail_window: float = 10.0
    """How far back each look of the tail goes."""
    tail_deep_window: float = 120.0
    """How far back the occasional deep look goes: longer than any transaction may last."""
    tail_deep_interval: float = 15.0

    redis_urls: tuple[str, ...] = ()
    """The Redis servers of the unread index; several share the uids by hash. Empty: the database answers everything."""

    gather_seconds: float = 0.02
    """How long the look-ups of opening sockets wait for one another to share one query."""
    publish_queue: int = 10_000
    """Group messages held for the channel layer, and as many of bulk calls; past that they are dropped and the tail
    delivers."""
    channel_layer_timeout: float = 1.0
    """How long an opening socket or a publisher waits for the channel layer."""

    announcement_days: float = 7.0
    """Validity of an announcement made in Python or on the command line without an end."""
    idempotency_days: float = 7.0
    rpc_max_bytes: int = 256 * 1024
    rpc_max_batch: int = 50
    """Calls in one JSON-RPC batch."""
    rpc_calls_per_minute: int = 60_000
    """JSON-RPC calls that one service key may make on one node; a minute's worth may come at once. It is there to stop
    what runs wild, and well above the 300 a second that one process is to carry for long."""
    second_approver: bool = False
    """In the admin, an announcement is published by somebody other than those who wrote it."""


def from_mapping(values: Mapping[str, Any]) -> Conf:
    """Build a `Conf` from upper-case names; raises `ValueError` naming each unknown name or wrong type."""
    known = {f.name.upper(): f for f in fields(Conf)}
    wrong = [f"unknown setting {name!r}" for name in values if name not in known]
    given: dict[str, Any] = {}
    for name, raw in values.items():
        if name not in known:
            continue
        value = raw
        default = known[name].default
        if isinstance(default, tuple):
            if isinstance(value, str) or not isinstance(value, list | tuple):
                wrong.append(f"{name} must be a list")
                continue
            value = tuple(value)
            if name == "JWT_EXTRA_KEYS" and not all(isinstance(key, JWTKey) for key in value):
                wrong.append(f"{name} must be a list of JWTKey")
        elif isinstance(default, bool):
            if not isinstance(value, bool):
                wrong.append(f"{name} must be True or False")
        elif isinstance(default, int):
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                wrong.append(f"{name} must be a whole number, not negative")
        elif isinstance(default, float) and (
            isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf")
        ):
            wrong.append(f"{name} must be a number, not negative")
        given[known[name].name] = value
    if wrong:
        raise ValueError("; ".join(wrong))
    return Conf(**given)


@lru_cache(maxsize=1)
def conf() -> Conf:
    """The settings as they are now; raises `ValueError` as `from_mapping` does."""
    return from_mapping(getattr(settings, "NOTIFICATIONS", {}))


def csrf_cookie_name() -> str:
    """The cookie in which Django keeps the token that a page's scripts send with a POST."""
    return settings.CSRF_COOKIE_NAME


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting == "NOTIFICATIONS":
        conf.cache_clear()
