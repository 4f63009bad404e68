"""What the platform answers when a request fails: 503 while the database is away, else a plain page or a problem."""

import sys
from http import HTTPStatus

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.multipartparser import MultiPartParserError
from django.template.loader import render_to_string
from django.views.defaults import bad_request

from notifications.exceptions import Unavailable

RETRY_AFTER_SECONDS = 1


def is_away(error: BaseException | None) -> bool:
    """Whether it says that the database is away, locked or too slow: nobody's fault here, and it passes."""
    return isinstance(error, OperationalError | InterfaceError | Unavailable)


def handler500(request: HttpRequest) -> HttpResponse:
    """Django's answer to what was raised and not caught, in views and in the pages of other errors alike.

    A program, which is whoever asks below `/api/`, is told as the notifications API tells it. A person gets a page that
    asks nothing of the database, as the site's own do for who is signed in.
    """
    # Django calls this where it has caught the exception, and hands it on no other way.
    error = sys.exc_info()[1]
    if isinstance(error, MultiPartParserError | SuspiciousOperation):
        # The page of another error was the first to read a form that cannot be read.
        return bad_request(request, error)
    away = is_away(error)
    status = 503 if away else 500
    if request.path_info.startswith("/api/"):
        problem = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": "the database is not available now; repeat the call" if away else "this went wrong on our side",
            "code": "unavailable" if away else "internal",
        }
        response: HttpResponse = JsonResponse(problem, status=status, content_type="application/problem+json")
    else:
        response = HttpResponse(render_to_string("unavailable.html" if away else "500.html"), status=status)
    response["Cache-Control"] = "no-store"
    if away:
        response["Retry-After"] = str(RETRY_AFTER_SECONDS)
    return response
