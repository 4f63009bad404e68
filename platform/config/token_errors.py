"""What the token endpoints answer when something is wrong that is not the caller's doing."""

from typing import Any

from django.db import InterfaceError, OperationalError
from rest_framework.response import Response
from rest_framework.views import exception_handler


def answer(error: Exception, context: dict[str, Any]) -> Response | None:
    """The answer to an exception of a REST view: 503 while the database is away, else as the framework has it."""
    if isinstance(error, OperationalError | InterfaceError):
        return Response({"detail": "Unavailable; repeat the call."}, status=503, headers={"Retry-After": "1"})
    return exception_handler(error, context)
