"""`manage.py notifications_doctor`: every finding, by causing it."""

import resource
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.staticfiles.finders import get_finder
from django.core.management.base import CommandError
from django.db import OperationalError, connection
from django.db.migrations.recorder import MigrationRecorder

from notifications import doctor, unread_index
from tests.management.calling import refused, run, run_json
from tests.servers.node import Platform
from tests.servers.process import ROOT, eventually, free_port
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db


def found(name: str) -> list[doctor.Finding]:
    """What one examination finds."""
    return list(doctor.EXAMINATIONS[name]())


@pytest.fixture
def healthy(settings: Any) -> None:
    """The settings of a production node, which the tests' own are not."""
    settings.SESSION_COOKIE_SECURE = settings.CSRF_COOKIE_SECURE = True


@pytest.fixture
def redis_in_use(settings: Any) -> Iterator[Redis]:
    """A Redis that the settings name."""
    with Redis() as server:
        settings.NOTIFICATIONS = settings.NOTIFICATIONS | {"REDIS_URLS": [server.url]}
        yield server


@pytest.mark.usefixtures("healthy")
def test_nothing_is_found_where_all_is_well() -> None:
    """It says so, examination by examination, and ends with 0."""
    assert run_json("notifications_doctor") == {"ok": True, "findings": []}
    said, remarks = run("notifications_doctor")
    assert said == "Nothing found."
    assert [line.split(":")[0] for line in remarks.splitlines()] == list(doctor.EXAMINATIONS)


def test_a_warning_is_no_failure() -> None:
    """What can wait is told with its mend, and the status is 0."""
    result = run_json("notifications_doctor")
    assert result["ok"]
    assert {finding["level"] for finding in result["findings"]} == {"warning"}
    assert all(finding["message"] and finding["mend"] for finding in result["findings"])
    assert {finding["message"][-15:] for finding in result["findings"]} == {"(security.W012)", "(security.W016)"}
    assert all("PLAIN_HTTP" in finding["mend"] for finding in result["findings"])
    said = run("notifications_doctor")[0].splitlines()
    assert said[0].startswith("warning: ")
    assert said[1].startswith("    ")


def test_a_harmful_finding_is_a_failure(settings: Any) -> None:
    """The status is 1, after everything was printed."""
    settings.NOTIFICATIONS = settings.NOTIFICATIONS | {"HEARTBEAT_TIMEOUT": 1}
    with pytest.raises(CommandError) as caught:
        run("notifications_doctor")
    assert caught.value.returncode == 1


def test_settings_that_contradict(settings: Any) -> None:
    """The start-up checks are part of it, those of a deployment too."""
    settings.NOTIFICATIONS = settings.NOTIFICATIONS | {"HEARTBEAT_TIMEOUT": 1}
    assert any(finding.harmful and "notifications.E003" in finding.message for finding in found("settings"))


@pytest.mark.usefixtures("healthy")
def test_no_origins(settings: Any) -> None:
    """No browser could open a socket."""
    settings.NOTIFICATIONS = settings.NOTIFICATIONS | {"ALLOWED_ORIGINS": []}
    (finding,) = found("settings")
    assert "notifications.W012" in finding.message
    assert "ALLOWED_ORIGINS" in finding.mend


def test_migrations_that_are_missing() -> None:
    """Code that is newer than the tables."""
    MigrationRecorder(connection).record_unapplied("wallet", "0001_initial")
    (finding,) = found("database")
    assert finding.harmful
    assert "wallet.0001_initial" in finding.message
    assert "migrate" in finding.mend


@pytest.mark.server
def test_database_that_is_away() -> None:
    """As a process, since tests have a database."""
    gone = Platform(f"postgresql://nobody@127.0.0.1:{free_port()}/nothing")
    done = gone.manage("notifications_doctor", check=False)
    assert done.returncode == 1
    assert "error: The database cannot be reached: " in done.stdout
    assert "DATABASE_URL" in done.stdout
    assert "Traceback" not in done.stderr


