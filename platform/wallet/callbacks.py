"""What the payment service tells us: signed messages, good only once, harmless when repeated.

The body is a JSON object `{"top_up": 42, "amount": "20.00", "outcome": "succeeded" | "failed"}`. Its signature, the
HMAC-SHA256 over the exact bytes of the body in hexadecimal, comes in the header `X-Signature`.
"""

import hashlib
import hmac
import json
from decimal import Decimal, InvalidOperation
from typing import Any

from django.conf import settings
from django.utils.crypto import constant_time_compare, salted_hmac

from wallet.models import TopUp
from wallet.settling import AlreadySettled, settle

OUTCOMES = {"succeeded": True, "failed": False}


class Refused(Exception):
    """The callback was not taken: `status` is the HTTP status to answer, `reason` the words."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def compose(top_up: TopUp, outcome: str) -> tuple[bytes, str]:
    """The body and the signature of a callback, as the payment service makes them."""
    body = json.dumps({"top_up": top_up.pk, "amount": str(top_up.amount), "outcome": outcome}).encode()
    return body, _signature(body)


def receive(body: bytes, signature: str) -> TopUp:
    """Take a callback: settle its top-up, or give it as it is if this very outcome was told before.

    Raises `Refused`: 403 for a bad signature, 400 for a bad body, 404 for an unknown top-up or another amount, 409
    where the top-up was settled otherwise.
    """
    if not constant_time_compare(signature, _signature(body)):
        raise Refused(403, "bad signature")
    top_up, outcome = _parse(body)
    try:
        return settle(top_up.pk, succeeded=OUTCOMES[outcome])
    except AlreadySettled as settled:
        # The payment service repeats a callback until it hears a yes, so the same news again is a yes.
        if settled.top_up.state == outcome:
            return settled.top_up
        raise Refused(409, f"already settled: {settled.top_up.state}") from None


def _parse(body: bytes) -> tuple[TopUp, str]:
    try:
        said: Any = json.loads(body)
        number, amount, outcome = said["top_up"], Decimal(said["amount"]), said["outcome"]
        if type(number) is not int or not amount.is_finite() or outcome not in OUTCOMES:
            raise ValueError
    except (ValueError, TypeError, KeyError, InvalidOperation, RecursionError):
        raise Refused(400, "not a callback") from None
    top_up = TopUp.objects.filter(pk=number).first() if 0 < number < 2**63 else None
    if top_up is None or top_up.amount != amount:
        raise Refused(404, "no such top-up")
    return top_up, outcome


def _signature(body: bytes) -> str:
    key: str = settings.WALLET_CALLBACK_KEY
    if not key:
        return salted_hmac("wallet.callbacks", body, algorithm="sha256").hexdigest()
    return hmac.new(key.encode(), body, hashlib.sha256).hexdigest()
