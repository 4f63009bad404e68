"""`manage.py issue_token UID --minutes N`: an access token for an operator's test."""

from argparse import ArgumentTypeError
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from rest_framework_simplejwt.exceptions import TokenBackendError

from notifications import clock, tokens
from notifications.management.reporting import FAILED, ReportingCommand, uid
from notifications.protocol.items import timestamp

YEAR_MINUTES = 366 * 24 * 60


def minutes(raw: str) -> timedelta:
    """An argument that is a life of more than nothing and at most a year."""
    try:
        value = float(raw)
    except ValueError:
        value = 0.0
    if not 0 < value <= YEAR_MINUTES:
        raise ArgumentTypeError(f"{raw!r} must be a number of minutes, more than 0 and at most {YEAR_MINUTES:,}")
    return timedelta(minutes=value)


class Command(ReportingCommand):
    """Makes an access token as the sign-in would. Whoever holds it is that user: do not leave it lying about."""

    help = "Print an access token of a user, for a test."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, and for how long."""
        super().add_arguments(parser)
        parser.add_argument("uid", type=uid, metavar="UID")
        parser.add_argument("--minutes", type=minutes, default=timedelta(minutes=60), metavar="N", help="default: 60")

    def act(self, **options: Any) -> dict[str, Any]:
        """Issue it."""
        try:
            token = tokens.issue(options["uid"], options["minutes"])
        except TokenBackendError as error:
            raise CommandError(str(error), returncode=FAILED) from error
        self.warn_of_unknown([options["uid"]])
        return {"uid": options["uid"], "token": token, "expires_at": timestamp(clock.now() + options["minutes"])}

    def text(self, result: dict[str, Any]) -> str:
        """The token alone."""
        self.remark(f"Good until {result['expires_at']}:")
        return str(result["token"])
