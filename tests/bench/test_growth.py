"""What a node asks of PostgreSQL all day goes by indexes, however much is stored."""

from dataclasses import replace

import pytest

from bench import growth
from bench.growth import LITTLE, Size, tables

pytestmark = [pytest.mark.server, pytest.mark.timeout(300)]

MUCH = Size(items=100_000, many=2_000, users=growth.USERS // 50, announcements=1_000)


def test_nothing_that_is_asked_grows_with_history() -> None:
    """As many rows over thirty times the items, no table as a whole; very many unread are counted by the index."""
    with tables(replace(LITTLE, announcements=200)) as (site, stored):
        little = {one["question"]: one for one in site.ask(stored, 3).answers}
    with tables(MUCH) as (site, stored):
        much = {one["question"]: one for one in site.ask(stored, 3).answers}
    assert len(much) == 9
    for question, after in much.items():
        before = little[question]
        assert after["statements"] == before["statements"] > 0, question
        assert not growth.read_whole(after), question
        # Down a tree for each row, and no further.
        assert after["pages"] <= 8 * after["rows"] + 50, question
        if "very many" not in question:
            assert after["rows"] <= before["rows"] + 10, question
    count = much["count of very many unread"]
    assert count["scans"]["Index Only Scan"] == ["notif_unread_ids"]
    assert count["pages"] < MUCH.many / 10
    # A hundred rows, each found by its id.
    assert much["unread of a socket whose user has very many"]["pages"] < MUCH.many / 2


def test_what_grows_is_said() -> None:
    """More time, or a table read as a whole, is a miss; a user with a hundred times as many unread may cost more."""

    def answer(question: str, ms: float, **scans: list[str]) -> dict[str, object]:
        return {"question": question, "ms": ms, "pages": 1, "scans": {k.replace("_", " "): v for k, v in scans.items()}}

    before = [answer("look", 2.0), answer("count of very many", 2.0), answer("list", 2.0)]
    whole = {"Seq_Scan": ["notifications_receipt"]}
    after = [answer("look", 4.0), answer("count of very many", 9.9), answer("list", 4.1, **whole)]
    little, much = growth.Stored(10, 1, 0, before), growth.Stored(1_000, 100, 0, after)
    rows = growth.rows_of(little, much)
    assert [row.case for row in rows if row.verdict == "MISSED"] == [
        "list: times that of 10 items",
        "list: tables read as a whole",
    ]
