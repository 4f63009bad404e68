"""`notifications.admin.notifications`: found by what people know of it, read-only, taken back by whom it may."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import clock
from notifications.admin import notifications as module
from notifications.models import Notification
from notifications.publishing import notify, retract
from tests.admin.conftest import Staff, StaffClient, words

LIST = "/admin/notifications/notification/"


@pytest.fixture
def reader(staff: Staff) -> StaffClient:
    """May look."""
    return staff("view_notification", name="reader")


@pytest.fixture
def retractor(staff: Staff) -> StaffClient:
    """May look and take back."""
    return staff("view_notification", "retract_notification", name="retractor")


def sent(uid: str = "7", title: str = "Paid", **values: Any) -> Notification:
    """A stored notification."""
    return Notification.objects.get(pk=notify(uid, title, **values).id)


def found(client: StaffClient, **query: str) -> set[str]:
    """The titles that the list shows."""
    response = client.get(LIST, query)
    assert response.status_code == 200
    return {row.title for row in response.context["cl"].result_list}


def test_search_is_exact(reader: StaffClient) -> None:
    """By uid, reference or id, whole and exact; a reference may hold spaces, and nonsense finds nothing."""
    first = sent("7", "A", ref="order 42")
    sent("77", "B", ref="7")
    sent("8", "C")
    assert found(reader, q="7") == {"A", "B"}
    assert found(reader, q=" 77 ") == {"B"}
    assert found(reader, q="order 42") == {"A"}
    assert found(reader, q="order") == set()
    assert found(reader, q=str(first.pk)) == {"A"}
    assert found(reader) == {"A", "B", "C"}


def test_search_uses_the_indexes(reader: StaffClient) -> None:
    """Uid and reference are each looked up in their index; the table is not scanned."""
    with CaptureQueriesContext(
        connection,
    ) as queries:
        reader.get(LIST, {"q": "7"})
    statements = [q["sql"] for q in queries if '"notifications_notification"."ref" = ' in q["sql"]]
    assert statements
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            plan = " ".join(str(row[3]) for row in cursor.fetchall())
            assert "SCAN notifications_notification" not in plan, plan
            assert "notif_ref" in plan


def test_no_full_count(reader: StaffClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, no more are counted than anybody pages through."""
    monkeypatch.setattr(module, "COUNTED_MAX", 3)
    for number in range(5):
        sent(title=f"Number {number}")
    with CaptureQueriesContext(connection) as queries:
        response = reader.get(LIST)
    assert response.context["cl"].paginator.count == 3
    counts = [q["sql"] for q in queries if "COUNT(" in q["sql"] and "notifications_notification" in q["sql"]]
    assert counts
    assert all("LIMIT 3" in statement for statement in counts)


def test_filters_never_list_what_exists(reader: StaffClient) -> None:
    """Kind and source are typed: finding the values that exist would read the whole table."""
    with CaptureQueriesContext(connection) as queries:
        reader.get(LIST)
    assert not any("DISTINCT" in q["sql"] for q in queries)


def test_filter_by_kind_and_source(reader: StaffClient) -> None:
    """Exactly that kind or source; both at once keep each other, the search and the state."""
    sent(title="A", kind="recharge.succeeded", source="wallet")
    sent(title="B", kind="recharge.succeeded", source="shop")
    sent(title="C", kind="recharge", source="wallet")
    assert found(reader, kind="recharge.succeeded") == {"A", "B"}
    assert found(reader, source=" wallet ") == {"A", "C"}
    assert found(reader, kind="recharge.succeeded", source="wallet") == {"A"}
    assert found(reader, kind="") == {"A", "B", "C"}
    page = reader.get(LIST, {"kind": "recharge", "source": "wallet", "q": "7", "state": "accepted"}).content.decode()
    for kept in ('name="q" value="7"', 'name="state" value="accepted"', 'name="source" value="wallet"'):
        assert f'<input type="hidden" {kept}>' in page
    assert 'name="kind" value="recharge"' in page
    assert "Clear" in page


def of_each_state() -> dict[str, Notification]:
    """One notification in each state, some of them in more than one way."""
    now = clock.now()
    rows = {state: sent(title=state) for state in module.STATES}
    retract(rows["retracted"].pk)
    changes: dict[str, dict[str, Any]] = {
        "delivered": {"delivered_at": now},
        "read": {"delivered_at": now, "read_at": now, "expires_at": now - timedelta(hours=1)},
        "confirmed": {"read_at": now, "confirmed_at": now},
        "expired": {"delivered_at": now, "expires_at": now - timedelta(hours=1)},
        "retracted": {"read_at": now},
    }
    for state, values in changes.items():
        Notification.objects.filter(pk=rows[state].pk).update(**values)
    return rows


