"""What the client makes of answers: results, errors, and when it tries again."""

import asyncio
import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifications import client
from notifications.client import (
    AsyncNotificationsClient,
    BadAnswer,
    CallFailed,
    ClientError,
    InvalidParams,
    NotificationsClient,
    RateLimited,
    ServiceAway,
    TooLarge,
    Unavailable,
    calls,
    wire,
)
from tests.client.conftest import Service

SENT = {"id": "a", "duplicate": False, "online": True}


def answer(result: Any) -> Any:
    """An answer with this result, under the request's id."""
    return lambda body: {"jsonrpc": "2.0", "id": body["id"], "result": result}


def error(code: int, data: Any = None) -> Any:
    """An answer with this error."""
    return lambda body: {"jsonrpc": "2.0", "id": body["id"], "error": {"code": code, "message": "m", "data": data}}


@pytest.fixture
def sender(service: Service) -> Any:
    """A client of the service that is written by the test."""
    with NotificationsClient(service.url, "the-key", retries=3) as made:
        yield made


def test_a_call_reads_like_a_local_one(service: Service, sender: NotificationsClient) -> None:
    """By the contract's names; the key goes in the header; what was left out is not sent."""
    service.answers = [(200, answer(SENT))]
    sent = sender.notifications.send("7", "x", url="/u", expires_at=datetime(2030, 1, 2, tzinfo=UTC))
    assert dataclasses.asdict(sent) == SENT
    body = service.requests[0]
    params = body["params"]
    assert len(params.pop("idempotency_key")) >= 16
    assert body == {"jsonrpc": "2.0", "id": 0, "method": "notifications.send", "params": params}
    assert params == {
        "uid": "7",
        "title": "x",
        "body": "",
        "kind": "general",
        "level": "info",
        "url": "/u",
        "display": "popup",
        "confirm": False,
        "expires_at": "2030-01-02T00:00:00+00:00",
    }
    assert service.headers[0]["Authorization"] == "Bearer the-key"
    assert service.headers[0]["User-Agent"].startswith("notifications-client/")


def test_a_result_reads_like_its_json(service: Service, sender: NotificationsClient) -> None:
    """Its fields are keys too; one that is not there is a `KeyError`, as in a dict."""
    service.answers = [(200, answer(SENT))]
    sent = sender.notifications.send(uid="7", title="Hello")
    assert {name: sent[name] for name in SENT} == SENT
    with pytest.raises(KeyError):
        sent["nothing"]


