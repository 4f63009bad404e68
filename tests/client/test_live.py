"""The client against a real node."""

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from notifications.client import (
    AsyncNotificationsClient,
    InvalidParams,
    KeyReused,
    NotFound,
    NotificationsClient,
    Unauthenticated,
)
from tests.client.conftest import Live
from tests.servers.sockets import Socket

pytestmark = pytest.mark.server
ROOT = Path(__file__).resolve().parent.parent.parent


def test_every_method_works_and_gives_its_type(live: Live) -> None:
    """One after the other, as a service would."""
    with NotificationsClient(live.url, live.key) as client:
        info = client.service.info()
        assert (info.name, set(info.scopes)) == ("billing", {"notify", "announce", "inbox", "connections"})
        sent = client.notifications.send("7", "Hello", ref="r", confirm=True, idempotency_key="k")
        again = client.notifications.send("7", "Hello", ref="r", confirm=True, idempotency_key="k")
        assert (again.id, sent.duplicate, again.duplicate, sent.online) == (sent.id, False, True, False)
        with pytest.raises(KeyReused):
            client.notifications.send("7", "Other", idempotency_key="k")
        with pytest.raises(InvalidParams) as wrong:
            client.notifications.send("7", "")
        assert wrong.value.errors[0]["loc"] == ["title"]
        many = client.notifications.send_many([{"uid": "7", "title": "a"}, {"uid": "7", "title": ""}])
        assert (many.accepted, many.rejected, many.duplicate) == (1, 1, False)
        assert many.results[0].id is not None
        assert isinstance(many.results[1].error, InvalidParams)
        cast = client.notifications.multicast(["7", "8"], "To both")
        assert (cast.accepted, cast.rejected) == (2, 0)
        assert client.inbox.unread_count(["7", "8"]) == {"7": 3, "8": 1}
        page = client.inbox.list("7", limit=2)
        assert [item["title"] for item in page.items] == ["To both", "a"]
        assert client.inbox.list("7", before=page.next).items[0]["title"] == "Hello"
        read = client.inbox.mark_read("7", ref="r")
        assert (read.ids, read.unread) == ((sent.id,), 2)
        assert client.inbox.mark_read("7", [many.results[0].id]).unread == 1
        states = client.notifications.status([sent.id, many.results[0].id, "nonsense"])
        assert [state.state for state in states] == ["confirmed", "read", "unknown"]
        assert states[0].at is not None
        assert states[0].at.tzinfo is not None
        assert client.notifications.retract(ref="r").retracted == 1
        with pytest.raises(NotFound):
            client.notifications.retract("nonsense")
        made = client.announcements.create("All", ends_at="2099-01-01T00:00:00Z")
        assert made.status == "live"
        stats = client.announcements.stats(made.id)
        assert (stats.reached, stats.read, stats.live_at is not None) == (None, 0, True)
        assert client.announcements.retract(made.id) is True
        assert client.connections.online(["7"]) == {"7": 0}
        assert client.connections.disconnect("7") == 0
    with NotificationsClient(live.url, "wrong.key") as client, pytest.raises(Unauthenticated):
        client.service.info()


async def test_what_a_client_sends_arrives(live: Live) -> None:
    """At an open socket, live; `online` says so; `disconnect` closes it."""
    token = json.loads(live.platform.manage("issue_token", "7", "--minutes", "5", "--json").stdout)["token"]
    async with Socket(live.node.socket_url, token) as user, AsyncNotificationsClient(live.url, live.key) as client:
        await user.ready()
        sent = await client.notifications.send("7", "Hello")
        assert sent.online is True
        frame = await user.wait_item(sent.id)
        assert (frame["title"], frame["live"]) == ("Hello", True)
        cast = await client.notifications.multicast(["7", "8"], "To both")
        assert cast.accepted == 2
        await user.wait_for(lambda frame: frame.get("title") == "To both")
        assert await client.connections.online(["7", "8"]) == {"7": 1, "8": 0}
        assert await client.connections.disconnect("7") == 1
        assert await user.wait_closed() == 4003


def test_a_server_killed_in_mid_call_and_restarted_has_one_notification(live: Live) -> None:
    """Whether it was stored before the kill or not, the retry under the same key makes it one."""
    for index in range(3):
        results: list[Any] = []

        def send(title: str = f"{index}", results: list[Any] = results) -> None:
            with NotificationsClient(live.url, live.key, timeout=5, retries=30) as client:
                results.extend(client.notifications.send(title, f"{title}-{number}") for number in range(5))

        caller = threading.Thread(target=send)
        caller.start()
        live.node.kill()
        live.node.start()
        caller.join(60)
        assert len(results) == 5
        with NotificationsClient(live.url, live.key) as client:
            page = client.inbox.list(f"{index}")
            assert [item["id"] for item in page.items] == [sent.id for sent in reversed(results)]


def test_an_answer_that_is_lost_is_asked_for_again(live: Live, start_proxy: Any) -> None:
    """The call is carried out, its answer cut off: the retry is told the same id."""
    proxy = start_proxy(live.node)
    url = f"http://127.0.0.1:{proxy.port}/rpc/"
    with NotificationsClient(url, live.key, timeout=2, retries=10) as client:
        client.service.info()
        proxy.hole()
        mended = threading.Timer(1.0, proxy.heal)
        mended.start()
        sent = client.notifications.send("7", "x")
        mended.join()
        assert [item["id"] for item in client.inbox.list("7").items] == [sent.id]


def test_importing_the_client_imports_no_django() -> None:
    """Not even where it is installed."""
    code = "import notifications.client, sys; print([m for m in sys.modules if m.partition('.')[0] in {names!r}])"
    names = {"django", "channels", "pydantic", "modernrpc", "redis", "asgiref"}
    done = subprocess.run(
        [sys.executable, "-c", code.replace("{names!r}", repr(names))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
