"""modernrpc's server as we set it up: what holds even where our own door does not stand in front of it."""

import json
import logging
from typing import Any

import pytest
from django.test import AsyncRequestFactory

from notifications.exceptions import ServiceKeyRefused, TokenRefused, TooLarge
from notifications.rpc import errors
from notifications.rpc.exchange import Caller, Exchange, caller, exchange
from notifications.rpc.server import make_server

SECRET = "swordfish"


def broken() -> None:
    """A procedure that nobody wrapped."""
    raise ValueError(SECRET)


async def ask(name: str, who: Caller | None) -> Any:
    """The error that a call meets, straight at the server."""
    server = make_server()
    server.register_procedure(broken, name="tests.broken")
    body = json.dumps({"jsonrpc": "2.0", "method": name, "id": 1})
    token = exchange.set(Exchange(caller=who))
    try:
        request = AsyncRequestFactory().post("/", body, content_type="application/json")
        response = await server.async_view(request)
    finally:
        exchange.reset(token)
    assert SECRET.encode() not in response.content
    return json.loads(response.content)["error"]


@pytest.mark.security("S13")
@pytest.mark.parametrize("name", ["tests.broken", "service.info"])
async def test_the_server_itself_lets_nobody_in_without_a_caller(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own authentication and each method's, should the door ever forget to refuse."""
    monkeypatch.setattr("notifications.rpc.server.Handler._over_the_rate", lambda self: None)
    assert (await ask(name, None))["code"] == -32001


async def test_a_procedure_that_nobody_wrapped_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Modernrpc would send the exception's text."""
    with caplog.at_level(logging.ERROR):
        assert await ask("tests.broken", Caller("billing", "x", ())) == {"code": -32603, "message": "Internal error"}
    assert "outside of its method" in caplog.text


def test_a_call_without_a_caller_is_a_mistake_of_ours() -> None:
    """Said loudly, and never taken for a service without a name."""
    token = exchange.set(Exchange())
    try:
        with pytest.raises(AssertionError):
            caller()
    finally:
        exchange.reset(token)


def test_each_of_our_exceptions_has_its_code() -> None:
    """Those that the door itself never meets as well; what is none of RPC's business is internal."""
    assert errors.of(ServiceKeyRefused("x")).code == -32001
    assert errors.of(TooLarge("over")).data == {"reason": "over"}
    assert errors.of(TokenRefused("x")).code == -32603
