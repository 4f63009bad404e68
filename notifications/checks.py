"""Start-up checks with stable ids: a deployment that cannot work says so before it serves."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.checks import Warning as CheckWarning
from rest_framework_simplejwt import settings as simplejwt

from notifications.conf import Conf, from_mapping

MIN_KEY_BYTES = 32


@register("notifications")
def check_settings(**_: Any) -> list[CheckMessage]:
    """E001: NOTIFICATIONS itself. E002: origins. E003: heartbeat. E004: no channel layer. E005: tail windows."""
    try:
        found = from_mapping(getattr(settings, "NOTIFICATIONS", {}))
    except (TypeError, ValueError) as error:
        return [Error(f"NOTIFICATIONS: {error}.", hint="See notifications.conf.Conf.", id="notifications.E001")]
    return [*_origins(found), *_times(found), *_layer()]


@register(Tags.security, deploy=True)
def check_keys(**_: Any) -> list[CheckMessage]:
    """E010: JWT signing key under 256 bits (RFC 7518 section 3.2). E011: the same as SECRET_KEY. W012: no origins."""
    key = simplejwt.api_settings.SIGNING_KEY or ""
    messages: list[CheckMessage] = []
    if simplejwt.api_settings.ALGORITHM.startswith("HS"):
        if len(key.encode()) < MIN_KEY_BYTES:
            hint = "Generate one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
            messages.append(Error("The JWT signing key has under 256 bits.", hint=hint, id="notifications.E010"))
        if key == settings.SECRET_KEY:
            hint = "Give SIMPLE_JWT a SIGNING_KEY of its own."
            messages.append(Error("The JWT signing key is SECRET_KEY.", hint=hint, id="notifications.E011"))
    if not getattr(settings, "NOTIFICATIONS", {}).get("ALLOWED_ORIGINS"):
        hint = "Set NOTIFICATIONS['ALLOWED_ORIGINS'] to the addresses that your pages are served from."
        messages.append(CheckWarning("No browser may open a socket.", hint=hint, id="notifications.W012"))
    return messages


def _origins(found: Conf) -> Sequence[CheckMessage]:
    return [
        Error(
            f"NOTIFICATIONS['ALLOWED_ORIGINS'] holds {origin!r}, which no browser sends as Origin.",
            hint="Write scheme://host or scheme://host:port, in lower case, without a path.",
            id="notifications.E002",
        )
        for origin in found.allowed_origins
        if not _is_origin(origin)
    ]


def _is_origin(origin: object) -> bool:
    if not isinstance(origin, str):
        return False
    parts = urlsplit(origin)
    return (
        parts.scheme in ("http", "https")
        and bool(parts.netloc)
        and origin == f"{parts.scheme}://{parts.netloc}".lower()
    )


def _times(found: Conf) -> Sequence[CheckMessage]:
    messages = []
    if not 0 < found.heartbeat_interval < found.heartbeat_timeout:
        messages.append(
            Error(
                "NOTIFICATIONS['HEARTBEAT_TIMEOUT'] must be longer than HEARTBEAT_INTERVAL.",
                hint="25 and 35 seconds are the defaults.",
                id="notifications.E003",
            )
        )
    if not 0 < found.tail_interval <= found.tail_window <= found.tail_deep_window:
        messages.append(
            Error(
                "NOTIFICATIONS: TAIL_INTERVAL, TAIL_WINDOW and TAIL_DEEP_WINDOW must rise in this order.",
                hint="A window shorter than the interval would miss items.",
                id="notifications.E005",
            )
        )
    return messages


def _layer() -> Sequence[CheckMessage]:
    if "default" in getattr(settings, "CHANNEL_LAYERS", {}):
        return []
    return [
        Error(
            "CHANNEL_LAYERS has no 'default'.",
            hint="channels.layers.InMemoryChannelLayer for one process, channels_redis.pubsub for several.",
            id="notifications.E004",
        )
    ]
