"""The Chinese catalogues: complete, compiled, and made from the strings that are in the code."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import polib
import pytest

ROOT = Path(__file__).resolve().parent.parent
CATALOGUES = [path for folder in ("platform", "notifications") for path in sorted((ROOT / folder).rglob("*.po"))]
EACH = pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: str(path.relative_to(ROOT)))


@EACH
def test_catalogue_is_complete(path: Path) -> None:
    """Every string has its translation, and none is a guess."""
    catalogue = polib.pofile(str(path))
    assert [entry.msgid for entry in catalogue if not entry.translated() or entry.fuzzy] == []
    assert catalogue.obsolete_entries() == []


@EACH
def test_catalogue_is_compiled(path: Path) -> None:
    """The compiled form says the same."""
    compiled = polib.mofile(str(path.with_suffix(".mo")))
    text = polib.pofile(str(path))
    assert {(e.msgctxt, e.msgid): (e.msgstr, e.msgstr_plural) for e in compiled} == {
        (e.msgctxt, e.msgid): (e.msgstr, e.msgstr_plural) for e in text
    }


@pytest.mark.server
@EACH
def test_catalogue_holds_what_the_code_says(path: Path, tmp_path: Path) -> None:
    """`makemessages` would neither add nor drop a string."""
    app = ROOT / path.relative_to(ROOT).parts[0]
    copy = tmp_path / app.name
    shutil.copytree(app, copy, ignore=shutil.ignore_patterns("__pycache__", "*.mo"))
    command = [sys.executable, "-P", "-m", "django", "makemessages", "-l", "zh_Hans", "-d", path.stem, "--no-wrap"]
    subprocess.run(
        command,
        cwd=copy,
        check=True,
        capture_output=True,
        env=os.environ
        | {
            "PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}",
            "DJANGO_SETTINGS_MODULE": "tests.settings",
            # The app has a module `statistics`: from its own folder it would hide the standard library's.
            "PYTHONSAFEPATH": "1",
        },
    )
    made = polib.pofile(str(copy / path.relative_to(app)))
    kept = polib.pofile(str(path))
    assert {(e.msgctxt, e.msgid) for e in made if not e.obsolete} == {(e.msgctxt, e.msgid) for e in kept}
