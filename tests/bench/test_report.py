"""What the benchmark says: verdicts, table, files."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.cases import Idle
from bench.report import BROADCAST_CPU, Row, table, write


@pytest.mark.parametrize(
    ("value", "must", "aim", "verdict"),
    [
        (12.0, "<= 20", "<= 12", "aim"),
        (12.1, "<= 20", "<= 12", "must"),
        (20.0, "<= 20", "<= 12", "must"),
        (20.1, "<= 20", "<= 12", "MISSED"),
        (3_000.0, ">= 800", ">= 3,000", "aim"),
        (800.0, ">= 800", ">= 3,000", "must"),
        (799.0, ">= 800", ">= 3,000", "MISSED"),
        (89.0, "<= 90", "", "must"),
        (1.0, "", "", ""),
    ],
)
def test_verdict(value: float, must: str, aim: str, verdict: str) -> None:
    """At a limit it holds; a peer has none."""
    assert Row("case", "site", value, "ms", must, aim).verdict == verdict


def test_results_are_written(tmp_path: Path) -> None:
    """A table that lines up, JSON with machine and versions, a chart with a bar for each site."""
    rows = [
        Row(BROADCAST_CPU, "floor: raw <writes>", 10.0, "ms"),
        Row(BROADCAST_CPU, "ours", 16.2, "ms", "<= 20", "<= 12", floor_ratio=1.62),
        Row("sockets opened", "ours", 1_234.5, "/s", ">= 800"),
    ]
    path = write(tmp_path, rows, [Idle(10, 2.5)])
    said = json.loads(path.read_text())
    assert said["machine"]["packages"]["Django"]
    assert said["rows"][1]["floor_ratio"] == 1.62
    assert said["details"] == [{"sockets": 10, "core_percent": 2.5}]
    lines = (tmp_path / "bench.md").read_text().splitlines()
    assert len({len(line) for line in lines}) == 1
    assert "| 1,234 " in table(rows)
    texts = [node.text for node in ET.parse(tmp_path / "bench.svg").iter("{http://www.w3.org/2000/svg}text")]  # noqa: S314
    assert "floor: raw <writes>" in texts
    assert "16.2" in texts
