"""The judge finds every planted breach in made-up histories, names it rightly, and none in a good one."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.faults.checker import check
from tests.faults.history import Fault, Final, History, Link, Publish, Read, Retract, Row

CONTENT = {"body": "text", "level": "info", "data": {"n": 1}}


def item(nonce: str, audience: str = "user", **changes: Any) -> dict[str, Any]:
    """An item as it comes over the wire; its id is the nonce with an i."""
    return {"id": f"i-{nonce}", "title": nonce, "audience": audience, **CONTENT, **changes}


def push(nonce: str, **changes: Any) -> dict[str, Any]:
    """A live push."""
    return {"type": "notification", **item(nonce, **changes)}


def inbox(*items: dict[str, Any], more: bool = False) -> dict[str, Any]:
    """A replay."""
    return {"type": "inbox", "items": list(items), "more": more}


def publish(nonce: str, uid: str | None, at: float, outcome: str = "ok") -> Publish:
    """A publication that was answered at once."""
    item_id = f"i-{nonce}" if outcome == "ok" else ""
    return Publish(nonce, uid, {"title": nonce, **CONTENT}, at, at, outcome, item_id)


def good() -> History:
    """Everything that may happen, and nothing wrong.

    Alice (on connections 1 and 3) gets a, b and c and reads b, c by a second connection; Bob gets d; everyone gets e;
    f was refused, g's outcome is unknown and it is not there, h was retracted.
    """
    return History(
        publishes=[
            publish("a", "alice", 10),
            publish("b", "alice", 20),
            publish("c", "alice", 5),
            publish("d", "bob", 10),
            publish("e", None, 30),
            publish("f", "alice", 11, "refused"),
            publish("g", "bob", 12, "unknown"),
            publish("h", "bob", 40),
        ],
        reads=[Read("alice", 1, ["i-b"], 50, completed=51, confirmed=["i-b"])],
        retracts=[Retract("i-h", 50, 51, "ok")],
        links=[
            Link(1, "alice", 8, 100, 1000, [(8, inbox(item("c"))), (10, push("a")), (20.1, push("b"))]),
            Link(2, "bob", 1, 100, 1000, [(1, inbox()), (10, push("d"))]),
            Link(3, "alice", 60, 100, 1000, [(60, inbox(item("c"), item("a"), item("e", "everyone")))]),
        ],
        finals=[Final("alice", ["i-c", "i-a", "i-e"], 3, 200), Final("bob", ["i-d", "i-e"], 2, 200)],
        rows=[
            Row("i-a", "alice", "a", read=False),
            Row("i-b", "alice", "b", read=True),
            Row("i-c", "alice", "c", read=False),
            Row("i-d", "bob", "d", read=False),
            Row("i-h", "bob", "h", read=False),
        ],
    )


def complete(history: History) -> History:
    """The pushes of e and h, which the good history's long-lived connections had."""
    history.links[0].frames.append((30.1, push("e", audience="everyone")))
    history.links[1].frames += [(30.1, push("e", audience="everyone")), (40.1, push("h"))]
    return history


def test_a_good_history_has_no_violation() -> None:
    """Nothing is found where nothing is wrong."""
    assert check(complete(good())) == []


def lost(history: History) -> None:
    """An accepted item is in no inbox in the end, and no connection ever had it."""
    history.links[1].frames = [f for f in history.links[1].frames if f[1].get("title") != "d"]
    history.finals[1] = Final("bob", ["i-e"], 1, 200)


def late(history: History) -> None:
    """A push comes half a minute after acceptance, with no fault to excuse it."""
    history.links[1].frames[1] = (40, push("d"))


def lost_on_one_connection(history: History) -> None:
    """It is in the inbox in the end, but a connection that was open all the time never had it."""
    history.links[0].frames = [f for f in history.links[0].frames if f[1].get("title") != "a"]


def phantom(history: History) -> None:
    """Something comes that nobody sent."""
    history.links[0].frames.append((70, push("z")))


def refused_and_delivered(history: History) -> None:
    """Something comes that was refused."""
    history.links[0].frames.append((70, push("f")))


def another_id(history: History) -> None:
    """An item comes under another id than it was accepted with."""
    history.links[0].frames[1] = (10, push("a", id="i-other"))


def wrong_uid(history: History) -> None:
    """Bob gets what is Alice's."""
    history.links[1].frames.append((11, push("a")))


def altered(history: History) -> None:
    """A text is not what was sent."""
    history.links[0].frames[1] = (10, push("a", body="texts"))


def altered_audience(history: History) -> None:
    """A personal item comes as one for everyone."""
    history.links[0].frames[1] = (10, push("a", audience="everyone"))


def replayed_after_read(history: History) -> None:
    """A connection that is opened after a confirmed read is sent it again."""
    history.links[2].frames.append((60.5, inbox(item("b"))))


