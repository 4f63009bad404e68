"""Every command that the docs show is run: on a platform that serves, or by the test that this file names for it."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.node import Business, Node, Platform, copied_sqlite
from tests.servers.process import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)

# What another test runs, or nobody can here. The first part of a command, why, and the tests that come nearest.
ELSEWHERE: list[tuple[str, str, tuple[str, ...]]] = [
    (r"git clone ", "the address is a placeholder", ("tests/platform/test_embedded.py::test_run",)),
    (r"make run\b", "it installs, and serves until it is stopped", ("tests/platform/test_embedded.py::test_run",)),
    (
        r"(cp docker/env\.example|docker compose) ",
        "there may be no Docker: the image's steps and what the files say are tested",
        (
            "tests/deployment/test_plain_machine.py::test_every_step_of_the_image",
            "tests/test_docker.py::test_a_filled_in_environment_is_a_good_one",
        ),
    ),
    (
        r"pip install .*notifications-push|python manage\.py (migrate|runserver|notify 1)",
        "in a fresh project",
        ("tests/test_adopting.py::test_sessions_are_all_it_takes",),
    ),
    (r"pip install /path/to/the/checkout/client", "in a fresh environment", ("tests/client/test_installed.py::",)),
    (
        r"kill -USR1 PID",
        "of a node that serves",
        ("tests/platform/test_serve.py::test_a_node_serves_and_ends_with_sigterm",),
    ),
    (
        r"(export (RPC_URL|SERVICE_KEY)=|curl .*RPC_URL)",
        "with the other examples",
        ("tests/client/test_examples.py::",),
    ),
]
# `manage.py` commands named in the text that are not run for themselves.
NOT_RUN = {
    "createsuperuser": "asks questions",
    "runserver": "serves until it is stopped; test_adopting runs it",
}
PROGRAMS = ("git", "make", "cp", "docker", "pip", "python", ".venv/bin/python", "export", "curl")


def scripts() -> Iterator[tuple[str, str]]:
    """Each block of shell commands, with its page."""
    for page in PAGES:
        for language, code in FENCE.findall(page.read_text()):
            if language in ("sh", "console", "bash") or (not language and code.split()[0] in PROGRAMS):
                yield str(page.relative_to(ROOT)), code


def lines(script: str) -> list[str]:
    """The commands of a block, each on one line, without remarks."""
    found: list[str] = []
    waiting = ""
    for line in script.replace("\\\n", " ").splitlines():
        waiting += line + "\n"
        # A quote that is open goes on in the next line.
        try:
            shlex.split(waiting, comments=True)
        except ValueError:
            continue
        if shlex.split(waiting, comments=True):
            found.append(waiting.strip())
        waiting = ""
    assert not waiting.strip(), script
    return found


def elsewhere(command: str) -> bool:
    """Whether another test runs this, or nobody can."""
    return any(re.match(pattern, command, re.DOTALL) for pattern, _, _ in ELSEWHERE)


SCRIPTS = sorted({script: page for page, script in scripts()}.items(), key=lambda pair: pair[1])
HERE = [
    pytest.param(script, id=f"{page}:{number}")
    for number, (script, page) in enumerate(SCRIPTS)
    if not all(elsewhere(command) for command in lines(script))
]


def named() -> list[str]:
    """The `manage.py` command lines in the text of all pages, each once; usage with brackets is no command line."""
    found = {
        command
        for page in PAGES
        for command in re.findall(r"`(?:\S*python )?manage\.py ([a-z_]+[^`\[]*)`", FENCE.sub("", page.read_text()))
    }
    return sorted(command for command in found if command.split()[0] not in NOT_RUN)


class Served:
    """A platform that serves, where these commands are run."""

    def __init__(self, node: Node, key: str) -> None:
        self.node = node
        self.key = key

    def run(self, script: str) -> subprocess.CompletedProcess[str]:
        """Run a script of the docs, with the address that this platform has."""
        script = script.replace("http://127.0.0.1:8000", self.node.url)
        environment = self.node.platform.environment()
        # Where pages say `python`, a virtual environment has been entered.
        environment["PATH"] = f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}"
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            check=False, timeout=120,
        )  # fmt: skip


@pytest.fixture(scope="module")
def served(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A node on SQLite, with a user and a key."""
    platform = Platform(copied_sqlite(migrated_sqlite, tmp_path_factory.mktemp("docs")))
    with Node(platform) as node, Business(platform) as business:
        business.make_user("alice")
        yield Served(node, platform.manage("create_service_key", "docs", "--scope", "notify").stdout.strip())


@pytest.mark.server
@pytest.mark.parametrize("script", HERE)
def test_blocks(served: Served, script: str) -> None:
    """A block of commands does what it says: all of it, by a shell that stops at the first failure."""
    done = served.run(script)
    assert done.returncode == 0, done.stderr
    # A call that curl made is answered with 200 also where it failed.
    assert '"error":' not in done.stdout, done.stdout


@pytest.mark.server
@pytest.mark.parametrize("command", named())
def test_commands_in_the_text(served: Served, command: str) -> None:
    """Each `manage.py` command line, with a uid, a key's prefix or a file in the place of its capitals."""
    places = {
        "UID": "1",
        "PREFIX": served.key.partition(".")[0],
        "FILE": "docker/nginx/nginx.conf",
    }
    filled = " ".join(places.get(word, word) for word in command.replace(" ...", "").split(" "))
    done = served.run(f"python manage.py {filled}")
    # Usage that is not complete says so, and what is complete is done.
    assert done.returncode in ((0,) if " " in command else (0, 2)), done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_left_to_other_tests_is_run_there() -> None:
    """They exist, and each entry of the list is of use."""
    commands = [command for script, _ in SCRIPTS for command in lines(script)]
    for pattern, why, tests in ELSEWHERE:
        assert why
        assert any(re.match(pattern, command, re.DOTALL) for command in commands), pattern
        for test in tests:
            path, _, name = test.partition("::")
            assert re.search(rf"^(?:async )?def {name or 'test_'}", (ROOT / path).read_text(), re.MULTILINE), test


def test_no_block_hides() -> None:
    """A block without a language is one of commands, or a drawing."""
    for page in PAGES:
        for language, code in FENCE.findall(page.read_text()):
            if not language and code.split()[0] not in PROGRAMS:
                assert re.search(r"[|+]--|──", code), f"{page.name}: {code[:60]}"
