"""Addresses of the JSON-RPC service, below `rpc/`."""

from django.urls import path

from notifications.rpc import views

urlpatterns = [
    path("", views.endpoint, name="rpc"),
    path("docs/", views.docs, name="rpc-docs"),
    path("openrpc.json", views.document, name="openrpc"),
]
