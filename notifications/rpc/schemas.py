"""The types of parameters, for validation and for the OpenRPC document alike.

What an item may hold is said once, in `protocol.items`: its fields are any JSON to pydantic here, are checked by
`Content.checked`, and only the schemas for readers are made from the same limits.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from notifications.exceptions import InvalidContent
from notifications.idempotency import KEY_MAX
from notifications.protocol import items
from notifications.protocol.items import Content

MANY_ITEMS = 1_000
MANY_UIDS = 10_000
STATUS_IDS = 500
READ_IDS = 200
LOOK_UP_UIDS = 1_000

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _wrong(message: str) -> PydanticCustomError:
    return PydanticCustomError("notifications", "{message}", {"message": message})


def _uid(value: Any) -> Any:
    """A whole number is as good as its digits: many platforms' user ids are numbers."""
    uid = str(value) if type(value) is int else value
    if problem := items.uid_problem(uid):
        raise _wrong(problem)
    return uid


def _moment(value: Any) -> datetime:
    if isinstance(value, str) and _RFC3339.fullmatch(value):
        try:
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise _wrong("must be an RFC 3339 date and time with its offset")


def _key(value: str) -> str:
    if not 1 <= len(value) <= KEY_MAX:
        raise _wrong(f"must be a string of 1 to {KEY_MAX} characters")
    return value


_UID_SCHEMA = {"type": "string", "minLength": 1, "maxLength": items.UID_MAX}
Uid = Annotated[str, PlainValidator(_uid), WithJsonSchema(_UID_SCHEMA)]
# For calls that count what cannot be a uid instead of failing by it.
UidOrAnything = Annotated[Any, WithJsonSchema(_UID_SCHEMA)]
Moment = Annotated[datetime, PlainValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Key = Annotated[
    StrictStr, AfterValidator(_key), WithJsonSchema({"type": "string", "minLength": 1, "maxLength": KEY_MAX})
]


def _text(least: int, most: int, **more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "minLength": least, "maxLength": most, **more})


def _or_null(schema: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": [schema, {"type": "null"}]})


Title = Annotated[Any, _text(1, items.TITLE_MAX)]
Body = Annotated[Any, _text(0, items.BODY_MAX)]
Kind = Annotated[Any, _text(1, items.KIND_MAX, pattern=f"^{items.KIND_PATTERN.pattern}$")]
Level = Annotated[Any, WithJsonSchema({"type": "string", "enum": list(items.LEVELS)})]
Url = Annotated[Any, _or_null({"type": "string", "minLength": 1, "maxLength": items.URL_MAX})]
Data = Annotated[Any, WithJsonSchema({"type": "object"})]
Ref = Annotated[Any, _or_null({"type": "string", "minLength": 1, "maxLength": items.REF_MAX})]
Display = Annotated[Any, WithJsonSchema({"type": "string", "enum": list(items.DISPLAYS)})]
Confirm = Annotated[Any, WithJsonSchema({"type": "boolean"})]


class Params(BaseModel):
    """The parameters of a method, in the order of their positions."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Announced(Params):
    """What both notifications and announcements say."""

    title: Title = Field(description="Plain text.")
    body: Body = Field("", description="Plain text.")
    kind: Kind = Field("general", description="What it is about; users filter by it.")
    level: Level = Field("info", description="How grave it is.")
    url: Url = Field(None, description="A path or an http(s) address that a click leads to.")
    data: Data = Field(
        {}, description=f"Anything for the page's own code; at most {items.DATA_MAX_BYTES} bytes of JSON."
    )

    def content(self) -> Content:
        """The content, checked."""
        return Content.checked(**self.model_dump(include=_CONTENT_FIELDS))


class Noted(Announced):
    """What a notification says."""

    ref: Ref = Field(None, description="Your own reference to the business, to retract or mark as read by.")
    display: Display = Field("popup", description="Where it shows.")
    confirm: Confirm = Field(default=False, description="Whether the user must confirm it by a click.")
    expires_at: Moment | None = Field(None, description="When it leaves inboxes by itself.")


_CONTENT_FIELDS = set(Content.__dataclass_fields__)


class ToUid(Params):
    """Whom it is for. Inherit it last: fields stand in the order of the bases from the right."""

    uid: Uid = Field(description="The user.")


class SomeUids(Params):
    """Some users."""

    uids: list[Uid] = Field(description="The users.", min_length=1, max_length=LOOK_UP_UIDS)


class Nothing(Params):
    """No parameters."""


def bind(model: type[Params], args: list[Any], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Parameters by position or by name as a dict by name; raises `InvalidContent` for too many."""
    if not args:
        return kwargs
    names = list(model.model_fields)
    if len(args) > len(names):
        raise InvalidContent([{"loc": [len(names)], "msg": f"at most {len(names)} parameters"}])
    return dict(zip(names, args, strict=False))


def validate(model: type[Params], values: Any) -> Any:
    """The model of `values`; raises `InvalidContent` with all that is wrong, of types and of content."""
    if not isinstance(values, dict):
        raise InvalidContent([{"loc": [], "msg": "must be an object"}])
    errors: list[dict[str, Any]] = []
    made = None
    try:
        made = model.model_validate(values)
    except ValidationError as error:
        errors = [
            {"loc": list(e["loc"]), "msg": e["msg"]} for e in error.errors(include_url=False, include_input=False)
        ]
    if issubclass(model, Announced):
        given = {name: values[name] for name in model.model_fields if name in values and name in _CONTENT_FIELDS}
        try:
            # A title that is missing was found above.
            Content.checked(**{"title": "-", **given})
        except InvalidContent as error:
            errors += error.errors
    if errors:
        raise InvalidContent(errors)
    return made


__all__ = [
    "Announced",
    "Key",
    "Moment",
    "Noted",
    "Nothing",
    "Params",
    "SomeUids",
    "StrictBool",
    "StrictInt",
    "StrictStr",
    "ToUid",
    "Uid",
    "UidOrAnything",
    "bind",
    "validate",
]
