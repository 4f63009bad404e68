"""`notifications.signals`: the platform's code hears of what was created and read, once it is committed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from notifications import announce, bulk, inbox, notify, retract
from notifications.announcing import publish_announcement
from notifications.clock import now
from notifications.protocol.items import Content
from notifications.signals import item_created, item_read

pytestmark = pytest.mark.django_db(transaction=True)


class Ear:
    """What both signals said, in order."""

    def __init__(self) -> None:
        self.created: list[dict[str, Any]] = []
        self.read: list[dict[str, Any]] = []

    def hear_created(self, signal: Any, sender: Any, **said: Any) -> None:
        """A receiver."""
        self.created.append(said)

    def hear_read(self, signal: Any, sender: Any, **said: Any) -> None:
        """A receiver."""
        self.read.append(said)


@pytest.fixture
def ear() -> Iterator[Ear]:
    """Connected for the time of the test."""
    made = Ear()
    item_created.connect(made.hear_created)
    item_read.connect(made.hear_read)
    yield made
    item_created.disconnect(made.hear_created)
    item_read.disconnect(made.hear_read)


def test_created_by_notify(ear: Ear) -> None:
    """After the commit, and never of what was rolled back or repeated."""
    with transaction.atomic():
        item_id = notify("7", "Hello", kind="order.paid", ref="order-1", idempotency_key="k", source="shop").id
        assert ear.created == []
    assert ear.created == [{"uid": "7", "id": item_id, "kind": "order.paid", "ref": "order-1", "source": "shop"}]
    assert notify("7", "Hello", kind="order.paid", ref="order-1", idempotency_key="k", source="shop").duplicate
    with pytest.raises(RuntimeError), transaction.atomic():
        notify("7", "Never")
        raise RuntimeError
    assert len(ear.created) == 1


def test_created_in_bulk(ear: Ear) -> None:
    """One for each user."""
    bulk.multicast(["7", "8"], Content.checked(title="Hello"), source="shop")
    assert [said["uid"] for said in ear.created] == ["7", "8"]
    assert len({said["id"] for said in ear.created}) == 2


@pytest.mark.parametrize("later", [False, True])
def test_created_by_announcing(ear: Ear, later: bool) -> None:
    """When it is published, for nobody in particular; a draft is nothing yet."""
    start = now() + timedelta(hours=1) if later else None
    draft = announce("Hello", starts_at=start, publish=False).id
    assert ear.created == []
    publish_announcement(draft)
    publish_announcement(draft)
    (said,) = ear.created
    assert said["uid"] is None
    assert isinstance(said["id"], UUID)


def test_read(ear: Ear) -> None:
    """Those that were unread before, once, by where; what a user may not read is nothing to tell."""
    mine, other, foreign = notify("7", "a").id, notify("7", "b").id, notify("8", "c").id
    inbox.read("7", [other, mine, foreign], via="popup")
    inbox.read("7", [mine, other])
    retract(id=mine)
    assert ear.read == [{"uid": "7", "ids": sorted([mine, other]), "via": "popup"}]


def test_a_receiver_that_fails_changes_nothing(ear: Ear) -> None:
    """The call is done, the other receivers hear of it, the log has the reason."""

    def broken(**_: Any) -> None:
        raise RuntimeError("mine")

    item_created.connect(broken)
    try:
        item_id = notify("7", "Hello").id
    finally:
        item_created.disconnect(broken)
    assert [said["id"] for said in ear.created] == [item_id]
    assert inbox.get("7", item_id) is not None
