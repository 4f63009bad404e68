"""Addresses of moderation."""

from django.urls import path

from moderation import views

urlpatterns = [
    path("", views.submit, name="submit"),
    path("<int:submission_id>/", views.submission, name="submission"),
]
