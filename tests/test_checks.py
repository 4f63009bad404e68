"""Start-up checks: a good deployment is silent, a bad one is told by a stable id."""

from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.test import override_settings

from notifications.checks import check_keys, check_settings


def ids(messages: list[Any]) -> list[str]:
    """The ids of messages; each has a hint."""
    assert all(message.hint for message in messages)
    return [message.id for message in messages]


def test_the_platform_s_own_settings_are_good() -> None:
    """Neither check finds anything, and both are registered."""
    assert check_settings() == check_keys() == []
    with override_settings(NOTIFICATIONS={"X": 1}):
        found = [message.id for message in run_checks(tags=["notifications"])]
        assert found == ["notifications.E001"]
    with override_settings(NOTIFICATIONS={}):
        found = [message.id for message in run_checks(tags=["security"], include_deployment_checks=True)]
        assert "notifications.W012" in found


@pytest.mark.parametrize(
    ("notifications", "expected"),
    [
        ({"HEARTBEATS": 1}, ["notifications.E001"]),
        ({"MAX_FRAME_BYTES": -1}, ["notifications.E001"]),
        (5, ["notifications.E001"]),
        ({"ALLOWED_ORIGINS": ["https://a.b", "http://a.b:8000"]}, []),
        ({"ALLOWED_ORIGINS": ["https://a.b/"]}, ["notifications.E002"]),
        ({"ALLOWED_ORIGINS": ["https://A.b"]}, ["notifications.E002"]),
        ({"ALLOWED_ORIGINS": ["a.b", "null", "*", 5]}, ["notifications.E002"] * 4),
        ({"ALLOWED_ORIGINS": ["ws://a.b"]}, ["notifications.E002"]),
        ({"HEARTBEAT_INTERVAL": 35, "HEARTBEAT_TIMEOUT": 35}, ["notifications.E003"]),
        ({"HEARTBEAT_INTERVAL": 34, "HEARTBEAT_TIMEOUT": 35}, []),
        ({"HEARTBEAT_INTERVAL": 0}, ["notifications.E003"]),
        ({"TAIL_INTERVAL": 0}, ["notifications.E005"]),
        ({"TAIL_INTERVAL": 10, "TAIL_WINDOW": 10, "TAIL_DEEP_WINDOW": 10}, []),
        ({"TAIL_INTERVAL": 11}, ["notifications.E005"]),
        ({"TAIL_WINDOW": 121}, ["notifications.E005"]),
    ],
)
def test_settings(notifications: Any, expected: list[str]) -> None:
    """Names and types, origins, heartbeat, windows of the tail."""
    with override_settings(NOTIFICATIONS=notifications):
        assert ids(check_settings()) == expected


@pytest.mark.parametrize("layers", [{}, {"other": {}}])
def test_a_channel_layer_is_needed(layers: dict[str, Any]) -> None:
    """The one named default."""
    with override_settings(CHANNEL_LAYERS=layers):
        assert ids(check_settings()) == ["notifications.E004"]


@pytest.mark.security("S3")
@pytest.mark.parametrize(
    ("simple_jwt", "expected"),
    [
        ({"SIGNING_KEY": "x" * 32}, []),
        ({"SIGNING_KEY": "x" * 31}, ["notifications.E010"]),
        ({"SIGNING_KEY": "\u00e9" * 16}, []),
        ({"SIGNING_KEY": ""}, ["notifications.E010"]),
        ({"SIGNING_KEY": settings.SECRET_KEY}, ["notifications.E011"]),
        ({"ALGORITHM": "RS256", "SIGNING_KEY": ""}, []),
    ],
)
def test_keys(simple_jwt: dict[str, Any], expected: list[str]) -> None:
    """256 bits at least, and not SECRET_KEY; a public key needs no secret."""
    with override_settings(SIMPLE_JWT={**settings.SIMPLE_JWT, **simple_jwt}):
        assert ids(check_keys()) == expected