def test_database_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    """One finding, and the examinations that need it find nothing more."""

    def away(*_: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "cursor", away)
    monkeypatch.setattr(connection, "ensure_connection", away)
    (finding,) = found("database")
    assert finding.harmful
    assert "connection refused" in finding.message
    assert found("clocks") == []


def test_sqlite_without_a_write_ahead_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal as Django leaves it."""
    assert found("database") == []
    monkeypatch.setattr(doctor, "_is_wal", lambda: False)
    (finding,) = found("database")
    assert "journal_mode=WAL" in finding.mend


@pytest.mark.server
def test_redis_as_it_should_be(redis_in_use: Redis) -> None:
    """Without eviction and persistence, as docker/ starts it."""
    assert found("redis") == []
    assert found("clocks") == []


@pytest.mark.server
def test_redis_that_is_away(redis_in_use: Redis) -> None:
    """Stopped; or reachable under another address only."""
    redis_in_use.stop()
    (finding,) = found("redis")
    assert finding.harmful
    assert f"127.0.0.1:{redis_in_use.port}" in finding.message
    assert "REDIS_URL" in finding.mend


@pytest.mark.server
@pytest.mark.parametrize("why", ["full", "a replica"])
def test_redis_that_takes_no_writes(redis_in_use: Redis, why: str) -> None:
    """It answers everything else, and is found out by a write."""
    if why == "full":
        redis_in_use.fill_up()
    else:
        redis_in_use.ask("REPLICAOF", "127.0.0.1", free_port())
    # A limit on memory may be looked at a moment after it was set.
    eventually(lambda: any("takes no writes" in finding.message for finding in found("redis")))
    (finding,) = found("redis")
    assert finding.harmful
    assert ("memory" if why == "full" else "read only replica") in finding.message
    assert "maxmemory" in finding.mend


@pytest.mark.security("S16")
@pytest.mark.server
def test_redis_that_evicts(redis_in_use: Redis) -> None:
    """Whatever it evicts."""
    redis_in_use.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    (finding,) = found("redis")
    assert not finding.harmful
    assert "allkeys-lru" in finding.message
    assert "noeviction" in finding.mend


@pytest.mark.server
@pytest.mark.parametrize("setting", [("appendonly", "yes"), ("save", "60 1")])
def test_redis_that_stores(redis_in_use: Redis, setting: tuple[str, str]) -> None:
    """An append-only file, or snapshots."""
    redis_in_use.ask("CONFIG", "SET", *setting)
    (finding,) = found("redis")
    assert "--appendonly no" in finding.mend


@pytest.mark.server
def test_channel_layer_that_is_away(settings: Any) -> None:
    """A Redis that nobody started."""
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    hosts = [f"redis://127.0.0.1:{free_port()}"]
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": {"hosts": hosts}}}
    (finding,) = found("channel layer")
    assert finding.harmful
    assert "REDIS_URL" in finding.mend


def test_channel_layer_of_one_process_on_a_server_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several nodes are likely there, and would hear of each other by the database alone."""
    assert found("channel layer") == []
    monkeypatch.setattr(connection, "vendor", "postgresql")
    (finding,) = found("channel layer")
    assert not finding.harmful
    assert finding.mend == "Set REDIS_URL."


@pytest.mark.parametrize(("seconds", "harmful"), [(1, None), (-5, False), (5, False), (60, True)])
def test_clocks_that_differ(monkeypatch: pytest.MonkeyPatch, seconds: int, harmful: bool | None) -> None:
    """Between this machine and a Redis; more than half a minute does harm to tokens."""
    state = unread_index.ServerState("r:1", clock=datetime.now(UTC) + timedelta(seconds=seconds))
    monkeypatch.setattr(unread_index, "server_states", lambda: [state])
    findings = found("clocks")
    assert [finding.harmful for finding in findings] == ([] if harmful is None else [harmful])
    if findings:
        assert "r:1" in findings[0].message
        assert "NTP" in findings[0].mend


