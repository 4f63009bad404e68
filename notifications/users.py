"""The platform's user table, as far as this app looks at it: who may hold a socket, and who joined when."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Field, QuerySet
from rest_framework_simplejwt.settings import api_settings

from notifications.conf import conf


def active(uids: Iterable[str]) -> set[str]:
    """Those of `uids` that may hold sockets: known and active users; every uid where there is no user table."""
    asked = set(uids)
    if conf().standalone:
        return asked
    found, field = _find(asked)
    if _has("is_active"):
        found = found.filter(is_active=True)
    # "007" finds user 7, but is another uid with another group and inbox: only the canonical spelling is good.
    return {str(value) for value in found.values_list(field.name, flat=True)} & asked


def joined(uids: Iterable[str]) -> dict[str, datetime]:
    """When each uid's user joined the platform, as far as the user table says."""
    if conf().standalone or not _has("date_joined"):
        return {}
    found, field = _find(set(uids))
    return {str(value): at for value, at in found.values_list(field.name, "date_joined")}


def _find(uids: set[str]) -> tuple[QuerySet[Any], "Field[Any, Any]"]:
    users = get_user_model()
    field: Field[Any, Any] = users._meta.get_field(api_settings.USER_ID_FIELD)  # type: ignore[assignment]
    values = []
    for uid in uids:
        try:
            values.append(field.to_python(uid))
        except (ValidationError, ValueError, TypeError, OverflowError):
            continue
    return users._default_manager.filter(**{f"{field.name}__in": values}), field


def _has(name: str) -> bool:
    try:
        get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
