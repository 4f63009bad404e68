"""`config.settings`: a process starts with a good environment, and with a bad one ends at once, a line a mistake."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers.node import Platform
from tests.servers.process import ROOT

pytestmark = pytest.mark.server

# What a production node needs and no more.
GOOD = Platform("sqlite:////tmp/never-opened.sqlite3").environment()
for relaxed in ("PLAIN_HTTP", "DEMO_PAYMENTS"):
    GOOD.pop(relaxed, None)
PRINT = """
import json, django
django.setup()
from django.conf import settings
print(json.dumps({name: getattr(settings, name) for name in %r}, default=str))
"""


def start(module: str, environment: Mapping[str, str | None]) -> subprocess.CompletedProcess[str]:
    """A process that begins with the settings, in a good environment but for these variables (None: not set)."""
    given = {name: value for name, value in (GOOD | environment).items() if value is not None}  # type: ignore[operator]
    command = [sys.executable, "-m", module] if module != "manage.py" else [sys.executable, "manage.py", "check"]
    return subprocess.run(
        command, cwd=ROOT, env=given, capture_output=True, text=True, check=False, timeout=60, stdin=subprocess.DEVNULL
    )


def settings_with(*names: str, **environment: str) -> dict[str, Any]:
    """The settings of these names as a process with this environment has them."""
    command = [sys.executable, "-c", PRINT % (names,)]
    done = subprocess.run(command, cwd=ROOT, env=GOOD | environment, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


BAD: list[tuple[str, str | None]] = [
    ("SECRET_KEY", None),
    ("SECRET_KEY", "short"),
    ("JWT_SIGNING_KEY", None),
    ("JWT_SIGNING_KEY", "short"),
    ("JWT_SIGNING_KEY", GOOD["SECRET_KEY"]),
    ("ALLOWED_HOSTS", None),
    ("ALLOWED_HOSTS", "https://push.example.org"),
    ("ALLOWED_ORIGINS", None),
    ("ALLOWED_ORIGINS", "push.example.org"),
    ("DATABASE_URL", "oracle://nowhere"),
    ("REDIS_URL", "localhost"),
    ("DEBUG", "perhaps"),
    ("STANDALONE", "perhaps"),
]


@pytest.mark.security("S3")
@pytest.mark.parametrize(("name", "value"), BAD, ids=[f"{name}-{number}" for number, (name, _) in enumerate(BAD)])
def test_a_mistake_is_one_line(name: str, value: str | None) -> None:
    """The process ends with a status, the variable's name and the mend; there is no traceback."""
    done = start("config.serve", {name: value})
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name} ")
    assert "; " in line
    assert done.stdout == ""


def test_several_mistakes_are_told_at_once() -> None:
    """And by manage.py as well as by a node."""
    mistakes = {"SECRET_KEY": None, "ALLOWED_ORIGINS": "*", "REDIS_URL": "nothing", "DEBUG": "perhaps"}
    for module in ("config.serve", "manage.py"):
        done = start(module, mistakes)
        assert done.returncode == 1
        assert {line.split()[0] for line in done.stderr.splitlines()} == set(mistakes)


@pytest.mark.security("S18")
def test_production_is_what_nobody_asked_for() -> None:
    """Whoever sets only what is needed gets no debug pages, secure cookies, no demo bank, one process's layer."""
    names = ("DEBUG", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "WALLET_DEMO_BANK", "CHANNEL_LAYERS")
    found = settings_with(*names)
    assert (found["DEBUG"], found["SESSION_COOKIE_SECURE"], found["CSRF_COOKIE_SECURE"]) == (False, True, True)
    assert found["WALLET_DEMO_BANK"] is False
    assert "InMemory" in found["CHANNEL_LAYERS"]["default"]["BACKEND"]
    debug = settings_with("DEBUG", DEBUG="1")
    assert debug["DEBUG"] is True


def test_redis_in_all_its_uses() -> None:
    """Every shard serves the channel layer and the unread index, with time-outs that do not meet."""
    found = settings_with("CHANNEL_LAYERS", "NOTIFICATIONS", REDIS_URL="redis://a:1,redis://b:2/1")
    layer = found["CHANNEL_LAYERS"]["default"]
    assert "pubsub" in layer["BACKEND"]
    hosts = layer["CONFIG"]["hosts"]
    assert (
        [host["address"] for host in hosts] == found["NOTIFICATIONS"]["REDIS_URLS"] == ["redis://a:1", "redis://b:2/1"]
    )
    assert all(host["socket_timeout"] > 5 for host in hosts)


def test_standalone_reaches_the_app() -> None:
    """No user table is consulted."""
    assert settings_with("NOTIFICATIONS")["NOTIFICATIONS"]["STANDALONE"] is False
    assert settings_with("NOTIFICATIONS", STANDALONE="1")["NOTIFICATIONS"]["STANDALONE"] is True


def test_jwt_settings_reach_simplejwt() -> None:
    """Audience, issuer, and the key before this one."""
    found = settings_with(
        "SIMPLE_JWT", "NOTIFICATIONS", JWT_AUDIENCE="push", JWT_ISSUER="login", JWT_SIGNING_KEY_PREVIOUS="p" * 32
    )
    jwt = found["SIMPLE_JWT"]
    assert (jwt["ALGORITHM"], jwt["AUDIENCE"], jwt["ISSUER"]) == ("HS256", "push", "login")
    assert "p" * 32 in str(found["NOTIFICATIONS"]["JWT_EXTRA_KEYS"])
    keys = settings_with("SIMPLE_JWT", "NOTIFICATIONS", JWT_SIGNING_KEY="", JWT_JWKS_URL="https://login.example.org/k")
    assert (keys["SIMPLE_JWT"]["ALGORITHM"], keys["SIMPLE_JWT"]["JWK_URL"]) == ("RS256", "https://login.example.org/k")
    assert "ES256" in str(keys["NOTIFICATIONS"]["JWT_EXTRA_KEYS"])


def test_a_key_set_in_a_file_is_the_apps_to_read(tmp_path: Path) -> None:
    """Simplejwt would refuse its address at import: it stands among the further keys, for both algorithms."""
    file = tmp_path / "keys.json"
    file.touch()
    found = settings_with("SIMPLE_JWT", "NOTIFICATIONS", JWT_SIGNING_KEY="", JWT_JWKS_URL=file.as_uri())
    assert found["SIMPLE_JWT"]["JWK_URL"] is None
    keys = str(found["NOTIFICATIONS"]["JWT_EXTRA_KEYS"])
    assert all(text in keys for text in ("ES256", "RS256", file.as_uri()))
