"""Frames: what the server sends, as functions that give the text; what clients send, as dataclasses from `parse`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import Any, TypeAlias
from uuid import UUID

from notifications.exceptions import InvalidFrame, InvalidJSON, TooLarge
from notifications.protocol.items import KIND_PATTERN, parse_id, timestamp
from notifications.protocol.jsontext import dumps, loads

PROTOCOL = 1
SUBPROTOCOL = "notifications.v1"
BEARER_PREFIX = "bearer."
READ_IDS_MAX = 200
LIST_LIMIT_MAX = 100
LIST_LIMIT_DEFAULT = 50

Ref: TypeAlias = str | int | float | None


class CloseCode(IntEnum):
    """Why the server closes a socket. The range is the client's instruction.

    4000-4099: stop. 4100-4199: back off, then reconnect. 4200-4299: reconnect at once, within the window given.
    """

    TOKEN_INVALID = 4001
    SIGNED_OUT = 4003
    TOO_MANY_CONNECTIONS = 4004
    PROTOCOL_VIOLATION = 4007
    SERVER_ERROR = 4100
    RATE_LIMITED = 4101
    TOO_SLOW = 4103
    NO_HEARTBEAT = 4105
    RESTARTING = 4200
    TOKEN_EXPIRED = 4201


# --- server to client ------------------------------------------------------------------------------------------------


def welcome(
    *,
    connection: str,
    uid: str,
    server_time: datetime,
    interval: float,
    timeout: float,
    token_expires_at: datetime,
    unread: int,
) -> str:
    """The first frame on a socket. `interval`: seconds between pings; `timeout`: seconds of silence until dead."""
    return dumps(
        {
            "type": "welcome",
            "protocol": PROTOCOL,
            "connection": connection,
            "uid": uid,
            "server_time": timestamp(server_time),
            "heartbeat": {"interval": interval, "timeout": timeout},
            "token_expires_at": timestamp(token_expires_at),
            "unread": unread,
        }
    )


def notification(head: str, unread: int) -> str:
    """A live push of the item whose `items.encode` text is `head`."""
    return f'{head},"live":true,"unread":{unread}}}'


def framed(text: str) -> bytes:
    """The whole WebSocket frame of a text, as a server sends it (RFC 6455 section 5.2): final, text, not masked."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        head = bytes((0x81, size))
    elif size < 65_536:
        head = b"\x81\x7e" + size.to_bytes(2, "big")
    else:
        head = b"\x81\x7f" + size.to_bytes(8, "big")
    return head + payload


def replayed(head: str) -> str:
    """The item as it stands in `inbox` and `list`: a whole JSON object, not a frame of its own."""
    return head + _REPLAYED


_REPLAYED = ',"live":false}'


def unreplayed(text: str) -> str:
    """The head of which `replayed` made `text`."""
    return text.removesuffix(_REPLAYED)


def inbox(heads: Iterable[str], unread: int, more: bool) -> str:
    """The newest unread items, oldest first; `more`: older unread ones exist."""
    items = ",".join(map(replayed, heads))
    return f'{{"type":"inbox","items":[{items}],"unread":{unread},"more":{"true" if more else "false"}}}'


def listed(heads: Iterable[str], next_id: UUID | None, ref: Ref) -> str:
    """The answer to `list`: a page of items, newest first, and where the next page begins."""
    items = ",".join(map(replayed, heads))
    return f'{{"type":"list","items":[{items}],"next":{dumps(next_id and str(next_id))}{_with_ref(ref)}}}'


def read(ids: Sequence[UUID], unread: int, ref: Ref = None) -> str:
    """What is read now: the answer to a request (with its `ref`), or news for the user's other connections."""
    return f'{{"type":"read","ids":{dumps([str(i) for i in ids])},"unread":{unread}{_with_ref(ref)}}}'


def retracted(ids: Sequence[UUID], unread: int) -> str:
    """Items that are no more: retracted, withdrawn or expired."""
    return dumps({"type": "retracted", "ids": [str(i) for i in ids], "unread": unread})


def auth(token_expires_at: datetime, ref: Ref) -> str:
    """The answer to `auth`: the socket now lives until the new token's expiry."""
    return f'{{"type":"auth","token_expires_at":{dumps(timestamp(token_expires_at))}{_with_ref(ref)}}}'


def token_expiring(seconds: int) -> str:
    """The token ends in so many seconds: send `auth`."""
    return dumps({"type": "token_expiring", "in": seconds})


def pong(server_time: datetime, ref: Ref) -> str:
    """The answer to `ping`."""
    return f'{{"type":"pong","server_time":{dumps(timestamp(server_time))}{_with_ref(ref)}}}'


def reconnect(after_ms: int) -> str:
    """This node is going away; a close with 4200 follows after so many milliseconds."""
    return dumps({"type": "reconnect", "after_ms": after_ms})


def error(code: str, message: str, ref: Ref = None) -> str:
    """Something the client sent could not be done; `code` as in the contract's list."""
    return f'{{"type":"error","code":{dumps(code)},"message":{dumps(message)}{_with_ref(ref)}}}'


