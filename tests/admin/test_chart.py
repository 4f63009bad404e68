"""`notifications.admin.chart`: bars as figures that fit their frame."""

from datetime import UTC, datetime, timedelta

import pytest

from notifications.admin.chart import HEIGHT, LEFT, TOP, WIDTH, drawn
from notifications.statistics import Bar

START = datetime(2026, 1, 2, 3, 4, tzinfo=UTC)


def bars(*counts: int, width: timedelta = timedelta(hours=1)) -> list[Bar]:
    """Bars with these counts."""
    return [Bar(START + width * index, count, 0) for index, count in enumerate(counts)]


def test_nothing_to_draw() -> None:
    """Without bars there is no chart."""
    assert drawn([]) is None


def test_bars_stand_on_the_floor_and_stay_inside() -> None:
    """Each bar's height goes by its count, none leaves the frame, and the axis ends in a round number."""
    chart = drawn(bars(0, 30, 47))
    assert chart is not None
    for column in chart.columns:
        assert LEFT <= column.x <= column.x + column.width <= WIDTH
        assert column.y >= TOP
        assert column.y + column.height == pytest.approx(chart.floor, abs=0.2)
    heights = [column.height for column in chart.columns]
    assert heights[0] == 0
    assert heights[2] / heights[1] == pytest.approx(47 / 30, abs=0.01)
    assert [line.text for line in chart.lines] == ["0", "30", "60"]
    assert chart.height == HEIGHT


@pytest.mark.parametrize(
    ("count", "top"), [(1, "1"), (2, "2"), (3, "4"), (10, "10"), (11, "20"), (61, "80"), (99_000, "100")]
)
def test_round_axis(count: int, top: str) -> None:
    """1, 2, 4, 6, 8, 10, 20, 40 and so on."""
    chart = drawn(bars(count))
    assert chart is not None
    assert chart.lines[-1].text.replace(",", "").startswith(top)


def test_labels_are_few() -> None:
    """Thirty bars get no more labels than there is room for; over several days they are dates."""
    chart = drawn(bars(*[1] * 30, width=timedelta(hours=6)))
    assert chart is not None
    assert len(chart.labels) <= 6
    assert chart.labels[0].text == "01/02/2026"
    day = drawn(bars(1, 1))
    assert day is not None
    assert day.labels[0].text == "3:04 a.m."
