"""The envelope: every example of the JSON-RPC 2.0 specification, and what is not JSON-RPC."""

import json
from typing import Any

import pytest
from django.test import override_settings

from tests.rpc.caller import Caller

# Section 7 of the specification, with methods of ours in the place of its own. `None`: no answer at all.
EXAMPLES: list[tuple[str, str, Any]] = [
    (
        "call with positional parameters",
        '{"jsonrpc": "2.0", "method": "inbox.unread_count", "params": [["42", "23"]], "id": 1}',
        {"jsonrpc": "2.0", "result": {"42": 0, "23": 0}, "id": 1},
    ),
    (
        "call with named parameters",
        '{"jsonrpc": "2.0", "method": "inbox.unread_count", "params": {"uids": ["42"]}, "id": 3}',
        {"jsonrpc": "2.0", "result": {"42": 0}, "id": 3},
    ),
    ("one-way call", '{"jsonrpc": "2.0", "method": "inbox.unread_count", "params": [["1", "2"]]}', None),
    ("one-way call of no method", '{"jsonrpc": "2.0", "method": "foobar"}', None),
    (
        "call of a method that does not exist",
        '{"jsonrpc": "2.0", "method": "foobar", "id": "1"}',
        {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "1"},
    ),
    (
        "invalid JSON",
        '{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
        {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": None},
    ),
    (
        "invalid request",
        '{"jsonrpc": "2.0", "method": 1, "params": "bar"}',
        {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": None},
    ),
    (
        "batch of invalid JSON",
        '[{"jsonrpc": "2.0", "method": "sum", "params": [1,2,4], "id": "1"},{"jsonrpc": "2.0", "method"]',
        {"jsonrpc": "2.0", "error": {"code": -32700, "message": "Parse error"}, "id": None},
    ),
    (
        "empty array",
        "[]",
        {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": None},
    ),
    (
        "batch that is invalid but not empty",
        "[1]",
        [{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": None}],
    ),
    (
        "invalid batch",
        "[1,2,3]",
        [{"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": None}] * 3,
    ),
    (
        "batch",
        """[
            {"jsonrpc": "2.0", "method": "inbox.unread_count", "params": [["1"]], "id": "1"},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]},
            {"jsonrpc": "2.0", "method": "inbox.unread_count", "params": [["42"]], "id": "2"},
            {"foo": "boo"},
            {"jsonrpc": "2.0", "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {"jsonrpc": "2.0", "method": "inbox.unread_count", "params": {"uids": ["9"]}, "id": "9"}
        ]""",
        [
            {"jsonrpc": "2.0", "result": {"1": 0}, "id": "1"},
            {"jsonrpc": "2.0", "result": {"42": 0}, "id": "2"},
            {"jsonrpc": "2.0", "error": {"code": -32600, "message": "Invalid Request"}, "id": None},
            {"jsonrpc": "2.0", "error": {"code": -32601, "message": "Method not found"}, "id": "5"},
            {"jsonrpc": "2.0", "result": {"9": 0}, "id": "9"},
        ],
    ),
    (
        "batch of one-way calls",
        """[{"jsonrpc": "2.0", "method": "notify_sum", "params": [1,2,4]},
            {"jsonrpc": "2.0", "method": "notify_hello", "params": [7]}]""",
        None,
    ),
]


def without_reasons(answer: Any) -> Any:
    """The answer as the specification's examples have it: they say nothing of `data`."""
    if isinstance(answer, list):
        return [without_reasons(entry) for entry in answer]
    if "error" in answer:
        return answer | {"error": {k: v for k, v in answer["error"].items() if k != "data"}}
    return answer


@pytest.mark.parametrize(("body", "expected"), [e[1:] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
async def test_every_example_of_the_specification_is_answered_as_it_says(
    billing: Caller, body: str, expected: Any
) -> None:
    """JSON-RPC 2.0 section 7."""
    response = await billing.post(body)
    if expected is None:
        assert (response.status_code, response.content) == (204, b"")
    else:
        assert response.status_code == 200
        assert without_reasons(json.loads(response.content)) == expected


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b" ", -32700),
        (b"nonsense", -32700),
        (b'"text"', -32600),
        (b"7", -32600),
        (b"null", -32600),
        (b"true", -32600),
        (b'{"jsonrpc":"2.0","method":"service.info","id":1,"params":{"x":NaN}}', -32700),
        (b'{"jsonrpc":"2.0","method":"service.info","id":1,"params":{"x":1e999}}', -32700),
        (b'{"jsonrpc":"2.0","method":"service.info","id":1,"id":2}', -32700),
        (b'{"jsonrpc":"2.0","method":"\xff","id":1}', -32700),
        (b"\xff\xfe{\x00}\x00", -32700),
        (b'{"jsonrpc":"2.0","method":"\\ud800","id":1}', -32700),
        (b'{"jsonrpc":"2.0","method":"a\\u0000","id":1}', -32700),
        (b"[" * 5_000 + b"]" * 5_000, -32700),
        (b'{"a":' * 5_000 + b"1" + b"}" * 5_000, -32700),
        (b'{"jsonrpc":"2.0","method":"service.info","id":123456789012345678901234567890}', -32700),
        (b'{"jsonrpc":"1.0","method":"service.info","id":1}', -32600),
        (b'{"method":"service.info","id":1}', -32600),
        (b'{"jsonrpc":"2.0","id":1}', -32600),
        (b'{"jsonrpc":"2.0","method":null,"id":1}', -32600),
        (b'{"jsonrpc":"2.0","method":"service.info","id":{}}', -32600),
        (b'{"jsonrpc":"2.0","method":"service.info","id":true}', -32600),
        (b'{"jsonrpc":"2.0","method":"service.info","params":null,"id":1}', -32600),
        (b'{"jsonrpc":"2.0","method":"service.info","params":"x","id":1}', -32600),
    ],
)
async def test_what_is_no_json_rpc_is_refused_with_id_null(billing: Caller, body: bytes, code: int) -> None:
    """Whatever arrives is answered in JSON-RPC, never with a server error."""
    answer = await billing.answer(body)
    assert (answer["error"]["code"], answer["id"]) == (code, None)
    assert answer["error"]["data"]["reason"]


@pytest.mark.parametrize("call_id", ["", "x", 0, -7, 1.5, None])
async def test_the_id_comes_back_as_it_was_given(billing: Caller, call_id: Any) -> None:
    """Null is an id too: its call is no one-way call."""
    answer = await billing.answer({"jsonrpc": "2.0", "method": "service.info", "id": call_id})
    assert answer["id"] == call_id
    assert answer["result"]["name"] == "billing"


@pytest.mark.security("S13")
async def test_names_that_the_standard_reserves_are_no_methods(billing: Caller) -> None:
    """`rpc.*` and modernrpc's own `system.*`."""
    for name in ("rpc.discover", "system.listMethods", "system.multicall", "__class__"):
        answer = await billing.answer({"jsonrpc": "2.0", "method": name, "id": 1})
        assert answer["error"] == {"code": -32601, "message": "Method not found"}


def padded(size: int) -> bytes:
    """A good call of so many bytes."""
    body = b'{"jsonrpc":"2.0","method":"service.info","id":1}'
    return body + b" " * (size - len(body))


@pytest.mark.security("S13")
@pytest.mark.parametrize(("size", "good"), [(256 * 1024, True), (256 * 1024 + 1, False), (3_000_000, False)])
async def test_a_body_has_at_most_256_kib(billing: Caller, size: int, good: bool) -> None:
    """The last is over what Django itself reads."""
    answer = await billing.answer(padded(size))
    assert "result" in answer if good else answer["error"]["code"] == -32013


@pytest.mark.security("S13")
@pytest.mark.parametrize(("count", "good"), [(50, True), (51, False)])
async def test_a_batch_has_at_most_50_calls(billing: Caller, count: int, good: bool) -> None:
    """One more is refused whole."""
    body = [{"jsonrpc": "2.0", "method": "service.info", "id": index} for index in range(count)]
    answer = await billing.answer(body)
    if good:
        assert [entry["id"] for entry in answer] == list(range(50))
    else:
        assert answer["error"]["code"] == -32013


async def test_a_batch_is_carried_out_in_order(billing: Caller) -> None:
    """What one sender sends keeps its order: ids rise, and a retraction finds what was sent before it."""
    sends = [
        {"jsonrpc": "2.0", "method": "notifications.send", "params": ["7", f"{i}", "", "general"], "id": i}
        for i in range(5)
    ]
    retract = {"jsonrpc": "2.0", "method": "notifications.retract", "params": {"ref": "r"}, "id": 9}
    sends[4]["params"] = {"uid": "7", "title": "x", "ref": "r"}
    answer = await billing.answer([*sends, retract])
    ids = [entry["result"]["id"] for entry in answer[:5]]
    assert ids == sorted(ids)
    assert answer[5]["result"] == {"retracted": 1, "already_read": 0}


@pytest.mark.parametrize("content_type", ["text/xml", "text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_read(billing: Caller, content_type: str) -> None:
    """XML-RPC above all: modernrpc would speak it."""
    response = await billing.post(b"<methodCall/>", content_type=content_type)
    assert response.status_code == 415
    assert json.loads(response.content)["error"]["code"] == -32600


async def test_a_charset_in_the_header_changes_nothing(billing: Caller) -> None:
    """JSON is UTF-8 whatever the header says."""
    for charset in ("utf-8", "latin-1", "utf-16", "nonsense"):
        body = json.dumps({"jsonrpc": "2.0", "method": "ä", "id": "ä"}, ensure_ascii=False).encode()
        response = await billing.post(body, content_type=f"application/json; charset={charset}")
        assert json.loads(response.content)["id"] == "ä"


async def test_other_http_methods_are_not_allowed(billing: Caller) -> None:
    """Only POST calls, and GET leads to the page."""
    response = await billing.http.put("/rpc/", b"{}", content_type="application/json")
    assert response.status_code == 405
    assert "POST" in response["Allow"]
    for ask in (billing.http.get, billing.http.head):
        response = await ask("/rpc/")
        assert (response.status_code, response["Location"]) == (302, "/rpc/docs/")


@override_settings(NOTIFICATIONS={"RPC_MAX_BYTES": 100, "RPC_MAX_BATCH": 1})
async def test_the_limits_are_settings(billing: Caller) -> None:
    """A platform with long lists of users allows more."""
    assert (await billing.answer(padded(101)))["error"]["code"] == -32013
    assert (await billing.answer(b'[{"jsonrpc":"2.0"},{}]'))["error"]["code"] == -32013