def pushed_after_read(history: History) -> None:
    """It comes by a live push on a later connection."""
    history.links[2].frames.append((60.5, push("b")))


def pushed_to_the_reader(history: History) -> None:
    """It comes again on the very connection that read it."""
    history.links[0].frames.append((51.5, push("b")))


def hole(history: History) -> None:
    """An inbox lacks what was unread before the connection opened."""
    history.links[2].frames[0] = (60, inbox(item("c"), item("e", "everyone")))


def two_rows(history: History) -> None:
    """One key, two rows."""
    history.rows.append(Row("i-d2", "bob", "d", read=False))


def two_ids(history: History) -> None:
    """One key, two ids answered."""
    history.publishes[3].other_ids.append("i-d2")


def stored_otherwise(history: History) -> None:
    """What is stored has not the id that was answered."""
    history.rows[3] = Row("i-d2", "bob", "d", read=False)


def foreign_read_confirmed(history: History) -> None:
    """Alice is told that she has read what is Bob's."""
    history.reads.append(Read("alice", 3, ["i-d"], 62, completed=63, confirmed=["i-d"]))


def foreign_read_stored(history: History) -> None:
    """Bob's item is read, though he never read it."""
    history.rows[3] = Row("i-d", "bob", "d", read=True)


def unread_again(history: History) -> None:
    """What was read is unread in the end."""
    history.finals[0] = Final("alice", ["i-c", "i-a", "i-b", "i-e"], 4, 200)


def unread_after_retraction(history: History) -> None:
    """What was retracted is unread in the end."""
    history.finals[1] = Final("bob", ["i-d", "i-e", "i-h"], 3, 200)


def unread_after_expiry(history: History) -> None:
    """What has expired is unread in the end."""
    history.publishes[3].expires_wall = 150


def miscounted(history: History) -> None:
    """The count is not the number of items."""
    history.finals[0] = Final("alice", ["i-c", "i-a", "i-e"], 4, 200)


PLANTED: list[tuple[str, Callable[[History], None]]] = [
    ("I1", lost),
    ("I1", late),
    ("I1", lost_on_one_connection),
    ("I2", phantom),
    ("I2", refused_and_delivered),
    ("I2", another_id),
    ("I3", wrong_uid),
    ("I4", altered),
    ("I4", altered_audience),
    ("I5", replayed_after_read),
    ("I5", pushed_after_read),
    ("I5", pushed_to_the_reader),
    ("I7", hole),
    ("I8", two_rows),
    ("I8", two_ids),
    ("I8", stored_otherwise),
    ("I9", foreign_read_confirmed),
    ("I9", foreign_read_stored),
    ("I10", unread_again),
    ("I10", unread_after_retraction),
    ("I10", unread_after_expiry),
    ("I10", miscounted),
]


@pytest.mark.parametrize(("invariant", "plant"), PLANTED, ids=[plant.__name__ for _, plant in PLANTED])
def test_every_planted_breach_is_caught(invariant: str, plant: Callable[[History], None]) -> None:
    """Each is found, under its own number."""
    history = complete(good())
    plant(history)
    assert invariant in {violation.invariant for violation in check(history)}


def test_a_fault_excuses_lateness_only_as_long_as_it_was_promised() -> None:
    """An item accepted during a fault may come 5 s (and some slack) after it has healed; not half a minute."""
    history = complete(good())
    late(history)
    history.faults = [Fault("redis_killed", 9, 34)]
    assert check(history) == []
    history.faults = [Fault("redis_killed", 9, 20)]
    assert {violation.invariant for violation in check(history)} == {"I1"}


def test_a_read_without_an_answer_may_have_been_done_or_not() -> None:
    """Both ends are good: an unanswered read leaves open what is unread, and what a later connection is sent."""
    history = complete(good())
    history.reads.append(Read("alice", 3, ["i-a"], 62))
    assert check(history) == []
    history.finals[0] = Final("alice", ["i-c", "i-e"], 2, 200)
    assert check(history) == []


def test_an_unknown_publication_may_have_been_done_or_not() -> None:
    """It may be there, in an inbox or by a push, and it may not."""
    history = complete(good())
    history.publishes[6].id = "i-g"
    history.links[1].frames.append((13, push("g")))
    history.rows.append(Row("i-g", "bob", "g", read=False))
    history.finals[1] = Final("bob", ["i-d", "i-e", "i-g"], 3, 200)
    assert check(history) == []


def test_reading_all_up_to_an_id_covers_the_older_ones() -> None:
    """`read_all` without an answer leaves open every id up to the one it named, and none after it."""
    read = Read("alice", 1, [], 50, before="i-b")
    assert read.may_have_read("i-a")
    assert read.may_have_read("i-b")
    assert not read.may_have_read("i-c")
