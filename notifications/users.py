"""The platform's user table, as far as this app looks at it: who may hold a socket, and who joined when."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib.auth import get_user_model
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db import connection
from django.db.models import CharField, Field, QuerySet, UUIDField, Value
from django.db.models.expressions import Combinable
from django.db.models.functions import Cast, Concat, Substr
from rest_framework_simplejwt import settings as simplejwt

from notifications.conf import conf
from notifications.protocol.items import UID_MAX


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


def uid_of(user: Any) -> str:
    """The uid of a row of the user table: what its tokens carry."""
    return str(getattr(user, simplejwt.api_settings.USER_ID_FIELD))


def names(uids: Iterable[str]) -> dict[str, str]:
    """What the users of these uids sign in with, as far as there are such users."""
    found, field = _find(set(uids))
    return {str(getattr(user, field.name)): user.get_username() for user in found}


def everyone(joined_by: datetime | None = None) -> QuerySet[Any] | None:
    """The active users (who had joined by then), each with its uid as `as_uid`; None where there is no user table."""
    if conf().standalone:
        return None
    users = get_user_model()
    found = users._default_manager.annotate(as_uid=spelled(users._meta.get_field(simplejwt.api_settings.USER_ID_FIELD)))
    if _has("is_active"):
        found = found.filter(is_active=True)
    if joined_by is not None and _has("date_joined"):
        found = found.filter(date_joined__lte=joined_by)
    return found


def nobody() -> QuerySet[Any]:
    """No users, in the form of `everyone`."""
    users = get_user_model()
    field = users._meta.get_field(simplejwt.api_settings.USER_ID_FIELD)
    return users._default_manager.none().annotate(as_uid=spelled(field))


def spelled(field: Any) -> Combinable:
    """An SQL expression for `str()` of this column, as uids are spelled."""
    text = Cast(field.name, CharField(max_length=UID_MAX))
    if not isinstance(field, UUIDField) or connection.features.has_native_uuid_field:
        return text
    # Stored as 32 hexadecimal digits (SQLite, MySQL).
    parts = [Substr(text, start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
    hyphens = [part for pair in zip(parts, [Value("-")] * 5, strict=True) for part in pair][:-1]
    return Concat(*hyphens, output_field=CharField(max_length=UID_MAX))


def _find(uids: set[str]) -> tuple[QuerySet[Any], "Field[Any, Any]"]:
    users = get_user_model()
    field: Field[Any, Any] = users._meta.get_field(simplejwt.api_settings.USER_ID_FIELD)  # type: ignore[assignment]
    values = []
    for uid in uids:
        try:
            value = field.to_python(uid)
            if isinstance(value, int):
                # One that no column holds makes SQLite fail the query, for all who share it.
                field.run_validators(value)
        except (ValidationError, ValueError, TypeError, OverflowError):
            continue
        values.append(value)
    return users._default_manager.filter(**{f"{field.name}__in": values}), field


def _has(name: str) -> bool:
    try:
        get_user_model()._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True
