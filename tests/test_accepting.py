"""What every call checks before it stores anything."""

from datetime import UTC, datetime

import pytest

from notifications.accepting import checked, columns, said, wrong_moment, wrong_uid
from notifications.exceptions import InvalidContent


def test_good_values_become_content() -> None:
    """With every column, and with the reference in what the call said."""
    content = checked(None, title="x", ref="r")
    assert columns(content) == {
        "title": "x",
        "body": "",
        "kind": "general",
        "level": "info",
        "url": None,
        "data": {},
        "display": "popup",
        "confirm": False,
    }
    assert said(content) == columns(content) | {"ref": "r"}


def test_problems_from_inside_and_outside_are_told_together() -> None:
    """One error lists them all."""
    with pytest.raises(InvalidContent) as refused:
        checked(wrong_uid(""), title="")
    assert [problem["loc"] for problem in refused.value.errors] == [["uid"], ["title"]]
    with pytest.raises(InvalidContent) as refused:
        checked(wrong_uid(""), title="x")
    assert [problem["loc"] for problem in refused.value.errors] == [["uid"]]


@pytest.mark.parametrize(
    ("moment", "good"),
    [
        (None, True),
        (datetime(1971, 1, 1, tzinfo=UTC), True),
        (datetime(1970, 12, 31, tzinfo=UTC), False),
        (datetime(9998, 12, 31, tzinfo=UTC), True),
        (datetime(9999, 1, 1, tzinfo=UTC), False),
        (datetime(2040, 1, 1), False),  # noqa: DTZ001  that it is naive is the point
        ("2040-01-01", False),
    ],
)
def test_a_moment_has_a_zone_and_can_be_reckoned_with(moment: object, good: bool) -> None:
    """A week later or in another zone, it must still be a moment."""
    problem = wrong_moment("starts_at", moment)
    assert (problem is None) == good
    if problem is not None:
        assert problem["loc"] == ["starts_at"]
