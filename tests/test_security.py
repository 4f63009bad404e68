"""docs/security.md: each of its lines is shown by tests that exist, and each such test says which line it shows."""

import ast
import os
import re
import subprocess
import sys
from collections import defaultdict
from functools import cache

import pytest

from tests.servers.process import ROOT

NAMES = [f"S{number}" for number in range(1, 21)]
LINES = set(NAMES)
PAGE = ROOT / "docs" / "security.md"


def table() -> dict[str, set[str]]:
    """By line, the tests that the page names."""
    rows = re.findall(r"^\| (S\d+) \|[^|]+\| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert len(rows) == len({name for name, _ in rows})
    return {name: set(re.findall(r"`(tests/\S+?::\w+)`", cell)) for name, cell in rows}


@cache
def marked() -> dict[str, set[str]]:
    """By line, the tests that are marked with it: by a decorator, or for a whole file by `pytestmark`."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text()
        if "mark.security" not in text:
            continue
        body = ast.parse(text).body
        everywhere = {
            line for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
            for line in lines_in(node.value)
        }  # fmt: skip
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
                for line in everywhere.union(*(lines_in(decorator) for decorator in node.decorator_list)):
                    found[line].add(f"{path.relative_to(ROOT)}::{node.name}")
    return found


def lines_in(node: ast.AST) -> set[str]:
    """The lines named by marks of `security` in a piece of code."""
    return {
        argument.value
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.security"
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def test_every_line_is_there() -> None:
    """S1 to S20, each once, each with a test at least."""
    found = table()
    assert set(found) == LINES
    assert all(found.values())


@pytest.mark.parametrize("line", NAMES)
def test_the_page_and_the_tests_name_each_other(line: str) -> None:
    """The tests that the page names for a line exist and are marked with it."""
    assert table()[line] <= marked()[line]


def test_no_mark_names_a_line_that_there_is_not() -> None:
    """A slip of the pen would show nothing."""
    assert set(marked()) == LINES


@pytest.mark.server
@pytest.mark.security("S18")
def test_the_deployment_check_is_clean() -> None:
    """`manage.py check --deploy` with the settings of production: no warning, and two silenced on purpose."""
    done = subprocess.run(
        ["tests/with-sample-production", sys.executable, "manage.py", "check", "--deploy", "--fail-level", "DEBUG"],
        cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "System check identified no issues (2 silenced)." in done.stdout + done.stderr
