"""Publishing: how notifications come into inboxes and go out of them again. Announcements have `announcing`.

Every function joins the caller's transaction: rolled back business, nothing sent. A push is made after commit and is
only a hint; what is committed is delivered, by the tail if need be.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from notifications import clock, signals, unread_index
from notifications.accepting import Accepted, checked, columns, said, wrong_moment, wrong_uid
from notifications.announcing import withdraw_announcement
from notifications.channel_layer import publisher
from notifications.database import available
from notifications.exceptions import InvalidContent, NotFound
from notifications.idempotency import once
from notifications.models import Disconnection, Notification, Receipt, database_now
from notifications.protocol.events import IDS_MAX, Event, Op
from notifications.protocol.frames import replayed
from notifications.protocol.items import encode, parse_id, timestamp
from notifications.protocol.jsontext import safe


@dataclass(frozen=True, slots=True)
class Retracted:
    """How many items were taken back, and how many of them had been read by then."""

    retracted: int
    already_read: int


def notify(
    uid: str | int | UUID,
    title: str,
    body: str = "",
    *,
    kind: str = "general",
    level: str = "info",
    url: str | None = None,
    data: dict[str, Any] | None = None,
    ref: str | None = None,
    display: str = "popup",
    confirm: bool = False,
    expires_at: datetime | None = None,
    idempotency_key: str | None = None,
    source: str = "",
) -> Accepted:
    """Send one notification to exactly the user `uid` (a string, or a number or UUID that is turned into one).

    `title` and `body` are plain text, `url` a path or http(s) address, `data` a JSON object of at most 8 KiB, `level`
    info, success, warning or error, `display` popup, list or banner; `confirm` asks the user for a click. `source` is
    the calling service. Limits are in docs/protocol.md.

    Raises `InvalidContent`, `KeyReused` (the key was used for other content) or `Unavailable` (nothing was accepted).
    """
    to: str = str(uid) if type(uid) in (int, UUID) else uid  # type: ignore[assignment]  # checked next
    content = checked(
        wrong_uid(to),
        wrong_moment("expires_at", expires_at),
        title=title,
        body=body,
        kind=kind,
        level=level,
        url=url,
        data=data,
        ref=ref,
        display=display,
        confirm=confirm,
    )

    def act() -> str:
        # Judged here, so that repeating a call is no mistake once its item has expired.
        if expires_at is not None and expires_at <= clock.now():
            raise InvalidContent([{"loc": ["expires_at"], "msg": "must be in the future"}])
        item_id = clock.new_id()
        row = Notification(
            **columns(content),
            id=item_id,
            uid=to,
            ref=ref,
            source=source,
            created_at=clock.moment_of(item_id),
            expires_at=expires_at,
        )
        # Encoded now: `data` is the caller's own, who may change it before the commit.
        head = encode(row.item())
        row.save(force_insert=True)
        change = unread_index.begin([to])

        def committed() -> None:
            change.done(added={to: {item_id: (replayed(head), expires_at)}})
            publisher.put(Event(Op.CREATED, to, (item_id,), head=head))
            signals.created(to, item_id, content.kind, ref, source)

        transaction.on_commit(committed, robust=True)
        return str(item_id)

    call = {"call": "notify", "uid": to, "expires_at": timestamp(expires_at), **said(content)}
    with available():
        item_id, duplicate = once(source, idempotency_key, call, act)
    return Accepted(UUID(item_id), duplicate)


def retract(
    id: UUID | str | None = None,  # noqa: A002  the contract's name
    *,
    ref: str | None = None,
    uid: str | int | None = None,
    source: str | None = None,
) -> Retracted:
    """Take items back, by `id` or by business reference `ref` (of one `uid`, if given): they vanish everywhere.

    `id` may also be an announcement's, which is then withdrawn. `uid` and `source` limit it to the notifications of one
    user, and to those that one service sent. Repeating is harmless: what was retracted before counts no more.

    Raises `NotFound` where nothing ever matched, `InvalidContent` without exactly one of `id` and `ref`, `Unavailable`.
    """
    if (id is None) == (ref is None):
        raise InvalidContent([{"loc": ["id"], "msg": "give either id or ref"}])
    asked: dict[str, Any] = {"id": parse_id(id)} if ref is None else {"ref": ref}
    if uid is not None:
        asked["uid"] = str(uid)
    if source is not None:
        asked["source"] = source
    if not all(isinstance(value, UUID) or (isinstance(value, str) and safe(value)) for value in asked.values()):
        raise NotFound("no such notification")
    with available(), transaction.atomic():
        found = Notification.objects.select_for_update().filter(**asked).order_by("id")
        rows = list(found.values("id", "uid", "read_at", "retracted_at"))
        if not rows:
            if list(asked) == ["id"]:
                return _withdraw(asked["id"])
            raise NotFound("no such notification")
        open_rows = [row for row in rows if row["retracted_at"] is None]
        gone: defaultdict[str, list[UUID]] = defaultdict(list)
        for row in open_rows:
            gone[row["uid"]].append(row["id"])
        for start in range(0, len(open_rows), 500):
            ids = [row["id"] for row in open_rows[start : start + 500]]
            Notification.objects.filter(id__in=ids).update(retracted_at=clock.now(), changed_at=Now())
        change = unread_index.begin(list(gone))
        events = [
            Event(Op.RETRACTED, to, tuple(ids[start : start + IDS_MAX]))
            for to, ids in gone.items()
            for start in range(0, len(ids), IDS_MAX)
        ]
        transaction.on_commit(lambda: change.done(removed=gone), robust=True)
        transaction.on_commit(lambda: publisher.put_all(events), robust=True)
    return Retracted(len(open_rows), sum(row["read_at"] is not None for row in open_rows))


def _withdraw(announcement_id: UUID) -> Retracted:
    if not withdraw_announcement(announcement_id):
        return Retracted(0, 0)
    ids = Q(announcement=announcement_id) | Q(announcement__item_id=announcement_id)
    return Retracted(1, int(Receipt.objects.filter(ids).exists()))


def disconnect(uid: str | int) -> None:
    """Close every socket that `uid` has open now, on all nodes, with 4003: signed out, banned, password changed.

    Nodes that the channel layer does not reach learn of it from the database within a second or two. Raises
    `Unavailable`.
    """
    to = str(uid)
    with available():
        # Which sockets are open "now" is judged by the database's clock: this process may never have followed it.
        wish = Disconnection.objects.create(id=clock.new_id(database_now()), uid=to)
        transaction.on_commit(lambda: publisher.put(Event(Op.DISCONNECT, to, (wish.id,))), robust=True)


# The async forms run the very same code in a worker thread.
anotify = database_sync_to_async(notify, thread_sensitive=False)
aretract = database_sync_to_async(retract, thread_sensitive=False)
adisconnect = database_sync_to_async(disconnect, thread_sensitive=False)
