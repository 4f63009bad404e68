"""Addresses of the app, for the project's `urls.py`: `path("", include("notifications.urls"))`."""

from django.urls import URLPattern, URLResolver

app_name = "notifications"

urlpatterns: list[URLPattern | URLResolver] = []
