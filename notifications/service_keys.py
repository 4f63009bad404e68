"""Service keys, `prefix.secret`: how calling services prove who they are. The stored hashes yield no usable key."""

import hashlib
import secrets
import time
from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import F

from notifications import clock
from notifications.exceptions import InvalidContent, NotFound, ServiceKeyRefused
from notifications.models import SOURCE_MAX, ServiceKey
from notifications.protocol.jsontext import safe

# A key that was revoked elsewhere must stop working within 5 s (security.md S14).
CACHE_SECONDS = 4.0
PREFIX_LENGTH = 12

_checked: dict[str, tuple[float, ServiceKey]] = {}


def create(name: str, scopes: Iterable[str], expires_at: datetime | None = None) -> tuple[ServiceKey, str]:
    """Make a key for the service `name`. Gives the stored row and the key itself, which is shown this once only.

    Raises `InvalidContent` for an empty or too long name, no or unknown scopes, or an expiry in the past.
    """
    wanted = list(dict.fromkeys(scopes))
    errors = []
    if not 1 <= len(name.strip()) <= SOURCE_MAX or not safe(name):
        errors.append({"loc": ["name"], "msg": f"must have 1 to {SOURCE_MAX} characters, no NUL or lone surrogates"})
    unknown = [s for s in wanted if s not in ServiceKey.Scope.values]
    if unknown or not wanted:
        errors.append({"loc": ["scopes"], "msg": f"must be some of {', '.join(ServiceKey.Scope.values)}"})
    if expires_at is not None and (expires_at.utcoffset() is None or expires_at <= clock.now()):
        errors.append({"loc": ["expires_at"], "msg": "must be in the future, with its time zone"})
    if errors:
        raise InvalidContent(errors)
    prefix, secret = secrets.token_hex(PREFIX_LENGTH // 2), secrets.token_urlsafe(32)
    key = ServiceKey.objects.create(
        name=name.strip(), prefix=prefix, secret_hash=_hash(secret), scopes=wanted, expires_at=expires_at
    )
    return key, f"{prefix}.{secret}"


def verify(raw: str) -> ServiceKey:
    """The stored key that `raw` is; raises `ServiceKeyRefused`. Asks the database at most every 4 s a key."""
    key = verify_cached(raw)
    if key is None:
        prefix = prefix_of(raw)
        key = check(raw, look_up([prefix])[prefix])
    return key


def verify_cached(raw: str) -> ServiceKey | None:
    """As `verify`, but without the database: None where it has to be asked. Raises `ServiceKeyRefused`."""
    entry = _checked.get(prefix_of(raw))
    if entry is None or time.monotonic() - entry[0] >= CACHE_SECONDS:
        return None
    return check(raw, entry[1])


def prefix_of(raw: str) -> str:
    """The prefix of something that may be a key; raises `ServiceKeyRefused` for what cannot be any."""
    prefix, dot, secret = raw.partition(".")
    if not dot or not secret or len(raw) > 200 or len(prefix) != PREFIX_LENGTH or not prefix.isalnum():
        raise ServiceKeyRefused("no good service key")
    return prefix


def exists(prefix: str) -> bool:
    """Whether there was such a key, good or not any more, when the database was last asked for it."""
    return prefix in _checked


def look_up(prefixes: Iterable[str]) -> dict[str, ServiceKey | None]:
    """Ask the database for the keys with these prefixes; None for what there is not, or was revoked.

    They are cached whatever secret was given with them: `check` judges each one that is. So wrong secrets cost no query
    either.
    """
    wanted = list(prefixes)
    asked_at = time.monotonic()
    found = {key.prefix: key for key in ServiceKey.objects.filter(prefix__in=wanted, revoked_at__isnull=True)}
    _checked.update({prefix: (asked_at, key) for prefix, key in found.items()})
    for prefix in wanted:
        if prefix not in found:
            _checked.pop(prefix, None)
    return {prefix: found.get(prefix) for prefix in wanted}


def check(raw: str, key: ServiceKey | None) -> ServiceKey:
    """`key` if `raw` is it; raises `ServiceKeyRefused`."""
    # A random secret of 256 bits needs no slow hash: there is nothing to guess.
    if key is None or not secrets.compare_digest(_hash(raw.partition(".")[2]), key.secret_hash):
        raise ServiceKeyRefused("no good service key")
    if key.expires_at is not None and key.expires_at <= clock.now():
        raise ServiceKeyRefused("no good service key")
    return key


def revoke(prefix: str) -> ServiceKey:
    """Revoke the key with this prefix, on every node within 5 s; raises `NotFound`. Repeating is harmless."""
    ServiceKey.objects.filter(prefix=prefix, revoked_at__isnull=True).update(revoked_at=clock.now())
    _checked.pop(prefix, None)
    key = ServiceKey.objects.filter(prefix=prefix).first()
    if key is None:
        raise NotFound(f"no service key with prefix {prefix!r}")
    return key


def add_calls(counts: Mapping[str, int]) -> None:
    """Keys were used just now: add to the numbers of calls they have made, by prefix, with one commit."""
    with transaction.atomic():
        # In order: two nodes that each held a row the other waits for would stop both.
        for prefix in sorted(counts):
            ServiceKey.objects.filter(prefix=prefix).update(calls=F("calls") + counts[prefix], last_used_at=clock.now())


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