PING = '{"type":"ping"}'
# What nearly every client answers, letter for letter.
PONG = '{"type":"pong"}'


def _with_ref(ref: Ref) -> str:
    return "" if ref is None else f',"ref":{dumps(ref)}'


# --- client to server ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ping:
    """The client's heartbeat."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class Pong:
    """The answer to the server's heartbeat."""

    ref: Ref


@dataclass(frozen=True, slots=True)
class Read:
    """These items are read. Ids that are no UUID at all are already left out."""

    ref: Ref
    ids: list[UUID]
    via: str
    confirm: bool


@dataclass(frozen=True, slots=True)
class ReadAll:
    """Everything up to and with `before`, the newest item the user has seen, is read."""

    ref: Ref
    before: UUID


@dataclass(frozen=True, slots=True)
class ListItems:
    """A page of the inbox, older than `before`."""

    ref: Ref
    before: UUID | None
    limit: int
    unread: bool
    kind: str | None


@dataclass(frozen=True, slots=True)
class Auth:
    """A fresh access token for this socket."""

    ref: Ref
    token: str


Request: TypeAlias = Ping | Pong | Read | ReadAll | ListItems | Auth


def parse(text: str, max_bytes: int) -> Request:
    """Read one frame of a client.

    Raises `TooLarge`, `InvalidJSON`, or `InvalidFrame` (not an object, no type, an unknown type, a wrong field; it
    carries the frame's `ref`). Unknown fields are ignored.
    """
    frame = loads(text, max_bytes)
    if not isinstance(frame, dict):
        raise InvalidFrame("a frame is a JSON object")
    ref = frame.get("ref")
    if isinstance(ref, bool) or not isinstance(ref, str | int | float | None):
        raise InvalidFrame("ref must be a string or a number")
    kind = frame.get("type")
    build = _REQUESTS.get(kind) if isinstance(kind, str) else None
    if build is None:
        raise InvalidFrame("no type" if kind is None else "unknown type", ref)
    try:
        return build(ref, frame)
    except _Wrong as wrong:
        raise InvalidFrame(str(wrong), ref) from None


def ref_of(text: str | None, max_bytes: int) -> Ref:
    """The `ref` of a frame that is not done at all, so that its answer can carry it; None if it has no usable one."""
    try:
        return parse(text or "", max_bytes).ref
    except InvalidFrame as error:
        return error.ref
    except (InvalidJSON, TooLarge):
        return None


class _Wrong(ValueError):
    """A field of a frame is not as the contract says."""


def _field(frame: dict[str, Any], name: str, kind: type, default: Any) -> Any:
    value = frame.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _Wrong(f"{name} must be {_NAMES[kind]}")
    return value


_NAMES = {str: "a string", int: "a whole number", bool: "true or false", list: "a list"}


def _id(frame: dict[str, Any], name: str) -> UUID | None:
    value = frame.get(name)
    if value is None:
        return None
    parsed = parse_id(value)
    if parsed is None:
        raise _Wrong(f"{name} must be an item's id")
    return parsed


def _read(ref: Ref, frame: dict[str, Any]) -> Read:
    ids = _field(frame, "ids", list, [])
    if not 1 <= len(ids) <= READ_IDS_MAX:
        raise _Wrong(f"ids must be a list of 1 to {READ_IDS_MAX} ids")
    if not all(isinstance(i, str) for i in ids):
        raise _Wrong("ids must be strings")
    via = _field(frame, "via", str, "list")
    if via not in ("popup", "list"):
        raise _Wrong("via must be popup or list")
    known = [parsed for i in ids if (parsed := parse_id(i)) is not None]
    return Read(ref, known, via, _field(frame, "confirm", bool, default=False))


def _read_all(ref: Ref, frame: dict[str, Any]) -> ReadAll:
    before = _id(frame, "before")
    if before is None:
        raise _Wrong("before must be the newest id that was seen")
    return ReadAll(ref, before)


def _list(ref: Ref, frame: dict[str, Any]) -> ListItems:
    limit = _field(frame, "limit", int, LIST_LIMIT_DEFAULT)
    if not 1 <= limit <= LIST_LIMIT_MAX:
        raise _Wrong(f"limit must be 1 to {LIST_LIMIT_MAX}")
    kind = _field(frame, "kind", str, None)
    if kind is not None and not KIND_PATTERN.fullmatch(kind):
        raise _Wrong("kind must match [a-z0-9_]+(\\.[a-z0-9_]+)*")
    return ListItems(ref, _id(frame, "before"), limit, _field(frame, "unread", bool, default=False), kind)


def _auth(ref: Ref, frame: dict[str, Any]) -> Auth:
    token = _field(frame, "token", str, "")
    if not token:
        raise _Wrong("token must be an access token")
    return Auth(ref, token)


_REQUESTS: dict[str, Callable[[Ref, dict[str, Any]], Request]] = {
    "ping": lambda ref, frame: Ping(ref),
    "pong": lambda ref, frame: Pong(ref),
    "read": _read,
    "read_all": _read_all,
    "list": _list,
    "auth": _auth,
}
