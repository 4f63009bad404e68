"""Frames against the golden examples of tests/golden/ (see golden.py here), which the JavaScript reads too."""

import dataclasses
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.exceptions import InvalidFrame, InvalidJSON, NotificationsError, TooLarge
from notifications.protocol import frames, jsontext
from notifications.protocol.items import Content, Item, encode
from tests.protocol.golden import entries, server_frame

MAX = 8 * 1024


def moment(text: str | None) -> datetime | None:
    """The datetime of a timestamp on the wire."""
    return None if text is None else datetime.fromisoformat(text)


def head_of(entry: dict[str, Any]) -> str:
    """The encoded head of an item as an example shows it."""
    content = {f.name: entry[f.name] for f in dataclasses.fields(Content)}
    created_at = moment(entry["created_at"])
    assert created_at is not None
    return encode(
        Item(
            UUID(entry["id"]),
            entry["audience"],
            Content(**content),
            created_at,
            moment(entry["expires_at"]),
            moment(entry["read_at"]),
        )
    )


def built(frame: dict[str, Any]) -> str:
    """The text that our own functions make of the values of an example."""
    ref = frame.get("ref")
    match frame["type"]:
        case "welcome":
            return frames.welcome(
                connection=frame["connection"],
                uid=frame["uid"],
                server_time=datetime.fromisoformat(frame["server_time"]),
                interval=frame["heartbeat"]["interval"],
                timeout=frame["heartbeat"]["timeout"],
                token_expires_at=datetime.fromisoformat(frame["token_expires_at"]),
                unread=frame["unread"],
            )
        case "inbox":
            return frames.inbox(map(head_of, frame["items"]), frame["unread"], frame["more"])
        case "notification":
            return frames.notification(head_of(frame), frame["unread"])
        case "read":
            return frames.read([UUID(i) for i in frame["ids"]], frame["unread"], ref)
        case "retracted":
            return frames.retracted([UUID(i) for i in frame["ids"]], frame["unread"])
        case "list":
            following = UUID(frame["next"]) if frame["next"] else None
            return frames.listed(map(head_of, frame["items"]), following, ref)
        case "auth":
            return frames.auth(datetime.fromisoformat(frame["token_expires_at"]), ref)
        case "token_expiring":
            return frames.token_expiring(frame["in"])
        case "ping":
            return frames.PING
        case "pong":
            return frames.pong(datetime.fromisoformat(frame["server_time"]), ref)
        case "reconnect":
            return frames.reconnect(frame["after_ms"])
        case "error":
            return frames.error(frame["code"], frame["message"], ref)
    raise AssertionError(frame["type"])


@pytest.mark.parametrize("entry", entries("server_frames"), ids=lambda e: e["name"])
def test_server_frames(entry: dict[str, Any]) -> None:
    """Each frame's text is the shortest JSON of its example, field by field and in that order."""
    assert built(entry["frame"]) == jsontext.dumps(entry["frame"])


def test_the_contract_s_types_all_have_an_example() -> None:
    """None of the frame types, error codes and close codes is without one."""
    sent = {entry["frame"]["type"] for entry in entries("server_frames")}
    assert sent == {
        "welcome", "inbox", "notification", "read", "retracted", "list", "auth", "token_expiring", "ping", "pong",
        "reconnect", "error",
    }  # fmt: skip
    codes = {entry["frame"]["code"] for entry in entries("server_frames") if entry["frame"]["type"] == "error"}
    assert codes == {"invalid_json", "invalid_frame", "too_large", "rate_limited", "unavailable", "unauthorized"}
    said = {entry["frame"]["type"] for entry in entries("client_frames")}
    assert said == {"ping", "pong", "read", "read_all", "list", "auth"}
    assert {e["name"]: e["code"] for e in entries("close_codes")} == {c.name: c.value for c in frames.CloseCode}


