"""Publishing: the one door by which items come into inboxes and go out of them again.

Every function joins the caller's transaction: rolled back business, nothing sent. A push is made after commit and is
only a hint; what is committed is delivered, by the tail if need be.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from notifications import clock, unread_index
from notifications.channel_layer import publisher
from notifications.conf import conf
from notifications.database import available
from notifications.exceptions import InvalidContent, NotFound
from notifications.idempotency import once
from notifications.models import Announcement, Disconnection, Notification
from notifications.protocol.events import Event, Op
from notifications.protocol.frames import replayed
from notifications.protocol.items import Content, encode, timestamp, uid_problem


@dataclass(frozen=True, slots=True)
class Accepted:
    """Committed, or will be with the caller's transaction. `duplicate`: an earlier call with the same key did it."""

    id: UUID
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Retracted:
    """How many items were taken back, and how many of them had been read by then."""

    retracted: int
    already_read: int


def notify(
    uid: str | int,
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
    """Send one notification to exactly the user `uid` (a string, or a number that is turned into one).

    `title` and `body` are plain text, `url` a path or http(s) address, `data` a JSON object of at most 8 KiB, `level`
    info, success, warning or error, `display` popup, list or banner; `confirm` asks the user for a click. `source` is
    the calling service. Limits are in docs/protocol.md.

    Raises `InvalidContent`, `KeyReused` (the key was used for other content) or `Unavailable` (nothing was accepted).
    """
    to: str = str(uid) if type(uid) is int else uid  # type: ignore[assignment]  # checked next
    content = _checked(
        _uid_problem(to),
        _naive("expires_at", expires_at),
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
            **_columns(content),
            id=item_id,
            uid=to,
            ref=ref,
            source=source,
            created_at=clock.moment_of(item_id),
            expires_at=expires_at,
        )
        change = unread_index.begin([to])
        row.save(force_insert=True)

        def committed() -> None:
            head = encode(row.item())
            change.done(added={to: {item_id: (replayed(head), expires_at)}})
            publisher.put(Event(Op.CREATED, to, (item_id,), head=head))

        transaction.on_commit(committed)
        return str(item_id)

    said = {"call": "notify", "uid": to, "expires_at": timestamp(expires_at), **_said(content)}
    with available():
        item_id, duplicate = once(source, idempotency_key, said, act)
    return Accepted(UUID(item_id), duplicate)


def announce(
    title: str,
    body: str = "",
    *,
    kind: str = "general",
    level: str = "info",
    url: str | None = None,
    data: dict[str, Any] | None = None,
    display: str = "popup",
    confirm: bool = False,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    late_join: bool = True,
    publish: bool = True,
    idempotency_key: str | None = None,
    source: str = "",
) -> Accepted:
    """Make an announcement to everyone, live from `starts_at` (now) to `ends_at` (7 days later).

    With `publish=False` it stays a draft. `late_join=False` spares users who join the platform after it went live.
    Raises as `notify` does.
    """
    content = _checked(
        _naive("starts_at", starts_at),
        _naive("ends_at", ends_at),
        title=title,
        body=body,
        kind=kind,
        level=level,
        url=url,
        data=data,
        display=display,
        confirm=confirm,
    )

    def act() -> str:
        begin = max(starts_at or clock.now(), clock.now())
        end = ends_at or begin + timedelta(days=conf().announcement_days)
        if problem := _end_problem(begin, end):
            raise InvalidContent([problem])
        announcement = Announcement(
            **_columns(content),
            id=clock.new_id(begin),
            source=source,
            starts_at=starts_at,
            ends_at=end,
            late_join=late_join,
            created_by=source,
        )
        announcement.save(force_insert=True)
        if publish:
            publish_announcement(announcement.id, by=source)
        return str(announcement.id)

    said = {
        "call": "announce",
        "starts_at": timestamp(starts_at),
        "ends_at": timestamp(ends_at),
        "late_join": late_join,
        "publish": publish,
        **_said(content),
    }
    with available():
        announcement_id, duplicate = once(source, idempotency_key, said, act)
    return Accepted(UUID(announcement_id), duplicate)


def publish_announcement(announcement_id: UUID, *, by: str = "") -> bool:
    """Publish a draft: at its start it is in everyone's inbox. False if it already was published or withdrawn.

    Raises `NotFound`, or `InvalidContent` where its end has passed.
    """
    with available(), transaction.atomic():
        announcement = Announcement.objects.select_for_update().filter(pk=announcement_id).first()
        if announcement is None:
            raise NotFound("no such announcement")
        if announcement.published_at is not None or announcement.withdrawn_at is not None:
            return False
        now = clock.now()
        live_at = max(announcement.starts_at or now, now)
        if problem := _end_problem(live_at, announcement.ends_at):
            raise InvalidContent([problem])
        made_for_now = abs(clock.moment_of(announcement.id) - live_at) < timedelta(seconds=1)
        changed = {
            # Published as it was made, the id that its maker was given is the one users see.
            "item_id": announcement.id if made_for_now else clock.new_id(live_at),
            "live_at": live_at,
            "published_at": now,
            "published_by": by,
        }
        change = unread_index.EveryonesChange()
        Announcement.objects.filter(pk=announcement.pk).update(**changed, changed_at=Now())
        transaction.on_commit(change.done)
        for name, value in changed.items():
            setattr(announcement, name, value)
        if live_at <= now:
            item = announcement.item()
            transaction.on_commit(lambda: publisher.put(Event(Op.CREATED, None, (item.id,), head=encode(item))))
    return True


def withdraw_announcement(announcement_id: UUID, *, source: str | None = None) -> bool:
    """Take an announcement (by its own id or its item's) off every screen. False if it was withdrawn already.

    Raises `NotFound`; with `source` also for what another service made.
    """
    with available(), transaction.atomic():
        found = Announcement.objects.select_for_update().filter(Q(pk=announcement_id) | Q(item_id=announcement_id))
        if source is not None:
            found = found.filter(source=source)
        announcement = found.first()
        if announcement is None:
            raise NotFound("no such announcement")
        if announcement.withdrawn_at is not None:
            return False
        change = unread_index.EveryonesChange()
        Announcement.objects.filter(pk=announcement.pk).update(withdrawn_at=clock.now(), changed_at=Now())
        transaction.on_commit(change.done)
        item_id = announcement.item_id
        if item_id is not None:
            transaction.on_commit(lambda: publisher.put(Event(Op.RETRACTED, None, (item_id,))))
    return True


def end_announcement(announcement_id: UUID, at: datetime | None = None) -> bool:
    """End an announcement before its time: at `at`, or now. False if it has ended or was withdrawn already.

    Raises `NotFound` for what was never published, `InvalidContent` where `at` is in the past, no earlier than the end
    it has, or not after its start (then it is to be withdrawn).
    """
    naive = _naive("at", at)
    if naive:
        raise InvalidContent([naive])
    with available(), transaction.atomic():
        published = Announcement.objects.select_for_update().filter(live_at__isnull=False)
        announcement = published.filter(pk=announcement_id).first()
        if announcement is None or announcement.live_at is None:
            raise NotFound("no such announcement")
        now = clock.now()
        if announcement.withdrawn_at is not None or announcement.ends_at <= now:
            return False
        end = now if at is None else at
        if end <= announcement.live_at:
            raise InvalidContent([{"loc": ["at"], "msg": "must be after its start; withdraw it instead"}])
        if not now <= end < announcement.ends_at:
            raise InvalidContent([{"loc": ["at"], "msg": "must be in the future and before the end it has"}])
        change = unread_index.EveryonesChange()
        Announcement.objects.filter(pk=announcement.pk).update(ends_at=end, changed_at=Now())
        transaction.on_commit(change.done)
        item_id = announcement.item_id
        if end <= now and item_id is not None:
            transaction.on_commit(lambda: publisher.put(Event(Op.RETRACTED, None, (item_id,))))
    return True


def retract(
    id: UUID | str | None = None,  # noqa: A002  the contract's name
    *,
    ref: str | None = None,
    uid: str | None = None,
    source: str | None = None,
) -> Retracted:
    """Take notifications back, by `id` or by business reference `ref` (of one `uid`, if given): they vanish everywhere.

    `source` limits it to what one service sent. Repeating is harmless: what was retracted before counts no more.
    Raises `NotFound` where nothing ever matched, `InvalidContent` without exactly one of `id` and `ref`.
    """
    if (id is None) == (ref is None):
        raise InvalidContent([{"loc": ["id"], "msg": "give either id or ref"}])
    try:
        found = (
            Notification.objects.filter(id=UUID(str(id))) if id is not None else Notification.objects.filter(ref=ref)
        )
    except ValueError:
        raise NotFound("no such notification") from None
    if uid is not None:
        found = found.filter(uid=uid)
    if source is not None:
        found = found.filter(source=source)
    with available(), transaction.atomic():
        rows = list(found.select_for_update().order_by("id").values("id", "uid", "read_at", "retracted_at"))
        if not rows:
            raise NotFound("no such notification")
        open_rows = [row for row in rows if row["retracted_at"] is None]
        gone: defaultdict[str, list[UUID]] = defaultdict(list)
        for row in open_rows:
            gone[row["uid"]].append(row["id"])
        change = unread_index.begin(list(gone))
        for start in range(0, len(open_rows), 500):
            ids = [row["id"] for row in open_rows[start : start + 500]]
            Notification.objects.filter(id__in=ids).update(retracted_at=clock.now(), changed_at=Now())
        events = [Event(Op.RETRACTED, row["uid"], (row["id"],)) for row in open_rows]
        transaction.on_commit(lambda: change.done(removed=gone))
        transaction.on_commit(lambda: publisher.put_all(events))
    return Retracted(len(open_rows), sum(row["read_at"] is not None for row in open_rows))


def disconnect(uid: str) -> None:
    """Close every socket that `uid` has open now, on all nodes, with 4003: signed out, banned, password changed.

    Nodes that the channel layer does not reach learn of it from the database within a second or two.
    """
    with available():
        wish = Disconnection.objects.create(uid=uid)
        transaction.on_commit(lambda: publisher.put(Event(Op.DISCONNECT, uid, (wish.id,))))


# The async forms run the very same code in a worker thread.
anotify = database_sync_to_async(notify, thread_sensitive=False)
aannounce = database_sync_to_async(announce, thread_sensitive=False)
aretract = database_sync_to_async(retract, thread_sensitive=False)
adisconnect = database_sync_to_async(disconnect, thread_sensitive=False)


def _checked(*problems: dict[str, Any] | None, **values: Any) -> Content:
    errors = [problem for problem in problems if problem]
    try:
        content = Content.checked(**values)
    except InvalidContent as error:
        raise InvalidContent(errors + error.errors) from None
    if errors:
        raise InvalidContent(errors)
    return content


def _uid_problem(uid: object) -> dict[str, Any] | None:
    problem = uid_problem(uid)
    return {"loc": ["uid"], "msg": problem} if problem else None


def _naive(name: str, moment: datetime | None) -> dict[str, Any] | None:
    if moment is None or (isinstance(moment, datetime) and moment.tzinfo is not None):
        return None
    return {"loc": [name], "msg": "must be a moment with its time zone"}


def _end_problem(begin: datetime, end: datetime) -> dict[str, Any] | None:
    if end > max(begin, clock.now()):
        return None
    return {"loc": ["ends_at"], "msg": "must be after the start and in the future"}


def _columns(content: Content) -> dict[str, Any]:
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


def _said(content: Content) -> dict[str, Any]:
    return _columns(content) | {"ref": content.ref}
