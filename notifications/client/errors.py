"""What a call can fail with. `retryable` says whether the same call, with the same key, may succeed later."""

from typing import Any


class ClientError(Exception):
    """Base of all that a call raises."""

    retryable = False


class ServiceAway(ClientError):
    """No answer: refused, cut, timed out, or a proxy that reached nobody. Whether the call was carried out is unknown.

    The client has repeated it as often as it was told to; repeating it with the same idempotency key stays safe.
    """

    retryable = True


class BadAnswer(ClientError):
    """Something answered, but not in JSON-RPC: most likely the address is not the service's."""


class CallFailed(ClientError):
    """The service answered with an error: its `code`, `message` and `data`."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(f"{message} ({code})" if data is None else f"{message} ({code}): {data}")
        self.code = code
        self.message = message
        self.data = data
        if isinstance(data, dict) and isinstance(data.get("retryable"), bool):
            self.retryable = data["retryable"]


class InvalidRequest(CallFailed):
    """The request was no JSON-RPC (-32700, -32600)."""


class MethodNotFound(CallFailed):
    """There is no such method: the service is of another version (-32601)."""


class InvalidParams(CallFailed):
    """Some parameters are wrong (-32602); `errors` lists each as `{"loc": [...], "msg": why}`."""

    @property
    def errors(self) -> list[dict[str, Any]]:
        """What is wrong with which parameter."""
        return self.data if isinstance(self.data, list) else []


class InternalError(CallFailed):
    """The service failed (-32603)."""


class Unauthenticated(CallFailed):
    """The service key is unknown, revoked or expired (-32001)."""


class MissingScope(CallFailed):
    """The service key may not call this method (-32003)."""


class NotFound(CallFailed):
    """No such item, or none of this service's (-32004)."""


class KeyReused(CallFailed):
    """The idempotency key was used for other content within 7 days (-32009)."""


class TooLarge(CallFailed):
    """The request is too large, or the batch has too many calls (-32013)."""


class RateLimited(CallFailed):
    """Too many calls (-32029); the next may be made in `retry_after` seconds."""

    retryable = True

    @property
    def retry_after(self) -> float:
        """Seconds until the next call may be made."""
        value = self.data.get("retry_after", 0) if isinstance(self.data, dict) else 0
        return float(value) if isinstance(value, int | float) else 0.0


class Unavailable(CallFailed):
    """The service cannot do it now, and nothing was accepted (-32050)."""

    retryable = True


_BY_CODE: dict[int, type[CallFailed]] = {
    -32700: InvalidRequest,
    -32600: InvalidRequest,
    -32601: MethodNotFound,
    -32602: InvalidParams,
    -32603: InternalError,
    -32001: Unauthenticated,
    -32003: MissingScope,
    -32004: NotFound,
    -32009: KeyReused,
    -32013: TooLarge,
    -32029: RateLimited,
    -32050: Unavailable,
}


def failed(error: Any) -> ClientError:
    """The exception for the error object of an answer."""
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        return BadAnswer(f"an error without a code: {str(error)[:200]}")
    kind = _BY_CODE.get(error["code"], CallFailed)
    return kind(error["code"], str(error.get("message", "")), error.get("data"))