def test_the_range_of_a_close_code_says_what_to_do() -> None:
    """4000-4099 stop, 4100-4199 back off, 4200-4299 reconnect at once."""
    for entry in entries("close_codes"):
        assert entry["client"] == ["stop", "back_off", "at_once"][(entry["code"] - 4_000) // 100]


@pytest.mark.parametrize("entry", entries("client_frames"), ids=lambda e: e["name"])
def test_client_frames(entry: dict[str, Any]) -> None:
    """Each is read as its example says."""
    request = frames.parse(jsontext.dumps(entry["frame"]), MAX)
    fields = {f.name: getattr(request, f.name) for f in dataclasses.fields(request)}
    assert {"class": type(request).__name__, **json.loads(json.dumps(fields, default=str))} == entry["parsed"]


@pytest.mark.parametrize("entry", entries("client_frames_invalid"), ids=lambda e: e["name"])
def test_invalid_client_frames(entry: dict[str, Any]) -> None:
    """Each is refused with its error code, and its `ref` where it has a usable one."""
    with pytest.raises(NotificationsError) as caught:
        frames.parse(entry["text"], MAX)
    assert caught.value.code == entry["error"]
    assert getattr(caught.value, "ref", None) == entry["ref"]
    assert frames.ref_of(entry["text"], MAX) == entry["ref"]


def test_the_ref_of_a_frame_that_is_not_done() -> None:
    """Good and wrong frames give theirs; what is no frame has none."""
    assert frames.ref_of('{"type":"ping","ref":"a"}', MAX) == "a"
    assert frames.ref_of('{"type":"shout","ref":2}', MAX) == 2
    assert frames.ref_of(None, MAX) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
odd_frames = st.fixed_dictionaries(
    {"type": st.sampled_from(["ping", "pong", "read", "read_all", "list", "auth", "x"]) | json_values},
    optional={
        "ref": json_values,
        "ids": st.lists(st.uuids().map(str) | st.text(max_size=5), max_size=3) | json_values,
        "via": st.sampled_from(["popup", "list"]) | json_values,
        "confirm": json_values,
        "before": st.uuids().map(str) | json_values,
        "limit": st.integers(-1, 102) | json_values,
        "unread": json_values,
        "kind": st.just("a.b") | json_values,
        "token": json_values,
    },
)


@pytest.mark.security("S10")
@given(odd_frames)
def test_any_frame_is_read_within_its_limits_or_refused(frame: dict[str, Any]) -> None:
    """Whatever the fields are, only the promised errors are raised, and what is read is what the contract says."""
    try:
        request = frames.parse(json.dumps(frame), MAX)
    except (InvalidFrame, InvalidJSON, TooLarge):
        return
    assert request.ref == frame.get("ref")
    assert not isinstance(request.ref, bool)
    match request:
        case frames.Read(_, ids, via, confirm):
            assert len(ids) <= 200
            assert all(isinstance(i, UUID) for i in ids)
            assert via in ("popup", "list")
            assert isinstance(confirm, bool)
        case frames.ReadAll(_, before):
            assert str(before) == frame["before"].lower()
        case frames.ListItems(_, _, limit, unread, kind):
            assert 1 <= limit <= 100
            assert isinstance(unread, bool)
            assert kind is None or isinstance(kind, str)
        case frames.Auth(_, token):
            assert token


@given(st.text() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_any_ref_comes_back_as_it_was(ref: str | float) -> None:
    """Text and numbers, also those that need escaping; an answer is always good JSON."""
    try:
        request = frames.parse(jsontext.dumps({"type": "ping", "ref": ref}), MAX)
    except (InvalidJSON, TooLarge):
        return
    answer = frames.pong(datetime(2026, 1, 2, tzinfo=UTC), request.ref)
    assert json.loads(answer)["ref"] == ref


def test_a_replayed_item_gives_its_head_back() -> None:
    """`unreplayed` undoes `replayed`: the unread index keeps whole JSON objects."""
    head = head_of(server_frame("notification"))
    assert frames.unreplayed(frames.replayed(head)) == head
    assert json.loads(frames.replayed(head))["live"] is False
