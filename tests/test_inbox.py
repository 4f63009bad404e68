"""The inbox: what one uid sees, and what of it is read."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from notifications import clock, inbox, replay
from notifications.announcing import announce, withdraw_announcement
from notifications.channel_layer import publisher
from notifications.models import Announcement, Notification, Receipt
from notifications.protocol.events import Event, Op
from notifications.publishing import notify, retract
from notifications.replay import Snapshot

pytestmark = pytest.mark.django_db


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Event]:
    """What is handed to the channel layer."""
    events: list[Event] = []
    monkeypatch.setattr(publisher, "put", events.append)
    return events


def _in(**kwargs: float) -> datetime:
    return clock.now() + timedelta(**kwargs)


def _notify(uid: str = "7", title: str = "x", **kwargs: Any) -> UUID:
    return notify(uid, title, **kwargs).id


def _announce(title: str = "x", **kwargs: Any) -> UUID:
    return announce(title, **kwargs).id


def _bulk(uid: str, count: int, **columns: Any) -> list[UUID]:
    rows = [Notification(uid=uid, title=f"{n}", created_at=clock.now(), **columns) for n in range(count)]
    Notification.objects.bulk_create(rows, batch_size=500)
    return [row.id for row in rows]


def _ids(uid: str = "7", **kwargs: Any) -> list[UUID]:
    return [item.id for item in inbox.page(uid, **kwargs).items]


def _snapshot(uid: str) -> Snapshot:
    return replay.snapshots([uid])[uid]


# --- what is in it


def test_it_holds_ones_own_and_what_is_for_all_newest_first() -> None:
    """Other users' items are not in it; ids sort by time."""
    ids = [_notify(), _announce(), _notify(), _announce()]
    _notify("8")
    assert _ids() == sorted(ids, reverse=True)
    assert _snapshot("7").ids == tuple(sorted(ids))


def test_what_is_over_is_gone() -> None:
    """Expired, retracted, ended, withdrawn, not yet begun, never published: none of them is seen or counted."""
    kept = [_notify(), _announce()]
    gone = [_notify(expires_at=_in(hours=1)), _notify(), _announce(), _announce()]
    Notification.objects.filter(pk=gone[0]).update(expires_at=clock.now())
    retract(gone[1])
    Announcement.objects.filter(pk=gone[2]).update(ends_at=clock.now())
    withdraw_announcement(gone[3])
    gone += [_announce(starts_at=_in(hours=1)), _announce(publish=False)]
    assert _ids() == sorted(kept, reverse=True)
    assert inbox.unread_counts(["7"]) == {"7": 2}
    assert _snapshot("7").unread == 2
    assert [inbox.get("7", item_id) for item_id in gone] == [None] * 6


def test_one_item_is_found_by_its_owner_alone() -> None:
    """Foreign and missing ids look alike; an announcement is everyone's, read or not."""
    mine, everyones = _notify(ref="r"), _announce("for all")
    found = inbox.get("7", mine)
    assert found is not None
    assert (found.id, found.content.ref, found.audience) == (mine, "r", "user")
    assert inbox.get("8", mine) is None
    assert inbox.get("7", uuid4()) is None
    general = inbox.get("8", everyones)
    assert general is not None
    assert (general.audience, general.read_at) == ("everyone", None)
    inbox.read("8", [everyones])
    read = inbox.get("8", everyones)
    assert read is not None
    assert read.read_at is not None


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_pages_join_without_gap_or_repetition(limit: int) -> None:
    """Over both kinds of items, whatever the size of the pages; the last one has no next."""
    ids = sorted([make() for _ in range(4) for make in (_notify, _announce, _notify)], reverse=True)
    seen: list[UUID] = []
    before: UUID | None = None
    while True:
        page = inbox.page("7", before=before, limit=limit)
        assert 1 <= len(page.items) <= limit
        seen += [item.id for item in page.items]
        before = page.next
        if before is None:
            break
    assert seen == ids
    assert inbox.page("7", before=ids[-1]).items == []


def test_pages_turn_back_too() -> None:
    """The pages towards newer items are those that were seen on the way."""
    for _ in range(7):
        _notify()
    first = inbox.page("7", limit=3)
    second = inbox.page("7", limit=3, before=first.next)
    third = inbox.page("7", limit=3, before=second.next)
    assert first.previous is None
    back = inbox.page("7", limit=3, after=third.previous)
    assert [item.id for item in back.items] == [item.id for item in second.items]
    assert (back.next, back.previous) == (second.next, second.previous)
    assert inbox.page("7", limit=3, after=second.previous).previous is None
    assert inbox.page("7", after=first.items[0].id).items == []


