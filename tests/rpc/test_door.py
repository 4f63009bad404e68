"""Who may call what, how often, and what a failed call tells."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest
from channels.db import database_sync_to_async
from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import override_settings

import notifications.rpc.methods  # noqa: F401  registers them
from notifications import bulk, clock, key_usage, node, service_keys
from notifications.models import Notification, ServiceKey
from notifications.rpc.registry import METHODS
from tests.rpc.caller import ALL, Caller, Failed, amake_caller

INFO = {"jsonrpc": "2.0", "method": "service.info", "id": 1}
SEND = {"jsonrpc": "2.0", "method": "notifications.send", "params": {"uid": "7", "title": "x"}}


async def count() -> int:
    """How many notifications are stored."""
    return await Notification.objects.acount()


@pytest.mark.security("S13")
@pytest.mark.parametrize("key", ["", "x", "abc.def", "é.x", "a" * 300, "0123456789ab."])
async def test_without_a_good_key_nothing_is_done(billing: Caller, key: str) -> None:
    """401 with the JSON-RPC error in its body, under the call's id."""
    response = await billing.post(SEND | {"id": 5}, key=key)
    assert response.status_code == 401
    assert response["WWW-Authenticate"].startswith("Bearer")
    answer = json.loads(response.content)
    assert (answer["error"]["code"], answer["id"]) == (-32001, 5)
    assert await count() == 0


async def test_the_key_decides_before_anything_else_is_told(billing: Caller) -> None:
    """Strangers learn neither what methods there are nor what was wrong with their request."""
    bodies: list[Any] = [b"nonsense", b"\xff", b" " * 300_000, b"[]", {"jsonrpc": "2.0", "method": "x", "id": 1}]
    for body in bodies:
        response = await billing.post(body, key="wrong.key")
        assert response.status_code == 401
        assert json.loads(response.content)["error"]["code"] == -32001
    response = await billing.post([INFO, INFO | {"id": 2}], key="wrong.key")
    assert [(e["id"], e["error"]["code"]) for e in json.loads(response.content)] == [(1, -32001), (2, -32001)]
    response = await billing.post(SEND, key="wrong.key")
    assert (response.status_code, response.content) == (401, b"")


async def test_other_schemes_are_no_key(billing: Caller) -> None:
    """Basic with the very key is refused; the word Bearer may be written any way."""
    for header, good in ((f"Basic {billing.key}", False), (billing.key, False), (f"bearer {billing.key}", True)):
        response = await billing.http.post(
            "/rpc/", INFO, content_type="application/json", headers={"Authorization": header}
        )
        assert (response.status_code == 200) is good


async def test_revoked_and_expired_keys_are_refused(billing: Caller) -> None:
    """At once on the node where it was revoked."""
    await database_sync_to_async(service_keys.revoke)(billing.key.partition(".")[0])
    assert (await billing.post(INFO)).status_code == 401
    other = await amake_caller("other")
    await ServiceKey.objects.filter(name="other").aupdate(expires_at=clock.now() - timedelta(seconds=1))
    assert (await other.post(INFO)).status_code == 401


GOOD_PARAMS: dict[str, dict[str, Any]] = {name: method.example for name, method in METHODS.items()}


@pytest.mark.security("S13")
@pytest.mark.parametrize("name", sorted(METHODS))
async def test_each_method_asks_for_its_scope(billing: Caller, name: str) -> None:
    """A key with every scope but that one is refused, before its parameters are looked at."""
    scope = METHODS[name].scope
    if scope is None:
        only = await amake_caller("any", ["inbox"])
        assert (await only.call(name))["name"] == "any"
        return
    others = await amake_caller("others", [s for s in ALL if s != scope])
    for params in (GOOD_PARAMS[name], {"nonsense": 1}):
        with pytest.raises(Failed) as failed:
            await others.call(name, **params)
        assert failed.value.code == -32003


async def test_scopes_are_those_of_the_contract() -> None:
    """The table of methods and scopes."""
    assert {name: method.scope and method.scope.value for name, method in METHODS.items()} == {
        "notifications.send": "notify",
        "notifications.send_many": "notify",
        "notifications.multicast": "notify",
        "notifications.retract": "notify",
        "notifications.status": "notify",
        "announcements.create": "announce",
        "announcements.retract": "announce",
        "announcements.stats": "announce",
        "inbox.list": "inbox",
        "inbox.unread_count": "inbox",
        "inbox.mark_read": "inbox",
        "connections.online": "connections",
        "connections.disconnect": "connections",
        "service.info": None,
    }


@pytest.mark.security("S13")
async def test_one_way_calls_change_nothing_and_get_no_answer(billing: Caller) -> None:
    """Alone and in a batch, good and bad."""
    response = await billing.post(SEND)
    assert (response.status_code, response.content) == (204, b"")
    answer = await billing.answer([SEND, INFO, SEND | {"method": "nonsense"}, SEND | {"id": 2}])
    assert [entry["id"] for entry in answer] == [1, 2]
    assert await count() == 1


