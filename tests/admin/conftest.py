"""Staff of each kind, signed in, and what every page of the admin must be like."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from notifications import clock
from notifications.announcing import announce
from notifications.models import Announcement

INLINE = re.compile(
    r'<style|\sstyle=|\son[a-z]+=|(?:href|src|action)="javascript:|<script(?![^>]*\s(?:src=|type="application/json"))',
    re.IGNORECASE,
)


class StaffClient(Client):
    """A browser of somebody on staff. Every page it gets must hold under the strict policy."""

    user: User

    def request(self, **request: Any) -> Any:
        """Look at each page on the way."""
        response = super().request(**request)
        if response.get("Content-Type", "").startswith("text/html") and not response.streaming:
            policy = response.headers["Content-Security-Policy"]
            assert "script-src 'self';" in f"{policy};"
            assert "unsafe" not in policy
            assert not (found := INLINE.search(response.content.decode())), found
        return response


Staff = Callable[..., StaffClient]


@pytest.fixture
def staff(db: None) -> Staff:
    """Makes a signed-in member of staff with these permissions of the app, by codename."""

    def make(*codenames: str, name: str = "") -> StaffClient:
        user = User.objects.create_user(name or f"staff{User.objects.count()}", is_staff=True)
        permissions = Permission.objects.filter(content_type__app_label="notifications", codename__in=codenames)
        assert len(permissions) == len(set(codenames))
        user.user_permissions.add(*permissions)
        client = StaffClient()
        client.force_login(user)
        client.user = user
        return client

    return make


@pytest.fixture
def composer(staff: Staff) -> StaffClient:
    """Composes, and neither publishes nor withdraws."""
    return staff("add_announcement", "change_announcement", "delete_announcement", name="composer")


@pytest.fixture
def publisher(staff: Staff) -> StaffClient:
    """Publishes what others compose."""
    return staff("view_announcement", "publish_announcement", name="publisher")


@pytest.fixture
def chief(staff: Staff) -> StaffClient:
    """May do everything with announcements."""
    verbs = ("add", "change", "delete", "view", "publish", "withdraw")
    return staff(*(f"{verb}_announcement" for verb in verbs), name="chief")


def draft(title: str = "Holiday opening", **values: Any) -> Announcement:
    """A stored draft."""
    ends = values.pop("ends_at", clock.now() + timedelta(days=2))
    return Announcement.objects.get(pk=announce(title, publish=False, ends_at=ends, **values).id)


def live(title: str = "Holiday opening", **values: Any) -> Announcement:
    """A published announcement."""
    ends = values.pop("ends_at", clock.now() + timedelta(days=2))
    return Announcement.objects.get(pk=announce(title, ends_at=ends, **values).id)


def words(response: Any) -> str:
    """The text of a page, without its tags and runs of space."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.content.decode()))
