"""`notifications.metrics`: every figure is documented, and moves when its event happens."""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from channels.layers import get_channel_layer
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import connections, transaction
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from config.asgi import application
from notifications import aannounce, anotify, clock, inbox, metrics, node, tokens, unread_index
from notifications.channel_layer import Publisher
from notifications.connection import Connection
from notifications.database import in_thread
from notifications.exceptions import Unavailable
from notifications.models import Notification
from notifications.protocol.events import Event, Op
from tests.databases import forget_connections
from tests.servers.process import aeventually

ROOT = Path(__file__).parent.parent


def value(name: str, **labels: str) -> float:
    """A sample as it is now; 0 before it exists."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


class Since:
    """How much samples have grown since this was made."""

    def __init__(self) -> None:
        self._before = {(s.name, *sorted(s.labels.items())): s.value for m in REGISTRY.collect() for s in m.samples}

    def __call__(self, name: str, **labels: str) -> float:
        """The growth of one."""
        return value(name, **labels) - self._before.get((name, *sorted(labels.items())), 0.0)


@pytest.fixture
async def stopped() -> AsyncIterator[None]:
    """The node ends with the test."""
    yield
    await node.stop()


@pytest.fixture
async def uid(stopped: None) -> str:
    """The uid of a user."""
    user = await in_thread(lambda: User.objects.create_user("ann"))
    return str(user.pk)


async def opened(uid: str) -> WebsocketCommunicator:
    """A socket of `uid` that has been welcomed and replayed."""
    token = tokens.issue(uid, timedelta(minutes=5))
    socket = WebsocketCommunicator(application, f"/ws/notifications/?token={token}")
    assert (await socket.connect())[0]
    for kind in ("welcome", "inbox"):
        assert json.loads(await socket.receive_from())["type"] == kind
    return socket


# --- the documentation


def documented() -> dict[str, tuple[str, set[str]]]:
    """By name, kind and labels as docs/metrics.md has them."""
    text = (ROOT / "docs" / "metrics.md").read_text()
    rows = re.findall(r"^\| `(notifications_\w+)` \| (\w+)((?: |, |`\w+`)*) \|", text, re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def exposed() -> dict[str, tuple[str, set[str]]]:
    """The same as the code has them."""
    own = [m for m in vars(metrics).values() if hasattr(m, "_labelnames")]
    return {m._name + ("_total" if m._type == "counter" else ""): (m._type, set(m._labelnames)) for m in own}


def test_documented() -> None:
    """Every metric stands in the documentation with its kind and labels, and none there is made up."""
    assert documented() == exposed()
    assert len(documented()) > 15


def test_exposition() -> None:
    """It is Prometheus's format, and holds each of ours."""
    families = {family.name for family in text_string_to_metric_families(metrics.exposition().decode())}
    assert {name.removesuffix("_total") for name in exposed()} <= families


