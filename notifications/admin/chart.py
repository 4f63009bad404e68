"""A bar chart as plain figures: the template makes an SVG of them, with classes and no style of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import formats, timezone

from notifications.statistics import Bar, figure

WIDTH, HEIGHT = 720, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 32
GAP = 2
LABELS_MAX = 6


@dataclass(frozen=True, slots=True)
class Column:
    """One bar where it is drawn, and what it says when pointed at."""

    x: float
    y: float
    width: float
    height: float
    text: str


@dataclass(frozen=True, slots=True)
class Tick:
    """A line and number of the vertical axis (`at` is y) or a label of the horizontal one (`at` is x)."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything to be drawn."""

    columns: tuple[Column, ...]
    lines: tuple[Tick, ...]
    labels: tuple[Tick, ...]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    floor: int = HEIGHT - BOTTOM


def drawn(bars: Sequence[Bar]) -> Chart | None:
    """The chart of these bars; None without any."""
    if not bars:
        return None
    top = _round_up(max(bar.count for bar in bars))
    room = (WIDTH - LEFT - RIGHT) / len(bars)
    span = HEIGHT - TOP - BOTTOM
    columns, labels = [], []
    every = -(-len(bars) // LABELS_MAX)
    for index, bar in enumerate(bars):
        x, height = LEFT + index * room, span * bar.count / top
        moment = timezone.localtime(bar.start)
        said = f"{formats.date_format(moment, 'SHORT_DATETIME_FORMAT')}: {figure(bar.count)}"
        columns.append(Column(_cut(x), _cut(HEIGHT - BOTTOM - height), _cut(max(room - GAP, 1)), _cut(height), said))
        if index % every == 0:
            same_day = timezone.localtime(bars[0].start).date() == timezone.localtime(bars[-1].start).date()
            text = formats.time_format(moment) if same_day else formats.date_format(moment, "SHORT_DATE_FORMAT")
            labels.append(Tick(_cut(x), text))
    values = sorted({0, top // 2, top})
    lines = [Tick(_cut(HEIGHT - BOTTOM - span * value / top), figure(value)) for value in values]
    return Chart(tuple(columns), tuple(lines), tuple(labels))


def _round_up(value: int) -> int:
    """The next of 1, 2, 4, 6, 8, 10, 20, 40, ...: an axis that ends in a round number, with another in its middle."""
    step = 1
    while True:
        for factor in (1, 2, 4, 6, 8):
            if value <= factor * step:
                return factor * step
        step *= 10


def _cut(value: float) -> float:
    return round(value, 1)