def test_state_filter_and_chips(reader: StaffClient) -> None:
    """Each state's filter leaves those whose chip says so."""
    of_each_state()
    page = reader.get(LIST).content.decode()
    for state in module.STATES:
        assert found(reader, state=state) == {state}
        assert page.count(f'<span class="chip chip-{state}">{state}</span>') == 1


def test_time_filter(reader: StaffClient) -> None:
    """The past hour, day and so on, by the time in the id."""
    sent(title="now")
    old = clock.now() - timedelta(days=3)
    Notification.objects.create(id=clock.new_id(old), uid="7", title="old", created_at=old)
    assert found(reader, made="1h") == {"now"}
    assert found(reader, made="7d") == {"now", "old"}
    assert found(reader, made="nonsense") == {"now", "old"}


def test_detail_is_read_only(retractor: StaffClient) -> None:
    """All that is known is shown as text, nothing can be changed, added or deleted."""
    row = sent(title="<i>x</i>", body="line\nline", data={"a": [1]}, ref="order-42", source="wallet")
    page = retractor.get(f"{LIST}{row.pk}/change/")
    content = page.content.decode()
    assert "&lt;i&gt;x&lt;/i&gt;" in content
    assert "line<br>line" in content
    assert all(
        text in words(page) for text in ("order-42", "wallet", "Created:", "Delivered:", "Retract…", str(row.pk))
    )
    assert 'name="_save"' not in content
    for path in ("add/", f"{row.pk}/delete/"):
        assert retractor.post(LIST + path, {"post": "yes", "title": "x"}).status_code == 403
    assert retractor.post(f"{LIST}{row.pk}/change/", {"title": "x"}).status_code == 403
    assert Notification.objects.get().title == "<i>x</i>"


def test_without_permission(staff: Staff, reader: StaffClient) -> None:
    """Looking needs the permission to look, taking back the one to take back."""
    row = sent()
    nobody = staff("view_announcement")
    for path in ("", f"{row.pk}/change/", f"{row.pk}/retract/"):
        assert nobody.get(LIST + path).status_code == 403
    assert reader.post(f"{LIST}{row.pk}/retract/").status_code == 403
    assert "Retract…" not in words(reader.get(f"{LIST}{row.pk}/change/"))
    reader.post(LIST, {"action": "retract_selected", "_selected_action": str(row.pk), "retract": "1"})
    assert Notification.objects.get().retracted_at is None


def test_retract_one(retractor: StaffClient, django_capture_on_commit_callbacks: Callable[..., Any]) -> None:
    """Asked once more, then taken back and logged; a second click changes nothing."""
    row = sent()
    address = f"{LIST}{row.pk}/retract/"
    assert "vanishes from the user" in words(retractor.get(address))
    assert Notification.objects.get().retracted_at is None
    assert "Retracted 1 notification." in words(retractor.post(address, follow=True))
    first = Notification.objects.get().retracted_at
    assert first is not None
    assert "stays so" in words(retractor.post(address, follow=True))
    assert Notification.objects.get().retracted_at == first
    assert [entry.get_change_message() for entry in LogEntry.objects.all()] == ["Retracted."]


def test_retract_several(retractor: StaffClient) -> None:
    """The action shows what was chosen first; posted from there it takes back those and no others."""
    rows = [sent(title=f"Number {number}") for number in range(3)]
    chosen = [str(row.pk) for row in rows[:2]]
    page = retractor.post(LIST, {"action": "retract_selected", "_selected_action": chosen})
    assert page.content.decode().count('name="_selected_action"') == 2
    assert not Notification.objects.filter(retracted_at__isnull=False).exists()
    fields = {**page.context["hidden"], "_selected_action": chosen}
    assert "Retracted 2 notifications." in words(retractor.post(LIST, fields, follow=True))
    assert {row.title for row in Notification.objects.filter(retracted_at__isnull=False)} == {"Number 0", "Number 1"}
    assert LogEntry.objects.count() == 2


def test_all_that_match_are_never_retracted(retractor: StaffClient) -> None:
    """Choosing all that match takes back no more than was on the page."""
    rows = [sent(title=f"Number {number}") for number in range(3)]
    retractor.post(
        LIST,
        {"action": "retract_selected", "_selected_action": str(rows[0].pk), "select_across": "1", "retract": "1"},
    )
    assert Notification.objects.filter(retracted_at__isnull=False).count() == 1
