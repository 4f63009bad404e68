"""`manage.py disconnect`. That the wish closes sockets is shown with the hub and the tail."""

import pytest

from notifications.models import Disconnection
from tests.management.calling import refused, run, run_json

pytestmark = pytest.mark.django_db


def test_disconnect_stores_the_wish() -> None:
    """Nodes that no message reaches find it in the database."""
    assert run_json("disconnect", "7") == {"uid": "7"}
    assert [wish.uid for wish in Disconnection.objects.all()] == ["7"]
    assert "7" in run("disconnect", "7")[0]


@pytest.mark.parametrize("args", [[], [""], ["x" * 256], ["a", "b"]])
def test_disconnect_takes_one_uid(args: list[str]) -> None:
    """Neither none nor two."""
    assert refused("disconnect", *args, status=2)
    assert not Disconnection.objects.exists()
