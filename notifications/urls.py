"""Addresses of the app, for the project's `urls.py`: `path("", include("notifications.urls"))`, or under a prefix."""

from django.urls import URLPattern, URLResolver, include, path
from django.views.i18n import JSONCatalog

from notifications import api, health, pages

app_name = "notifications"

urlpatterns: list[URLPattern | URLResolver] = [
    path("api/notifications/", api.list_items, name="api-list"),
    path("api/notifications/unread/", api.unread, name="api-unread"),
    path("api/notifications/read/", api.read, name="api-read"),
    path("api/notifications/token/", api.token, name="api-token"),
    path("api/notifications/preferences/", api.choices, name="api-preferences"),
    path("api/notifications/<path:rest>", api.not_found),
    path("notifications/", pages.message_list, name="list"),
    path("notifications/<uuid:item_id>/", pages.message, name="item"),
    path("notifications/catalog/", JSONCatalog.as_view(packages=["notifications"]), name="catalog"),
    path("rpc/", include("notifications.rpc.urls")),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.figures, name="metrics"),
]
