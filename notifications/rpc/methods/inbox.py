"""`inbox.*`: what users see, for services that show it to them elsewhere."""

import asyncio
from typing import Annotated

from pydantic import Field

from notifications import inbox
from notifications.database import in_thread
from notifications.exceptions import InvalidContent
from notifications.protocol import jsontext
from notifications.protocol.frames import replayed
from notifications.protocol.items import DATA_MAX_BYTES, encode, parse_id
from notifications.rpc.registry import Scope, method
from notifications.rpc.results import ListResult, ReadResult
from notifications.rpc.schemas import READ_IDS, Params, SomeUids, StrictBool, StrictInt, StrictStr, ToUid, Uid

_ID = "01a207b6-45ac-776c-a9b4-312094ad3315"
_ITEM = {
    "type": "notification",
    "id": _ID,
    "audience": "user",
    "kind": "recharge.succeeded",
    "level": "success",
    "title": "Top-up arrived",
    "body": "50.00 was added.",
    "url": "/wallet/42",
    "data": {},
    "ref": "order-42",
    "display": "popup",
    "confirm": False,
    "created_at": "2026-01-02T03:04:05.678Z",
    "expires_at": None,
    "read_at": None,
    "live": False,
}


class List(Params):
    """Whose, and which page."""

    uid: Uid = Field(description="The user.")
    before: StrictStr | None = Field(None, description="Only items older than this id.")
    limit: Annotated[StrictInt, Field(ge=1, le=100)] = Field(50, description="How many at most.")
    unread: StrictBool = Field(default=False, description="Only what is not read.")


class MarkRead(ToUid):
    """Whose, and which items."""

    ids: Annotated[list[StrictStr], Field(min_length=1, max_length=READ_IDS)] | None = Field(
        None, description="Ids of items; or give `ref`."
    )
    ref: StrictStr | None = Field(None, description="Business reference: all that carry it.")


@method(
    "inbox.list",
    scope=Scope.INBOX,
    example={"uid": "7", "limit": 1, "unread": True},
    result={"items": [_ITEM], "next": _ID, "unread": 12},
)
async def list_items(params: List) -> ListResult:
    """Read a page of a user's inbox, newest first."""
    before = parse_id(params.before)
    if params.before is not None and before is None:
        raise InvalidContent([{"loc": ["before"], "msg": "must be the id of an item"}])

    def look() -> tuple[inbox.Page, int]:
        page = inbox.page(params.uid, before=before, limit=params.limit, unread=params.unread)
        return page, inbox.unread_counts([params.uid])[params.uid]

    page, unread = await in_thread(look)
    items = [jsontext.loads(replayed(encode(item)), 16 * DATA_MAX_BYTES) for item in page.items]
    return {"items": items, "next": str(page.next) if page.next is not None else None, "unread": unread}


@method(
    "inbox.unread_count",
    scope=Scope.INBOX,
    example={"uids": ["7", "8"]},
    result={"7": 12, "8": 0},
)
async def unread_count(params: SomeUids) -> dict[str, int]:
    """Count what users have not read."""
    return await in_thread(inbox.unread_counts, params.uids)


@method(
    "inbox.mark_read",
    scope=Scope.INBOX,
    writes=True,
    example={"uid": "7", "ref": "order-42"},
    result={"ids": [_ID], "unread": 11},
)
async def mark_read(params: MarkRead) -> ReadResult:
    """Mark items of a user as read, by `ids` or by business reference `ref`; all the user's screens follow.

    By `ref` what needs a confirmation is confirmed too: the business itself has settled it. By `ids` it is left out.
    Unknown ids and other users' look alike: they are left out of the answer. Repeating is harmless.
    """
    if (params.ids is None) == (params.ref is None):
        raise InvalidContent([{"loc": ["ids"], "msg": "give either ids or ref"}])
    if params.ids is not None:
        ids = [item_id for text in params.ids if (item_id := parse_id(text)) is not None]
        result = await in_thread(inbox.read, params.uid, ids)
    else:
        result = await in_thread(inbox.read_by_ref, params.uid, params.ref or "")
    await asyncio.sleep(result.confirm_after)
    return {"ids": [str(item_id) for item_id in result.ids], "unread": result.unread}
