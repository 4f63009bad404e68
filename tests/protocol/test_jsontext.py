"""JSON as this app accepts it."""

import json
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notifications.exceptions import InvalidJSON, TooLarge
from notifications.protocol import jsontext

PLENTY = 1_000_000

# What both PostgreSQL and a browser can hold: no NUL, no surrogates.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=30,
)


@given(values)
def test_what_is_written_reads_back(value: Any) -> None:
    """Any JSON value survives the way out and in, as text and as bytes."""
    text = jsontext.dumps(value)
    assert jsontext.loads(text, PLENTY) == value
    assert jsontext.loads(text.encode(), PLENTY) == value


@pytest.mark.security("S10")
@given(st.text() | st.binary())
@example('"\ud800"')
@example(b"\xef\xbb\xbf{}")
def test_any_text_is_read_or_refused(text: str | bytes) -> None:
    """No text raises anything but what is promised, and what is accepted Python's own reader accepts too."""
    try:
        value = jsontext.loads(text, PLENTY)
    except (InvalidJSON, TooLarge):
        return
    assert json.loads(text) == value


@given(st.text('[]{}",:\\0truefalsn.eE-+ \n', max_size=60))
def test_texts_close_to_json_are_read_or_refused(text: str) -> None:
    """As above, with texts of JSON's own characters."""
    test_any_text_is_read_or_refused.hypothesis.inner_test(text)


@pytest.mark.security("S10")
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "hello", "{", "[1,]", '{"a":1,}', "{'a':1}", "01", "1.", "+1", "tru", '"a', "1 2", "\ufeff1",
        "NaN", "Infinity", "-Infinity", '{"a":[NaN]}', "1e400", "-1e400",
        "18446744073709551616", "-9223372036854775809", "1" * 5_000,
        '{"a":1,"a":1}', '{"a":{"b":1,"b":2}}', '{"a":1,"\\u0061":2}',
        '"\\u0000"', '{"\\u0000":1}', '"\\ud800"', '"\\udc00\\ud800"', '["\\uDFFF"]', '"\ud800"', '"\x00"', '"\n"',
    ],
)  # fmt: skip
def test_looser_than_json_is_refused(text: str) -> None:
    """Bad syntax, NaN, numbers that overflow, duplicate keys, NUL, lone surrogates."""
    with pytest.raises(InvalidJSON):
        jsontext.loads(text, PLENTY)


@pytest.mark.parametrize("data", [b"\xff", b'"\xc3"', b'"\xed\xa0\x80"', b'"\xc0\x80"', b"\xef\xbb\xbf{}"])
def test_bytes_that_are_not_utf8_are_refused(data: bytes) -> None:
    """Bad and overlong UTF-8, encoded surrogates, a byte order mark."""
    with pytest.raises(InvalidJSON):
        jsontext.loads(data, PLENTY)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18446744073709551615", 2**64 - 1),
        ("-9223372036854775808", -(2**63)),
        ("-0", 0),
        ("1e308", 1e308),
        ('"\\ud83d\\ude42"', "\U0001f642"),
        (' {"a" : [ ] } ', {"a": []}),
        ('"\\u0001"', "\x01"),
    ],
)
def test_the_edges_of_json_are_good(text: str, value: Any) -> None:
    """64-bit integers, the largest doubles, escaped pairs, white space."""
    assert jsontext.loads(text, PLENTY) == value


@pytest.mark.security("S10")
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_depth(brackets: str) -> None:
    """32 levels are good, 33 are not; brackets in strings do not count, nor do many that are not nested."""

    def nested(levels: int) -> str:
        if brackets == "[]":
            return "[" * levels + "]" * levels
        return '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)

    jsontext.loads(nested(32), PLENTY)
    with pytest.raises(InvalidJSON, match="32"):
        jsontext.loads(nested(33), PLENTY)
    with pytest.raises(InvalidJSON):
        jsontext.loads("[" * 100_000, PLENTY)
    jsontext.loads(json.dumps(["[{" * 50, '"[[' * 20, "\\"]), PLENTY)
    jsontext.loads("[" + ",".join([brackets] * 1_000) + "]", PLENTY)


@pytest.mark.security("S10")
@pytest.mark.parametrize("text", ['"aaaa"', '"\u00e9\u00e9"'])
def test_size(text: str) -> None:
    """Counted in bytes of UTF-8 and before parsing: at the limit good, a byte over not, however bad the text is."""
    size = len(text.encode())
    jsontext.loads(text, size)
    jsontext.loads(text.encode(), size)
    for given_text in (text, text.encode()):
        with pytest.raises(TooLarge):
            jsontext.loads(given_text, size - 1)
    with pytest.raises(TooLarge):
        jsontext.loads("\ud800" * 10, 29)
    with pytest.raises(TooLarge):
        jsontext.loads(b"\xff" * 10, 9)


@pytest.mark.parametrize(
    "text",
    ["[" * 40 + '\\"' * 120_000, "[" * 40 + '"' + '\\"' * 120_000, '["' * 100_000, '"\\' * 100_000 + "[" * 40],
)
def test_a_hostile_text_costs_no_more_than_its_length(text: str) -> None:
    """A quarter of a megabyte of escaped quotes or brackets is refused at once."""
    begun = time.monotonic()
    with pytest.raises(InvalidJSON):
        jsontext.loads(text, PLENTY)
    # By the square of its length it would be hours.
    assert time.monotonic() - begun < 10


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}, {(1, 2): 3}])
def test_what_json_lacks_cannot_be_written(value: Any) -> None:
    """NaN and infinities raise `ValueError`, other things `TypeError`."""
    with pytest.raises((ValueError, TypeError)):
        jsontext.dumps(value)


def test_safe() -> None:
    """NUL and surrogates are what no text may hold."""
    assert jsontext.safe("a\U0001f642\x01")
    assert not jsontext.safe("a\0")
    assert not jsontext.safe("a\udc80")
