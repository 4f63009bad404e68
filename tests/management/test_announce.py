"""`manage.py announce`."""

from datetime import UTC, datetime, timedelta

import pytest

from notifications import clock
from notifications.models import Announcement
from tests.management.calling import refused, run, run_json

pytestmark = pytest.mark.django_db


def test_announce_is_live_at_once_for_a_week() -> None:
    """Without more it begins now."""
    made = run_json("announce", "--title", "Maintenance", "--level", "warning", "--display", "banner", "--confirm")
    row = Announcement.objects.get()
    assert made == {"id": str(row.id), "status": "live"}
    assert (row.title, row.level, row.display, row.confirm, row.late_join) == (
        "Maintenance", "warning", "banner", True, True
    )  # fmt: skip
    assert abs(row.ends_at - clock.now() - timedelta(days=7)) < timedelta(minutes=1)
    assert run("announce", "--title", "Another")[0].endswith(" live")


def test_announce_with_a_window() -> None:
    """It is scheduled for its start."""
    window = ["--starts-at", "2100-01-01T08:00:00+08:00", "--ends-at", "2100-01-03T00:00:00Z"]
    assert run_json("announce", "--title", "Later", "--no-late-join", *window)["status"] == "scheduled"
    row = Announcement.objects.get()
    assert (row.starts_at, row.ends_at) == (datetime(2100, 1, 1, tzinfo=UTC), datetime(2100, 1, 3, tzinfo=UTC))
    assert not row.late_join


def test_announce_a_draft() -> None:
    """It is left for staff to publish."""
    assert run_json("announce", "--title", "Soon", "--draft")["status"] == "draft"
    assert Announcement.objects.get().published_at is None


@pytest.mark.parametrize(
    ("args", "names"),
    [
        ([], "--title"),
        (["--title", "x" * 201], "title"),
        (["--title", "x", "--ends-at", "2000-01-01T00:00:00Z"], "ends_at"),
        (["--title", "x", "--starts-at", "2100-01-02T00:00:00Z", "--ends-at", "2100-01-01T00:00:00Z"], "ends_at"),
        (["--title", "x", "--starts-at", "soon"], "--starts-at"),
    ],
)
def test_announce_refuses_bad_input(args: list[str], names: str) -> None:
    """One line names the argument, and nothing is made."""
    assert names in refused("announce", *args, status=2)
    assert not Announcement.objects.exists()