@override_settings(NOTIFICATIONS={"RPC_CALLS_PER_MINUTE": 3})
async def test_calls_over_the_rate_are_refused_with_the_time_to_wait(billing: Caller) -> None:
    """Each key has its own bucket; calls of a batch count one by one; `Retry-After` says when the next may come."""
    other = await amake_caller("other")
    for _ in range(3):
        response = await billing.post(INFO)
        assert "Retry-After" not in response
    response = await billing.post(INFO)
    error = json.loads(response.content)["error"]
    assert error["code"] == -32029
    # Three a minute: a token comes back within 20 s.
    assert 1 <= error["data"]["retry_after"] <= 20
    assert error["data"]["retryable"] is True
    assert response["Retry-After"] == str(error["data"]["retry_after"])
    answer = await other.answer([INFO, SEND, INFO, INFO])
    assert [entry.get("error", {}).get("code") for entry in answer] == [None, None, -32029]


@override_settings(NOTIFICATIONS={"RPC_CALLS_PER_MINUTE": 0})
async def test_a_rate_of_nothing_lets_nothing_in(billing: Caller) -> None:
    """An operator's way to close the door for a while."""
    with pytest.raises(Failed) as failed:
        await billing.call("service.info")
    assert failed.value.code == -32029


@pytest.mark.security("S13")
async def test_internal_errors_tell_nothing(
    billing: Caller, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever breaks inside, a TypeError too, is -32603 without its text; the log has it, without parameters."""
    for kind in (TypeError, ValueError, KeyError, RuntimeError):

        def broken(*_: Any, kind: type[Exception] = kind, **__: Any) -> None:
            raise kind("the database password is swordfish")

        monkeypatch.setattr(bulk, "send_many", broken)
        response = await billing.post(SEND | {"id": 1, "params": {"uid": "7", "title": "a secret of theirs"}})
        assert json.loads(response.content)["error"] == {"code": -32603, "message": "Internal error"}
        assert b"swordfish" not in response.content
    assert "notifications.send failed" in caplog.text
    assert "a secret of theirs" not in caplog.text


async def test_a_database_that_is_away_accepts_nothing(billing: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """-32050, retryable, for the key's own look-up and for the call's work alike."""

    def away(_: BaseDatabaseWrapper) -> None:
        raise OperationalError("could not connect to server at 10.0.0.7")

    async def refused() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(BaseDatabaseWrapper, "cursor", away)
            response = await billing.post(SEND | {"id": 1})
        error = json.loads(response.content)["error"]
        assert (response.status_code, error["code"], error["data"]) == (200, -32050, {"retryable": True})
        assert b"10.0.0.7" not in response.content

    await refused()
    # From now on the key is known, and only the call itself meets the failure.
    await billing.call("service.info")
    await refused()
    assert await count() == 0


async def test_calls_are_counted_for_their_key(billing: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of a batch, refused ones too; stored together, and kept while the database is away."""
    monkeypatch.setattr(key_usage, "STORE_SECONDS", 0.01)

    async def stored() -> int:
        return (await ServiceKey.objects.aget(name="billing")).calls

    async def until(calls: int) -> None:
        async with asyncio.timeout(10):
            while await stored() != calls:
                pass

    assert (await ServiceKey.objects.aget(name="billing")).last_used_at is None
    await billing.post([INFO, SEND, INFO | {"method": "nonsense"}])
    await until(3)
    assert (await ServiceKey.objects.aget(name="billing")).last_used_at is not None

    def away(_: Any) -> None:
        raise OperationalError("away")

    with monkeypatch.context() as patch:
        patch.setattr(service_keys, "add_calls", away)
        await billing.post(INFO)
        assert key_usage._task is not None
        await key_usage._task
    assert await stored() == 3
    await billing.post(INFO)
    await until(5)


async def test_calls_are_stored_when_the_node_stops(billing: Caller) -> None:
    """An ordinary stop loses none of what was counted; nor does it wait for the next time."""
    await billing.post([INFO, INFO])
    await billing.post(b"nonsense")
    node.current()
    await node.stop()
    key = await ServiceKey.objects.aget(name="billing")
    assert key.calls == 2
    assert key.last_used_at is not None


async def test_answers_are_not_kept_by_caches(billing: Caller) -> None:
    """They are about users."""
    assert (await billing.post(INFO))["Cache-Control"] == "no-store"


@pytest.mark.parametrize("name", ["context", "self", "args", "kwargs", "method", "caller", "params"])
async def test_a_parameter_cannot_pass_for_something_of_ours(billing: Caller, name: str) -> None:
    """Such names are parameters like any others, and unknown ones."""
    answer = await billing.answer({"jsonrpc": "2.0", "method": "service.info", "params": {name: 1}, "id": 1})
    assert answer["error"]["code"] == -32602
    assert answer["error"]["data"] == [{"loc": [name], "msg": "Extra inputs are not permitted"}]


async def test_many_callers_at_once_do_not_see_each_other(billing: Caller) -> None:
    """Each answer is made for the key that asked."""
    callers = [await amake_caller(f"service-{index}") for index in range(8)]
    infos = await asyncio.gather(*(caller.call("service.info") for caller in callers for _ in range(3)))
    assert [info["name"] for info in infos] == [f"service-{index}" for index in range(8) for _ in range(3)]
