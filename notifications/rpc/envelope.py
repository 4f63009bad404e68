"""The envelope of JSON-RPC 2.0: from the body of a request to calls, each good or refused, before anything is run.

modernrpc reads envelopes itself, but raises on scalars, on batches that hold anything but objects and on deep nesting,
answers an empty batch with 204, and takes NaN and duplicate keys for JSON.
"""

from typing import Any, TypeAlias

from modernrpc.jsonrpc.handler import JsonRpcRequest

from notifications.conf import conf
from notifications.exceptions import InvalidJSON, TooLarge
from notifications.protocol import jsontext
from notifications.rpc.errors import Code, RpcError, of

# An id that nobody could find out: JSON-RPC 2.0 section 5 answers with null.
UNKNOWN_ID = None


class Refused:
    """Something that is no call, with the error that says so."""

    __slots__ = ("error",)

    def __init__(self, error: RpcError) -> None:
        self.error = error


Call: TypeAlias = JsonRpcRequest | Refused


def parse(text: str) -> Call | list[Call]:
    """The one call in `text`, or those of a batch, in order.

    Raises `RpcError` for what has no calls at all: no JSON (-32700), an empty batch (-32600), too large (-32013).
    """
    try:
        value = jsontext.loads(text, conf().rpc_max_bytes)
    except InvalidJSON as error:
        raise RpcError(Code.PARSE_ERROR, {"reason": error.message}) from None
    except TooLarge as error:
        raise of(error) from None
    if not isinstance(value, list):
        return _call(value)
    if not value:
        raise _invalid("an empty batch")
    most = conf().rpc_max_batch
    if len(value) > most:
        raise RpcError(Code.TOO_LARGE, {"reason": f"over {most} calls in a batch"})
    return [_call(entry) for entry in value]


def _call(value: Any) -> Call:
    if not isinstance(value, dict):
        return Refused(_invalid("not an object"))
    if value.get("jsonrpc") != "2.0":
        return Refused(_invalid('"jsonrpc" must be "2.0"'))
    method, params = value.get("method"), value.get("params", [])
    if not isinstance(method, str):
        return Refused(_invalid('"method" must be a string'))
    if not isinstance(params, dict | list):
        return Refused(_invalid('"params" must be an object or an array'))
    call_id = value.get("id")
    # Python's True is a number, JSON's is not.
    if not isinstance(call_id, str | int | float | None) or isinstance(call_id, bool):
        return Refused(_invalid('"id" must be a string, a number or null'))
    call = JsonRpcRequest(
        method_name=method,
        args=params if isinstance(params, list) else [],
        kwargs=params if isinstance(params, dict) else {},
    )
    if "id" in value:
        call.request_id = call_id
    return call


def _invalid(reason: str) -> RpcError:
    return RpcError(Code.INVALID_REQUEST, {"reason": reason})
