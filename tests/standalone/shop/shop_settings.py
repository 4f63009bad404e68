"""Settings of the shop: a small Django project of its own, which shares nothing with this one."""

import os
from pathlib import Path

FOLDER = Path(os.environ["SHOP_FOLDER"])
SECRET_KEY = os.environ["SHOP_SECRET_KEY"]
DEBUG = False
ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "shop"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "shop.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
USE_TZ = True

# The private keys that tokens are signed with, one file each; the last by name signs, all are published.
KEYS = FOLDER / "keys"
# With it tokens are signed by a secret that the service knows as well.
SHARED_SECRET = os.environ.get("SHOP_SHARED_SECRET", "")
ISSUER = "https://shop.test"
AUDIENCE = "notifications"
NOTIFICATIONS_URL = os.environ["NOTIFICATIONS_URL"]
NOTIFICATIONS_KEY = os.environ["NOTIFICATIONS_KEY"]
