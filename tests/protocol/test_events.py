"""Events between nodes: whole ones arrive as they were, anything else is nothing."""

import json
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.protocol.events import IDS_MAX, MESSAGE_TYPE, Event, Op, from_message, to_message

ITEM_ID = UUID("01a207b6-45ac-776c-a9b4-312094ad3315")
HEAD = f'{{"type":"notification","id":"{ITEM_ID}","title":"\u7ef4\u62a4"'

WHOLE = [
    Event(Op.CREATED, "7", (ITEM_ID,), head=HEAD),
    Event(Op.CREATED, None, (ITEM_ID,), head=HEAD),
    Event(Op.READ, "7", (ITEM_ID, UUID(int=5)), origin="a connection"),
    Event(Op.RETRACTED, "7", (ITEM_ID,)),
    Event(Op.RETRACTED, None, (ITEM_ID,)),
    Event(Op.DISCONNECT, "7", (ITEM_ID,)),
    Event(Op.RESYNC, "7", ()),
    Event(Op.READ, "7", (ITEM_ID,) * IDS_MAX),
]


@pytest.mark.parametrize("event", WHOLE, ids=lambda e: f"{e.op.name}-{e.uid}")
def test_an_event_survives_the_channel_layer(event: Event) -> None:
    """What is sent is plain strings and numbers, and makes the same event."""
    message = json.loads(json.dumps(to_message(event)))
    assert message["type"] == MESSAGE_TYPE
    assert from_message(message) == event


def message(**changes: Any) -> dict[str, Any]:
    """A good message of a created item, changed."""
    return {**to_message(WHOLE[0]), **changes}


@pytest.mark.parametrize(
    "poison",
    [
        None, 5, "text", [], {}, {"type": "websocket.close"},
        message(type="chat.message"), message(op=0), message(op=99), message(op="1"), message(op=None), message(op=[]),
        message(op={}), message(uid=5), message(uid=[]), message(ids=None), message(ids="x"), message(ids=[]),
        message(ids=["x"]), message(ids=[5]), message(ids=[str(ITEM_ID), "x"]), message(ids=[str(ITEM_ID)] * 2),
        message(op=2, ids=[str(ITEM_ID)] * (IDS_MAX + 1)), message(head=None), message(head=5), message(origin=5),
        message(head=""), message(head="{}"), message(head='{"type":"notification"'), message(head=HEAD + "}"),
        message(head=HEAD + ',"x":NaN'), message(head='{"type":"notification","type":"x"'),
        message(head=HEAD.replace("\u7ef4", "\ud800")), message(head=HEAD + ',"x":' + "[" * 40 + "]" * 40),
        message(head=HEAD + ',"x":"' + "a" * 65_536 + '"'), message(ids=[str(UUID(int=5))]),
        # These would end or silence the sockets of all users at once.
        message(op=int(Op.DISCONNECT), uid=None), message(op=int(Op.READ), uid=None),
    ],
)  # fmt: skip
def test_poison_is_no_event(poison: object) -> None:
    """Others may share the Redis: foreign, malformed, huge and hostile messages give None and raise nothing."""
    assert from_message(poison) is None


@given(
    st.dictionaries(
        st.sampled_from(["type", "op", "uid", "ids", "head", "origin"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=5)
        | st.just(MESSAGE_TYPE)
        | st.just([str(ITEM_ID)]),
    )
)
def test_no_message_raises(odd: dict[str, Any]) -> None:
    """Any mapping gives an event or None."""
    event = from_message(odd)
    assert event is None or event.op in Op
