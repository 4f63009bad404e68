"""`manage.py disconnect UID`: close every socket that a user has open."""

from typing import Any

from django.core.management.base import CommandParser

from notifications import disconnect
from notifications.management.reporting import ReportingCommand, uid


class Command(ReportingCommand):
    """Closes the sockets of a uid on every node with 4003: its clients stop. It may open new ones if it may sign in."""

    help = "Close every open socket of a user, on all nodes."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose."""
        super().add_arguments(parser)
        parser.add_argument("uid", type=uid, metavar="UID")

    def act(self, **options: Any) -> dict[str, Any]:
        """Tell the nodes."""
        disconnect(options["uid"])
        return {"uid": options["uid"]}

    def text(self, result: dict[str, Any]) -> str:
        """What was done."""
        return f"every node closes the open sockets of {result['uid']} within two seconds"
