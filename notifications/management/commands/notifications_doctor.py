"""`manage.py notifications_doctor`: look the deployment over."""

import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from notifications import doctor
from notifications.management.reporting import FAILED, ReportingCommand


def text_of(name: str) -> str:
    """An argument that names a file: its text; `-` is standard input."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(errors="replace")
    except OSError as error:
        raise ArgumentTypeError(f"{name!r} cannot be read: {error.strerror}") from None


class Command(ReportingCommand):
    """Says what is wrong with this deployment, as seen from this machine, with a mend for each finding.

    Ends with 1 where something that was found keeps it from working; warnings alone are 0.
    """

    help = "Check the deployment and say how to mend what is found."
    # They are among what is examined: a failing one must not keep the rest from being looked at.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The proxy's configuration, which cannot be seen from here."""
        super().add_arguments(parser)
        parser.add_argument(
            "--nginx", type=text_of, metavar="FILE", help="what `nginx -T` prints, or - to read it here"
        )

    def act(self, **options: Any) -> dict[str, Any]:
        """Examine everything."""
        findings = []
        for name, found in doctor.examine(options["nginx"]):
            if not options["json"]:
                self.remark(f"{name}: {'as it should be' if not found else f'{len(found)} found'}")
            findings += [
                {
                    "examination": name,
                    "level": "error" if finding.harmful else "warning",
                    "message": finding.message,
                    "mend": finding.mend,
                }
                for finding in found
            ]
        return {"ok": all(finding["level"] != "error" for finding in findings), "findings": findings}

    def text(self, result: dict[str, Any]) -> str:
        """A finding and its mend, in two lines each."""
        if not result["findings"]:
            return "Nothing found."
        return "\n".join(f"{f['level']}: {f['message']}\n    {f['mend']}" for f in result["findings"])

    def report(self, result: dict[str, Any], *, as_json: bool) -> None:
        """Print, and fail where something does not work."""
        super().report(result, as_json=as_json)
        if not result["ok"]:
            raise CommandError("what is marked as error keeps this deployment from working", returncode=FAILED)
