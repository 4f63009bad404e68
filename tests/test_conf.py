"""Settings: defaults, good values, and every way to get them wrong."""

from typing import Any

import pytest
from django.test import override_settings

from notifications.conf import Conf, JWTKey, conf, from_mapping


def test_nothing_set_gives_the_contract_s_limits() -> None:
    """The defaults are the limits that the contract names."""
    settings = from_mapping({})
    assert settings == Conf()
    assert (settings.max_frame_bytes, settings.frames_per_minute, settings.max_connections_per_uid) == (8_192, 120, 10)
    assert (settings.outbox_bytes, settings.heartbeat_interval, settings.heartbeat_timeout) == (262_144, 25, 35)
    assert (settings.replay_limit, settings.drain_seconds, settings.invalid_frames_per_minute) == (100, 20, 3)


def test_values_are_taken() -> None:
    """Lists become tuples; whole numbers are good where fractions are."""
    key = JWTKey("HS256", key="x")
    settings = from_mapping(
        {"ALLOWED_ORIGINS": ["http://a"], "HEARTBEAT_INTERVAL": 5, "STANDALONE": True, "JWT_EXTRA_KEYS": [key]}
    )
    assert settings.allowed_origins == ("http://a",)
    assert settings.heartbeat_interval == 5
    assert settings.standalone
    assert settings.jwt_extra_keys == (key,)
    assert from_mapping({"MAX_FRAME_BYTES": 0}).max_frame_bytes == 0


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEARTBEATS", 5),
        ("heartbeat_interval", 5),
        ("ALLOWED_ORIGINS", "http://a"),
        ("ALLOWED_ORIGINS", 5),
        ("JWT_EXTRA_KEYS", ["a secret"]),
        ("STANDALONE", 1),
        ("STANDALONE", "yes"),
        ("MAX_FRAME_BYTES", -1),
        ("MAX_FRAME_BYTES", 1.5),
        ("MAX_FRAME_BYTES", True),
        ("MAX_FRAME_BYTES", "8192"),
        ("HEARTBEAT_INTERVAL", -0.1),
        ("HEARTBEAT_INTERVAL", None),
        ("HEARTBEAT_INTERVAL", False),
        ("HEARTBEAT_INTERVAL", float("nan")),
        ("HEARTBEAT_INTERVAL", float("inf")),
    ],
)
def test_wrong_values_are_named(name: str, value: Any) -> None:
    """Unknown names and wrong types raise `ValueError` with the name in it."""
    with pytest.raises(ValueError, match=name):
        from_mapping({name: value})


def test_all_wrong_values_are_named_at_once() -> None:
    """One line tells them all."""
    with pytest.raises(ValueError, match=r"unknown setting 'X'; STANDALONE must be True or False"):
        from_mapping({"X": 1, "STANDALONE": 1})


def test_settings_are_read_live() -> None:
    """A change of `settings.NOTIFICATIONS` is seen at once, one of another setting changes nothing."""
    before = conf()
    with override_settings(NOTIFICATIONS={"MAX_CONNECTIONS_PER_UID": 3}):
        assert conf().max_connections_per_uid == 3
        assert conf() is conf()
    with override_settings(LANGUAGE_CODE="de"):
        assert conf() == before
    with override_settings():
        assert conf() == before
