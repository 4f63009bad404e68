"""Addresses of the platform."""

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import LoginView, LogoutView
from django.urls import include, path
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from config import failures, views

handler500 = failures.handler500

admin.site.site_header = admin.site.site_title = _("Platform administration")

urlpatterns = [
    path("", views.home, name="home"),
    path("accounts/login/", LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("accounts/logout/", LogoutView.as_view(), name="logout"),
    path("language/", include("django.conf.urls.i18n")),
    path("submissions/", include("moderation.urls")),
    path("wallet/", include("wallet.urls")),
    path("admin/", admin.site.urls),
    path("", include("notifications.urls")),
]

# A node that only verifies tokens has no key to make any with.
if settings.SIMPLE_JWT["SIGNING_KEY"]:
    urlpatterns += [
        path("api/token/", TokenObtainPairView.as_view(), name="token"),
        path("api/token/refresh/", TokenRefreshView.as_view(), name="token-refresh"),
    ]
