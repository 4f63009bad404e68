"""Addresses of the wallet."""

from django.urls import path

from wallet import views

urlpatterns = [
    path("", views.begin, name="begin-top-up"),
    path("callback/", views.callback, name="payment-callback"),
    path("<int:top_up_id>/", views.top_up, name="top-up"),
    path("<int:top_up_id>/pay/", views.pay, name="pay-top-up"),
]