def test_a_page_can_be_of_one_kind_or_of_the_unread() -> None:
    """Of both kinds of items."""
    a, b, c = _notify(kind="a"), _announce(kind="a"), _notify(kind="b")
    d = _announce(kind="b")
    inbox.read("7", [a, d])
    assert _ids(kind="a") == [b, a]
    assert _ids(unread=True) == [c, b]
    assert _ids(unread=True, kind="b") == [c]
    assert inbox.kinds("7") == ["a", "b"]
    read_at = {item.id: item.read_at for item in inbox.page("7").items}
    assert read_at[a] is not None
    assert read_at[d] is not None
    assert read_at[b] is read_at[c] is None


def test_late_joiners_are_spared_where_the_announcement_says_so(alice: User, bob: User) -> None:
    """Who had joined when it went live sees it, at that very moment too; who came later does not."""
    announcement = _announce(late_join=False)
    for_all = _announce()
    live_at = Announcement.objects.get(pk=announcement).live_at
    assert live_at is not None
    User.objects.filter(pk=alice.pk).update(date_joined=live_at)
    User.objects.filter(pk=bob.pk).update(date_joined=live_at + timedelta(milliseconds=1))
    early, late = str(alice.pk), str(bob.pk)
    assert _ids(early) == [for_all, announcement]
    assert _ids(late) == [for_all]
    assert inbox.unread_counts([early, late, "999"]) == {early: 2, late: 1, "999": 2}
    assert [snapshot.unread for snapshot in replay.snapshots([early, late]).values()] == [2, 1]
    assert inbox.get(late, announcement) is None
    assert inbox.read(late, [announcement]).ids == []
    assert inbox.read(early, [announcement]).ids == [announcement]


# --- reading


def test_reading_gives_the_ids_that_are_read_now(told: list[Event]) -> None:
    """Also those that were before; repeated, doubled, unknown and foreign ones change nothing."""
    mine, foreign, general = _notify(), _notify("8"), _announce()
    result = inbox.read("7", [mine, mine, foreign, general, uuid4()])
    assert result.ids == sorted([mine, general])
    assert (result.unread, result.confirm_after) == (0, 0.0)
    again = inbox.read("7", [mine, general])
    assert again.ids == result.ids
    assert inbox.unread_counts(["7", "8"]) == {"7": 0, "8": 2}
    assert Notification.objects.get(pk=foreign).read_at is None
    assert Receipt.objects.count() == 1
    assert inbox.read("7", []).ids == []


def test_how_and_when_something_was_read_is_kept() -> None:
    """The first time counts: reading again, otherwise, does not move it."""
    item_id, general = _notify(confirm=True), _announce(confirm=True)
    inbox.read("7", [item_id, general], via="popup", confirm=True)
    row, receipt = Notification.objects.get(), Receipt.objects.get()
    assert (row.read_via, receipt.read_via) == ("popup", "popup")
    assert row.confirmed_at == row.read_at == receipt.confirmed_at == receipt.read_at
    inbox.read("7", [item_id, general], via="list")
    again = Notification.objects.get()
    assert (again.read_at, again.read_via) == (row.read_at, "popup")
    assert Receipt.objects.get().read_at == receipt.read_at


def test_plain_items_are_read_without_a_confirmation() -> None:
    """`confirm: true` reads them too, and notes no confirmation where none was asked for."""
    item_id, general = _notify(), _announce()
    assert inbox.read("7", [item_id, general], confirm=True).ids == [item_id, general]
    assert Notification.objects.get().confirmed_at is None
    assert Receipt.objects.get().confirmed_at is None


def test_what_needs_a_confirmation_is_read_by_it_alone() -> None:
    """Viewing it, in the list or with all others, leaves it unread; it is no error."""
    item_id, general, plain = _notify(confirm=True), _announce(confirm=True), _notify()
    assert inbox.read("7", [item_id, general]).ids == []
    assert inbox.read_until("7", plain).ids == [plain]
    assert inbox.unread_counts(["7"]) == {"7": 2}
    assert inbox.read("7", [item_id, general], via="popup", confirm=True).ids == [item_id, general]
    assert inbox.unread_counts(["7"]) == {"7": 0}


