"""The frame of the admin around pages that are no forms of its own."""

from typing import Any

from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse


def framed(
    site: "ModelAdmin[Any]", request: HttpRequest, template: str, row: Any, context: dict[str, Any]
) -> HttpResponse:
    """A page about one row, inside the admin's frame."""
    frame = {
        **site.admin_site.each_context(request),
        "opts": site.opts,
        "row": row,
        "subtitle": row,
        "media": site.media,
    }
    return TemplateResponse(request, template, frame | context)
