"""The client installed by itself, in a virtual environment that has no Django."""

import json
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from notifications import __version__
from notifications.client import version
from tests.client.conftest import Live
from tests.servers.process import ROOT, eventually
from tests.servers.proxy import Proxy

ONE_CALL = """
import importlib.util, json, sys
from notifications.client import NotificationsClient, Sent
with NotificationsClient(sys.argv[1], sys.argv[2], timeout=20, retries=30) as client:
    print(json.dumps([name for name in ("django", "pydantic", "redis") if importlib.util.find_spec(name)]), flush=True)
    client.service.info()
    print("ready", flush=True)
    sys.stdin.readline()
    sent = client.notifications.send(uid="7", title="from afar")
    print(json.dumps([isinstance(sent, Sent), sent.id, sent.duplicate, sent.online]), flush=True)
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of a fresh environment with the client from this checkout, what it brings, and nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    # A copy, since a build leaves its traces in the folder it was made from.
    (folder / "checkout" / "notifications").mkdir(parents=True)
    shutil.copytree(ROOT / "client", folder / "checkout" / "client", symlinks=True)
    shutil.copytree(ROOT / "notifications" / "client", folder / "checkout" / "notifications" / "client")
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "install", str(folder / "checkout" / "client")], check=True, timeout=280)
    return python


@pytest.fixture
def call(python: Path, tmp_path: Path) -> Iterator[Callable[[str, str], subprocess.Popen[str]]]:
    """`call(url, key)`: a process that makes one call when it is sent a line, told to be ready for it."""
    made: list[subprocess.Popen[str]] = []

    def begin(url: str, key: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [python, "-c", ONE_CALL, url, key],
            cwd=tmp_path,
            env={},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        made.append(process)
        assert process.stdout is not None
        # No Django, nor anything else of the app's.
        assert json.loads(process.stdout.readline()) == []
        assert process.stdout.readline() == "ready\n"
        return process

    yield begin
    for process in made:
        process.kill()
        process.communicate()


def go(process: subprocess.Popen[str]) -> None:
    """Let it make its call."""
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def titles(live: Live) -> list[str]:
    """What is stored."""
    path = live.platform.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        return [title for (title,) in database.execute("SELECT title FROM notifications_notification")]


@pytest.mark.server
@pytest.mark.timeout(300)
def test_it_works_where_there_is_no_django(live: Live, call: Callable[[str, str], subprocess.Popen[str]]) -> None:
    """Installed, called, and the result has its type."""
    said, _ = call(live.url, live.key).communicate("\n", timeout=60)
    typed, sent_id, duplicate, online = json.loads(said)
    assert (typed, len(sent_id), duplicate, online) == (True, 36, False, False)
    assert titles(live) == ["from afar"]


@pytest.mark.server
@pytest.mark.timeout(300)
def test_a_call_whose_server_is_killed_before_it_has_stored(
    live: Live, call: Callable[[str, str], subprocess.Popen[str]], start_proxy: Callable[[object], Proxy]
) -> None:
    """The call is on its way, the server dies and comes back: the retry stores it, once."""
    proxy = start_proxy(live.node)
    process = call(f"http://127.0.0.1:{proxy.port}/rpc/", live.key)
    live.node.pause()
    before = proxy.asked
    go(process)
    eventually(lambda: proxy.asked > before)
    live.node.kill()
    live.node.start()
    said, _ = process.communicate(timeout=60)
    assert json.loads(said)[2] is False
    assert titles(live) == ["from afar"]


@pytest.mark.server
@pytest.mark.timeout(300)
def test_a_call_whose_server_is_killed_before_it_has_answered(
    live: Live, call: Callable[[str, str], subprocess.Popen[str]], start_proxy: Callable[[object], Proxy]
) -> None:
    """It is stored, and nobody was told: the retry is answered with what was stored, and stores nothing."""
    proxy = start_proxy(live.node)
    process = call(f"http://127.0.0.1:{proxy.port}/rpc/", live.key)
    path = live.platform.database_url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, isolation_level=None)) as database:
        # The call waits for this lock; meanwhile the way back is closed.
        database.execute("BEGIN IMMEDIATE")
        before = proxy.asked
        go(process)
        eventually(lambda: proxy.asked > before)
        proxy.hole()
        database.execute("ROLLBACK")
    eventually(lambda: titles(live) == ["from afar"])
    live.node.kill()
    proxy.reset()
    live.node.start()
    proxy.heal()
    said, _ = process.communicate(timeout=60)
    typed, sent_id, duplicate, _ = json.loads(said)
    assert (typed, len(sent_id), duplicate) == (True, 36, True)
    assert titles(live) == ["from afar"]


def test_client_and_app_are_released_together() -> None:
    """One number for both."""
    assert version.__version__ == __version__
