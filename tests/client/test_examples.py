"""The examples of docs/rpc.md run as they stand, against a real node."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.client.conftest import Live

pytestmark = pytest.mark.server
ROOT = Path(__file__).resolve().parent.parent.parent
PROGRAMS = {"sh": ["sh", "-c"], "js": ["node", "--input-type=module", "-e"], "python": [sys.executable, "-c"]}


def test_every_example_runs_and_prints_what_it_should(live: Live) -> None:
    """curl, Node and Python; those that say the same are one notification."""
    text = (ROOT / "docs" / "rpc.md").read_text()
    environment = os.environ | {"RPC_URL": live.url, "SERVICE_KEY": live.key}
    said = []
    for language, code in re.findall(r"```(sh|js|python)\n(.*?)```", text, re.DOTALL):
        done = subprocess.run(
            [*PROGRAMS[language], code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, ""), code
        said.append(done.stdout)
    curl, node, python, bulk, wrong = said
    sent = re.search(r"[0-9a-f-]{36}", curl)
    assert sent is not None
    assert '"duplicate":false' in curl
    assert sent[0] in node
    assert python == f"{sent[0]} True False\n"
    assert "{'7': 2, '8': 0} ['Your report is ready', 'Top-up arrived']" in bulk
    assert "'loc': ['title']" in wrong
