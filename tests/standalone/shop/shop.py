"""The shop: has users, signs their tokens, publishes its keys, and notifies of orders through the service."""

import base64
import json
import secrets
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from django.conf import settings
from django.contrib.auth import authenticate
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, JsonResponse
from django.urls import path

from notifications.client import ClientError, NotificationsClient

# Its own settings, not those of the project that type checkers know.
own: Any = settings
# One for the process: it keeps its connections.
service = NotificationsClient(own.NOTIFICATIONS_URL, own.NOTIFICATIONS_KEY, retries=10)


def token(request: HttpRequest) -> JsonResponse:
    """An access token for the notification service, as simplejwt's are: `POST /token`."""
    now = int(time.time())
    claims = {
        "token_type": "access",
        "iat": now,
        "exp": now + 600,
        "jti": secrets.token_hex(8),
        "user_id": user_of(request),
        "iss": own.ISSUER,
        "aud": own.AUDIENCE,
    }
    if own.SHARED_SECRET:
        return JsonResponse({"access": jwt.encode(claims, own.SHARED_SECRET, algorithm="HS256")})
    kid, key = list(keys().items())[-1]
    return JsonResponse({"access": jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})})


def key_set(_: HttpRequest) -> JsonResponse:
    """The public halves of the keys: `GET /jwks.json`."""
    entries = []
    for kid, key in keys().items():
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))
        entries.append({**public, "kid": kid, "use": "sig", "alg": "RS256"})
    return JsonResponse({"keys": entries})


def pay(request: HttpRequest, number: int) -> JsonResponse:
    """Somebody pays an order, and is told: `POST /orders/<number>/pay`."""
    try:
        sent = service.notifications.send(
            user_of(request),
            f"Order {number} is paid",
            kind="order.paid",
            level="success",
            ref=f"order-{number}",
            idempotency_key=f"order-{number}-paid",
        )
    except ClientError as error:
        return JsonResponse({"error": type(error).__name__, "retryable": error.retryable}, status=502)
    return JsonResponse({"id": sent.id, "duplicate": sent.duplicate, "online": sent.online})


def receive(request: HttpRequest, number: int) -> JsonResponse:
    """Somebody has got what was ordered; there is nothing left to read: `POST /orders/<number>/receive`."""
    read = service.inbox.mark_read(user_of(request), ref=f"order-{number}")
    return JsonResponse({"ids": list(read.ids), "unread": read.unread})


def user_of(request: HttpRequest) -> str:
    """Whose name and password came with the request (HTTP Basic); raises `PermissionDenied`."""
    raw = request.headers.get("Authorization", "").removeprefix("Basic ")
    name, _, password = base64.b64decode(raw).decode().partition(":")
    user: Any = authenticate(request, username=name, password=password)
    if user is None:
        raise PermissionDenied
    return str(user.pk)


def keys() -> dict[str, RSAPrivateKey]:
    """The private keys by name, oldest first."""
    found = {}
    for file in sorted(own.KEYS.glob("*.pem")):
        key = load_pem_private_key(file.read_bytes(), None)
        assert isinstance(key, RSAPrivateKey)
        found[file.stem] = key
    return found


urlpatterns = [
    path("token", token),
    path("jwks.json", key_set),
    path("orders/<int:number>/pay", pay),
    path("orders/<int:number>/receive", receive),
]