def test_clock_of_the_database_that_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's clock is an hour off: the database's says so."""

    class Off(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(hours=1)

    monkeypatch.setattr(doctor, "datetime", Off)
    (finding,) = found("clocks")
    assert finding.harmful
    assert finding.message.startswith("The database has another time than this machine, by 360")


@pytest.mark.parametrize(("limit", "findings"), [(10_199, 1), (10_200, 0), (resource.RLIM_INFINITY, 0)])
def test_few_descriptors(monkeypatch: pytest.MonkeyPatch, limit: int, findings: int) -> None:
    """A hard limit below 10,000 sockets and what a process needs besides."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    found_now = found("file descriptors")
    assert len(found_now) == findings
    assert all("LimitNOFILE" in finding.mend for finding in found_now)


@pytest.mark.server
def test_few_descriptors_for_real(sqlite_url: str) -> None:
    """A process that was started with a low limit."""
    command = ["prlimit", "--nofile=1024:1024", sys.executable, "manage.py", "notifications_doctor"]
    done = subprocess.run(
        command, cwd=ROOT, env=Platform(sqlite_url).environment(), capture_output=True, text=True, check=False
    )
    assert "holds 824 sockets" in done.stdout, done.stderr


def test_static_files_that_no_finder_finds(settings: Any) -> None:
    """Finders that were taken out, and nothing collected."""
    assert found("static files") == []
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    get_finder.cache_clear()  # type: ignore[attr-defined]  # wrapped in lru_cache
    (finding,) = found("static files")
    assert finding.harmful
    assert "notifications/" in finding.message


@pytest.mark.parametrize("root", [True, False])
def test_static_files_without_their_manifest(settings: Any, tmp_path: Path, root: bool) -> None:
    """Hashed names need `collectstatic` first, and that a folder to collect in."""
    settings.STATIC_ROOT = tmp_path if root else None
    backend = "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"
    settings.STORAGES = settings.STORAGES | {"staticfiles": {"BACKEND": backend}}
    (finding,) = found("static files")
    assert finding.harmful
    assert "collectstatic" in finding.mend


def test_proxy_as_shipped(healthy: None) -> None:
    """The configuration in docker/ gives no cause."""
    shipped = ROOT / "docker" / "nginx" / "nginx.conf"
    assert run_json("notifications_doctor", "--nginx", str(shipped)) == {"ok": True, "findings": []}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("http {", "cannot be read"),
        ("http { server { } }", "to no node"),
        (
            "http { server { location /ws/ { proxy_pass http://n; proxy_read_timeout 25s; } } }",
            "gives a quiet socket up",
        ),
        ("http { server { location /ws/ { proxy_pass http://n; } } }", "that a WebSocket is wanted"),
        ("http { server { location /ws/ { proxy_pass http://n; } } }", "logs query strings"),
    ],
)
def test_proxy_that_does_harm(tmp_path: Path, text: str, said: str) -> None:
    """Each finding names the location and the mend."""
    path = tmp_path / "nginx.conf"
    path.write_text(text)
    with pytest.raises(CommandError):
        run("notifications_doctor", "--nginx", str(path))
    (finding,) = [finding for finding in doctor.proxy(text) if said in finding.message]
    assert finding.mend


def test_proxy_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    """`nginx -T | manage.py notifications_doctor --nginx -`."""
    monkeypatch.setattr(sys, "stdin", StringIO((ROOT / "docker" / "nginx" / "nginx.conf").read_text()))
    assert run_json("notifications_doctor", "--nginx", "-")["ok"]


def test_proxy_that_cannot_be_read() -> None:
    """A file that is not there is a wrong argument."""
    assert "No such file" in refused("notifications_doctor", "--nginx", "/nowhere/nginx.conf", status=2)
