"""JSON as this app accepts it: RFC 8259 and nothing looser, with the limits that keep a hostile text harmless."""

import json
import math
import re
from collections.abc import Iterable
from typing import Any, NoReturn

from notifications.exceptions import InvalidJSON, TooLarge

MAX_DEPTH = 32
# Possessive, and a string without an end is one token too: a text of escaped quotes would else cost the square of its
# length (256 KiB of them some minutes).
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
_UNSAFE = re.compile("[\0\ud800-\udfff]")


def loads(text: str | bytes, max_bytes: int) -> Any:
    """Parse `text`, of at most `max_bytes` bytes as UTF-8.

    Raises `TooLarge`, before anything is parsed, or `InvalidJSON`: not UTF-8, bad syntax, duplicate keys (RFC 8259
    section 4 leaves them open; two readers may disagree about them), NaN and infinities, numbers that overflow,
    integers over 64 bits, nesting over 32, and strings with NUL or lone surrogates, which PostgreSQL cannot store.
    """
    size = len(text) if isinstance(text, bytes) or text.isascii() else len(text.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise TooLarge(f"over {max_bytes} bytes")
    try:
        if isinstance(text, bytes):
            text = text.decode()
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _check_depth(text)
        value = _decoder.decode(text)
    except UnicodeDecodeError:
        raise InvalidJSON("not UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise InvalidJSON(f"not JSON: {error}") from None
    # Outside of \u escapes a decoded string can hold neither: NUL is bad JSON syntax, and UTF-8 has no surrogates.
    if "\\u" in text or not _encodable(text):
        _check_strings(value)
    return value


def dumps(value: Any) -> str:
    """The shortest JSON text of `value`; raises `ValueError` for NaN, infinities, `TypeError` for what JSON lacks."""
    return _encoder.encode(value)


def safe(text: str) -> bool:
    """Whether `text` is free of NUL and lone surrogates."""
    return _UNSAFE.search(text) is None


def _encodable(text: str) -> bool:
    return text.isascii() or safe(text)


def _check_depth(text: str) -> None:
    depth = 0
    for mark in _STRING_OR_BRACKET.findall(text):
        if mark in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidJSON(f"nested deeper than {MAX_DEPTH}")
        elif mark in "]}":
            depth -= 1


def _check_strings(value: Any) -> None:
    if isinstance(value, str):
        if not safe(value):
            raise InvalidJSON("NUL or a lone surrogate in a string")
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_strings(key)
            _check_strings(inner)
    elif isinstance(value, list):
        for inner in value:
            _check_strings(inner)


def _object(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise InvalidJSON("a key stands twice in one object")
        result[key] = value
    return result


def _int(digits: str) -> int:
    if len(digits) > 20 or not -(2**63) <= (number := int(digits)) < 2**64:
        raise InvalidJSON("an integer over 64 bits")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise InvalidJSON("a number too large")
    return number


def _constant(name: str) -> NoReturn:
    raise InvalidJSON(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_int=_int, parse_float=_float, parse_constant=_constant)
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=True)
