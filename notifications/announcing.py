"""Announcing: how announcements are made, published, ended early and withdrawn.

Every function joins the caller's transaction: rolled back, nothing happened. A push is made after commit and is only a
hint; what is committed is delivered, by the tail if need be.
"""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now

from notifications import audiences, clock, signals, unread_index
from notifications.accepting import Accepted, checked, columns, said, wrong_moment
from notifications.channel_layer import publisher
from notifications.conf import conf
from notifications.database import available
from notifications.exceptions import InvalidContent, NotFound
from notifications.idempotency import once
from notifications.models import Announcement
from notifications.protocol.events import Event, Op
from notifications.protocol.items import encode, timestamp


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
    content = checked(
        wrong_moment("starts_at", starts_at),
        wrong_moment("ends_at", ends_at),
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
        now = clock.now()
        later = starts_at if starts_at is not None and starts_at > now else None
        begin = later or now
        end = ends_at or begin + timedelta(days=conf().announcement_days)
        if problem := _end_problem(begin, end):
            raise InvalidContent([problem])
        announcement = Announcement(
            **columns(content),
            # What begins at once sorts after everything that this process has made before.
            id=clock.new_id(later),
            source=source,
            starts_at=starts_at,
            ends_at=end,
            late_join=late_join,
            created_by=source,
        )
        announcement.save(force_insert=True)
        if publish:
            publish_announcement(announcement.id, by=source, as_made=True)
        return str(announcement.id)

    call = {
        "call": "announce",
        "starts_at": timestamp(starts_at),
        "ends_at": timestamp(ends_at),
        "late_join": late_join,
        "publish": publish,
        **said(content),
    }
    with available():
        announcement_id, duplicate = once(source, idempotency_key, call, act)
    return Accepted(UUID(announcement_id), duplicate)


def publish_announcement(announcement_id: UUID, *, by: str = "", as_made: bool = False) -> bool:
    """Publish a draft: at its start it is in the inboxes of its audience, who is looked up now.

    With `as_made` the id that its maker was given is the one that users see, however long the making took; else that is
    a new one, of the moment it goes live. False if it already was published or withdrawn. Raises `NotFound`, or
    `InvalidContent` where its end has passed.
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
        changed = {
            "item_id": announcement.id if as_made else clock.new_id(live_at),
            "live_at": live_at,
            "published_at": now,
            "published_by": by,
            "enrolled_at": now,
        }
        audiences.enrol(announcement)
        Announcement.objects.filter(pk=announcement.pk).update(**changed, changed_at=Now())
        change = unread_index.EveryonesChange()
        transaction.on_commit(change.done, robust=True)
        for name, value in changed.items():
            setattr(announcement, name, value)
        if live_at <= now:
            item = announcement.item()
            event = Event(Op.CREATED, None, (item.id,), head=encode(item), narrow=_narrow(announcement))
            transaction.on_commit(lambda: publisher.put(event), robust=True)
        told = (None, announcement.item_id, announcement.kind, None, announcement.source)
        transaction.on_commit(lambda: signals.created(*told), robust=True)
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
        Announcement.objects.filter(pk=announcement.pk).update(withdrawn_at=clock.now(), changed_at=Now())
        change = unread_index.EveryonesChange()
        transaction.on_commit(change.done, robust=True)
        _take_away(announcement)
    return True


def end_announcement(announcement_id: UUID, at: datetime | None = None) -> bool:
    """End an announcement before its time: at `at`, or now. False if it has ended or was withdrawn already.

    Raises `NotFound` for what was never published, `InvalidContent` where `at` is in the past, no earlier than the end
    it has, or not after its start (then it is to be withdrawn).
    """
    naive = wrong_moment("at", at)
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
        Announcement.objects.filter(pk=announcement.pk).update(ends_at=end, changed_at=Now())
        change = unread_index.EveryonesChange()
        transaction.on_commit(change.done, robust=True)
        if end <= now:
            _take_away(announcement)
    return True


# Runs the very same code in a worker thread.
aannounce = database_sync_to_async(announce, thread_sensitive=False)


def _narrow(announcement: Announcement) -> bool:
    return announcement.audience != Announcement.EVERYONE


def _take_away(announcement: Announcement) -> None:
    if announcement.item_id is not None:
        event = Event(Op.RETRACTED, None, (announcement.item_id,), narrow=_narrow(announcement))
        transaction.on_commit(lambda: publisher.put(event), robust=True)


def _end_problem(begin: datetime, end: datetime) -> dict[str, Any] | None:
    if end > max(begin, clock.now()):
        return None
    return {"loc": ["ends_at"], "msg": "must be after the start and in the future"}
