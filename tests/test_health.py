"""`notifications.health`: liveness, readiness with its reasons, the address of the metrics."""

import asyncio
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import override_settings
from pytest_django import Settings

from notifications import health, node
from tests.databases import forget_connections
from tests.servers.redis import Redis

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def as_if_just_started() -> Iterator[None]:
    """A node that has not yet found its migrations applied."""
    health._migrated.clear()
    yield
    health._migrated.clear()


def away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the database away from whoever connects from now on."""
    monkeypatch.setitem(connections.settings["default"], "NAME", "/nowhere/db.sqlite3")
    forget_connections(monkeypatch)


def ready(response: Any) -> Any:
    """The answer's object; it is never to be kept."""
    assert "no-store" in response.headers["Cache-Control"]
    assert response.headers["Content-Type"] == "application/json"
    return response.json()


def test_alive_without_a_database(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that is away is no reason to restart the process."""
    away(monkeypatch)
    response = client.get("/healthz")
    assert (response.status_code, ready(response)) == (200, {"status": "ok"})


def test_ready(client: Client) -> None:
    """Nothing is in the way; asked again it does not read the migrations a second time."""
    for _ in range(2):
        response = client.get("/readyz")
        assert response.status_code == 200
        assert ready(response) == {"status": "ready", "reasons": [], "degraded": []}
        assert health._migrated.is_set()


def test_database_away(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with the reason, and nothing of the inside."""
    away(monkeypatch)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert ready(response) == {"status": "unready", "reasons": ["database"], "degraded": []}


def test_database_too_slow(client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A database that does not answer in time serves nobody: the probe itself is answered in time."""
    monkeypatch.setattr(health, "PATIENCE_SECONDS", 0.2)
    path = tmp_path / "locked.sqlite3"
    with sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        holder.execute("CREATE TABLE t (x)")
        monkeypatch.setitem(connections.settings["default"], "NAME", str(path))
        forget_connections(monkeypatch)
        monkeypatch.setitem(connections.settings["default"]["OPTIONS"], "timeout", 1)
        response = client.get("/readyz")
        holder.execute("ROLLBACK")
    holder.close()
    assert response.status_code == 503
    assert ready(response)["reasons"] == ["database"]


def test_migrations_not_applied(client: Client) -> None:
    """A new version waits for its tables, and looks again each time."""
    recorder = MigrationRecorder(connection)
    name = max(name for app, name in recorder.applied_migrations() if app == "notifications")
    recorder.record_unapplied("notifications", name)
    try:
        response = client.get("/readyz")
        assert response.status_code == 503
        assert ready(response)["reasons"] == ["migrations"]
    finally:
        recorder.record_applied("notifications", name)
    assert client.get("/readyz").status_code == 200


async def test_draining() -> None:
    """A node on its way out is sent no more users; it is alive all the same."""
    here = node.current()
    try:
        assert (await AsyncClient().get("/readyz")).status_code == 200
        await here.drain(0)
        response = await AsyncClient().get("/readyz")
        assert response.status_code == 503
        assert ready(response)["reasons"] == ["draining"]
        assert (await AsyncClient().get("/healthz")).status_code == 200
    finally:
        await node.stop()


async def test_redis_away(settings: Settings) -> None:
    """Degraded, for the tail delivers and the database answers."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": ["redis://127.0.0.1:1/0"]}
    response = await AsyncClient().get("/readyz")
    assert response.status_code == 200
    assert ready(response) == {"status": "ready", "reasons": [], "degraded": ["redis"]}


@pytest.mark.server
async def test_redis_comes_and_goes(redis_server: Redis, settings: Settings) -> None:
    """Degraded while it is paused or dead, and only so long; the answer comes in time."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": [redis_server.url]}

    async def degraded() -> Any:
        response = await AsyncClient().get("/readyz")
        assert response.status_code == 200
        return ready(response)["degraded"]

    assert await degraded() == []
    redis_server.pause()
    async with asyncio.timeout(health.PATIENCE_SECONDS + 10):
        assert await degraded() == ["redis"]
    redis_server.resume()
    assert await degraded() == []
    redis_server.kill()
    assert await degraded() == ["redis"]


async def test_channel_layer_away(settings: Settings) -> None:
    """The channel layer may be on a Redis that the unread index is not."""
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]},
        }
    }
    node.current()
    try:
        assert ready(await AsyncClient().get("/readyz"))["degraded"] == ["redis"]
    finally:
        await node.stop()


async def test_metrics() -> None:
    """Prometheus's text format, with the figures of this moment where a node runs."""
    response = await AsyncClient().get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    assert "no-store" in response.headers["Cache-Control"]
    here = node.current()
    try:
        here.hub.size = 7
        assert "\nnotifications_connections 7.0\n" in (await AsyncClient().get("/metrics")).content.decode()
    finally:
        here.hub.size = 0
        here.measure()
        await node.stop()


async def test_probes_need_no_allowed_host(transactional_db: None) -> None:
    """Health checks and Prometheus ask a node by its own address; pages are still for known hosts alone."""
    with override_settings(ALLOWED_HOSTS=["notify.example.org"]):
        for path in ("/healthz", "/readyz", "/metrics"):
            answer = await AsyncClient().get(path, headers={"host": "10.0.0.7:8000"})
            assert answer.status_code == 200, path
            assert answer["X-Content-Type-Options"] == "nosniff"
        assert (await AsyncClient().get("/accounts/login/", headers={"host": "10.0.0.7:8000"})).status_code == 400


def test_under_wsgi_probes_go_the_long_way(db: None) -> None:
    """The middleware steps aside there."""

    def get_response(_: HttpRequest) -> HttpResponse:
        return HttpResponse()

    chained: Any = health.probes_first(get_response)
    assert chained is get_response
    assert Client().get("/healthz").status_code == 200
