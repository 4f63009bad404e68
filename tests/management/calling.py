"""Calling commands in tests, as a command line would: arguments are text."""

import json
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError


def run(name: str, *args: str) -> tuple[str, str]:
    """What a command printed to stdout and stderr."""
    out, err = StringIO(), StringIO()
    call_command(name, *args, stdout=out, stderr=err)
    return out.getvalue().strip(), err.getvalue().strip()


def run_json(name: str, *args: str) -> Any:
    """What a command printed with `--json`: nothing but one JSON value."""
    return json.loads(run(name, *args, "--json")[0])


def refused(name: str, *args: str, status: int) -> str:
    """The one line that a command refused with, and went out with `status`."""
    with pytest.raises(CommandError) as caught:
        run(name, *args)
    # argparse's own refusals end a process with 2 (`CommandParser.error`); in a call they are a bare CommandError.
    usage = str(caught.value).startswith("Error: ")
    assert (2 if usage else caught.value.returncode) == status
    assert "\n" not in str(caught.value)
    return str(caught.value)
