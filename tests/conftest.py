"""Fixtures for every test."""

import pytest
from django.contrib.auth.models import User


@pytest.fixture
def alice(db: None) -> User:
    """A user of the platform."""
    return User.objects.create_user("alice", password="demo-alice")


@pytest.fixture
def bob(db: None) -> User:
    """Another user."""
    return User.objects.create_user("bob", password="demo-bob")
