"""`manage.py announce --title ...`: tell everyone."""

from typing import Any

from django.core.management.base import CommandParser

from notifications import announce
from notifications.management.reporting import CONTENT, ReportingCommand, add_content_arguments, moment
from notifications.models import Announcement


class Command(ReportingCommand):
    """Makes an announcement and publishes it, unless it is to stay a draft."""

    help = "Announce something to every user."

    def add_arguments(self, parser: CommandParser) -> None:
        """What and when."""
        super().add_arguments(parser)
        add_content_arguments(parser)
        parser.add_argument("--starts-at", type=moment, metavar="MOMENT", help="default: now")
        parser.add_argument("--ends-at", type=moment, metavar="MOMENT", help="default: 7 days after the start")
        parser.add_argument("--no-late-join", action="store_true", help="not for users who join after it went live")
        parser.add_argument("--draft", action="store_true", help="do not publish it; staff do that in the admin")

    def act(self, **options: Any) -> dict[str, Any]:
        """Announce."""
        made = announce(
            **{name: options[name] for name in CONTENT},
            starts_at=options["starts_at"],
            ends_at=options["ends_at"],
            late_join=not options["no_late_join"],
            publish=not options["draft"],
        )
        return {"id": str(made.id), "status": Announcement.objects.get(pk=made.id).status.value}

    def text(self, result: dict[str, Any]) -> str:
        """Its id and where it is in its life."""
        return f"{result['id']} {result['status']}"
