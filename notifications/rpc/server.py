"""django-modern-rpc's server and handler with what a door to strangers needs besides."""

import logging
from http import HTTPStatus
from typing import Any

from django.http import HttpRequest
from modernrpc import Protocol, RpcRequestContext, RpcServer
from modernrpc.exceptions import AuthenticationError, RPCException, RPCMethodNotFound
from modernrpc.jsonrpc.backends.json import PythonJsonSerializer
from modernrpc.jsonrpc.handler import JsonRpcHandler, JsonRpcRequest, JsonRpcResult

import notifications.rpc.methods  # noqa: F401  registers them
from notifications import key_usage, metrics
from notifications.rpc import rate
from notifications.rpc.envelope import UNKNOWN_ID, Call, Refused, parse
from notifications.rpc.errors import Code, RpcError
from notifications.rpc.exchange import caller, exchange
from notifications.rpc.registry import METHODS, Method

logger = logging.getLogger(__name__)


class Handler(JsonRpcHandler):
    """JSON-RPC 2.0 with our own envelope, which is strict and bounded.

    The calls of a batch are made one after the other: what one sender sends keeps its order, and one request never
    takes more than one thread and one database connection.
    """

    def __init__(self) -> None:
        # Not what the host project's MODERNRPC_* settings say of its own servers.
        self.serializer = PythonJsonSerializer(dump_kwargs={"ensure_ascii": False, "separators": (",", ":")})

    async def aprocess_request(self, request_body: str, context: RpcRequestContext) -> str | tuple[HTTPStatus, str]:
        """The answer's text; 204 without any where nothing but one-way calls came."""
        refusal = exchange.get().refusal
        try:
            parsed = parse(request_body)
        except RpcError as error:
            return self._text(self._failure(JsonRpcRequest("", request_id=UNKNOWN_ID), refusal or error))
        if not isinstance(parsed, list):
            single = await self._answer(parsed, context)
            return self._text(single) if single is not None else (HTTPStatus.NO_CONTENT, "")
        results = [result for call in parsed if (result := await self._answer(call, context)) is not None]
        return self._text(results) if results else (HTTPStatus.NO_CONTENT, "")

    async def _answer(self, call: Call, context: RpcRequestContext) -> JsonRpcResult | None:
        """The result of one call; None for a one-way call.

        A one-way call is not carried out: its caller could never learn whether what it asked for was accepted, and a
        method that only reads would read for nobody.
        """
        request = JsonRpcRequest("", request_id=UNKNOWN_ID) if isinstance(call, Refused) else call
        error = exchange.get().refusal or self._over_the_rate()
        if error is not None:
            result: JsonRpcResult = self._failure(request, error)
        elif isinstance(call, Refused):
            result = self._failure(request, call.error)
        elif call.is_notification:
            return None
        else:
            result = await self.aprocess_single_request(call, context)
        metrics.rpc_calls.labels(_known(request.method_name), str(getattr(result, "code", 0))).inc()
        return None if request.is_notification else result

    def _over_the_rate(self) -> RpcError | None:
        """Count the call for its key; the error if it is one too many."""
        prefix = caller().prefix
        key_usage.note(prefix, calls=1)
        seconds = rate.take(prefix)
        if not seconds:
            return None
        exchange.get().retry_after = seconds
        return RpcError(Code.RATE_LIMITED, {"retryable": True, "retry_after": seconds})

    def _failure(self, request: JsonRpcRequest, error: RPCException) -> JsonRpcResult:
        return self.build_error_result(request, error.code, error.message, error.data)

    def _text(self, result: Any) -> str:
        text: str = self.serializer.dumps(result)
        return text


def _known(name: str) -> str:
    # A label's values must be few, and a caller can make up any name.
    return name if name in METHODS else "unknown"


def _authenticated(_: HttpRequest) -> bool:
    return exchange.get().caller is not None


def _allowed(method: Method) -> Any:
    # Not async: modernrpc would take the coroutine for a yes.
    def allowed(_: HttpRequest) -> bool:
        who = exchange.get().caller
        return who is not None and (method.scope is None or method.scope.value in who.scopes)

    return allowed


def _explain(error: BaseException, _: RpcRequestContext) -> None:
    """Modernrpc's own errors in our words; what it raises for anything else would carry that error's text."""
    match error:
        case RpcError():
            return
        case RPCMethodNotFound():
            raise RpcError(Code.METHOD_NOT_FOUND)
        case AuthenticationError():
            raise RpcError(Code.UNAUTHENTICATED if exchange.get().caller is None else Code.MISSING_SCOPE)
        case _:
            logger.error("a call failed outside of its method", exc_info=error)
            raise RpcError(Code.INTERNAL_ERROR)


def _procedure(method: Method) -> Any:
    # By any name: modernrpc passes parameters on as they come, and their names must not meet ours.
    async def procedure(*args: Any, **kwargs: Any) -> Any:
        return await method(list(args), kwargs)

    return procedure


def make_server() -> RpcServer:
    """A server with every registered method, JSON-RPC only and without system procedures."""
    server = RpcServer(
        register_system_procedures=False,
        supported_protocol=Protocol.JSON_RPC,
        auth=_authenticated,
        error_handler=_explain,
    )
    server.handlers = [Handler()]
    for name, method in METHODS.items():
        server.register_procedure(_procedure(method), name=name, auth=_allowed(method))
    return server
