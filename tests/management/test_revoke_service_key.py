"""`manage.py revoke_service_key`."""

import pytest

from notifications import service_keys
from notifications.exceptions import ServiceKeyRefused
from tests.management.calling import refused, run, run_json

pytestmark = pytest.mark.django_db


def test_revoke_makes_a_key_worthless() -> None:
    """Only the one that was named; a second time changes nothing."""
    stored, key = service_keys.create("billing", ["notify"])
    _, other = service_keys.create("billing", ["notify"])
    first = run_json("revoke_service_key", stored.prefix)
    assert (first["name"], first["prefix"]) == ("billing", stored.prefix)
    with pytest.raises(ServiceKeyRefused):
        service_keys.verify(key)
    service_keys.verify(other)
    assert run_json("revoke_service_key", stored.prefix) == first
    assert run("revoke_service_key", stored.prefix)[0].startswith(f"{stored.prefix} of billing is revoked")


def test_revoke_of_an_unknown_key_fails() -> None:
    """A typing error is not taken for success."""
    assert "abc" in refused("revoke_service_key", "abc", status=1)
    assert "PREFIX" in refused("revoke_service_key", status=2)
