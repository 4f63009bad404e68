"""The platform as its operators run it: nodes, management commands, and a process of business code."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.servers.process import HOST, ROOT, Process, accepts, eventually, free_port

# The last is how coverage follows processes that a measured one starts.
INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "COVERAGE_PROCESS_CONFIG")


@dataclass(frozen=True, slots=True)
class Platform:
    """One installation: what all its processes share. `settings` is a module, `extra` adds to the environment."""

    database_url: str
    redis_url: str = ""
    standalone: bool = False
    settings: str = "config.settings"
    extra: Mapping[str, str] = field(default_factory=dict)
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    jwt_signing_key: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    origin: str = "http://platform.test"

    def environment(self) -> dict[str, str]:
        """The environment of its processes: nothing of the shell's own but what programs need to run at all."""
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return inherited | {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
            # A test that hangs is told where by `kill -ABRT`.
            "PYTHONFAULTHANDLER": "1",
            "DJANGO_SETTINGS_MODULE": self.settings,
            "SECRET_KEY": self.secret_key,
            "JWT_SIGNING_KEY": self.jwt_signing_key,
            "ALLOWED_HOSTS": f"{HOST},localhost",
            "ALLOWED_ORIGINS": self.origin,
            "PLAIN_HTTP": "1",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "STANDALONE": "1" if self.standalone else "0",
            **self.extra,
        }

    def manage(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a management command; with `check` its failure raises `AssertionError` with what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def migrate(self) -> None:
        """Make the tables."""
        self.manage("migrate", "--no-input", "-v0")


class Node(Process):
    """One server process of a platform: `server` is uvicorn, daphne (both by `config.serve`) or embedded."""

    name = "node"

    def __init__(self, platform: Platform, server: str = "uvicorn", **extra: str) -> None:
        super().__init__()
        self.platform = platform
        self.server = server
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        self._extra = extra

    @property
    def socket_url(self) -> str:
        """Where its WebSocket is, without a token."""
        return f"ws://{HOST}:{self.port}/ws/notifications/"

    def command(self) -> Sequence[str]:
        """As the Makefile starts it."""
        return [sys.executable, "-m", "config.embedded" if self.server == "embedded" else "config.serve"]

    def environment(self) -> Mapping[str, str]:
        """The platform's, with this node's own address."""
        own = {"HOST": HOST, "PORT": str(self.port)}
        if self.server != "embedded":
            own["SERVER"] = self.server
        return self.platform.environment() | own | self._extra

    def threads(self) -> str:
        """What its threads are at, as it prints them when told by SIGUSR1."""
        before = len(self.log)
        self.signal(signal.SIGUSR1)
        # Written by the signal handler itself, the current thread last.
        eventually(lambda: "Current thread" in self.log[before:], what="its threads")
        return self.log[before:]

    def ready(self) -> bool:
        """It listens: the last thing that a starting server does."""
        return accepts(self.port)


class Business:
    """A process of the platform that serves nothing: runs Python sent to it, as a worker or a script would.

    `run("result = notify(uid, 'Hello').id", uid="7")` gives what the code left in `result`, by way of JSON. The public
    door of the app is imported already. An exception there raises `BusinessError` here.
    """

    def __init__(self, platform: Platform) -> None:
        self._lock = threading.Lock()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.servers.business"],
            cwd=ROOT,
            env=platform.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def run(self, code: str, **names: Any) -> Any:
        """Run `code` with `names` defined; gives its `result`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps({"code": code, "names": names}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        if not line:
            raise BusinessError("Ended", f"the process ended with {self._process.wait(5)}")
        answer = json.loads(line)
        if "error" in answer:
            raise BusinessError(answer["error"], answer["text"])
        return answer["result"]

    def notify(self, uid: str, title: str, **content: Any) -> str:
        """`notify(...)`; gives the id."""
        return str(self.run("result = notify(uid, title, **content).id", uid=uid, title=title, content=content))

    def announce(self, title: str, **content: Any) -> str:
        """`announce(...)`; gives the id."""
        return str(self.run("result = announce(title, **content).id", title=title, content=content))

    def withdraw(self, announcement_id: str) -> None:
        """Take an announcement off every screen."""
        self.run("retract(announcement_id)", announcement_id=announcement_id)

    def make_user(self, name: str) -> str:
        """A user with the password `demo-<name>`; gives the uid."""
        return str(self.run("result = User.objects.create_user(name, password='demo-' + name).pk", name=name))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait(10)
        for stream in (self._process.stdin, self._process.stdout):
            # Closing flushes, and nobody is there to read.
            with suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class RpcClient:
    """Plain JSON-RPC 2.0 over HTTP with a service key: `call` gives the result, or raises `RpcError`."""

    def __init__(self, url: str, key: str) -> None:
        # Servers close what is idle for 5 s: a call must not meet that.
        limits = httpx.Limits(keepalive_expiry=2)
        self._client = httpx.AsyncClient(headers={"Authorization": f"Bearer {key}"}, timeout=20, limits=limits)
        self.url = url

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def post(self, body: Any) -> httpx.Response:
        """Send any body: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self._client.post(self.url, content=content, headers={"Content-Type": "application/json"})

    async def call(self, method: str, /, *positional: Any, **named: Any) -> Any:
        """Call one method, with parameters of either kind."""
        answer = (
            await self.post({"jsonrpc": "2.0", "id": 1, "method": method, "params": list(positional) or named})
        ).json()
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]


class RpcError(Exception):
    """An error object of JSON-RPC."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(str(error))
        self.code: int = error["code"]
        self.data: Any = error.get("data")


class BusinessError(Exception):
    """What the business code raised: the exception's name and text."""

    def __init__(self, name: str, text: str) -> None:
        super().__init__(f"{name}: {text}")
        self.name = name
        self.text = text


def copied_sqlite(template: Path, folder: Path) -> str:
    """The DATABASE_URL of a copy of the SQLite file `template`, in `folder`."""
    path = folder / f"{secrets.token_hex(4)}.sqlite3"
    shutil.copy(template, path)
    return f"sqlite:///{path}"
