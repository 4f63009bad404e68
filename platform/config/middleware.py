"""Middleware of the platform: static files under ASGI, the content security policy by part of the site, forms."""

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from csp.middleware import CSPMiddleware, PolicyParts
from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.decorators import sync_and_async_middleware
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise for both kinds of server, with files as plain bodies.

    WhiteNoise's own answers are synchronous streams, of which Django warns under ASGI, and being synchronous itself it
    would send every request, static or not, through one more thread.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """The file that the path names, or the answer of what stands behind."""
        path = request.path_info
        file = self.find_file(path) if self.autorefresh else self.files.get(path)
        if file is None:
            return self.get_response(request)
        if iscoroutinefunction(self):
            return sync_to_async(self.serve, thread_sensitive=False)(file, request)
        return self.serve(file, request)

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """The whole answer for one file: 200, 206, 304 or 405, as WhiteNoise decides."""
        answer = static_file.get_response(request.method, request.META)
        body = b""
        if answer.file is not None:
            with answer.file:
                body = answer.file.read()
        response = HttpResponse(body, status=int(answer.status))
        del response["Content-Type"]
        for name, value in answer.headers:
            response[name] = value
        return response


class ContentSecurityMiddleware(CSPMiddleware):
    """The policy of `settings.CONTENT_SECURITY_POLICY`, without Trusted Types under the admin.

    The admin's jQuery 3 assigns strings to `innerHTML` while it loads, which Trusted Types refuse; the rest holds.
    """

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """What of the policy differs for this answer."""
        parts = super().get_policy_parts(request, response, report_only)
        if request.path_info.startswith(reverse("admin:index")):
            parts.replace = {**(parts.replace or {}), "require-trusted-types-for": None}
        return parts


@sync_and_async_middleware
def utf8_forms(get_response: Callable[[HttpRequest], Any]) -> Callable[[HttpRequest], Any]:
    """Refuse a form in another encoding than UTF-8 with 400, before anything reads it.

    Django would decode it by any codec of Python's that the header names, base64 among them, and what those raise is
    taken for a fault of ours.
    """

    def check(request: HttpRequest) -> None:
        named = (request.content_params or {}).get("charset", "utf-8").lower()
        if request.content_type in FORMS and named not in ("utf-8", "utf8"):
            # The answer's own page is not to be made with it either.
            request.encoding = "utf-8"
            raise BadRequest("Forms are UTF-8")

    if not iscoroutinefunction(get_response):

        def middleware(request: HttpRequest) -> Any:
            check(request)
            return get_response(request)

        return middleware

    async def async_middleware(request: HttpRequest) -> Any:
        check(request)
        return await get_response(request)

    return async_middleware


FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
