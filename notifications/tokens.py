"""Access tokens: who a bearer is. JWTs by simplejwt's backends, with the project's own `SIMPLE_JWT` settings."""

import json
import logging
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from asgiref.sync import sync_to_async
from django.core.signals import setting_changed
from django.dispatch import receiver
from jwt import PyJWKClient, PyJWKClientError, PyJWKSet, PyJWTError
from rest_framework_simplejwt import settings as simplejwt
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.tokens import AccessToken

from notifications.conf import conf
from notifications.exceptions import TokenRefused
from notifications.protocol.items import uid_problem

logger = logging.getLogger(__name__)

TOKEN_MAX_BYTES = 8 * 1024
# A key server that does not answer holds up nobody for longer.
JWKS_TIMEOUT = 5.0
# Keys are fetched anew every five minutes, and when a token names an unknown one; but never more often than this,
# whoever sends such tokens, and whether the key server answers or not.
JWKS_COOLDOWN = 10.0
# The last moment that a datetime can hold.
LATEST = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good access token says: whose it is and until when (seconds since the epoch)."""

    uid: str
    expires_at: float


def verify(raw: str) -> Claims:
    """Check an access token: signature by one of the fixed algorithm and key pairs, `exp`, `nbf`, `aud`, `iss`, kind.

    Raises `TokenRefused`. Touches no database. May block for the first fetch of a JWKS document: `averify` does not.
    """
    if not raw or len(raw) > TOKEN_MAX_BYTES:
        raise TokenRefused("no token" if not raw else "token too long")
    reason = "no key"
    for backend in _backends():
        try:
            payload = backend.decode(raw)  # type: ignore[arg-type]  # simplejwt annotates its own Token, takes text
        except TokenBackendError as error:
            reason = str(error)
        # PyJWT: a lone surrogate cannot be encoded, odd claims and headers overflow, recurse or give type errors.
        except (ValueError, TypeError, OverflowError, RecursionError, AttributeError, PyJWTError):
            reason = "malformed token"
        else:
            return _claims(payload)
    raise TokenRefused(reason)


async def averify(raw: str) -> Claims:
    """`verify` without blocking the event loop, whatever kind of key there is."""
    if any(backend.jwks_client for backend in _backends()):
        return await sync_to_async(verify, thread_sensitive=False)(raw)
    return verify(raw)


def issue(uid: str, lifetime: timedelta) -> str:
    """A new access token of `uid`, signed as `SIMPLE_JWT` says; raises `TokenBackendError` where it cannot sign."""
    token = AccessToken()
    token[simplejwt.api_settings.USER_ID_CLAIM] = uid
    token.set_exp(lifetime=lifetime)
    own = _backends()[0]
    if not own.signing_key:
        raise TokenBackendError("there is no signing key here: this platform only verifies tokens")
    return own.encode(token.payload)


def _claims(payload: dict[str, Any]) -> Claims:
    settings = simplejwt.api_settings
    if payload.get(settings.TOKEN_TYPE_CLAIM) != AccessToken.token_type:
        raise TokenRefused("not an access token")
    expires_at = payload.get("exp")
    if not isinstance(expires_at, int | float) or isinstance(expires_at, bool) or not 0 < expires_at <= LATEST:
        raise TokenRefused("token without a usable expiry")
    uid = payload.get(settings.USER_ID_CLAIM)
    if isinstance(uid, int) and not isinstance(uid, bool):
        uid = str(uid)
    if not isinstance(uid, str) or uid_problem(uid):
        raise TokenRefused("token without a usable uid")
    return Claims(uid, float(expires_at))


class KeySet(PyJWKClient):
    """The keys at a JWKS address, or in a file (`file:///...`). While they cannot be had the last ones stay good."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._file = Path(url2pathname(parts.path)) if parts.scheme == "file" else None
        # PyJWT refuses file addresses, since a token could name one; but this one its operator has set.
        super().__init__(
            "http://localhost" if self._file else url, timeout=JWKS_TIMEOUT, cooldown_duration=JWKS_COOLDOWN
        )
        self.uri = url
        self._last: Any = None
        self._asked_at = float("-inf")

    def fetch_data(self) -> Any:
        """The key set; raises `PyJWKClientError` where there never was one."""
        if time.monotonic() - self._asked_at >= JWKS_COOLDOWN:
            self._asked_at = time.monotonic()
            try:
                self._last = super().fetch_data() if self._file is None else _read(self._file)
            except (PyJWTError, ValueError, OSError) as error:
                # Also an answer that is no JSON, or holds no key.
                logger.warning("the keys at %s could not be fetched (%s)", self.uri, type(error).__name__)
        if self._last is None:
            raise PyJWKClientError("no keys")
        return self._last


def _read(file: Path) -> Any:
    document = json.loads(file.read_bytes())
    if not isinstance(document, dict):
        raise PyJWKClientError("no JSON object")
    # Raises where it holds no usable key: then those before stay good.
    PyJWKSet.from_dict(document)
    return document


@lru_cache(maxsize=1)
def _backends() -> tuple[TokenBackend, ...]:
    # Through the module: simplejwt puts a new object there when its settings change.
    settings = simplejwt.api_settings

    def backend(algorithm: str, key: str, verifying_key: str, jwks_url: str | None) -> TokenBackend:
        made = TokenBackend(
            algorithm,
            signing_key=key,
            verifying_key=verifying_key,
            audience=settings.AUDIENCE,
            issuer=settings.ISSUER,
            leeway=settings.LEEWAY,
        )
        if jwks_url:
            made.jwks_client = KeySet(jwks_url)
        return made

    own = backend(settings.ALGORITHM, settings.SIGNING_KEY, settings.VERIFYING_KEY, settings.JWK_URL)
    extra = (backend(k.algorithm, k.key, k.key, k.jwks_url) for k in conf().jwt_extra_keys)
    return own, *extra


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting in ("NOTIFICATIONS", "SIMPLE_JWT"):
        _backends.cache_clear()
