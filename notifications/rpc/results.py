"""The types of results, for the OpenRPC document. At run time they are plain dicts."""

from typing import Any, NotRequired

# pydantic cannot read the standard library's before Python 3.12.
from typing_extensions import TypedDict


class SendResult(TypedDict):
    """`online`: whether the user has an open socket anywhere."""

    id: str
    duplicate: bool
    online: bool


class ItemError(TypedDict):
    """Why one item was refused, as the call's own error would say it."""

    code: int
    message: str
    data: NotRequired[Any]


class ItemResult(TypedDict):
    """One item of the call by its index: its id, or its error."""

    index: int
    id: NotRequired[str]
    error: NotRequired[ItemError]


class SendManyResult(TypedDict):
    """`duplicate`: an earlier call with the same key did it."""

    results: list[ItemResult]
    accepted: int
    rejected: int
    duplicate: NotRequired[bool]


class MulticastResult(TypedDict):
    """`accepted`: users sent to; `rejected`: uids that cannot be any user's."""

    accepted: int
    rejected: int
    duplicate: NotRequired[bool]


class RetractResult(TypedDict):
    """How many were taken back, and how many of them had been read by then."""

    retracted: int
    already_read: int


class StateResult(TypedDict):
    """Where a notification is in its life, and since when."""

    id: str
    state: str
    at: str | None


class CreateResult(TypedDict):
    """`status`: draft, scheduled or live."""

    id: str
    status: str
    duplicate: NotRequired[bool]


class WithdrawResult(TypedDict):
    """False: it was withdrawn before."""

    retracted: bool


class StatsResult(TypedDict):
    """`reached` is null where there is no user table."""

    status: str
    reached: int | None
    read: int
    confirmed: int
    median_seconds: float | None
    live_at: str | None
    ends_at: str


class ListResult(TypedDict):
    """`next`: give it as `before` for the next page; null at the end."""

    items: list[dict[str, Any]]
    next: str | None
    unread: int


class ReadResult(TypedDict):
    """Which of the asked-for items are read now, and how many are still unread."""

    ids: list[str]
    unread: int


class DisconnectResult(TypedDict):
    """How many sockets were open, as far as is known."""

    closed: int


class InfoResult(TypedDict):
    """Who the key is, and who answers."""

    name: str
    scopes: list[str]
    version: str
    time: str
