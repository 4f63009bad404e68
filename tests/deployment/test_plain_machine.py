"""docker/plain takes every step of the Dockerfile without Docker."""

import os
import secrets
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.servers.postgresql import PostgreSQL
from tests.servers.process import ROOT, free_port
from tests.servers.redis import Redis

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]


def test_every_step_of_the_image(postgresql: PostgreSQL, redis_server: Redis) -> None:
    """Packages, compiled code, tables, a node that serves as its own user, its health check, and its end by SIGTERM."""
    with tempfile.TemporaryDirectory(prefix="test-image-") as folder:
        # Another user than this one's has to get in.
        Path(folder).chmod(0o755)
        environment = {
            **{name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ},
            "SECRET_KEY": secrets.token_urlsafe(48),
            "JWT_SIGNING_KEY": secrets.token_urlsafe(48),
            "ALLOWED_HOSTS": "notify.example.org",
            "ALLOWED_ORIGINS": "https://notify.example.org",
            "DATABASE_URL": postgresql.url(postgresql.make_database()),
            "REDIS_URL": redis_server.url,
            "HOST": "127.0.0.1",
            "PORT": str(free_port()),
        }
        done = subprocess.run(
            [sys.executable, ROOT / "docker" / "plain", f"{folder}/root", "--packages", sys.prefix],
            env=environment, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        steps = [line[4:].split()[0].rstrip(":") for line in done.stdout.splitlines() if line.startswith("-->")]
        assert steps[-4:] == ["migrate", "CMD", "healthy;", "ended"]
        assert steps[:-4] == [
            line.split()[0] for line in (ROOT / "docker" / "Dockerfile").read_text().splitlines()
            if line[:1].isalpha() and line.split()[0].isupper()
        ]  # fmt: skip
        assert list(Path(folder, "root", "app", "notifications", "__pycache__").glob("hub.*.pyc"))
        if os.getuid() == 0 and "goes on as this one" not in done.stdout:
            assert "the node's user is 10001" in done.stdout
