"""Calls that may be repeated safely: the same key and content within 7 days gives the first result again."""

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction

from notifications import clock
from notifications.conf import conf
from notifications.exceptions import InvalidContent, KeyReused
from notifications.models import IdempotencyKey
from notifications.protocol import jsontext

KEY_MAX = 200


def once(source: str, key: str | None, content: Any, act: Callable[[], Any]) -> tuple[Any, bool]:
    """Run `act` in a transaction unless `source` already did so under `key`.

    Gives the result (JSON) and whether it is the first one's, repeated. Without a key `act` always runs.

    `content` is what the call says: the same key with other content raises `KeyReused`. Of many calls at once one acts;
    the others wait for its commit at the unique index, then find its row.
    """
    if key is None:
        with transaction.atomic():
            return act(), False
    if not isinstance(key, str) or not 1 <= len(key) <= KEY_MAX or not jsontext.safe(key):
        raise InvalidContent([{"loc": ["idempotency_key"], "msg": f"must be a string of 1 to {KEY_MAX} characters"}])
    digest = hashlib.sha256(jsontext.dumps(_sorted(content)).encode()).hexdigest()
    with transaction.atomic():
        row = _fresh(source, key)
        if row is None:
            try:
                with transaction.atomic():
                    claim = IdempotencyKey.objects.create(source=source, key=key, digest=digest, result=None)
            except IntegrityError:
                row = IdempotencyKey.objects.get(source=source, key=key)
            else:
                claim.result = act()
                claim.save(update_fields=["result"])
                return claim.result, False
        if row.digest != digest:
            raise KeyReused("this idempotency key was used for other content")
        return row.result, True


def forget_expired() -> int:
    """Delete keys past their 7 days; gives how many."""
    horizon = clock.now() - timedelta(days=conf().idempotency_days)
    return IdempotencyKey.objects.filter(created_at__lt=horizon).delete()[0]


def _fresh(source: str, key: str) -> IdempotencyKey | None:
    row = IdempotencyKey.objects.filter(source=source, key=key).first()
    if row is not None and row.created_at < clock.now() - timedelta(days=conf().idempotency_days):
        row.delete()
        return None
    return row


def _sorted(value: Any) -> Any:
    """The value with its objects' keys in order: content is the same however the caller ordered it."""
    if isinstance(value, dict):
        # By their text: Python's keys may be numbers too, which JSON turns into strings.
        return {key: _sorted(value[key]) for key in sorted(value, key=str)}
    if isinstance(value, list | tuple):
        return [_sorted(inner) for inner in value]
    return value
