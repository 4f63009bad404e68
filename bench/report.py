"""What the benchmark says: tables for people, one JSON file for programs, charts.

`python -m bench.report` puts what the last runs wrote into docs/performance.md.
"""

import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from math import log10
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from tests.servers.postgresql import program

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
    names = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": os.cpu_count(),
        "processor": names[0] if names else platform.machine(),
        "memory_gib": round(memory, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "servers": {
            name: _version_of(path) for name, path in (("PostgreSQL", program("postgres")), ("Redis", "redis-server"))
        },
    }


def _version_of(path: str) -> str:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+(\.\d+)+", said)
    return found.group() if found else said.strip()


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
    return _lines(cells)


def comparison(rows: Sequence[Row]) -> str:
    """Every site in a line, each figure with how many times ours it is, as a Markdown table."""
    found = {(row.case, row.site): row for row in rows}
    sites = list(dict.fromkeys(row.site for row in rows if row.case == BROADCAST_CPU))
    mine = next(site for site in sites if site.startswith("ours"))
    floor = next(site for site in sites if site.startswith("floor"))
    heads = [head for case in COMPARED for head in (f"{case}, {found[case, mine].unit}", "x ours")]
    cells = [("on", *heads, "CPU x floor")]
    for site in sites:
        values = [(found[case, site].value, found[case, mine].value) for case in COMPARED]
        figures = [text for value, ours in values for text in (_number(value), _ratio(value, ours))]
        cells.append((site, *figures, _ratio(found[BROADCAST_CPU, site].value, found[BROADCAST_CPU, floor].value)))
    return _lines(cells)


def _lines(cells: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[column]) for line in cells) for column in range(len(cells[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def write(folder: Path, rows: Sequence[Row], details: Iterable[Any], *, seconds: float = 0.0) -> Path:
    """Write `bench.json`, `bench.md` and charts into `folder`; gives the path of the first. It took `seconds`."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {
        "machine": machine(),
        "seconds": round(seconds),
        "options": sys.argv[1:],
        "rows": [asdict(row) for row in rows],
        "details": [asdict(d) for d in details],
    }
    path = folder / "bench.json"
    path.write_text(json.dumps(said, indent=1) + "\n")
    (folder / "bench.md").write_text(table(rows) + "\n")
    for name, (title, case) in CHARTS.items():
        bars = [(row.site, row.value) for row in rows if row.case == case]
        if bars:
            (folder / f"{name}.svg").write_text(chart(title, bars))
    return path


BROADCAST_CPU = "broadcast, CPU per 1,000 deliveries"
LAST = "broadcast, last client"
CONNECT_CPU = "CPU per connect"
MEMORY = "memory per idle socket"
COMPARED = (BROADCAST_CPU, LAST, CONNECT_CPU, MEMORY)
CHARTS = {
    "bench": ("Server CPU for 1,000 deliveries of a broadcast, ms", BROADCAST_CPU),
    "bench-last": ("Until the last client has a broadcast, ms", LAST),
}


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


def _ratio(value: float, of: float) -> str:
    # The floor holds no objects for a socket: it may cost no memory at all.
    return f"{value / of:.2f}" if of else ""


def _number(value: float) -> str:
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}"


# --- docs/performance.md

PAGE = Path("docs/performance.md")
IMAGES = Path("docs/images")
RESULTS = {name: Path("var") / name / "bench.json" for name in ("bench", "bench-nodes", "bench-growth")}


def fill_page(text: str, results: Mapping[str, Mapping[str, Any]]) -> str:
    """The page with what each command of `results` wrote between its marks; raises `ValueError` if it has no such."""
    for command, said in results.items():
        begin, end = (f"<!-- {command}: {word} -->" for word in ("begin", "end"))
        before, began, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not began or not ended:
            raise ValueError(f"the page has no place for {command}")
        text = f"{before}{begin}\n\n{_section(command, said)}\n\n{end}{after}"
    return text


def _section(command: str, said: Mapping[str, Any]) -> str:
    rows = [Row(**row) for row in said["rows"]]
    where = said["machine"]
    versions = {"Python": where["python"], **where["servers"], **where["packages"]}
    options = [f"BENCH={option}" for option in said.get("options", ()) if option == "--quick"]
    took = f", in {said['seconds'] / 60:.0f} minutes" if said["seconds"] else ""
    parts = [
        f"`make {' '.join([command, *options])}`, {where['date']}{took}: {where['cores']} cores ({where['processor']}),"
        f" {where['memory_gib']:.0f} GiB, Linux {where['kernel']}."
        f" {', '.join(f'{name} {number}' for name, number in versions.items())}.",
        table(rows),
    ]
    if {row.site for row in rows if row.case == BROADCAST_CPU and not row.must}:
        parts += ["Every site beside ours:", comparison(rows)]
        parts += [f"![{title}](images/{name}.svg)" for name, (title, case) in CHARTS.items()]
    return "\n\n".join(parts)


def main() -> None:
    """Put the results that are there into docs/performance.md, and their charts beside it."""
    results = {name: json.loads(path.read_text()) for name, path in RESULTS.items() if path.exists()}
    PAGE.write_text(fill_page(PAGE.read_text(), results))
    for name in CHARTS:
        chart_file = RESULTS["bench"].parent / f"{name}.svg"
        if chart_file.exists():
            shutil.copy(chart_file, IMAGES)
    print(f"{PAGE}: {', '.join(results) or 'nothing measured yet'}")


if __name__ == "__main__":
    main()
