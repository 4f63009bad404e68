"""`manage.py prune_notifications --older-than 90d`: delete what is over and old."""

from typing import Any

from django.core.management.base import CommandParser
from tqdm import tqdm

from notifications import pruning
from notifications.management.reporting import ReportingCommand, span


class Command(ReportingCommand):
    """Deletes in small transactions; may run beside a busy platform, be interrupted and run again at any time."""

    help = "Delete read, retracted and expired notifications and ended announcements that are old. Unread ones stay."

    def add_arguments(self, parser: CommandParser) -> None:
        """How old."""
        super().add_arguments(parser)
        parser.add_argument("--older-than", required=True, type=span, metavar="SPAN", help="for example 90d")
        parser.add_argument("--dry-run", action="store_true", help="count, and delete nothing")

    def act(self, **options: Any) -> dict[str, Any]:
        """Delete, or count."""
        counts = {}
        for chore in pruning.chores(options["older_than"]):
            if options["dry_run"]:
                counts[chore.name] = chore.rows.count()
                continue
            with tqdm(desc=chore.name, unit="", file=self.stderr, disable=None, leave=False) as bar:
                counts[chore.name] = pruning.prune(chore, bar.update)
        return {"dry_run": options["dry_run"], "deleted": counts}

    def text(self, result: dict[str, Any]) -> str:
        """A line for each kind."""
        said = "would be deleted" if result["dry_run"] else "deleted"
        return "\n".join(f"{count:>9,} {name.replace('_', ' ')} {said}" for name, count in result["deleted"].items())
