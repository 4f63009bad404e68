"""What became of notifications, for those who sent them; tests/rpc/test_notifications.py has every state."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from notifications import lifecycle
from notifications.lifecycle import State
from notifications.publishing import notify


@pytest.mark.django_db
def test_any_number_is_one_query() -> None:
    """In the order asked, repeated ids too."""
    ids = [str(notify("7", "x", source="billing").id) for _ in range(5)]
    with CaptureQueriesContext(connection) as queries:
        found = lifecycle.states([*ids, ids[0], "nonsense"], source="billing")
    assert len(queries) == 1
    assert [one.state for one in found] == [State.ACCEPTED] * 6 + [State.UNKNOWN]
    assert [one.id for one in found] == [*ids, ids[0], "nonsense"]
