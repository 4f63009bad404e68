"""`manage.py revoke_service_key PREFIX`: make a service key worthless."""

from typing import Any

from django.core.management.base import CommandParser

from notifications import service_keys
from notifications.management.reporting import ReportingCommand
from notifications.protocol.items import timestamp


class Command(ReportingCommand):
    """Revokes a key; every node refuses it within 5 seconds. Repeating is harmless."""

    help = "Revoke a service key, by what stands before its dot."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which."""
        super().add_arguments(parser)
        parser.add_argument("prefix", metavar="PREFIX", help="the key up to its dot")

    def act(self, **options: Any) -> dict[str, Any]:
        """Revoke it."""
        key = service_keys.revoke(options["prefix"])
        return {"name": key.name, "prefix": key.prefix, "revoked_at": timestamp(key.revoked_at)}

    def text(self, result: dict[str, Any]) -> str:
        """What was revoked."""
        return f"{result['prefix']} of {result['name']} is revoked; every node refuses it within 5 seconds"
