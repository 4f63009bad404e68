"""What senders may write, and the item's text."""

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.exceptions import InvalidContent
from notifications.protocol.items import Content, Item, encode, parse_id, timestamp, uid_problem

ITEM_ID = UUID("01a207b6-45ac-776c-a9b4-312094ad3315")


def wrong(**values: Any) -> list[str]:
    """The fields that `Content.checked` finds fault with."""
    try:
        Content.checked(**{"title": "t", **values})
    except InvalidContent as error:
        return [".".join(e["loc"]) for e in error.errors if e["msg"]]
    return []


@pytest.mark.security("S12")
@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("title", ["x", "x" * 200, "\U0001f642" * 200], ["", "x" * 201, None, 5, "a\0", "\ud800"]),
        ("body", ["", "x" * 4_000, "a\nb"], ["x" * 4_001, None, b"x", "a\0", "\udfff"]),
        ("kind", ["a", "a.b", "a_1.2", "a" * 100], ["", "A", "a.", ".a", "a..b", "a b", "a\n", "a" * 101, None]),
        ("level", ["info", "success", "warning", "error"], ["", "INFO", "debug", None, [], 1]),
        ("display", ["popup", "list", "banner"], ["", "toast", None]),
        ("confirm", [True, False], [None, 1, 0, "true"]),
        ("ref", [None, "x", "x" * 200], ["", "x" * 201, 42, "a\0"]),
        (
            "url",
            [None, "/", "/wallet/42?a=b#c", "http://a", "https://a.b:8443/x", "https://[::1]/", "/" + "x" * 1_999],
            [
                "", "wallet", "//evil.com", "/\\evil.com", "\\evil", "javascript:alert(1)", "data:text/html,x", "ftp://a/",
                "https:///x", "https:x", "http://", "http://a b", "/a\tb", "/a\nb", " /a", "\x01javascript:x", "https://[::1",
                "http://a:99999/", "http://a:x/", "/" + "x" * 2_000, 5, "/a\0",
            ],
        ),
    ],
)  # fmt: skip
def test_fields(field: str, good: list[Any], bad: list[Any]) -> None:
    """Each field at its limits, below and above."""
    for value in good:
        assert wrong(**{field: value}) == [], value
    for value in bad:
        assert wrong(**{field: value}) == [field], value


def test_data() -> None:
    """A JSON object of at most 8 KiB, counted as it is written, nested at most 32 levels; None is an empty one."""
    assert Content.checked(title="t", data=None).data == {}
    empty = len('{"a":""}')
    assert wrong(data={"a": "x" * (8_192 - empty)}) == []
    assert wrong(data={"a": "x" * (8_193 - empty)}) == ["data"]
    assert wrong(data={"a": "é" * ((8_192 - empty) // 2)}) == []
    assert wrong(data={"a": "é" * ((8_194 - empty) // 2)}) == ["data"]
    deep: Any = 1
    for _ in range(32):
        deep = {"a": deep}
    assert wrong(data=deep) == []
    assert wrong(data={"a": deep}) == ["data"]
    circle: dict[str, Any] = {}
    circle["a"] = circle
    no_data: tuple[Any, ...] = (
        [], "x", 5, {"a": float("nan")}, {"a": "\0"}, {"a": "\ud800"}, {"\0": 1}, {"a": 2**64}, {"a": object()},
        {1: "a", "1": "b"}, {"a": {1, 2}}, circle,
    )  # fmt: skip
    for bad in no_data:
        assert wrong(data=bad) == ["data"], bad


def test_every_fault_is_told_at_once() -> None:
    """Errors name each wrong field; the text of the exception does too."""
    with pytest.raises(InvalidContent) as caught:
        Content.checked(title="", level="loud", url="javascript:x")
    assert [e["loc"] for e in caught.value.errors] == [["title"], ["level"], ["url"]]
    assert "level: must be one of info" in str(caught.value)


@pytest.mark.parametrize("uid", ["7", "x" * 255, "everyone", "../", "\u7528\u6237", " "])
def test_uids_that_are_good(uid: str) -> None:
    """Any text of 1 to 255 characters."""
    assert uid_problem(uid) is None


@pytest.mark.parametrize("uid", ["", "x" * 256, "a\0", "\ud800", 7, None])
def test_uids_that_are_not(uid: object) -> None:
    """Empty, too long, NUL, lone surrogates, no text."""
    assert uid_problem(uid)


def test_ids() -> None:
    """The canonical form in either case, and nothing that Python's UUID would take besides."""
    assert parse_id(str(ITEM_ID)) == parse_id(str(ITEM_ID).upper()) == parse_id(ITEM_ID) == ITEM_ID
    bad: list[Any] = ["", "x", ITEM_ID.hex, f"{{{ITEM_ID}}}", f"urn:uuid:{ITEM_ID}", f"{ITEM_ID}\n", 7, None, []]
    assert [parse_id(value) for value in bad] == [None] * len(bad)


def test_timestamps() -> None:
    """UTC with milliseconds, whatever the zone and the precision; None stays None."""
    assert timestamp(datetime(2026, 1, 2, 3, 4, 5, 678_999, UTC)) == "2026-01-02T03:04:05.678Z"
    assert timestamp(datetime(2026, 1, 2, 11, 4, 5, tzinfo=timezone(timedelta(hours=8)))) == "2026-01-02T03:04:05.000Z"
    assert timestamp(None) is None


@given(title=st.text(min_size=1, max_size=200), body=st.text(max_size=300))
def test_text_arrives_as_it_was_written(title: str, body: str) -> None:
    """Whatever content is accepted, its encoded form is JSON with exactly that text."""
    try:
        content = Content.checked(title=title, body=body)
    except InvalidContent:
        assert any("\ud800" <= c <= "\udfff" or c == "\0" for c in title + body)
        return
    item = Item(ITEM_ID, "user", content, datetime(2026, 1, 2, tzinfo=UTC))
    read_back = json.loads(encode(item) + "}")
    assert (read_back["title"], read_back["body"]) == (title, body)


def test_an_item_is_unread_until_it_is_read() -> None:
    """`read_at` decides."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    assert Item(ITEM_ID, "user", Content("t"), now).unread
    assert not Item(ITEM_ID, "user", Content("t"), now, read_at=now).unread
