"""Everything this app raises on purpose. Entry points turn these into frames, HTTP problems and RPC errors."""

from typing import Any


class NotificationsError(Exception):
    """Base of all: `code` is the wire name, `retryable` whether the same call may succeed later."""

    code = "error"
    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidContent(NotificationsError):
    """Some field of an item is wrong; `errors` lists each as `{"loc": [field], "msg": why}`."""

    code = "invalid_content"

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in errors))
        self.errors = errors


class InvalidJSON(NotificationsError):
    """The text is not JSON as this app accepts it (see `protocol.jsontext`)."""

    code = "invalid_json"


class InvalidFrame(NotificationsError):
    """Good JSON, but no frame of the protocol; `ref` is the frame's own reference if it carried a usable one."""

    code = "invalid_frame"

    def __init__(self, message: str, ref: str | int | float | None = None) -> None:
        super().__init__(message)
        self.ref = ref


class TooLarge(NotificationsError):
    """More bytes than the limit allows."""

    code = "too_large"


class NotFound(NotificationsError):
    """No such item, or none that the caller may know of: the two are never told apart."""

    code = "not_found"


class KeyReused(NotificationsError):
    """The idempotency key was used within 7 days for other content."""

    code = "key_reused"


class TokenRefused(NotificationsError):
    """The access token is missing, malformed, expired, wrongly signed, or of the wrong kind, audience or issuer."""

    code = "unauthorized"


class ServiceKeyRefused(NotificationsError):
    """The service key is missing, malformed, unknown, expired or revoked."""

    code = "unauthorized"


class Unavailable(NotificationsError):
    """The database cannot be asked now. Nothing was accepted; the same call may be repeated."""

    code = "unavailable"
    retryable = True
