"""`manage.py prune_notifications`: what is over and old goes, in small transactions; what is promised stays."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import clock, pruning
from notifications.models import Announcement, Disconnection, Drain, IdempotencyKey, Notification, Receipt
from tests.databases import orm_on
from tests.management.calling import refused, run, run_json

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)


def notification(age: timedelta, **fields: Any) -> Notification:
    """A notification of that age."""
    made = clock.now() - age
    return Notification.objects.create(uid="7", title="x", id=clock.new_id(made), created_at=made, **fields)


def announcement(age: timedelta, **fields: Any) -> Announcement:
    """One that went live that long ago, for a day."""
    made = clock.now() - age
    values = {"live_at": made, "ends_at": made + DAY, "item_id": clock.new_id(made)} | fields
    return Announcement.objects.create(title="x", **values)


def test_prune_deletes_notifications_that_are_over_and_old() -> None:
    """Read, retracted or expired, and made before the horizon."""
    now, old, young = clock.now(), 91 * DAY, 89 * DAY
    for age in (old, young):
        notification(age, read_at=now)
        notification(age, retracted_at=now)
        notification(age, expires_at=now - DAY)
        notification(age)
        notification(age, expires_at=now + DAY)
    assert run_json("prune_notifications", "--older-than", "90d")["deleted"]["notifications"] == 3
    left = [row.created_at < now - 90 * DAY for row in Notification.objects.order_by("id")]
    assert left == [True, True] + 5 * [False]
    assert not any(
        row.read_at or row.retracted_at for row in Notification.objects.filter(created_at__lt=now - 90 * DAY)
    )


def test_prune_deletes_announcements_with_their_receipts() -> None:
    """Ended or withdrawn before the horizon. Whoever has read one that is live must go on having read it."""
    now = clock.now()
    ended, withdrawn = announcement(100 * DAY), announcement(100 * DAY, ends_at=now + DAY, withdrawn_at=now - 95 * DAY)
    live, lately = announcement(100 * DAY, ends_at=now + DAY), announcement(90 * DAY)
    draft = announcement(100 * DAY, live_at=None, item_id=None)
    for each in (ended, withdrawn, live, lately):
        Receipt.objects.create(announcement=each, uid="7", read_at=now - 100 * DAY)
    deleted = run_json("prune_notifications", "--older-than", "90d")["deleted"]
    assert (deleted["announcements"], deleted["receipts"]) == (2, 2)
    assert set(Announcement.objects.all()) == {live, lately, draft}
    assert {receipt.announcement for receipt in Receipt.objects.all()} == {live, lately}


def test_prune_deletes_what_the_app_kept_for_itself() -> None:
    """Wishes after a day and idempotency keys after their seven, whatever the span for items."""
    now = clock.now()
    for days, name in ((6, "kept"), (8, "gone")):
        IdempotencyKey.objects.create(source="", key=name, digest="", created_at=now - days * DAY)
    for hours, name in ((23, "kept"), (25, "gone")):
        at = now - timedelta(hours=hours)
        Disconnection.objects.create(uid=name, changed_at=at)
        Drain.objects.create(host=name, changed_at=at)
    deleted = run_json("prune_notifications", "--older-than", "90d")["deleted"]
    assert (deleted["idempotency_keys"], deleted["disconnections"], deleted["drains"]) == (1, 1, 1)
    assert IdempotencyKey.objects.get().key == Disconnection.objects.get().uid == Drain.objects.get().host == "kept"


def test_prune_dry_run_counts_and_deletes_nothing() -> None:
    """The figures are those of the real run."""
    notification(100 * DAY, read_at=clock.now())
    Receipt.objects.create(announcement=announcement(100 * DAY), uid="7", read_at=clock.now())
    dry = run_json("prune_notifications", "--older-than", "90d", "--dry-run")
    assert dry["dry_run"] is True
    assert Notification.objects.count() == Announcement.objects.count() == Receipt.objects.count() == 1
    assert "1 receipts would be deleted" in run("prune_notifications", "--older-than", "90d", "--dry-run")[0]
    assert run_json("prune_notifications", "--older-than", "90d")["deleted"] == dry["deleted"]
    assert not Notification.objects.exists()
    assert "0 receipts deleted" in run("prune_notifications", "--older-than", "90d")[0]


def test_prune_deletes_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each deletion is of so many rows at most, unread ones in between are passed over, and the last is reached."""
    monkeypatch.setattr(pruning, "BATCH", 2)
    for n in range(10):
        notification((100 - n) * DAY, read_at=None if n in (1, 2, 3) else clock.now())
    with CaptureQueriesContext(connection) as queries:
        assert run_json("prune_notifications", "--older-than", "90d")["deleted"]["notifications"] == 7
    deletions = [
        q["sql"] for q in queries if q["sql"].startswith("DELETE") and "notifications_notification" in q["sql"]
    ]
    assert len(deletions) == 4
    assert Notification.objects.count() == 3


@pytest.mark.parametrize("span", ["90", "d", "-1d", "1y", "1.5d", "9999999d"])
def test_prune_refuses_a_bad_span(span: str) -> None:
    """A number and a unit, nothing guessed."""
    assert "--older-than" in refused("prune_notifications", f"--older-than={span}", status=2)


@pytest.mark.parametrize(
    ("raw", "days"), [("2w", 14), ("90d", 90), ("36h", 1.5), ("0d", 0), ("1440m", 1), ("86400s", 1)]
)
def test_prune_takes_spans(raw: str, days: float) -> None:
    """Weeks to seconds."""
    notification(DAY * days + timedelta(minutes=1), read_at=clock.now())
    if days:
        notification(DAY * days - timedelta(minutes=1), read_at=clock.now())
    assert run_json("prune_notifications", "--older-than", raw)["deleted"]["notifications"] == 1


def test_prune_needs_to_be_told_how_old() -> None:
    """There is no default for a deletion."""
    assert "--older-than" in refused("prune_notifications", status=2)


@pytest.mark.server
def test_prune_on_postgresql(postgresql_url: str) -> None:
    """The same statements are good there."""
    with orm_on(postgresql_url):
        made = clock.now() - 100 * DAY
        done = {"uid": "7", "title": "x", "created_at": made, "read_at": made}
        Notification.objects.bulk_create(Notification(id=clock.new_id(made), **done) for _ in range(1_001))
        kept = Notification.objects.create(uid="7", title="x", id=clock.new_id(made), created_at=made)
        ended = announcement(100 * DAY)
        Receipt.objects.create(announcement=ended, uid="7", read_at=made)
        deleted = run_json("prune_notifications", "--older-than", "90d")["deleted"]
        assert (deleted["notifications"], deleted["receipts"], deleted["announcements"]) == (1_001, 1, 1)
        assert Notification.objects.get() == kept
