"""The docs hold what they say: links lead somewhere, commands and variables are those that there are."""

import re
import shlex
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import CommandParser

from config import env

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
EACH = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def anchors(page: Path) -> set[str]:
    """The headings of a page as GitHub names them in addresses."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@EACH
def test_links_lead_somewhere(page: Path) -> None:
    """To files and headings that exist."""
    for target in re.findall(r"\]\((?!https?:)([^)\s]+)\)", FENCE.sub("", page.read_text())):
        name, _, anchor = target.partition("#")
        other = (page.parent / name).resolve() if name else page
        assert other.exists(), target
        assert not anchor or anchor in anchors(other), target


@EACH
def test_make_targets_exist(page: Path) -> None:
    """Every `make ...` that a page names."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`)(?:[A-Z]+=\S+ )*make ([a-z][a-z-]*)", page.read_text(), re.MULTILINE))
    assert named <= targets


@EACH
def test_tests_exist(page: Path) -> None:
    """Every test that a page names."""
    for path, name in re.findall(r"`(tests/\S+?)::(\w+)`", page.read_text()):
        assert re.search(rf"^(?:async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), name


def commands_in(page: Path) -> list[list[str]]:
    """The `manage.py` command lines of a page: in its code blocks, and in its text."""
    found = re.findall(r"manage\.py ([a-z_]+(?: [^`\n)|&]*)?)", page.read_text())
    return [shlex.split(line, comments=True) for line in found if line.count('"') % 2 == 0]


@EACH
def test_commands_exist_and_take_what_is_given(page: Path) -> None:
    """Every command line of a page is one that its command understands."""
    commands = get_commands()
    for name, *arguments in commands_in(page):
        assert name in commands, name
        if arguments and commands[name] == "notifications":
            parser = parser_of(name)
            parser.parse_args([argument for argument in arguments if argument != "..."])


def parser_of(name: str) -> CommandParser:
    """The parser of one of our commands."""
    return load_command_class("notifications", name).create_parser("manage.py", name)


def test_every_command_and_option_is_described() -> None:
    """In the table of operations.md: all commands, with options that exist."""
    rows = re.findall(r"^\| `([a-z_]+)([^`]*)` \|", OPERATIONS, re.MULTILINE)
    ours = {name for name, app in get_commands().items() if app == "notifications"}
    assert {name for name, _ in rows} == ours
    for name, usage in rows:
        known = {option for action in parser_of(name)._actions for option in action.option_strings}
        assert set(re.findall(r"--[a-z-]+", usage)) <= known, name


def test_every_variable_is_described() -> None:
    """Those that the platform reads, and no others."""
    section = OPERATIONS.split("## Environment", 1)[1].split("\n## ", 1)[0]
    described = {
        name for row in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    read = set(re.findall(r'(?<!\.)(?:get|flag)\(\s*"([A-Z_]+)"', Path(env.__file__).read_text()))
    assert described == read | {"PORT", "HOST", "SERVER", "PROMETHEUS_MULTIPROC_DIR"}
