"""`management.reporting`: what all commands have in common, shown by some of them."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import OperationalError, connection

from notifications.channel_layer import publisher
from tests.management.calling import refused, run, run_json


@pytest.mark.django_db
def test_a_table_that_is_missing_is_one_line() -> None:
    """Where nobody else put it into words, the database's own are told."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE notifications_drain RENAME TO elsewhere")
    assert refused("drain", status=1) == "the database refused: no such table: notifications_drain"


@pytest.mark.django_db
def test_a_database_that_is_away_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the reason behind what the caller may do."""

    def away(*_: Any) -> None:
        raise OperationalError("connection refused\n\tIs the server running?")

    monkeypatch.setattr(connection, "cursor", away)
    said = refused("disconnect", "7", status=1)
    assert said.startswith("the database is not available now")
    assert said.endswith("(connection refused Is the server running?)")


@pytest.mark.django_db
def test_a_token_needs_no_user_table() -> None:
    """The remark on unknown users is a courtesy."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE auth_user RENAME TO elsewhere")
    token, remark = run("issue_token", "7")
    assert token
    assert "No active user" not in remark


@pytest.mark.django_db(transaction=True)
def test_pushes_are_handed_on_before_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends at once would take them with it."""
    flushed: list[float] = []
    monkeypatch.setattr(publisher, "flush", flushed.append)
    run_json("notify", "7", "--title", "Hello")
    assert flushed == [2.0]
    refused("notify", "7", "--title", "", status=2)
    assert len(flushed) == 2


@pytest.mark.django_db
def test_json_keeps_every_script() -> None:
    """Chinese stays Chinese, on a single line."""
    out = StringIO()
    call_command("create_service_key", "账单", "--scope", "notify", "--json", stdout=out, stderr=StringIO())
    assert '"name": "账单"' in out.getvalue()
    assert out.getvalue().count("\n") == 1
