"""What the benchmark says: verdicts, table, files."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from bench.cases import Idle
from bench.report import BROADCAST_CPU, COMPARED, Row, comparison, fill_page, table, write


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


def rows_of(site: str, *values: float) -> list[Row]:
    """What is compared of one site."""
    return [Row(case, site, value, "ms") for case, value in zip(COMPARED, values, strict=True)]


ROWS = [*rows_of("floor", 10, 90, 17, 0), *rows_of("stock", 600, 6_000, 1_800, 33), *rows_of("ours", 20, 180, 900, 30)]


def test_every_site_is_compared_with_ours_and_the_floor() -> None:
    """A line for each site, with how many times ours each figure is; what is nothing of ours has no ratio."""
    _, _, *lines = comparison(ROWS).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells == [
        ["floor", "10.0", "0.50", "90.0", "0.50", "17.0", "0.02", "0.0", "0.00", "1.00"],
        ["stock", "600", "30.00", "6,000", "33.33", "1,800", "2.00", "33.0", "1.10", "60.00"],
        ["ours", "20.0", "1.00", "180", "1.00", "900", "1.00", "30.0", "1.00", "2.00"],
    ]


def test_the_page_says_what_was_measured(tmp_path: Path) -> None:
    """Between its marks, with the machine and the versions; filling it twice changes nothing, and all else stays."""
    said = json.loads(write(tmp_path, ROWS, [], seconds=600).read_text())
    page = "# Performance\n\n<!-- bench: begin -->\nof last year\n<!-- bench: end -->\n\nThe rest.\n"
    filled = fill_page(page, {"bench": said})
    assert "of last year" not in filled
    assert filled.startswith("# Performance\n\n<!-- bench: begin -->\n\n`make bench`, ")
    assert filled.endswith("<!-- bench: end -->\n\nThe rest.\n")
    assert f"in 10 minutes: {said['machine']['cores']} cores" in filled
    assert f"PostgreSQL {said['machine']['servers']['PostgreSQL']}" in filled
    assert table(ROWS) in filled
    assert comparison(ROWS) in filled
    assert "images/bench-last.svg" in filled
    assert fill_page(filled, {"bench": said}) == filled


def test_a_page_without_the_marks_is_refused() -> None:
    """Rather than that the figures go nowhere."""
    with pytest.raises(ValueError, match="no place for bench"):
        fill_page("# Performance\n<!-- bench: begin -->\n", {"bench": {}})
