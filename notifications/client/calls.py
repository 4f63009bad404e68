"""The methods of the service as values: what to call with which parameters, and how to read the result.

Both clients and their batches are made of these. Calls that store something carry an idempotency key from here on: the
caller's, or one made up; so however often a call is repeated, it is carried out once.
"""

import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from notifications.client.results import (
    Announced,
    Info,
    Multicast,
    Page,
    Read,
    Retracted,
    Sent,
    SentMany,
    State,
    Stats,
)

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Call(Generic[R]):
    """One call that can be made, and made again."""

    method: str
    params: dict[str, Any]
    read: Callable[[Any], R]


def send(
    uid: str | int,
    title: str,
    body: str = "",
    *,
    kind: str = "general",
    level: str = "info",
    url: str | None = None,
    data: Mapping[str, Any] | None = None,
    ref: str | None = None,
    display: str = "popup",
    confirm: bool = False,
    expires_at: datetime | str | None = None,
    idempotency_key: str | None = None,
) -> Call[Sent]:
    """Send one notification to the user `uid`; an answer means that it is stored."""
    given = {
        "uid": uid,
        "title": title,
        "body": body,
        "kind": kind,
        "level": level,
        "url": url,
        "data": data,
        "ref": ref,
        "display": display,
        "confirm": confirm,
        "expires_at": expires_at,
    }
    return Call("notifications.send", _keyed(given, idempotency_key), Sent.of)


def send_many(items: Iterable[Mapping[str, Any]], *, idempotency_key: str | None = None) -> Call[SentMany]:
    """Send up to 1,000 notifications, each a mapping of the parameters of `send`; each is accepted or refused alone."""
    return Call("notifications.send_many", _keyed({"items": [*map(_given, items)]}, idempotency_key), SentMany.of)


def multicast(
    uids: Iterable[str | int],
    title: str,
    body: str = "",
    *,
    kind: str = "general",
    level: str = "info",
    url: str | None = None,
    data: Mapping[str, Any] | None = None,
    ref: str | None = None,
    display: str = "popup",
    confirm: bool = False,
    expires_at: datetime | str | None = None,
    idempotency_key: str | None = None,
) -> Call[Multicast]:
    """Send one content to up to 10,000 users, once to each."""
    given = {
        "uids": list(uids),
        "title": title,
        "body": body,
        "kind": kind,
        "level": level,
        "url": url,
        "data": data,
        "ref": ref,
        "display": display,
        "confirm": confirm,
        "expires_at": expires_at,
    }
    return Call("notifications.multicast", _keyed(given, idempotency_key), Multicast.of)


def retract(
    id: str | None = None,  # noqa: A002  the contract's name
    *,
    ref: str | None = None,
    uid: str | int | None = None,
) -> Call[Retracted]:
    """Take notifications back by `id`, or all that carry `ref` (only the user's, with `uid`); repeating is harmless."""
    return Call("notifications.retract", _given({"id": id, "ref": ref, "uid": uid}), Retracted.of)


def status(ids: Sequence[str]) -> Call[tuple[State, ...]]:
    """Ask what became of up to 500 notifications."""
    return Call("notifications.status", {"ids": list(ids)}, lambda value: tuple(map(State.of, value)))


def create(
    title: str,
    body: str = "",
    *,
    ends_at: datetime | str,
    kind: str = "general",
    level: str = "info",
    url: str | None = None,
    data: Mapping[str, Any] | None = None,
    display: str = "popup",
    confirm: bool = False,
    starts_at: datetime | str | None = None,
    late_join: bool = True,
    publish: bool = True,
    idempotency_key: str | None = None,
) -> Call[Announced]:
    """Make an announcement to everyone, live from `starts_at` (at once) to `ends_at`; a draft with `publish=False`."""
    given = {
        "title": title,
        "body": body,
        "kind": kind,
        "level": level,
        "url": url,
        "data": data,
        "display": display,
        "confirm": confirm,
        "starts_at": starts_at,
        "ends_at": ends_at,
        "late_join": late_join,
        "publish": publish,
    }
    return Call("announcements.create", _keyed(given, idempotency_key), Announced.of)


def withdraw(id: str) -> Call[bool]:  # noqa: A002  the contract's name
    """Take an announcement off every screen; False if it was withdrawn before."""
    return Call("announcements.retract", {"id": id}, lambda value: bool(value["retracted"]))


def stats(id: str) -> Call[Stats]:  # noqa: A002  the contract's name
    """Ask whom an announcement has reached."""
    return Call("announcements.stats", {"id": id}, Stats.of)


def list_items(uid: str | int, *, before: str | None = None, limit: int = 50, unread: bool = False) -> Call[Page]:
    """Read a page of a user's inbox, newest first."""
    return Call("inbox.list", _given({"uid": uid, "before": before, "limit": limit, "unread": unread}), Page.of)


def unread_count(uids: Iterable[str | int]) -> Call[dict[str, int]]:
    """Count what up to 1,000 users have not read."""
    return Call("inbox.unread_count", {"uids": [*uids]}, dict)


def mark_read(uid: str | int, ids: Sequence[str] | None = None, *, ref: str | None = None) -> Call[Read]:
    """Mark items of a user as read, by `ids` or by business reference `ref`."""
    given = _given({"uid": uid, "ids": None if ids is None else [*ids], "ref": ref})
    return Call("inbox.mark_read", given, Read.of)


def online(uids: Iterable[str | int]) -> Call[dict[str, int]]:
    """Ask how many sockets up to 1,000 users have open."""
    return Call("connections.online", {"uids": [*uids]}, dict)


def disconnect(uid: str | int) -> Call[int]:
    """Close every socket of a user; gives how many there were as far as is known."""
    return Call("connections.disconnect", {"uid": uid}, lambda value: int(value["closed"]))


def info() -> Call[Info]:
    """Ask who the key is and who answers."""
    return Call("service.info", {}, Info.of)


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    """Without what was left out, with moments as the wire has them."""
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in params.items()
        if value is not None
    }


def _keyed(params: Mapping[str, Any], key: str | None) -> dict[str, Any]:
    return {**_given(params), "idempotency_key": key if key is not None else secrets.token_urlsafe(24)}
