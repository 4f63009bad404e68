"""The other end of `tests.servers.node.Business`: reads one request a line, answers one a line."""

import dataclasses
import json
import sys
from typing import Any

import django

django.setup()

from django.contrib.auth.models import User  # noqa: E402
from django.db import close_old_connections, connection, transaction  # noqa: E402

import notifications  # noqa: E402

NAMES = {name: getattr(notifications, name) for name in notifications.__all__}
NAMES |= {"User": User, "connection": connection, "transaction": transaction}


def plain(value: Any) -> Any:
    """What JSON does not know: dataclasses as objects, anything else as text."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    return str(value)


# What the code prints must not come between the answers.
answers, sys.stdout = sys.stdout, sys.stderr
for line in sys.stdin:
    request = json.loads(line)
    names = {**NAMES, **request["names"]}
    close_old_connections()
    try:
        exec(request["code"], names)  # noqa: S102  what it is for
        answer = {"result": names.get("result")}
    except Exception as error:
        answer = {"error": type(error).__name__, "text": str(error)}
    answers.write(json.dumps(answer, default=plain) + "\n")
    answers.flush()