def test_several_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that share a folder are added up, or the worst of them shows, whichever of them answers."""
    program = (
        "import sys; from notifications import metrics; number = int(sys.argv[1]); metrics.opens.inc(number);"
        "metrics.connections.set(number); metrics.tail_age.set(number)"
    )
    environment = {"PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    for number in ("2", "3"):
        subprocess.run([*command, number], env=environment, check=True)
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    text = metrics.exposition().decode()
    assert "\nnotifications_opens_total 5.0\n" in text
    assert "\nnotifications_connections 5.0\n" in text
    assert "\nnotifications_tail_age_seconds 3.0\n" in text


# --- sockets


@pytest.mark.django_db(transaction=True)
async def test_open_and_close(uid: str) -> None:
    """Connections, users and replays as they are; closes by the code of whoever closed."""
    since = Since()
    for _ in range(2):
        await anotify(uid, "Hello")
    first, second = await opened(uid), await opened(uid)
    node.current().measure()
    assert (value("notifications_connections"), value("notifications_users")) == (2, 1)
    assert since("notifications_opens_total") == 2
    assert since("notifications_replay_items_sum") == 4
    await first.disconnect(code=1001)
    for _ in range(3):
        await second.send_to("no json")
        await second.receive_from()
    assert (await second.receive_output())["code"] == 4007
    await second.disconnect()
    assert since("notifications_closes_total", code="1001") == 1
    assert since("notifications_closes_total", code="4007") == 1
    await aeventually(lambda: value("notifications_connections") == 0 == value("notifications_users"))


@pytest.mark.security("S17")
def test_a_client_cannot_make_labels() -> None:
    """Codes that a client invents share one label."""
    assert [metrics.client_close(code) for code in (1000, 1006, 1013)] == ["1000", "1006", "1013"]
    assert {metrics.client_close(code) for code in (None, 0, 1004, 3000, 4001, 4999)} == {"other"}


@pytest.mark.django_db(transaction=True)
async def test_refused_handshakes(uid: str, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """By reason, of which there are few."""
    since = Since()

    async def refused(path: str = "/ws/notifications/", **headers: str) -> None:
        raw = [(name.encode(), text.encode()) for name, text in headers.items()]
        assert not (await WebsocketCommunicator(application, path, raw).connect())[0]

    await refused(origin="https://evil.example")
    await refused()
    await refused("/ws/other/")
    good = f"/ws/notifications/?token={tokens.issue(uid, timedelta(minutes=5))}"
    with monkeypatch.context() as patch:
        patch.setitem(connections.settings["default"], "NAME", "/nowhere/db.sqlite3")
        forget_connections(patch)
        await refused(good)
    await node.current().drain(0)
    await refused(good)
    for reason in ("origin", "unauthorized", "path", "unavailable", "draining"):
        assert since("notifications_handshakes_refused_total", reason=reason) == 1, reason


# --- delivery


@pytest.mark.parametrize("age", [0, 10])
@pytest.mark.django_db(transaction=True)
async def test_pushes(uid: str, age: float) -> None:
    """Each socket counts, the latency once an event; what nobody here is sent does not count.

    Young sockets are pushed to after a look at the database, older ones at once.
    """
    first, second = await opened(uid), await opened(uid)
    for connection in node.current().hub.connections():
        connection.snapshot_ms -= int(age * 1000)
    since = Since()
    item = (await anotify(uid, "Hello")).id
    await aannounce("All")
    await anotify("nobody here", "Hello")
    for socket in (first, second):
        for title in ("Hello", "All"):
            assert json.loads(await socket.receive_from())["title"] == title
    assert since("notifications_pushes_total") == 4
    assert since("notifications_publish_to_send_seconds_count") == 2
    assert 0 <= since("notifications_publish_to_send_seconds_sum") < 4
    await in_thread(inbox.read, uid, [item], via="popup")
    await in_thread(inbox.read, uid, [item], via="popup")
    assert since("notifications_reads_total", via="popup") == 1
    for socket in (first, second):
        await socket.disconnect()


@pytest.mark.django_db(transaction=True)
async def test_rolled_back_reads_do_not_count(uid: str) -> None:
    """Only what is committed."""
    item = (await anotify(uid, "Hello")).id
    since = Since()

    def read_in_vain() -> None:
        with transaction.atomic():
            inbox.read(uid, [item])
            transaction.set_rollback(True)

    await in_thread(read_in_vain)
    assert since("notifications_reads_total", via="list") == 0


async def test_sockets_that_have_gone_and_that_read_too_slowly() -> None:
    """A send that fails at once, one that fails later, and an outbox that runs over."""
    since = Since()
    stuck = asyncio.Event()

    async def gone(message: dict[str, Any]) -> None:
        raise OSError("gone")

    async def goes(message: dict[str, Any]) -> None:
        await stuck.wait()
        raise OSError("gone")

    def connection(send: Any) -> Connection:
        made = Connection("7", time.time() + 60, send, outbox_bytes=10, on_resync=lambda: None)
        made.welcome()
        return made

    connection(gone).send("text")
    assert since("notifications_push_failures_total") == 1
    slow = connection(goes)
    slow.send("text")
    slow.send("0123456789")
    assert since("notifications_outbox_overflows_total") == 0
    slow.send("x")
    assert since("notifications_outbox_overflows_total") == 1
    later = connection(goes)
    later.send("text")
    stuck.set()
    # This one's frame, and the close of the slow one.
    await aeventually(lambda: since("notifications_push_failures_total") == 3)


# --- what carries it


@pytest.mark.django_db(transaction=True)
async def test_tail(uid: str) -> None:
    """Its age, and what only it brought: a row that no push told of."""
    socket = await opened(uid)
    since = Since()
    item_id = clock.new_id()
    await in_thread(lambda: Notification.objects.create(id=item_id, uid=uid, title="Unheard", created_at=clock.now()))
    assert json.loads(await socket.receive_from())["title"] == "Unheard"
    assert since("notifications_tail_repairs_total") == 1
    node.current().measure()
    assert 0 <= value("notifications_tail_age_seconds") < 5
    await aeventually(lambda: since("notifications_event_loop_lag_seconds_count") >= 1)
    await socket.disconnect()


async def test_channel_layer_away(settings: Settings, stopped: None) -> None:
    """Failures to receive and to publish, and what is not handed over."""
    settings.CHANNEL_LAYERS = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": ["redis://127.0.0.1:1/0"]},
        }
    }
    since = Since()
    publisher = Publisher()
    publisher.serve_on(asyncio.get_running_loop())
    publisher.put(Event(Op.RESYNC, None, ()))
    await aeventually(lambda: since("notifications_channel_layer_dropped_total") == 1)
    assert since("notifications_redis_errors_total", part="channel_layer") == 1
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "PUBLISH_QUEUE": 0}
    publisher.put(Event(Op.RESYNC, None, ()))
    assert since("notifications_channel_layer_dropped_total") == 2
    await get_channel_layer().flush()


@pytest.mark.django_db(transaction=True)
def test_unread_index_away(settings: Settings) -> None:
    """A Redis that cannot be reached counts once a try."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": ["redis://127.0.0.1:1/0"]}
    since = Since()
    unread_index.begin(["7"])
    assert since("notifications_redis_errors_total", part="index") == 1


@pytest.mark.django_db(transaction=True)
async def test_database_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is answered `unavailable`."""
    since = Since()
    monkeypatch.setitem(connections.settings["default"], "NAME", "/nowhere/db.sqlite3")
    forget_connections(monkeypatch)
    with pytest.raises(Unavailable):
        await in_thread(inbox.unread_counts, ["7"])
    assert since("notifications_database_errors_total") == 1
