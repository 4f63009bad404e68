"""What a caller is told when a call fails: the codes of JSON-RPC 2.0 section 5.1 and the app's own.

Nothing internal ever appears: messages are fixed, and `data` holds what this app says on purpose.
"""

from enum import IntEnum
from typing import Any

from modernrpc.exceptions import RPCException

from notifications.exceptions import (
    InvalidContent,
    KeyReused,
    NotFound,
    NotificationsError,
    ServiceKeyRefused,
    TooLarge,
    Unavailable,
)


class Code(IntEnum):
    """Error codes; their messages are in `MESSAGES`."""

    PARSE_ERROR = -32700
    INVALID_REQUEST = -32600
    METHOD_NOT_FOUND = -32601
    INVALID_PARAMS = -32602
    INTERNAL_ERROR = -32603
    UNAUTHENTICATED = -32001
    MISSING_SCOPE = -32003
    NOT_FOUND = -32004
    KEY_REUSED = -32009
    TOO_LARGE = -32013
    RATE_LIMITED = -32029
    UNAVAILABLE = -32050


MESSAGES = {
    Code.PARSE_ERROR: "Parse error",
    Code.INVALID_REQUEST: "Invalid Request",
    Code.METHOD_NOT_FOUND: "Method not found",
    Code.INVALID_PARAMS: "Invalid params",
    Code.INTERNAL_ERROR: "Internal error",
    Code.UNAUTHENTICATED: "No good service key",
    Code.MISSING_SCOPE: "The service key lacks the scope for this method",
    Code.NOT_FOUND: "Not found",
    Code.KEY_REUSED: "The idempotency key was used for other content",
    Code.TOO_LARGE: "Too large",
    Code.RATE_LIMITED: "Too many calls",
    Code.UNAVAILABLE: "Not available now; nothing was accepted, repeat the call",
}


class RpcError(RPCException):
    """An error as it is answered."""

    def __init__(self, code: Code, data: Any = None) -> None:
        super().__init__(int(code), MESSAGES[code], data)


def of(error: NotificationsError) -> RpcError:
    """The answer for something this app raised on purpose."""
    match error:
        case InvalidContent():
            return RpcError(Code.INVALID_PARAMS, error.errors)
        case NotFound():
            return RpcError(Code.NOT_FOUND)
        case KeyReused():
            return RpcError(Code.KEY_REUSED)
        case ServiceKeyRefused():
            return RpcError(Code.UNAUTHENTICATED)
        case TooLarge():
            return RpcError(Code.TOO_LARGE, {"reason": error.message})
        case Unavailable():
            return RpcError(Code.UNAVAILABLE, {"retryable": True})
        case _:
            return RpcError(Code.INTERNAL_ERROR)


def as_json(error: RPCException) -> dict[str, Any]:
    """The error object of JSON-RPC 2.0 section 5.1."""
    body = {"code": error.code, "message": error.message}
    return body if error.data is None else {**body, "data": error.data}
