"""The item: what an inbox holds and what goes over the wire, whether a notification or an announcement."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import urlsplit
from uuid import UUID

from notifications.exceptions import InvalidContent
from notifications.protocol import jsontext

LEVELS = ("info", "success", "warning", "error")
DISPLAYS = ("popup", "list", "banner")
TITLE_MAX = 200
BODY_MAX = 4_000
URL_MAX = 2_000
KIND_MAX = 100
REF_MAX = 200
UID_MAX = 255
DATA_MAX_BYTES = 8 * 1024
KIND_PATTERN = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)*")
_BAD_IN_URL = re.compile(r"[\s\\\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Content:
    """What a sender writes. `Content.checked(...)` is the only door for values from outside."""

    title: str
    body: str = ""
    kind: str = "general"
    level: str = "info"
    url: str | None = None
    data: dict[str, Any] = field(default_factory=dict)
    ref: str | None = None
    display: str = "popup"
    confirm: bool = False

    @classmethod
    def checked(cls, **values: Any) -> "Content":
        """Build content from any values; raises `InvalidContent` with every field that breaks the contract's limits."""
        values["data"] = {} if values.get("data") is None else values["data"]
        errors = [
            {"loc": [name], "msg": problem}
            for name, check in _CHECKS.items()
            if name in values and (problem := check(values[name]))
        ]
        if errors:
            raise InvalidContent(errors)
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Item:
    """One entry of one uid's inbox."""

    id: UUID
    audience: str
    content: Content
    created_at: datetime
    expires_at: datetime | None = None
    read_at: datetime | None = None

    @property
    def unread(self) -> bool:
        """Whether the user has not read it (nor confirmed it, where that is asked for)."""
        return self.read_at is None


def encode(item: Item) -> str:
    """The item's JSON object without its last fields and its closing brace.

    This is the one expensive step, done once for an item however many sockets it goes to: `frames.notification` and
    `frames.replayed` close the text for a live push or for a list.
    """
    content = item.content
    text = jsontext.dumps(
        {
            "type": "notification",
            "id": str(item.id),
            "audience": item.audience,
            "kind": content.kind,
            "level": content.level,
            "title": content.title,
            "body": content.body,
            "url": content.url,
            "data": content.data,
            "ref": content.ref,
            "display": content.display,
            "confirm": content.confirm,
            "created_at": timestamp(item.created_at),
            "expires_at": timestamp(item.expires_at),
            "read_at": timestamp(item.read_at),
        }
    )
    return text[:-1]


def timestamp(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.678Z`; None stays None."""
    if moment is None:
        return None
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def uid_problem(uid: object) -> str | None:
    """Why `uid` cannot be a user's id, or None if it can: 1 to 255 characters without NUL or lone surrogates."""
    return _text(1, UID_MAX)(uid)


def parse_id(text: object) -> UUID | None:
    """The UUID that `text` spells in the canonical form of RFC 9562 section 4 (either case), or None."""
    if isinstance(text, UUID):
        return text
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        return None
    return UUID(text)


_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


Check: TypeAlias = Callable[[object], str | None]


def _text(least: int, most: int) -> Check:
    def check(value: object) -> str | None:
        if not isinstance(value, str):
            return "must be a string"
        if not least <= len(value) <= most:
            return f"must have {least} to {most} characters, not {len(value)}"
        if not jsontext.safe(value):
            return "must not hold NUL or lone surrogates"
        return None

    return check


def _choice(*choices: str) -> Check:
    return lambda value: None if value in choices else f"must be one of {', '.join(choices)}"


def _kind(value: object) -> str | None:
    if problem := _text(1, KIND_MAX)(value):
        return problem
    return None if KIND_PATTERN.fullmatch(str(value)) else "must match [a-z0-9_]+(\\.[a-z0-9_]+)*"


def _url(value: object) -> str | None:
    if value is None:
        return None
    if problem := _text(1, URL_MAX)(value):
        return problem
    text = str(value)
    if _BAD_IN_URL.search(text):
        return "must not hold white space, control characters or backslashes"
    # "//host" would leave the site although it looks like a path.
    if text.startswith("/") and not text.startswith("//"):
        return None
    try:
        parts = urlsplit(text)
        # Reading the port checks it.
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    return None if good else "must be a path or an http(s) address"


def _data(value: object) -> str | None:
    if not isinstance(value, dict):
        return "must be an object"
    try:
        text = jsontext.dumps(value)
        if len(text.encode()) > DATA_MAX_BYTES:
            return f"must have at most {DATA_MAX_BYTES} bytes as JSON"
        jsontext.loads(text, DATA_MAX_BYTES)
    except UnicodeEncodeError:
        return "must not hold NUL or lone surrogates"
    except Exception as error:
        return f"must be JSON: {error}"
    return None


def _ref(value: object) -> str | None:
    return None if value is None else _text(1, REF_MAX)(value)


def _bool(value: object) -> str | None:
    return None if isinstance(value, bool) else "must be true or false"


_CHECKS = {
    "title": _text(1, TITLE_MAX),
    "body": _text(0, BODY_MAX),
    "kind": _kind,
    "level": _choice(*LEVELS),
    "url": _url,
    "data": _data,
    "ref": _ref,
    "display": _choice(*DISPLAYS),
    "confirm": _bool,
}
