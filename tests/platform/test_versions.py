"""What is installed is at or above the fixes of known advisories (security.md S19)."""

from importlib.metadata import version

import pytest
from packaging.version import Version

FLOORS = {
    "Django": "5.2.14",
    "daphne": "4.2.2",
    "autobahn": "26.10.1",
    "Twisted": "26.4",
    "channels": "3.0.3",
    "djangorestframework_simplejwt": "5.5.1",
    "PyJWT": "2.15",
    "redis": "4.5.4",
}


@pytest.mark.security("S19")
@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_version(name: str, floor: str) -> None:
    """Older ones have holes that are known to all."""
    assert Version(version(name)) >= Version(floor)
