"""Settings of the tests: the platform's own, in an environment made up here. `make test` needs nothing set."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

os.environ.update(
    SECRET_KEY="a-secret-key-of-the-tests-that-is-long-enough-for-every-check",
    JWT_SIGNING_KEY="another-key-of-the-tests-that-signs-their-access-tokens",
    ALLOWED_HOSTS="testserver,127.0.0.1,localhost",
    ALLOWED_ORIGINS="http://testserver,http://127.0.0.1,http://localhost",
    PLAIN_HTTP="1",
    DEMO_PAYMENTS="1",
    LOG_FORMAT="line",
)
# What a developer's shell has set for `make run` must not change what the tests see.
for name in ("DATABASE_URL", "REDIS_URL", "DEBUG", "STANDALONE", "JWT_AUDIENCE", "JWT_ISSUER", "WALLET_CALLBACK_KEY"):
    os.environ.pop(name, None)

from config.settings import *  # noqa: E402, F403

# A file, and one per run: threads share it as they would in earnest, and runs beside each other do not. A folder of its
# own, because SQLite may leave files beside it.
_folder = tempfile.mkdtemp(prefix="test-database-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
DATABASES["default"]["TEST"] = {"NAME": Path(_folder) / "test.sqlite3"}  # noqa: F405
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
