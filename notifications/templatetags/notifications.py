"""`{% load notifications %}`, then `{% notification_bell %}` where the bell is to be.

`{% notification_banner %}` is the place for banners.
"""

from typing import Any

from django import template
from django.middleware.csrf import get_token
from django.template import Context
from django.urls import reverse
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import get_language

from notifications.conf import csrf_cookie_name
from notifications.statistics import figure
from notifications.users import uid_of

register = template.Library()
register.filter(figure)


@register.inclusion_tag("notifications/bell.html", takes_context=True)
def notification_bell(context: Context, socket: str = "/ws/notifications/") -> dict[str, Any]:
    """The bell and the place for popups, for whoever is signed in; nothing for others.

    `socket` is the path that the project's `asgi.py` serves sockets at. Needs the `request` context processor. The CSRF
    cookie is set: with it the page gets the token of its socket.
    """
    request = context.get("request")
    user = getattr(request, "user", None)
    if request is None or user is None or not user.is_authenticated:
        return {}
    get_token(request)
    language = get_language() or "en"
    return {
        "uid": uid_of(user),
        "socket": socket,
        "api": reverse("notifications:api-list"),
        "inbox": reverse("notifications:list"),
        # The scripts' own texts are English.
        "catalog": None if language.split("-")[0] == "en" else reverse("notifications:catalog"),
        "csrf_cookie": csrf_cookie_name(),
    }


@register.simple_tag(takes_context=True)
def notification_banner(context: Context) -> SafeString:
    """The place for banners, in the page's flow; the page has a bell as well. Nothing for who is not signed in."""
    user = getattr(context.get("request"), "user", None)
    signed_in = user is not None and user.is_authenticated
    return mark_safe("<notification-banner></notification-banner>" if signed_in else "")  # noqa: S308  a constant
