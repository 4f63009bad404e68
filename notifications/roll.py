"""The roll: which nodes there are and how each is doing, as every few seconds they write into the database.

There and not in Redis, because a deployment may have none, and operators ask most when one is away.
"""

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet
from django.db.models.functions import Now
from prometheus_client import REGISTRY

from notifications import clock
from notifications.models import NodeReport

REPORT_SECONDS = 5.0
# A node that has missed two reports is gone, or cannot reach the database.
LIFE = timedelta(seconds=3 * REPORT_SECONDS)
FORGET = timedelta(days=1)
# This machine, as `manage.py drain` names it.
HOST = socket.gethostname()


@dataclass(frozen=True, slots=True)
class Figures:
    """What a node tells of itself: open sockets, their users, seconds since its tail last looked, on its way out."""

    sockets: int
    users: int
    tail_age: float
    draining: bool


class Entry:
    """This process's place on the roll: `report` renews it, `leave` takes it away. Both ask the database."""

    def __init__(self) -> None:
        self._name = f"{HOST}:{os.getpid()}:{secrets.token_hex(4)}"
        self._started_at = clock.now()

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
            "changed_at": Now(),
        }
        if not NodeReport.objects.filter(pk=self._name).update(**values):
            NodeReport.objects.create(name=self._name, **values)
            NodeReport.objects.filter(changed_at__lt=Now() - FORGET).delete()

    def leave(self) -> None:
        """The node ends."""
        NodeReport.objects.filter(pk=self._name).delete()


def present() -> QuerySet[NodeReport]:
    """The nodes that have reported lately, by host and pid."""
    return NodeReport.objects.filter(changed_at__gt=Now() - LIFE).order_by("host", "pid", "name")
