"""`manage.py drain`: make the nodes of this machine send their sockets to others, and go on running."""

from typing import Any

from django.core.management.base import CommandParser

from notifications.conf import conf
from notifications.management.reporting import ReportingCommand
from notifications.models import Drain
from notifications.roll import HOST


class Command(ReportingCommand):
    """Stores the wish; the nodes read it within two seconds. They take sockets again when they are restarted."""

    help = "Have the nodes of this machine refuse new sockets and send away those they have."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which nodes."""
        super().add_arguments(parser)
        parser.add_argument("--everywhere", action="store_true", help="the nodes of all machines")

    def act(self, **options: Any) -> dict[str, Any]:
        """Wish it."""
        host = "" if options["everywhere"] else HOST
        Drain.objects.create(host=host)
        return {"host": host or None, "seconds": conf().drain_seconds}

    def text(self, result: dict[str, Any]) -> str:
        """What will happen."""
        whose = f"the nodes of {result['host']}" if result["host"] else "all nodes"
        return f"{whose} refuse new sockets within 2 seconds and close theirs within {result['seconds']:.0f} more"
