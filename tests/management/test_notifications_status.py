"""`manage.py notifications_status`: the nodes and what goes on."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command

from notifications import announce, clock, notify, roll
from notifications.models import Notification
from tests.management.calling import refused, run, run_json
from tests.servers.node import Node, Platform
from tests.servers.process import ROOT, eventually
from tests.servers.redis import Redis
from tests.servers.sockets import Socket, mint


@pytest.mark.django_db
def test_status_of_nothing() -> None:
    """A platform where nothing has happened yet."""
    status = run_json("notifications_status")
    assert status.pop("time")
    assert status == {
        "nodes": [],
        "sockets": 0,
        "notifications": {"last_minute": 0, "last_hour": 0},
        "announcements": {"live": 0, "scheduled": 0},
        "redis": [],
    }
    assert "0 nodes, 0 sockets" in run("notifications_status")[0]


@pytest.mark.django_db
def test_status_counts() -> None:
    """Nodes with their figures, what was accepted lately, what is announced."""
    roll.Entry().report(roll.Figures(sockets=1500, users=1200, tail_age=0.25, draining=True))
    notify("7", "now")
    at = clock.now() - timedelta(minutes=10)
    Notification.objects.create(uid="7", title="x", id=clock.new_id(at), created_at=at)
    at = clock.now() - timedelta(minutes=61)
    Notification.objects.create(uid="7", title="x", id=clock.new_id(at), created_at=at)
    announce("live")
    announce("scheduled", starts_at=clock.now() + timedelta(hours=1), ends_at=clock.now() + timedelta(hours=2))
    announce("draft", publish=False)
    status = run_json("notifications_status")
    (node,) = status["nodes"]
    assert (node["sockets"], node["users"], node["tail_age"], node["draining"]) == (1500, 1200, 0.25, True)
    assert (node["host"], node["pid"]) == (roll.HOST, os.getpid())
    assert status["sockets"] == 1500
    assert status["notifications"] == {"last_minute": 1, "last_hour": 2}
    assert status["announcements"] == {"live": 1, "scheduled": 1}
    said = run("notifications_status")[0]
    assert "1 nodes, 1,500 sockets" in said
    assert "draining" in said


@pytest.mark.parametrize("raw", ["0", "-1", "often", "nan", "86401"])
def test_watch_refuses_a_bad_interval(raw: str) -> None:
    """A tenth of a second to a day."""
    assert "--watch" in refused("notifications_status", f"--watch={raw}", status=2)


class Terminal(StringIO):
    """Something that says it is one."""

    def isatty(self) -> bool:
        """So it is."""
        return True


@pytest.mark.django_db
@pytest.mark.parametrize(("json_too", "clears"), [(False, 3), (True, 0)])
def test_watch_on_a_terminal(monkeypatch: pytest.MonkeyPatch, json_too: bool, clears: int) -> None:
    """Each time on a clear screen, unless JSON is asked for; Ctrl+C ends it."""
    waits = []

    def sleep(interval: float) -> None:
        waits.append(interval)
        if len(waits) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", sleep)
    out = Terminal()
    call_command("notifications_status", "--watch", "5", *(["--json"] if json_too else []), stdout=out)
    assert waits == [5.0, 5.0, 5.0]
    assert out.getvalue().count("\x1b[2J") == clears
    assert out.getvalue().count("{") >= (3 if json_too else 0)


@pytest.mark.server
@pytest.mark.parametrize(("server", "database"), [("uvicorn", "postgresql_url"), ("daphne", "sqlite_url")])
async def test_status_of_real_nodes(
    server: str,
    database: str,
    request: pytest.FixtureRequest,
    start_node: Callable[..., Node],
    redis_server: Redis,
) -> None:
    """A node is on the roll with its sockets, and off it once it has ended."""
    platform = Platform(request.getfixturevalue(database), redis_url=redis_server.url, standalone=True)
    node = start_node(platform, server)

    def status() -> dict[str, object]:
        told: dict[str, object] = json.loads(platform.manage("notifications_status", "--json").stdout)
        return told

    async with Socket(node.socket_url, mint("7", platform.jwt_signing_key)) as socket:
        await socket.ready()
        eventually(lambda: status()["sockets"] == 1, 60)
        told = status()
        assert told["nodes"][0]["pid"] == node.pid  # type: ignore[index]
        assert told["redis"] == [{"address": f"127.0.0.1:{redis_server.port}", "error": None}]
    node.stop()
    assert status()["nodes"] == []
    redis_server.stop()
    assert status()["redis"][0]["error"]  # type: ignore[index]


@pytest.mark.server
def test_watch_until_interrupted(sqlite_url: str) -> None:
    """A JSON line each time; Ctrl+C ends it well."""
    command = [sys.executable, "manage.py", "notifications_status", "--watch", "0.1", "--json"]
    environment = Platform(sqlite_url).environment()
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        times = [json.loads(process.stdout.readline())["time"] for _ in range(3)]
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
    assert len(set(times)) == 3
