"""`roll`: nodes say how they are doing; who is silent is not on it."""

import logging
import os
from datetime import timedelta

import pytest

from notifications import clock, roll
from notifications.models import NodeReport

pytestmark = pytest.mark.django_db

FIGURES = roll.Figures(sockets=3, users=2, tail_age=0.4, draining=False)


def test_report_is_renewed() -> None:
    """A node has one place on the roll, with its latest figures."""
    entry = roll.Entry()
    entry.report(FIGURES)
    entry.report(roll.Figures(sockets=5, users=4, tail_age=0.1, draining=True))
    (node,) = roll.present()
    assert (node.host, node.pid) == (roll.HOST, os.getpid())
    assert (node.sockets, node.users, node.tail_age, node.draining) == (5, 4, 0.1, True)
    assert abs(node.changed_at - clock.now()) < timedelta(minutes=1)


def test_leave() -> None:
    """A node that ends takes itself off, and nobody else."""
    staying, going = roll.Entry(), roll.Entry()
    for entry in (staying, going):
        entry.report(FIGURES)
    assert roll.present().count() == 2
    going.leave()
    assert roll.present().count() == 1


@pytest.mark.parametrize(("silent", "present"), [(14, True), (16, False)])
def test_a_silent_node_is_not_present(silent: int, present: bool) -> None:
    """After two missed reports."""
    roll.Entry().report(FIGURES)
    NodeReport.objects.update(changed_at=clock.now() - timedelta(seconds=silent))
    assert roll.present().exists() is present


def test_what_was_left_behind_is_struck_out() -> None:
    """A node that was killed is forgotten a day later, by the next that starts."""
    roll.Entry().report(FIGURES)
    NodeReport.objects.update(changed_at=clock.now() - timedelta(hours=25))
    roll.Entry().report(FIGURES)
    assert NodeReport.objects.count() == 1


def test_the_last_errors_are_told_without_what_was_put_into_them() -> None:
    """Each sort once with how often it came, the newest first, five at most; nothing of a body, a token or a cause."""
    entry = roll.Entry()
    ours = logging.getLogger("notifications.tail")
    try:
        for number in range(5):
            ours.error(f"sort {number}")
        for _ in range(3):
            ours.warning("%s could not be sent to %5.1f%%: %r", "secret body", 7.0, "secret token")
        try:
            raise ValueError("secret cause")
        except ValueError:
            ours.exception("broken")
        ours.info("nothing to tell")
        logging.getLogger("elsewhere").error("not ours")
        entry.report(FIGURES)
        kept = NodeReport.objects.get().errors
    finally:
        entry.leave()
    assert [(error["said"], error["count"]) for error in kept] == [
        ("broken (ValueError)", 1),
        ("… could not be sent to …%%: …", 3),
        ("sort 4", 1),
        ("sort 3", 1),
        ("sort 2", 1),
    ]
    assert {error["from"] for error in kept} == {"notifications.tail"}
    assert "secret" not in str(kept)
    ours.error("after the end")
    assert len(entry._errors.kept) == 5
    assert entry._errors.kept == kept
