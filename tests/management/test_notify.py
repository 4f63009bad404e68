"""`manage.py notify`."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User

from notifications.models import Notification
from tests.management.calling import refused, run, run_json
from tests.servers.node import Platform

pytestmark = pytest.mark.django_db


def test_notify_stores_what_was_said() -> None:
    """Every field arrives as it was given."""
    made = run_json(
        "notify", "7", "--title", "升级 done", "--body", "Twice.", "--kind", "audit.approved", "--level", "success",
        "--url", "/a", "--data", '{"n": 1}', "--display", "banner", "--confirm", "--ref", "order-1",
        "--expires-at", "2100-01-02T10:00:00+08:00",
    )  # fmt: skip
    row = Notification.objects.get()
    assert made == {"accepted": 1, "items": [{"uid": "7", "id": str(row.id)}]}
    assert (row.uid, row.title, row.body, row.kind, row.level) == (
        "7",
        "升级 done",
        "Twice.",
        "audit.approved",
        "success",
    )
    assert (row.url, row.data, row.display, row.confirm, row.ref) == ("/a", {"n": 1}, "banner", True, "order-1")
    assert row.expires_at == datetime(2100, 1, 2, 2, tzinfo=UTC)


def test_notify_several_each_once() -> None:
    """A uid that is named twice is told once; each has an item of its own."""
    made = run_json("notify", "7", "8", "7", "--title", "Hello")
    assert [item["uid"] for item in made["items"]] == ["7", "8"]
    assert sorted(Notification.objects.values_list("uid", flat=True)) == ["7", "8"]
    said, _ = run("notify", "9", "--title", "Hello")
    assert said == f"{Notification.objects.get(uid='9').id} accepted for 9"


def test_notify_remarks_on_unknown_users(alice: User) -> None:
    """A uid without a user is seldom meant; the item waits all the same."""
    said = run("notify", str(alice.pk), "nobody", "--title", "Hello")[1]
    assert said == "No active user has the uid nobody."
    assert run("notify", str(alice.pk), "--title", "Hello")[1] == ""
    assert run("notify", *"abcdef", "--title", "Hello")[1].endswith("a, b, c, d, e, ....")


@pytest.mark.parametrize(
    ("args", "names"),
    [
        (["7"], "--title"),
        (["--title", "x"], "UID"),
        (["", "--title", "x"], "UID"),
        (["a" * 256, "--title", "x"], "UID"),
        (["7", "--title", ""], "title"),
        (["7", "--title", "x" * 201], "title"),
        (["7", "--title", "x", "--level", "loud"], "level"),
        (["7", "--title", "x", "--kind", "Not A Kind"], "kind"),
        (["7", "--title", "x", "--url", "javascript:alert(1)"], "url"),
        (["7", "--title", "x", "--data", "[1]"], "--data"),
        (["7", "--title", "x", "--data", "{"], "--data"),
        (["7", "--title", "x", "--expires-at", "tomorrow"], "--expires-at"),
        (["7", "--title", "x", "--expires-at", "2100-01-01T00:00"], "time zone"),
        (["7", "--title", "x", "--expires-at", "2000-01-01T00:00Z"], "expires_at"),
    ],
)
def test_notify_refuses_bad_input(args: list[str], names: str) -> None:
    """One line names the argument, and nobody is told anything."""
    assert names in refused("notify", *args, status=2)
    assert not Notification.objects.exists()


@pytest.mark.server
def test_notify_as_a_process(sqlite_url: str, tmp_path: Path) -> None:
    """Stdout carries JSON alone; the exit statuses are 0, 1 and 2."""
    platform = Platform(sqlite_url)
    done = platform.manage("notify", "7", "--title", "Hello", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["accepted"] == 1
    wrong = platform.manage("notify", "7", check=False)
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.splitlines()[-1] == "manage.py notify: error: the following arguments are required: --title"
    bad = platform.manage("notify", "7", "--title", "x", "--level", "loud", check=False)
    assert (bad.returncode, bad.stdout, bad.stderr.count("\n")) == (2, "", 1)
    failed = Platform(f"sqlite:///{tmp_path}/empty.sqlite3").manage("notify", "7", "--title", "x", check=False)
    assert (failed.returncode, failed.stdout, failed.stderr.count("\n")) == (1, "", 1)
    assert "no such table" in failed.stderr
