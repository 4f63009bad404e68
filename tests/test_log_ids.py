"""`notifications.log_ids`: lines in the log can be told apart by request and connection."""

import logging
from typing import Any

import pytest

from notifications import log_ids
from notifications.log_ids import RequestIds, WithIds, connection_id, request_id


async def call(scope: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
    """The id that an application sees under `scope`, and what it sends."""
    seen: list[str] = []
    sent: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        seen.append(request_id.get())
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await RequestIds(application)(scope, None, send)
    return seen[0], sent


@pytest.mark.parametrize("given", [b"12345678", b"a-b_C" * 12, b"x" * 64])
async def test_an_id_of_the_proxy_is_kept(given: bytes) -> None:
    """And goes into the answer, beside the headers that it has."""
    seen, sent = await call({"type": "http", "headers": [(b"x-request-id", given)]})
    assert seen == given.decode()
    assert sent[0]["headers"] == [(b"a", b"b"), (b"x-request-id", given)]
    assert sent[1] == {"type": "http.response.body", "body": b""}


@pytest.mark.parametrize("given", [None, b"", b"1234567", b"x" * 65, b"a b c d e f", b"\xff" * 10, b"line\nbreak"])
async def test_anything_else_gets_a_new_one(given: bytes | None) -> None:
    """None, too short or long, and characters that ids have not."""
    scope: dict[str, Any] = {"type": "http", "headers": [] if given is None else [(b"x-request-id", given)]}
    first, second = (await call(scope))[0], (await call(scope))[0]
    assert len(first) == len(second) == 16
    assert first != second


async def test_a_sockets_messages_are_left_alone() -> None:
    """Its handshake has an id for the log; what it sends goes out as it is."""
    seen, sent = await call({"type": "websocket", "headers": []})
    assert len(seen) == 16
    assert sent[0]["headers"] == [(b"a", b"b")]


def test_records_have_both_ids() -> None:
    """Empty outside of requests and connections."""
    record = logging.LogRecord("x", logging.INFO, "", 0, "x", None, None)
    assert WithIds().filter(record)
    assert (vars(record)["request_id"], vars(record)["connection_id"]) == ("", "")
    tokens = request_id.set("r"), connection_id.set("c")
    try:
        WithIds().filter(record)
    finally:
        log_ids.request_id.reset(tokens[0])
        log_ids.connection_id.reset(tokens[1])
    assert (vars(record)["request_id"], vars(record)["connection_id"]) == ("r", "c")
