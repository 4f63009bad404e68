"""`manage.py create_service_key`."""

import pytest

from notifications import service_keys
from notifications.models import ServiceKey
from tests.management.calling import refused, run, run_json

pytestmark = pytest.mark.django_db


def test_create_prints_the_key_once() -> None:
    """The key works, has the scopes that were named, and is not what is stored."""
    made = run_json("create_service_key", "billing", "--scope", "notify", "inbox", "--scope", "announce")
    assert list(made) == ["name", "prefix", "key", "scopes"]
    stored = service_keys.verify(made["key"])
    assert (stored.name, stored.prefix, stored.scopes) == ("billing", made["prefix"], ["notify", "inbox", "announce"])
    assert made["key"].split(".")[1] not in str(ServiceKey.objects.values().get())


def test_create_for_a_shell() -> None:
    """Stdout holds the key alone, for a variable; the explanation goes to stderr."""
    key, remark = run("create_service_key", "billing", "--scope", "notify", "--expires-at", "2100-01-01T00:00:00Z")
    assert service_keys.verify(key).expires_at is not None
    assert "billing" in remark
    assert key not in remark


@pytest.mark.parametrize(
    ("args", "names"),
    [
        (["billing"], "--scope"),
        (["billing", "--scope", "everything"], "--scope"),
        (["--scope", "notify"], "NAME"),
        ([" ", "--scope", "notify"], "name"),
        (["n" * 101, "--scope", "notify"], "name"),
        (["billing", "--scope", "notify", "--expires-at", "2000-01-01T00:00:00Z"], "expires_at"),
    ],
)
def test_create_refuses_bad_input(args: list[str], names: str) -> None:
    """No key is made."""
    assert names in refused("create_service_key", *args, status=2)
    assert not ServiceKey.objects.exists()
