"""`config.embedded`, which `make run` runs: the whole platform on a machine that has nothing but Python."""

import re
import shutil
import signal
import stat
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from config.embedded import fill_in, fill_in_beside_run
from config.env import read
from tests.servers.process import HOST, ROOT, Process, accepts, free_port

LOGIN = re.compile(r"^    (\w+) +(demo-\w+) ", re.MULTILINE)


def test_fill_in_makes_a_good_environment(tmp_path: Path) -> None:
    """Of nothing; the keys are kept, and nobody else may read them."""
    variables: dict[str, str] = {}
    fill_in(variables, tmp_path / "var", 8123)
    found = read(variables, tmp_path / "var")
    assert found.allowed_origins == ["http://127.0.0.1:8123", "http://localhost:8123"]
    assert (found.debug, found.plain_http, found.demo_payments, found.log_format) == (False, True, True, "line")
    again: dict[str, str] = {}
    fill_in(again, tmp_path / "var", 8123)
    assert again == variables
    for path in (tmp_path / "var").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_fill_in_leaves_what_is_set(tmp_path: Path) -> None:
    """`make run` honours the environment; beside another kind of key none is made."""
    variables = {"SECRET_KEY": "s" * 40, "ALLOWED_HOSTS": "example.org", "JWT_JWKS_URL": "https://example.org/k"}
    fill_in(variables, tmp_path, 8000)
    assert variables["SECRET_KEY"] == "s" * 40
    assert variables["ALLOWED_HOSTS"] == "example.org"
    assert "JWT_SIGNING_KEY" not in variables


def test_manage_beside_run(tmp_path: Path) -> None:
    """Where `make run` has been, manage.py needs nothing set; elsewhere, or where anything is set, it gets nothing."""
    nothing: dict[str, str] = {}
    fill_in_beside_run(nothing, tmp_path)
    assert nothing == {}
    kept: dict[str, str] = {}
    fill_in(kept, tmp_path, 8000)
    found: dict[str, str] = {}
    fill_in_beside_run(found, tmp_path)
    assert found == kept
    production = {"ALLOWED_HOSTS": "push.example.org"}
    fill_in_beside_run(production, tmp_path)
    assert production == {"ALLOWED_HOSTS": "push.example.org"}


class Run(Process):
    """`make run` in a copy of the project, without its preparation of the virtual environment."""

    name = "run"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"http://{HOST}:{self.port}"
        for name in ("platform", "notifications", "manage.py"):
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, self.folder / name)

    def command(self) -> Sequence[str]:
        """As the Makefile has it, from the copy."""
        return ["sh", "-c", f"cd {self.folder} && exec {ROOT}/.venv/bin/python -m config.embedded"]

    def environment(self) -> Mapping[str, str]:
        """Nothing but what the Makefile exports."""
        return {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{self.folder / 'platform'}", "PORT": str(self.port)}

    def ready(self) -> bool:
        """It listens."""
        return accepts(self.port)

    def manage(self, *arguments: str) -> str:
        """`manage.py` beside it, with nothing set."""
        command = [f"{ROOT}/.venv/bin/python", "manage.py", *arguments]
        done = subprocess.run(
            command, cwd=self.folder, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=True
        )
        return done.stdout.strip()


@pytest.fixture
def run() -> Iterator[Run]:
    """It, running."""
    with Run() as running:
        yield running


def sign_in(browser: httpx.Client, name: str, password: str) -> None:
    """By the page."""
    page = browser.get("/accounts/login/").text
    match = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
    assert match is not None
    data = {"username": name, "password": password, "csrfmiddlewaretoken": match[1]}
    answer = browser.post("/accounts/login/", data=data, headers={"Origin": str(browser.base_url).rstrip("/")})
    assert f"Hello, {name}" in answer.text


@pytest.mark.server
def test_run(run: Run) -> None:
    """The printed addresses and logins are good; data outlive a restart; manage.py beside it works; SIGTERM ends it."""
    logins = dict(LOGIN.findall(run.log))
    assert set(logins) == {"alice", "bob", "carol", "staff", "admin"}
    for name, password in logins.items():
        with httpx.Client(base_url=run.url, follow_redirects=True) as browser:
            sign_in(browser, name, password)
            assert (browser.get("/admin/").url.path == "/admin/") is (name in ("staff", "admin"))
    for address in re.findall(rf"({re.escape(run.url)}\S*)", run.log):
        assert httpx.get(address, follow_redirects=True).status_code == 200, address
    pair = httpx.post(f"{run.url}/api/token/", json={"username": "alice", "password": logins["alice"]}).json()
    me = {"Authorization": f"Bearer {pair['access']}"}
    run.manage("notify", "1", "--title", "Before the restart")
    assert httpx.get(f"{run.url}/api/notifications/unread/", headers=me).json() == {"unread": 1}

    run.signal(signal.SIGTERM)
    assert run.wait_ended() == 0
    assert "Traceback" not in run.log
    run.start()
    assert httpx.get(f"{run.url}/api/notifications/unread/", headers=me).json() == {"unread": 1}
    assert dict(LOGIN.findall(run.log)) == logins


@pytest.mark.server
def test_run_on_a_port_that_is_none(tmp_path: Path) -> None:
    """One line."""
    done = subprocess.run(
        [f"{ROOT}/.venv/bin/python", "-m", "config.embedded"],
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}", "PORT": "http"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "PORT is 'http'; set it to a number from 1 to 65535\n")
