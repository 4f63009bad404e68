"""Access tokens: who a bearer is. JWTs by simplejwt's backends, with the project's own `SIMPLE_JWT` settings."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from django.core.signals import setting_changed
from django.dispatch import receiver
from jwt import PyJWTError
from rest_framework_simplejwt import settings as simplejwt
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.tokens import AccessToken

from notifications.conf import conf
from notifications.exceptions import TokenRefused
from notifications.key_sets import KeySet, kid_of
from notifications.protocol.items import uid_problem

TOKEN_MAX_BYTES = 8 * 1024
# The last moment that a datetime can hold.
LATEST = 253_402_300_799


@dataclass(frozen=True, slots=True)
class Claims:
    """What a good access token says: whose it is and until when (seconds since the epoch)."""

    uid: str
    expires_at: float


def verify(raw: str) -> Claims:
    """Check an access token: signature by one of the fixed algorithm and key pairs, `exp`, `nbf`, `aud`, `iss`, kind.

    Raises `TokenRefused`. Touches no database. May block while a key set is fetched: `averify` does not.
    """
    for keys in _key_sets():
        keys.prepare(kid_of(raw[:TOKEN_MAX_BYTES]))
    return _checked(raw)


async def averify(raw: str) -> Claims:
    """`verify` without blocking the event loop, whatever kind of key there is."""
    for keys in _key_sets():
        await keys.aprepare(kid_of(raw[:TOKEN_MAX_BYTES]))
    return _checked(raw)


def _checked(raw: str) -> Claims:
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


@lru_cache(maxsize=1)
def _backends() -> tuple[TokenBackend, ...]:
    # Through the module: simplejwt puts a new object there when its settings change.
    settings = simplejwt.api_settings
    # Several algorithms may share an address.
    key_set = lru_cache(KeySet)

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
            made.jwks_client = key_set(jwks_url)  # type: ignore[assignment]  # all that it is asked for
        return made

    own = backend(settings.ALGORITHM, settings.SIGNING_KEY, settings.VERIFYING_KEY, settings.JWK_URL)
    extra = (backend(k.algorithm, k.key, k.key, k.jwks_url) for k in conf().jwt_extra_keys)
    return own, *extra


@lru_cache(maxsize=1)
def _key_sets() -> tuple[KeySet, ...]:
    sets: list[Any] = [backend.jwks_client for backend in _backends() if backend.jwks_client is not None]
    return tuple(dict.fromkeys(sets))


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting in ("NOTIFICATIONS", "SIMPLE_JWT"):
        _backends.cache_clear()
        _key_sets.cache_clear()
