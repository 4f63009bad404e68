"""What every call that stores items does first, whatever it makes: check what it was given, and say what it said."""

from dataclasses import dataclass
from datetime import MAXYEAR, datetime
from typing import Any
from uuid import UUID

from notifications.exceptions import InvalidContent
from notifications.protocol.items import Content, uid_problem


@dataclass(frozen=True, slots=True)
class Accepted:
    """Committed, or will be with the caller's transaction. `duplicate`: an earlier call with the same key did it."""

    id: UUID
    duplicate: bool = False


def checked(*problems: dict[str, Any] | None, **values: Any) -> Content:
    """The content in `values`; raises `InvalidContent` with its problems and those among `problems`, all at once."""
    errors = [problem for problem in problems if problem]
    try:
        content = Content.checked(**values)
    except InvalidContent as error:
        raise InvalidContent(errors + error.errors) from None
    if errors:
        raise InvalidContent(errors)
    return content


def wrong_uid(uid: object) -> dict[str, Any] | None:
    """What is wrong with `uid` as an address, in the form of `InvalidContent.errors`; None if nothing is."""
    problem = uid_problem(uid)
    return {"loc": ["uid"], "msg": problem} if problem else None


def wrong_moment(name: str, moment: object) -> dict[str, Any] | None:
    """What is wrong with the parameter `name` as a moment, in the form of `InvalidContent.errors`, or None."""
    if moment is None:
        return None
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        return {"loc": [name], "msg": "must be a moment with its time zone"}
    # In the last year that Python knows, another zone's midnight or a week later may be no moment any more.
    return None if 1970 < moment.year < MAXYEAR else {"loc": [name], "msg": f"must be between 1971 and {MAXYEAR - 1}"}


def columns(content: Content) -> dict[str, Any]:
    """The content as the columns of `models.Written`."""
    return {
        "title": content.title,
        "body": content.body,
        "kind": content.kind,
        "level": content.level,
        "url": content.url,
        "data": content.data,
        "display": content.display,
        "confirm": content.confirm,
    }


def said(content: Content) -> dict[str, Any]:
    """The content as `idempotency.once` compares it: every field."""
    return columns(content) | {"ref": content.ref}
