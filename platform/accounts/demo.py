"""The demo accounts of `make run`. Nothing else ever makes them."""

from django.contrib.auth.models import Permission, User
from django.db import transaction

USERS = ("alice", "bob", "carol")
STAFF = "staff"
ADMIN = "admin"

STAFF_PERMISSIONS = {
    "notifications": (
        "view_notification",
        "retract_notification",
        "view_announcement",
        "add_announcement",
        "change_announcement",
        "delete_announcement",
        "publish_announcement",
        "withdraw_announcement",
    ),
    "moderation": ("view_submission", "change_submission"),
    "wallet": ("view_topup", "change_topup"),
}


def password_of(name: str) -> str:
    """What is printed beside the name."""
    return f"demo-{name}"


@transaction.atomic
def create_accounts() -> bool:
    """Make the demo accounts in a platform that has no user yet; gives whether it did."""
    if User.objects.exists():
        return False
    for name in USERS:
        User.objects.create_user(name, password=password_of(name))
    staff = User.objects.create_user(STAFF, password=password_of(STAFF), is_staff=True)
    User.objects.create_superuser(ADMIN, password=password_of(ADMIN))
    for app, codenames in STAFF_PERMISSIONS.items():
        permissions = Permission.objects.filter(content_type__app_label=app, codename__in=codenames)
        staff.user_permissions.add(*permissions)
    return True


def accounts_exist() -> bool:
    """Whether the logins to print are good ones."""
    return User.objects.filter(username__in=(*USERS, STAFF, ADMIN)).count() == len(USERS) + 2