def test_what_was_taken_back_cannot_be_read() -> None:
    """Retracted and withdrawn items are left out, like unknown ones."""
    item_id, general = _notify(), _announce()
    retract(item_id)
    withdraw_announcement(general)
    assert inbox.read("7", [item_id, general]).ids == []
    assert Notification.objects.get().read_at is None
    assert not Receipt.objects.exists()


def test_all_up_to_an_item_are_read() -> None:
    """It and all older ones; newer ones are not, whoever's the id is."""
    first, general = _notify(), _announce()
    middle = _notify()
    foreign, newest, newest_general = _notify("8"), _notify(), _announce()
    result = inbox.read_until("7", middle)
    assert (result.ids, result.unread) == ([first, general, middle], 2)
    assert inbox.read_until("7", middle).ids == []
    assert inbox.read_until("7", foreign).ids == []
    assert Notification.objects.get(pk=foreign).read_at is None
    assert inbox.read_until("7", newest_general).ids == [newest, newest_general]


@pytest.mark.parametrize(("count", "op"), [(999, Op.READ), (1_000, Op.READ), (1_001, Op.RESYNC)])
@pytest.mark.django_db(transaction=True)
def test_an_answer_names_a_thousand_at_most(count: int, op: Op, told: list[Event]) -> None:
    """All are read; past a thousand the other connections are sent their inbox instead of a list of ids."""
    ids = sorted(_bulk("7", count))
    result = inbox.read_until("7", ids[-1])
    assert result.ids == ids[-1_000:]
    assert result.unread == 0
    assert not Notification.objects.filter(read_at=None).exists()
    assert [event.op for event in told] == [op]


def test_the_business_can_settle_its_reference() -> None:
    """Every item of it is read, confirmed where asked for; only this uid's, and only this service's if it says so."""
    plain, needs = _notify(ref="r", source="shop"), _notify(ref="r", confirm=True, source="shop")
    _notify("8", ref="r", source="shop")
    _notify(ref="other", source="shop")
    foreign = _notify(ref="r", source="bank")
    assert inbox.read_by_ref("7", "r", source="shop").ids == [plain, needs]
    assert Notification.objects.get(pk=needs).confirmed_at is not None
    assert inbox.read_by_ref("7", "r").ids == [plain, needs, foreign]
    assert inbox.unread_counts(["7", "8"]) == {"7": 1, "8": 1}


@pytest.mark.django_db(transaction=True)
def test_other_connections_are_told_what_is_newly_read(told: list[Event]) -> None:
    """Once, with the connection that asked, which has its own answer; nothing is told when nothing changed."""
    item_id, general = _notify(), _announce()
    told.clear()
    inbox.read("7", [general, item_id], origin="c1")
    inbox.read("7", [general, item_id], origin="c1")
    assert told == [Event(Op.READ, "7", (item_id, general), origin="c1")]


@pytest.mark.django_db(transaction=True)
def test_a_read_that_is_rolled_back_is_not_told(told: list[Event]) -> None:
    """The transaction is the truth."""
    item_id = _notify()
    told.clear()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        inbox.read("7", [item_id])
        raise ZeroDivisionError
    assert told == []
    assert inbox.unread_counts(["7"]) == {"7": 1}


@pytest.mark.server
@pytest.mark.usefixtures("on_postgresql")
def test_tabs_that_read_the_same_at_once_all_get_their_answer() -> None:
    """Ten tabs, the ids in any order: nobody is locked out, each is answered, one read is stored."""
    ids = [_notify() for _ in range(20)] + [_announce() for _ in range(5)]
    together = threading.Barrier(10)

    def read(tab: int) -> Any:
        together.wait()
        try:
            return inbox.read("7", ids[tab:] + ids[:tab])
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        results = list(pool.map(read, range(10)))
    assert [result.ids for result in results] == [sorted(ids)] * 10
    assert Receipt.objects.count() == 5
    assert Notification.objects.filter(read_at=None).count() == 0
    assert inbox.unread_counts(["7"]) == {"7": 0}
    assert len(set(Notification.objects.values_list("read_at", flat=True))) == 1


def test_reading_costs_the_same_whatever_the_number() -> None:
    """Two hundred ids at once are six statements, as one is: begin, lock, mark, two for the count, commit."""
    ids = _bulk("7", 200)
    counts = []
    for some in (ids[:1], ids[1:]):
        with CaptureQueriesContext(connection) as queries:
            inbox.read("7", some)
        counts.append(len(queries))
    assert counts == [6, 6]
