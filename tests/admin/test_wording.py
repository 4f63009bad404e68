"""`notifications.admin.wording`: what staff read."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from notifications.admin import wording


def test_zone_is_written_out() -> None:
    """The name of the time zone and how far it is from UTC, halves of an hour included."""
    with timezone.override("Asia/Shanghai"):
        assert wording.zone() == "Asia/Shanghai (UTC+08:00)"
        assert wording.moment(datetime(2026, 1, 2, 3, 4, tzinfo=UTC)) == (
            "Jan. 2, 2026, 11:04 a.m., Asia/Shanghai (UTC+08:00)"
        )
    with timezone.override("America/St_Johns"):
        assert wording.zone().startswith("America/St_Johns (UTC-0")


def test_no_moment() -> None:
    """What has not happened is a dash."""
    assert wording.moment(None) == "–"


def test_chip_escapes() -> None:
    """A label is text."""
    assert wording.chip("draft", "<b>") == '<span class="chip chip-draft">&lt;b&gt;</span>'


@pytest.mark.django_db
def test_named(alice: User) -> None:
    """Users by name and uid; others, as services are, as they are; nobody not at all."""
    assert wording.named([str(alice.pk), "wallet", "", str(alice.pk)]) == {
        str(alice.pk): f"alice ({alice.pk})",
        "wallet": "wallet",
    }
    assert wording.named([]) == {}


def test_explained_where_there_is_no_advice() -> None:
    """A verdict without advice of its own is shown as it is."""
    assert (
        wording.explained("body", "must not hold NUL or lone surrogates", "x") == "must not hold NUL or lone surrogates"
    )
