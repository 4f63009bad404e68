"""One HTTP request to `/rpc/`: who calls, and what the answer must say besides its body."""

from contextvars import ContextVar
from dataclasses import dataclass

from notifications.rpc.errors import RpcError


@dataclass(frozen=True, slots=True)
class Caller:
    """The calling service: its name (the `source` of what it sends), its key's prefix and scopes."""

    name: str
    prefix: str
    scopes: tuple[str, ...]


@dataclass(slots=True)
class Exchange:
    """The caller, or why there is none; `retry_after` seconds if some call went over the rate."""

    caller: Caller | None = None
    refusal: RpcError | None = None
    retry_after: int | None = None


# modernrpc hands its procedures no more than their parameters; the view and they run in one task.
exchange: ContextVar[Exchange] = ContextVar("notifications_rpc_exchange")


def caller() -> Caller:
    """Who makes the call under way; the server lets nobody without a key come so far."""
    found = exchange.get().caller
    if found is None:
        raise AssertionError("a call without a caller")
    return found
