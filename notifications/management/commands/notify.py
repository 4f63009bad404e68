"""`manage.py notify UID [UID ...] --title ...`: send a notification to users."""

from typing import Any

from django.core.management.base import CommandParser
from django.db import transaction
from tqdm import tqdm

from notifications import notify
from notifications.management.reporting import CONTENT, ReportingCommand, add_content_arguments, moment, uid


class Command(ReportingCommand):
    """Sends the same content to each uid: to all of them, or, if anything is wrong, to none."""

    help = "Send a notification to one user or several."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whom and what."""
        super().add_arguments(parser)
        parser.add_argument("uids", nargs="+", type=uid, metavar="UID")
        add_content_arguments(parser)
        parser.add_argument("--ref", help="the business reference, by which it can be retracted")
        parser.add_argument("--expires-at", type=moment, metavar="MOMENT", help="for example 2026-01-02T10:00:00+08:00")

    def act(self, **options: Any) -> dict[str, Any]:
        """Send."""
        content = {name: options[name] for name in CONTENT}
        uids: list[str] = list(dict.fromkeys(options["uids"]))
        items = []
        with transaction.atomic():
            for to in tqdm(uids, file=self.stderr, disable=None, leave=False):
                sent = notify(to, ref=options["ref"], expires_at=options["expires_at"], **content)
                items.append({"uid": to, "id": str(sent.id)})
        self.warn_of_unknown(uids)
        return {"accepted": len(items), "items": items}

    def text(self, result: dict[str, Any]) -> str:
        """A line for each."""
        return "\n".join(f"{item['id']} accepted for {item['uid']}" for item in result["items"])
