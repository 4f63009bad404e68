"""What all commands have in common: how they take moments and spans of time, report what they did, and fail."""

import json
import re
from abc import ABC, abstractmethod
from argparse import ArgumentTypeError
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from notifications import users
from notifications.channel_layer import publisher
from notifications.exceptions import InvalidContent, NotificationsError
from notifications.protocol.items import uid_problem

FAILED, USAGE = 1, 2
# Time to hand the last pushes to the channel layer; what is not sent by then the nodes find in the database.
FLUSH_SECONDS = 2.0
_SPAN = re.compile(r"(\d{1,6})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class ReportingCommand(ABC, BaseCommand):
    """A command whose `act` gives what it did as JSON data; `text` says the same for people.

    Data goes to stdout, remarks and progress to stderr. Ends with 0 (done), 1 (failed) or 2 (wrong usage, bad input).
    """

    def add_arguments(self, parser: CommandParser) -> None:
        """`--json` for all."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    @abstractmethod
    def act(self, **options: Any) -> Any:
        """Do the work and give its result; raises `NotificationsError` or `CommandError`."""

    @abstractmethod
    def text(self, result: Any) -> str:
        """The result for people."""

    def handle(self, *args: Any, **options: Any) -> None:
        """Act, hand on the pushes, print."""
        try:
            result = self.act(**options)
        except InvalidContent as error:
            raise CommandError(str(error), returncode=USAGE) from error
        except NotificationsError as error:
            cause = f" ({_line(error.__cause__)})" if error.__cause__ is not None else ""
            raise CommandError(f"{error.message}{cause}", returncode=FAILED) from error
        except DatabaseError as error:
            raise CommandError(f"the database refused: {_line(error)}", returncode=FAILED) from error
        finally:
            publisher.flush(FLUSH_SECONDS)
        self.report(result, as_json=options["json"])

    def report(self, result: Any, *, as_json: bool) -> None:
        """Print a result."""
        self.stdout.write(json.dumps(result, ensure_ascii=False) if as_json else self.text(result))

    def remark(self, line: str) -> None:
        """Tell people something beside the result."""
        self.stderr.write(line, lambda text: text)

    def warn_of_unknown(self, uids: list[str]) -> None:
        """Remark on uids that no active user has: seldom what was meant, but a user may yet be made."""
        try:
            unknown = sorted(set(uids) - users.active(uids))
        except DatabaseError:  # whoever needs the database for more than this remark hears of it elsewhere
            return
        if unknown:
            self.remark(f"No active user has the uid {', '.join(unknown[:5])}{', ...' if len(unknown) > 5 else ''}.")


def uid(raw: str) -> str:
    """An argument that is a uid."""
    if problem := uid_problem(raw):
        raise ArgumentTypeError(f"a uid {problem}")
    return raw


def moment(raw: str) -> datetime:
    """An argument that is a moment in ISO 8601, with its time zone."""
    try:
        parsed = datetime.fromisoformat(raw)
    except ValueError:
        raise ArgumentTypeError(f"{raw!r} is no moment; write it like 2026-01-02T10:00:00+08:00") from None
    if parsed.tzinfo is None:
        raise ArgumentTypeError(f"{raw!r} has no time zone; write it like 2026-01-02T10:00:00+08:00")
    return parsed


def span(raw: str) -> timedelta:
    """An argument that is a span of time: a number and s, m, h, d or w."""
    match = _SPAN.fullmatch(raw)
    if match is None:
        raise ArgumentTypeError(f"{raw!r} is no span of time; write it like 90d, 12h, 30m or 45s")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def json_object(raw: str) -> dict[str, Any]:
    """An argument that is a JSON object."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ArgumentTypeError('is no JSON object; write it like {"order": 42}')
    return value


def add_content_arguments(parser: CommandParser) -> None:
    """The fields that notifications and announcements share."""
    parser.add_argument("--title", required=True, help="1 to 200 characters of plain text")
    parser.add_argument("--body", default="", help="up to 4,000 characters of plain text")
    parser.add_argument("--kind", default="general", help="what it is about, for example recharge.succeeded")
    parser.add_argument("--level", default="info", help="info, success, warning or error")
    parser.add_argument("--url", help="where it leads: a path or an http(s) address")
    parser.add_argument("--data", type=json_object, metavar="JSON", help="a JSON object for the pages' own use")
    parser.add_argument("--display", default="popup", help="popup, list or banner")
    parser.add_argument("--confirm", action="store_true", help="only the popup's confirm button makes it read")


CONTENT = ("title", "body", "kind", "level", "url", "data", "display", "confirm")


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]
