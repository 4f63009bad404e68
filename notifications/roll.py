"""The roll: which nodes there are and how each is doing, as every few seconds they write into the database.

There and not in Redis, because a deployment may have none, and operators ask most when one is away.
"""

import logging
import os
import re
import secrets
import socket
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now
from prometheus_client import REGISTRY

from notifications import clock
from notifications.models import NodeReport

REPORT_SECONDS = 5.0
# A node that has missed two reports is gone, or cannot reach the database.
LIFE = timedelta(seconds=3 * REPORT_SECONDS)
FORGET = timedelta(days=1)
ERRORS_KEPT = 5
ERROR_MAX = 200
# This machine, as `manage.py drain` names it.
HOST = socket.gethostname()

_OURS = logging.getLogger("notifications")
# Where a message has something put into it.
_PLACES = re.compile(r"%(?:\(\w+\))?[-#0 +]*\d*(?:\.\d+)?[a-zA-Z]")


@dataclass(frozen=True, slots=True)
class Figures:
    """What a node tells of itself: open sockets, their users, seconds since its tail last looked, on its way out."""

    sockets: int
    users: int
    tail_age: float
    draining: bool


class LastErrors(logging.Handler):
    """What this process logged last of warnings and errors of ours: when, from where and which, `ERRORS_KEPT` at most.

    Which, and not the whole of it: the message without what was put into it, and the kind of exception. So it can hold
    neither bodies nor tokens, and as many of one sort as there are count as one.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._kept: dict[tuple[str, str], dict[str, Any]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Note one, in place of an earlier one of its sort."""
        cause = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else ""
        said = _PLACES.sub("…", str(record.msg))[:ERROR_MAX]
        sort = (record.name, f"{said} ({cause})" if cause else said)
        before = self._kept.pop(sort, {"count": 0})
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="seconds")
        self._kept[sort] = {"at": at, "from": sort[0], "said": sort[1], "count": before["count"] + 1}
        while len(self._kept) > ERRORS_KEPT:
            self._kept.pop(next(iter(self._kept)))

    @property
    def kept(self) -> list[dict[str, Any]]:
        """The newest first, as JSON."""
        return list(self._kept.values())[::-1]


class Entry:
    """This process's place on the roll: `report` renews it, `leave` takes it away. Both ask the database."""

    def __init__(self) -> None:
        self._name = f"{HOST}:{os.getpid()}:{secrets.token_hex(4)}"
        self._started_at = clock.now()
        self._errors = LastErrors()
        _OURS.addHandler(self._errors)

    def report(self, figures: Figures) -> None:
        """Say how the node is doing now, and strike out what was left behind long ago."""
        values = {
            "host": HOST,
            "pid": os.getpid(),
            "started_at": self._started_at,
            "sockets": figures.sockets,
            "users": figures.users,
            "pushes": int(REGISTRY.get_sample_value("notifications_pushes_total") or 0),
            "tail_age": figures.tail_age,
            "draining": figures.draining,
            "errors": self._errors.kept,
            "changed_at": Now(),
        }
        if not NodeReport.objects.filter(pk=self._name).update(**values):
            NodeReport.objects.create(name=self._name, **values)
            NodeReport.objects.filter(changed_at__lt=Now() - FORGET).delete()

    def leave(self) -> None:
        """The node ends."""
        _OURS.removeHandler(self._errors)
        NodeReport.objects.filter(pk=self._name).delete()


def present() -> QuerySet[NodeReport]:
    """The nodes that have reported lately, by host and pid."""
    return NodeReport.objects.filter(changed_at__gt=Now() - LIFE).order_by("host", "pid", "name")
