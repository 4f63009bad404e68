"""What the benchmark says: one table for people, one JSON file for programs, one chart."""

import json
import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from math import log10
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

PACKAGES = ("Django", "channels", "channels_redis", "uvicorn", "uvloop", "websockets", "daphne", "tornado", "psycopg")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: what was measured, on what, and what we must and aim to reach."""

    case: str
    site: str
    value: float
    unit: str
    must: str = ""
    aim: str = ""
    floor_ratio: float | None = None
    """How many times the floor's cost, of the same run."""

    @property
    def verdict(self) -> str:
        """`aim`, `must` or `MISSED`, by the limits that are given; nothing for a peer."""
        if not self.must:
            return ""
        if self.aim and _holds(self.value, self.aim):
            return "aim"
        return "must" if _holds(self.value, self.must) else "MISSED"


def _holds(value: float, limit: str) -> bool:
    sign, _, number = limit.partition(" ")
    bound = float(number.replace(",", ""))
    return value <= bound if sign == "<=" else value >= bound


def machine() -> dict[str, Any]:
    """Where and with what it was measured."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "memory_gib": round(memory, 1),
        "machine": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, readable as it stands."""
    cells = [("case", "on", "measured", "unit", "x floor", "must", "aim", "reached")]
    cells += [
        (
            row.case,
            row.site,
            _number(row.value),
            row.unit,
            "" if row.floor_ratio is None else f"{row.floor_ratio:.1f}",
            row.must,
            row.aim,
            row.verdict,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def write(folder: Path, rows: Sequence[Row], details: Iterable[Any]) -> Path:
    """Write `bench.json`, `bench.md` and `bench.svg` into `folder`; gives the path of the first."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {"machine": machine(), "rows": [asdict(row) for row in rows], "details": [asdict(d) for d in details]}
    path = folder / "bench.json"
    path.write_text(json.dumps(said, indent=1) + "\n")
    (folder / "bench.md").write_text(table(rows) + "\n")
    bars = [(row.site, row.value) for row in rows if row.case == BROADCAST_CPU]
    (folder / "bench.svg").write_text(chart("Server CPU for 1,000 deliveries of a broadcast, ms", bars))
    return path


BROADCAST_CPU = "broadcast, CPU per 1,000 deliveries"


def chart(title: str, bars: Sequence[tuple[str, float]]) -> str:
    """A bar chart as SVG, on a logarithmic scale from 1: the slowest peer is 50 times the quickest."""
    bars = sorted(bars, key=lambda bar: bar[1])
    most = max((value for _, value in bars), default=10)
    height = 48 + 28 * len(bars)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 {height}" font-family="system-ui" font-size="13">',
        f'<rect width="720" height="{height}" fill="#fff"/>',
        f'<text x="12" y="24" font-weight="600" font-size="15" fill="#1c2330">{escape(title)}</text>',
    ]
    for index, (name, value) in enumerate(bars):
        y = 44 + 28 * index
        width = 400 * log10(max(value, 1.1)) / log10(max(most, 10))
        colour = "#2f5bd7" if name.startswith("ours") else "#9aa5b8"
        parts += [
            f'<text x="232" y="{y + 14}" text-anchor="end" fill="#1c2330">{escape(name)}</text>',
            f'<rect x="240" y="{y}" width="{width:.0f}" height="20" rx="3" fill="{colour}"/>',
            f'<text x="{246 + width:.0f}" y="{y + 14}" fill="#1c2330">{_number(value)}</text>',
        ]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"
