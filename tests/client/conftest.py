"""Fixtures of the client's tests: a service that answers what a test says, and a real node."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from notifications.client import wire
from tests.servers.node import Node, Platform


class Service:
    """A server whose answers a test writes: each a `(status, body)`, in order; the last is given from then on."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, Any]] = []
        self.requests: list[Any] = []
        self.headers: list[dict[str, str]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.requests.append(body)
                service.headers.append(dict(self.headers))
                status, answer = service.answers.pop(0) if len(service.answers) > 1 else service.answers[0]
                if callable(answer):
                    answer = answer(body)
                text = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/rpc/"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """End."""
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def service() -> Iterator[Service]:
    """A service that answers what the test says."""
    made = Service()
    yield made
    made.close()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses the client wanted to make, none of which it makes."""
    pauses: list[float] = []
    real = wire.wait_before

    def wait_before(attempt: int, errors: Any) -> float:
        pauses.append(real(attempt, errors))
        return 0

    monkeypatch.setattr("notifications.client.clients.wait_before", wait_before)
    return pauses


@pytest.fixture
def live(sqlite_url: str, start_node: Callable[..., Node], ending: ExitStack) -> "Live":
    """A node of a platform, with a key."""
    platform = Platform(sqlite_url, standalone=True)
    scopes = ("notify", "announce", "inbox", "connections")
    made = platform.manage("create_service_key", "billing", *(f"--scope={scope}" for scope in scopes), "--json")
    return Live(platform, start_node(platform), json.loads(made.stdout)["key"])


class Live:
    """A real node and a service key for it."""

    def __init__(self, platform: Platform, node: Node, key: str) -> None:
        self.platform = platform
        self.node = node
        self.key = key

    @property
    def url(self) -> str:
        """Where its `/rpc/` is."""
        return f"{self.node.url}/rpc/"
