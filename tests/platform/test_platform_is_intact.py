"""The folder `platform/` does not take the place of the standard library's `platform`, whatever starts Python."""

import os
import platform
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from tests.servers.node import Platform
from tests.servers.process import HOST, ROOT, Process, accepts, free_port

STANDARD = str(Path(sysconfig.get_path("stdlib"), "platform.py"))
# An application that says which `platform` it sees beside the real one, whose imports come first.
APPLICATION = """
import config.asgi
import platform

async def application(scope, receive, send):
    if scope["type"] != "http":
        raise NotImplementedError
    body = f"{platform.__file__} {platform.system()}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


class CommandLineServer(Process):
    """The application under a server's own command line, as others may start it."""

    name = "server"

    def __init__(self, server: str, platform_: Platform) -> None:
        super().__init__()
        self.port = free_port()
        (self.folder / "intact.py").write_text(APPLICATION)
        self._server = server
        self._environment = platform_.environment()

    def command(self) -> Sequence[str]:
        """Uvicorn and Daphne, by their programs."""
        port = str(self.port)
        if self._server == "uvicorn":
            options = ["--host", HOST, "--port", port, "--app-dir", str(ROOT / "platform"), "--lifespan", "off"]
        else:
            options = ["-b", HOST, "-p", port]
        return [str(Path(sys.executable).with_name(self._server)), *options, "intact:application"]

    def environment(self) -> dict[str, str]:
        """With the application's folder on the path."""
        paths = [self._environment["PYTHONPATH"], str(self.folder)]
        return self._environment | {"PYTHONPATH": os.pathsep.join(paths)}

    def ready(self) -> bool:
        """It listens."""
        return accepts(self.port)


def test_there_is_no_init_file() -> None:
    """With one, `import platform` would find the folder."""
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_under_pytest() -> None:
    """Here and now."""
    assert platform.__file__ == STANDARD
    assert platform.system()


@pytest.mark.server
def test_under_manage(sqlite_url: str) -> None:
    """With the folder first on the path."""
    code = "import platform; print(platform.__file__, platform.system())"
    said = Platform(sqlite_url).manage("shell", "--no-imports", "-c", code).stdout
    assert said.split() == [STANDARD, platform.system()]


@pytest.mark.server
@pytest.mark.parametrize("server", ["daphne", "uvicorn"])
def test_under_a_server(server: str, sqlite_url: str) -> None:
    """Started by its own command line."""
    with CommandLineServer(server, Platform(sqlite_url)) as running:
        said = httpx.get(f"http://{HOST}:{running.port}/").text
    assert said.split() == [STANDARD, platform.system()]


@pytest.mark.server
def test_tools_that_ask_it() -> None:
    """Pip and uvicorn print what `platform` says."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "platform")}
    for command in (["uvicorn", "--version"], ["pip", "--version"]):
        done = subprocess.run(
            [sys.executable, "-m", *command], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
