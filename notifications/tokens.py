"""Access tokens: who a bearer is. JWTs by simplejwt's backends, with the project's own `SIMPLE_JWT` settings."""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from asgiref.sync import sync_to_async
from django.core.signals import setting_changed
from django.dispatch import receiver
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError
from rest_framework_simplejwt.settings import api_settings
from rest_framework_simplejwt.tokens import AccessToken

from notifications.conf import conf
from notifications.exceptions import TokenRefused
from notifications.protocol.items import uid_problem

TOKEN_MAX_BYTES = 8 * 1024


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
        # PyJWT: a huge `exp` overflows, a lone surrogate cannot be encoded, odd headers give type errors.
        except (ValueError, TypeError, OverflowError, RecursionError):
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
    token[api_settings.USER_ID_CLAIM] = uid
    token.set_exp(lifetime=lifetime)
    return str(token)


def _claims(payload: dict[str, Any]) -> Claims:
    if payload.get(api_settings.TOKEN_TYPE_CLAIM) != AccessToken.token_type:
        raise TokenRefused("not an access token")
    expires_at = payload.get("exp")
    if not isinstance(expires_at, int | float) or isinstance(expires_at, bool):
        raise TokenRefused("token without expiry")
    uid = payload.get(api_settings.USER_ID_CLAIM)
    if isinstance(uid, int) and not isinstance(uid, bool):
        uid = str(uid)
    if not isinstance(uid, str) or uid_problem(uid):
        raise TokenRefused("token without a usable uid")
    return Claims(uid, float(expires_at))


@lru_cache(maxsize=1)
def _backends() -> tuple[TokenBackend, ...]:
    def backend(algorithm: str, key: str, verifying_key: str, jwks_url: str | None) -> TokenBackend:
        return TokenBackend(
            algorithm,
            signing_key=key,
            verifying_key=verifying_key,
            audience=api_settings.AUDIENCE,
            issuer=api_settings.ISSUER,
            jwk_url=jwks_url or None,
            leeway=api_settings.LEEWAY,
        )

    own = backend(api_settings.ALGORITHM, api_settings.SIGNING_KEY, api_settings.VERIFYING_KEY, api_settings.JWK_URL)
    extra = (backend(k.algorithm, k.key, k.key, k.jwks_url) for k in conf().jwt_extra_keys)
    return own, *extra


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting in ("NOTIFICATIONS", "SIMPLE_JWT"):
        _backends.cache_clear()
