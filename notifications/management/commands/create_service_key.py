"""`manage.py create_service_key NAME --scope notify ...`: make a key for a service that calls by JSON-RPC."""

from typing import Any

from django.core.management.base import CommandParser

from notifications import service_keys
from notifications.database import available
from notifications.management.reporting import ReportingCommand, moment
from notifications.models import ServiceKey


class Command(ReportingCommand):
    """Makes a service key and prints it, this once: only a hash of it is stored."""

    help = "Make a key for a service and print it once."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose key, and what it may do."""
        super().add_arguments(parser)
        parser.add_argument("name", metavar="NAME", help="the service that will use it")
        parser.add_argument(
            "--scope",
            required=True,
            nargs="+",
            action="extend",
            choices=ServiceKey.Scope.values,
            help="what it may do; may be given several times",
        )
        parser.add_argument("--expires-at", type=moment, metavar="MOMENT", help="default: never")

    def act(self, **options: Any) -> dict[str, Any]:
        """Make it."""
        with available():
            stored, key = service_keys.create(options["name"], options["scope"], options["expires_at"])
        return {"name": stored.name, "prefix": stored.prefix, "key": key, "scopes": stored.scopes}

    def text(self, result: dict[str, Any]) -> str:
        """The key alone, for `KEY=$(manage.py create_service_key ...)`."""
        self.remark(f"Key of {result['name']} ({', '.join(result['scopes'])}). It is not shown again:")
        return str(result["key"])
