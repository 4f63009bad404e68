"""The event: what nodes tell each other over the channel layer, and what each tail makes from the tables. No I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any
from uuid import UUID

from notifications.exceptions import InvalidJSON, TooLarge
from notifications.protocol import jsontext
from notifications.protocol.items import parse_id

MESSAGE_TYPE = "notifications.event"
IDS_MAX = 1_000
# The largest item: 4,000 characters of body and 8 KiB of data, all escaped, take 40 KiB.
HEAD_MAX_BYTES = 64 * 1024


class Op(IntEnum):
    """What happened. The numbers order the life of one item: a smaller one that arrives later is old news."""

    CREATED = 1
    READ = 2
    RETRACTED = 3
    DISCONNECT = 4
    RESYNC = 5


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to one uid, or to everyone where `uid` is None.

    `head` is the item's encoded text (`items.encode`) where one was created; `origin` the connection that asked for a
    read: it has its own answer. `narrow` says that it concerns only those whom the database names, though it goes to
    every node: an announcement for an audience. For DISCONNECT the one id is the wish's, a UUIDv7 of its moment.
    """

    op: Op
    uid: str | None
    ids: tuple[UUID, ...]
    head: str = ""
    origin: str = ""
    narrow: bool = False


def to_message(event: Event) -> dict[str, Any]:
    """The channel-layer message of an event: plain strings and numbers only."""
    return {
        "type": MESSAGE_TYPE,
        "op": int(event.op),
        "uid": event.uid,
        "ids": [str(i) for i in event.ids],
        "head": event.head,
        "origin": event.origin,
        "narrow": event.narrow,
    }


def from_message(message: object) -> Event | None:
    """The event in a channel-layer message, or None for anything that is not one.

    Others may share the Redis: whatever arrives must neither raise nor reach a socket unless it is whole.
    """
    if not isinstance(message, Mapping) or message.get("type") != MESSAGE_TYPE:
        return None
    op, uid, ids = message.get("op"), message.get("uid"), message.get("ids")
    head, origin = message.get("head", ""), message.get("origin", "")
    narrow = message.get("narrow", False)
    if not isinstance(narrow, bool):
        return None
    if not isinstance(uid, str | None) or not isinstance(head, str) or not isinstance(origin, str):
        return None
    if not isinstance(ids, list) or len(ids) > IDS_MAX or not isinstance(op, int) or op not in _OPS:
        return None
    if uid is None and op in (Op.READ, Op.DISCONNECT):
        # Nobody reads for everyone, and no message may end everyone's sockets.
        return None
    parsed = [parse_id(i) for i in ids]
    known = tuple(i for i in parsed if i is not None)
    if len(known) != len(parsed) or (not known and op != Op.RESYNC):
        return None
    if op == Op.CREATED and not (len(known) == 1 and _is_head(head, known[0])):
        return None
    return Event(Op(op), uid, known, head, origin, narrow)


_OPS = frozenset(Op)


def _is_head(head: str, item_id: UUID) -> bool:
    # Once an event and not once a socket: some 10 us.
    if not head.startswith('{"type":"notification"'):
        return False
    try:
        item = jsontext.loads(head + "}", HEAD_MAX_BYTES)
    except (InvalidJSON, TooLarge):
        return False
    return bool(item.get("id") == str(item_id))
