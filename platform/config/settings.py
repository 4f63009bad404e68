"""Django's settings. Everything that differs between nodes comes from the environment: see `config.env`."""

import os
import sys
from pathlib import Path
from typing import Any

from csp.constants import NONE, SELF
from django.utils.translation import gettext_lazy as _
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff

from config.env import BadEnvironment, read
from config.logs import logging_config
from notifications.conf import JWTKey

PLATFORM_DIR = Path(__file__).resolve().parent.parent
BASE_DIR = PLATFORM_DIR.parent
VAR_DIR = BASE_DIR / "var"

try:
    env = read(os.environ, VAR_DIR)
except BadEnvironment as bad:
    # Not a traceback: whoever starts a node needs the names and the mends.
    sys.exit("\n".join(bad.lines))

DEBUG = env.debug
SECRET_KEY = env.secret_key
ALLOWED_HOSTS = env.allowed_hosts

INSTALLED_APPS = [
    "notifications",
    "accounts",
    "moderation",
    "wallet",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
]

MIDDLEWARE = [
    # Probes address a node by its own address, which is none of ALLOWED_HOSTS.
    "notifications.health.probes_first",
    # Services' calls have no session, language or form: they go straight to their view.
    "notifications.rpc.middleware.rpc_first",
    "django.middleware.security.SecurityMiddleware",
    "config.middleware.StaticFilesMiddleware",
    "config.middleware.ContentSecurityMiddleware",
    "config.middleware.utf8_forms",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "config.urls"
ASGI_APPLICATION = "config.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [PLATFORM_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.i18n",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    }
]

# --- Storage ---------------------------------------------------------------------------------------------------------

if env.database["NAME"] == VAR_DIR / "db.sqlite3":
    VAR_DIR.mkdir(exist_ok=True)
DATABASES: dict[str, Any] = {"default": env.database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CHANNEL_LAYERS: dict[str, Any]
if env.redis_urls:
    CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {
                "hosts": [
                    {
                        "address": url,
                        # redis-py's own 5 s equals the layer's blocking read: idle readers would fail every 5 s
                        # (channels_redis issue 422). It retries nothing unless told to.
                        "socket_timeout": 15,
                        "socket_connect_timeout": 5,
                        "retry": Retry(ExponentialWithJitterBackoff(base=0.1, cap=2), retries=3),
                    }
                    for url in env.redis_urls
                ],
                # The first encrypts, each decrypts: a new one is added behind, then moved to the front.
                "symmetric_encryption_keys": env.channel_encryption_keys,
            },
        }
    }
else:
    CHANNEL_LAYERS = {
        # The default capacity of 100 would drop what a burst brings between two turns of the event loop.
        "default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000}}
    }

# --- Who is who ------------------------------------------------------------------------------------------------------

LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "login"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    {"NAME": "accounts.connections.OpenConnectionsValidator"},
]

# simplejwt asks addresses alone; a key set in a file is among the further keys below.
_jwks_address = env.jwt.jwks_url if not env.jwt.jwks_url.startswith("file:") else ""

SIMPLE_JWT: dict[str, Any] = {
    "ALGORITHM": env.jwt.algorithm,
    "SIGNING_KEY": env.jwt.signing_key,
    "VERIFYING_KEY": env.jwt.public_key,
    "JWK_URL": _jwks_address or None,
    "AUDIENCE": env.jwt.audience,
    "ISSUER": env.jwt.issuer,
}

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
    "DEFAULT_PARSER_CLASSES": [
        "config.parsers.JSONBody",
        "rest_framework.parsers.FormParser",
        "rest_framework.parsers.MultiPartParser",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    # The browsable renderer's pages have inline scripts, which the policy below refuses.
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
}

_extra_keys: list[JWTKey] = []
if env.jwt.previous_signing_key:
    _extra_keys.append(JWTKey("HS256", key=env.jwt.previous_signing_key))
if env.jwt.jwks_url:
    # A key set may hold both kinds; each is verified by its own algorithm alone.
    _extra_keys.append(JWTKey("ES256", jwks_url=env.jwt.jwks_url))
    if not _jwks_address:
        _extra_keys.append(JWTKey("RS256", jwks_url=env.jwt.jwks_url))

NOTIFICATIONS: dict[str, Any] = {
    "ALLOWED_ORIGINS": env.allowed_origins,
    "STANDALONE": env.standalone,
    "REDIS_URLS": env.redis_urls,
    "JWT_EXTRA_KEYS": _extra_keys,
}

# The key that payment callbacks are signed with; without one of its own it is derived from SECRET_KEY.
WALLET_CALLBACK_KEY = env.wallet_callback_key
# A page that plays the bank, so that a demo needs none. Anyone could mint money with it: `make run` only.
WALLET_DEMO_BANK = env.demo_payments

# --- Languages and time ----------------------------------------------------------------------------------------------

LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [PLATFORM_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Static files: served from where they lie, nothing is collected --------------------------------------------------

STATIC_URL = "/static/"
STATICFILES_DIRS = [PLATFORM_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_ALLOW_ALL_ORIGINS = False
# Names carry no hash, and modules of two versions must not meet in one page: browsers ask each time and get a 304.
WHITENOISE_MAX_AGE = 0

# --- Security --------------------------------------------------------------------------------------------------------

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "object-src": [NONE],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
        "form-action": [SELF],
        "require-trusted-types-for": ["'script'"],
    }
}

# For everything that is no page of ours. Pages say `same-origin` in a meta tag (templates/base.html), because under
# `no-referrer` a browser sends `Origin: null` with a form, and Django's CSRF check rightly refuses that.
SECURE_REFERRER_POLICY = "no-referrer"

# TLS ends at the proxy, which sets this header itself.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
SECURE_HSTS_SECONDS = 365 * 24 * 3600
SECURE_HSTS_INCLUDE_SUBDOMAINS = True
SESSION_COOKIE_SECURE = not env.plain_http
CSRF_COOKIE_SECURE = not env.plain_http
SILENCED_SYSTEM_CHECKS = [
    # No redirect to HTTPS: the proxy does that, and health checks and services reach a node over plain HTTP inside.
    "security.W008",
    # No HSTS preload: entering a domain in the browsers' lists is its owner's decision and hard to take back.
    "security.W021",
]

LOGGING = logging_config("INFO", env.log_format)