def test_every_call_has_a_key_of_its_own_and_takes_the_callers(service: Service, sender: NotificationsClient) -> None:
    """Only calls that store something."""
    service.answers = [(200, answer(SENT))]
    for _ in range(2):
        sender.notifications.send("7", "x")
    sender.notifications.send("7", "x", idempotency_key="mine")
    keys = [body["params"]["idempotency_key"] for body in service.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


@pytest.mark.parametrize(
    ("code", "kind", "retryable"),
    [
        (-32700, client.InvalidRequest, False),
        (-32600, client.InvalidRequest, False),
        (-32601, client.MethodNotFound, False),
        (-32602, client.InvalidParams, False),
        (-32603, client.InternalError, False),
        (-32001, client.Unauthenticated, False),
        (-32003, client.MissingScope, False),
        (-32004, client.NotFound, False),
        (-32009, client.KeyReused, False),
        (-32013, client.TooLarge, False),
        (-32029, client.RateLimited, True),
        (-32050, client.Unavailable, True),
        (-32099, client.CallFailed, False),
    ],
)
def test_each_code_is_an_exception_of_its_own(  # noqa: PLR0917  what pytest passes
    service: Service,
    sender: NotificationsClient,
    quick: list[float],
    code: int,
    kind: type[CallFailed],
    retryable: bool,
) -> None:
    """With `retryable`; only those that may succeed later are repeated, as often as was said."""
    service.answers = [(200, error(code))]
    with pytest.raises(kind) as raised:
        sender.notifications.send("7", "x")
    assert type(raised.value) is kind
    assert (raised.value.code, raised.value.message, raised.value.retryable) == (code, "m", retryable)
    assert isinstance(raised.value, ClientError)
    assert len(service.requests) == (4 if retryable else 1)
    assert len({body["params"]["idempotency_key"] for body in service.requests}) == 1


def test_what_is_wrong_with_parameters_is_listed(service: Service, sender: NotificationsClient) -> None:
    """As the service's `data` has it."""
    wrong = [{"loc": ["title"], "msg": "must have 1 to 200 characters, not 0"}]
    service.answers = [(200, error(-32602, wrong))]
    with pytest.raises(InvalidParams) as raised:
        sender.notifications.send("7", "")
    assert raised.value.errors == wrong
    assert "1 to 200" in str(raised.value)
    assert InvalidParams(-32602, "m", None).errors == []


def test_the_service_may_say_that_an_unknown_error_is_retryable(
    service: Service, sender: NotificationsClient, quick: list[float]
) -> None:
    """Codes of a later version."""
    service.answers = [(200, error(-32098, {"retryable": True})), (200, answer(SENT))]
    assert sender.notifications.send("7", "x").id == "a"


def test_a_call_that_fails_and_then_succeeds_gives_its_result(
    service: Service, sender: NotificationsClient, quick: list[float]
) -> None:
    """Proxies that reach nobody, a service that is away, too many calls: all under one key."""
    service.answers = [(502, b"<html>"), (503, b""), (200, error(-32050)), (200, answer(SENT))]
    assert sender.notifications.send("7", "x").id == "a"
    assert len({body["params"]["idempotency_key"] for body in service.requests}) == 1
    assert len(quick) == 3


def test_pauses_grow_and_are_random() -> None:
    """Full jitter, up to 10 s; no shorter than the service asks for."""
    for attempt, most in ((0, 0.5), (1, 1.0), (2, 2.0), (9, 10.0)):
        pauses = [wire.wait_before(attempt, []) for _ in range(400)]
        assert 0 <= min(pauses) < most * 0.1
        assert most * 0.9 < max(pauses) <= most
    limited = RateLimited(-32029, "m", {"retry_after": 3})
    assert 3 <= wire.wait_before(0, [limited, ServiceAway("x")]) <= 3.5
    assert RateLimited(-32029, "m", {"retry_after": "soon"}).retry_after == 0
    assert RateLimited(-32029, "m").retry_after == 0


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"<html>", BadAnswer),
        (200, b"", BadAnswer),
        (404, b"nothing here", BadAnswer),
        (413, b"<html>", TooLarge),
        (302, b"", BadAnswer),
        (200, {"hello": "world"}, BadAnswer),
        (200, [], BadAnswer),
        (200, {"jsonrpc": "2.0", "id": 7, "result": SENT}, BadAnswer),
        (200, answer({"nonsense": 1}), BadAnswer),
        (200, answer("nonsense"), BadAnswer),
        (200, {"jsonrpc": "2.0", "id": 0, "error": "broken"}, BadAnswer),
        (200, {"jsonrpc": "2.0", "id": 0}, BadAnswer),
        (401, {"jsonrpc": "2.0", "id": None, "error": {"code": -32001, "message": "m"}}, client.Unauthenticated),
        (200, {"jsonrpc": "2.0", "id": None, "error": {"code": -32013, "message": "m"}}, client.TooLarge),
        (500, b"oops", ServiceAway),
    ],
)
@pytest.mark.usefixtures("quick")
def test_answers_that_are_none_are_said_to_be_so(
    service: Service, sender: NotificationsClient, status: int, body: Any, kind: type[ClientError]
) -> None:
    """A wrong address, a proxy's page, an answer to something else, a refusal of the whole request."""
    service.answers = [(status, body)]
    with pytest.raises(kind):
        sender.notifications.send("7", "x")


def test_nobody_there_is_said_after_the_retries(quick: list[float]) -> None:
    """Nothing listens on the port; retryable, for the outcome is unknown."""
    with NotificationsClient("http://127.0.0.1:9/rpc/", "k", retries=2) as nobody, pytest.raises(ServiceAway) as raised:
        nobody.notifications.send("7", "x")
    assert raised.value.retryable is True
    assert len(quick) == 2


