"""What is stored, and what the database itself sees to."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction

from notifications import clock, models
from notifications.models import (
    Announcement,
    Disconnection,
    Drain,
    IdempotencyKey,
    Notification,
    Receipt,
    ServiceKey,
    Unindexed,
    database_now,
)
from notifications.protocol.items import DISPLAYS, LEVELS

pytestmark = pytest.mark.django_db

Status = Announcement.Status


def _announcement(**columns: Any) -> Announcement:
    now = clock.now()
    return Announcement.objects.create(**{"title": "x", "ends_at": now + timedelta(days=1), **columns})


def _notification(**columns: Any) -> Notification:
    return Notification.objects.create(**{"uid": "7", "title": "x", "created_at": clock.now(), **columns})


def test_the_choices_are_the_protocols() -> None:
    """Staff see names for exactly the values of the wire."""
    assert set(models.Written.Level.values) == set(LEVELS)
    assert set(models.Written.Display.values) == set(DISPLAYS)


def test_no_migration_is_missing() -> None:
    """The tables are those of the models."""
    call_command("makemigrations", "notifications", check=True, dry_run=True, verbosity=0)


def test_a_row_becomes_the_item_of_the_wire() -> None:
    """Every column of the content, and where it stands in the inbox."""
    row = _notification(
        body="b", kind="k", level="error", url="/x", data={"n": 1}, ref="r", display="list", confirm=True
    )
    item = row.item()
    assert (item.id, item.audience, item.created_at, item.expires_at) == (row.id, "user", row.created_at, None)
    assert item.unread
    content = item.content
    assert (content.title, content.body, content.kind, content.level) == ("x", "b", "k", "error")
    assert (content.url, content.data, content.ref) == ("/x", {"n": 1}, "r")
    assert (content.display, content.confirm) == ("list", True)
    row.read_at = clock.now()
    assert not row.item().unread


def test_an_announcement_is_an_item_once_it_is_published() -> None:
    """With the id that users see, since it went live, until it ends; a draft is in nobody's inbox."""
    row = _announcement()
    with pytest.raises(ValueError, match="draft"):
        row.item()
    row.item_id, row.live_at = clock.new_id(), clock.now()
    read_at = clock.now()
    item = row.item(read_at)
    assert (item.id, item.audience, item.created_at) == (row.item_id, "everyone", row.live_at)
    assert (item.expires_at, item.read_at) == (row.ends_at, read_at)


def test_the_status_is_where_it_is_in_its_life() -> None:
    """At each border, just before and at it; withdrawing counts above all."""
    now = clock.now()
    tick = timedelta(milliseconds=1)
    row = Announcement(title="x", ends_at=now + timedelta(hours=2))
    assert row.status_at(now) == Status.DRAFT
    row.live_at = now + timedelta(hours=1)
    moments: list[tuple[datetime, Status]] = [
        (row.live_at - tick, Status.SCHEDULED),
        (row.live_at, Status.LIVE),
        (row.ends_at - tick, Status.LIVE),
        (row.ends_at, Status.ENDED),
    ]
    for moment, status in moments:
        assert row.status_at(moment) == status
    assert row.status == Status.SCHEDULED
    row.withdrawn_at = now
    assert {row.status_at(moment) for moment, _ in moments} == {Status.WITHDRAWN}


def test_what_is_live_agrees_with_the_status() -> None:
    """The query and the property draw the same borders."""
    now = clock.now()
    rows = [
        _announcement(live_at=now + timedelta(seconds=begin), ends_at=now + timedelta(seconds=end), **columns)
        for begin, end in ((-10, 10), (0, 10), (1, 10), (-10, 0), (-10, 1))
        for columns in ({}, {"withdrawn_at": now})
    ]
    rows.append(_announcement())
    live = set(Announcement.objects.live(now))
    assert live == {row for row in rows if row.status_at(now) == Status.LIVE}
    assert len(live) == 3


def test_what_is_visible_and_unread() -> None:
    """At the moment of its expiry an item is gone; read ones are visible, retracted ones are not."""
    now = clock.now()
    plain = _notification()
    ends_later = _notification(expires_at=now + timedelta(milliseconds=1))
    _notification(expires_at=now)
    read = _notification(read_at=now)
    _notification(retracted_at=now)
    assert set(Notification.objects.visible(now)) == {plain, ends_later, read}
    assert set(Notification.objects.unread(now)) == {plain, ends_later}


def test_rows_are_stamped_by_the_databases_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the process takes for the time."""
    monkeypatch.setattr(clock, "_offset_ms", 7_200_000)
    before = database_now()
    row = _notification()
    row.refresh_from_db()
    assert abs(row.changed_at - before) < timedelta(seconds=30)
    assert before.utcoffset() == timedelta(0)


def test_the_databases_clock_needs_no_row() -> None:
    """An empty table tells the time too, by one query."""
    assert not Disconnection.objects.exists()
    assert abs(database_now() - clock.now()) < timedelta(seconds=30)
    Disconnection.objects.create(uid="7")
    assert abs(database_now() - clock.now()) < timedelta(seconds=30)


def test_what_may_be_once_is_once() -> None:
    """One receipt for a uid and an announcement, one result for a caller's key, one row for a prefix."""
    announcement, now = _announcement(), clock.now()
    for make in (
        lambda: Receipt.objects.create(announcement=announcement, uid="7", read_at=now),
        lambda: IdempotencyKey.objects.create(source="s", key="k", digest=""),
        lambda: ServiceKey.objects.create(name="n", prefix="p", secret_hash=""),
    ):
        make()
        with pytest.raises(IntegrityError), transaction.atomic():
            make()


def test_an_announcement_ends_after_its_start() -> None:
    """The database itself refuses the contrary."""
    now = clock.now()
    _announcement(starts_at=now, ends_at=now + timedelta(milliseconds=1))
    with pytest.raises(IntegrityError), transaction.atomic():
        _announcement(starts_at=now, ends_at=now)


@pytest.mark.parametrize(
    ("columns", "index"),
    [
        ({"uid": "7", "read_at": None, "retracted_at": None}, "notif_unread_ids"),
        ({"uid": "7", "id__lt": clock.new_id()}, "notif_inbox"),
        ({"changed_at__gte": clock.now()}, "notif_changed"),
        ({"ref": "r", "uid": "7"}, "notif_ref"),
        ({"expires_at__gt": clock.now()}, "notif_expires"),
    ],
)
def test_what_is_asked_often_has_an_index(columns: dict[str, Any], index: str) -> None:
    """The plan of each query names it."""
    plan = Notification.objects.filter(**columns).order_by().explain()
    assert index in plan


def test_everything_stored_can_be_named() -> None:
    """In the admin, in logs, in a shell."""
    announcement = _announcement(title="Title")
    names = [
        (_notification(title="t"), "7: t"),
        (announcement, "Title"),
        (Receipt(announcement=announcement, uid="7"), f"7 read {announcement.pk}"),
        (Disconnection(uid="7"), "7"),
        (Unindexed(uid="7"), "7"),
        (Unindexed(uid=""), "everyone"),
        (Drain(host="a"), "a"),
        (Drain(host=""), "every machine"),
        (ServiceKey(name="shop", prefix="abc"), "shop (abc)"),
        (IdempotencyKey(source="shop", key="k"), "shop: k"),
    ]
    assert [str(row) for row, _ in names] == [name for _, name in names]
    assert connection.vendor == "sqlite"