def test_an_answer_that_takes_too_long_is_given_up(quick: list[float]) -> None:
    """`timeout` bounds each attempt."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/rpc/"
        with (
            NotificationsClient(url, "k", timeout=0.05, retries=1) as caller,
            pytest.raises(ServiceAway, match="Timeout"),
        ):
            caller.service.info()


def test_no_retries_means_one_attempt(service: Service, quick: list[float]) -> None:
    """And no pause."""
    service.answers = [(200, error(-32050))]
    with NotificationsClient(service.url, "k", retries=0) as caller, pytest.raises(Unavailable):
        caller.service.info()
    assert (len(service.requests), quick) == (1, [])


def batch_answers(results: dict[str, Any]) -> Any:
    """Answers each call of a batch by its title: a result or an error code; in another order than asked."""

    def give(body: Any) -> Any:
        entries: list[Any] = []
        for call in body if isinstance(body, list) else [body]:
            value = results[call["params"]["title"]]
            value = value.pop(0) if isinstance(value, list) else value
            entry = {"jsonrpc": "2.0", "id": call["id"]}
            entry |= {"error": {"code": value, "message": "m"}} if isinstance(value, int) else {"result": value}
            entries.insert(0, entry)
        return entries if isinstance(body, list) else entries[0]

    return give


def test_a_batch_has_an_outcome_for_each_call(
    service: Service, sender: NotificationsClient, quick: list[float]
) -> None:
    """One request; only what may succeed later is made again; each result raises its own error."""
    service.answers = [(200, batch_answers({"good": SENT, "bad": -32602, "later": [-32050, SENT | {"id": "b"}]}))]
    batch = sender.batch()
    good, bad, later = (batch.notifications.send("7", title) for title in ("good", "bad", "later"))
    assert len(batch) == 3
    with pytest.raises(RuntimeError):
        good.result()
    batch.run()
    assert (good.result().id, later.result().id) == ("a", "b")
    with pytest.raises(InvalidParams):
        bad.result()
    assert [len(body) if isinstance(body, list) else 1 for body in service.requests] == [3, 1]
    assert service.requests[0][2]["params"] == service.requests[1]["params"]
    assert len(batch) == 0
    batch.run()
    assert len(service.requests) == 2


def test_a_batch_of_more_than_one_request_holds_is_several(service: Service, sender: NotificationsClient) -> None:
    """50 calls each."""
    service.answers = [(200, batch_answers({"x": SENT}))]
    batch = sender.batch()
    pending = [batch.notifications.send("7", "x") for _ in range(101)]
    batch.run()
    assert [len(body) if isinstance(body, list) else 1 for body in service.requests] == [50, 50, 1]
    assert {one.result().id for one in pending} == {"a"}


async def test_the_async_form_does_the_same(service: Service, quick: list[float]) -> None:
    """Results, errors, retries, batches."""
    service.answers = [(502, b""), (200, answer(SENT))]
    async with AsyncNotificationsClient(service.url, "k") as caller:
        assert (await caller.notifications.send("7", "x")).id == "a"
        service.answers = [(200, error(-32003))]
        with pytest.raises(client.MissingScope):
            await caller.inbox.list("7")
        service.answers = [(200, batch_answers({"x": SENT, "y": -32004}))]
        batch = caller.batch()
        good, bad = batch.notifications.send("7", "x"), batch.notifications.send("7", "y")
        await batch.run()
        assert good.result().online is True
        with pytest.raises(client.NotFound):
            bad.result()
    async with AsyncNotificationsClient("http://127.0.0.1:9/rpc/", "k", retries=1) as nobody:
        with pytest.raises(ServiceAway):
            await nobody.service.info()


async def test_the_async_form_lets_others_run(service: Service) -> None:
    """Calls at once share the event loop."""
    service.answers = [(200, answer(SENT))]
    async with AsyncNotificationsClient(service.url, "k") as caller:
        found = await asyncio.gather(*(caller.notifications.send("7", "x") for _ in range(10)))
    assert len(found) == len(service.requests) == 10


def test_moments_without_their_zone_are_left_to_the_service(service: Service, sender: NotificationsClient) -> None:
    """They are sent as they are written; the service refuses them."""
    service.answers = [(200, answer({"id": "a", "status": "live"}))]
    sender.announcements.create("x", ends_at=datetime(2030, 1, 2) + timedelta(hours=1))  # noqa: DTZ001
    assert service.requests[0]["params"]["ends_at"] == "2030-01-02T01:00:00"


def test_nan_never_leaves_the_client(sender: NotificationsClient) -> None:
    """It is no JSON."""
    with pytest.raises(ValueError, match="JSON"):
        sender.notifications.send("7", "x", data={"x": float("nan")})


def test_text_is_utf_8(service: Service, sender: NotificationsClient) -> None:
    """Not escapes: bodies are bounded in bytes."""
    call = calls.send("7", "ä")
    assert "ä".encode() in wire.text_of([call])
    assert json.loads(wire.text_of([call, call]))[1]["id"] == 1


@pytest.mark.parametrize("url", ["", "/rpc/", "platform.example/rpc/", "ftp://platform.example/rpc/", "http:///rpc/"])
def test_what_is_no_address_is_told_at_once(url: str) -> None:
    """Not after three retries of what cannot be reached."""
    for form in (NotificationsClient, AsyncNotificationsClient):
        with pytest.raises(ValueError, match="no address"):
            form(url, "k")


@pytest.mark.parametrize("key", ["", " ", "abc.def\n", "a b", "密钥"])
def test_what_can_be_no_key_is_told_at_once(key: str) -> None:
    """A variable that is empty or was read with its line end; the key itself is not repeated."""
    for form in (NotificationsClient, AsyncNotificationsClient):
        with pytest.raises(ValueError, match="service key") as raised:
            form("http://127.0.0.1/rpc/", key)
        assert key.strip() == "" or key.strip() not in str(raised.value)
