"""`notifications.*`: sending, taking back, and asking what became of what was sent."""

from dataclasses import dataclass
from typing import Any

from pydantic import Field

from notifications import bulk, lifecycle, presence, publishing
from notifications.database import in_thread
from notifications.exceptions import InvalidContent, NotificationsError
from notifications.gather import GatherPerLoop
from notifications.protocol.items import timestamp
from notifications.rpc import errors
from notifications.rpc.errors import Code
from notifications.rpc.exchange import caller
from notifications.rpc.registry import Scope, method
from notifications.rpc.results import (
    ItemResult,
    MulticastResult,
    RetractResult,
    SendManyResult,
    SendResult,
    StateResult,
)
from notifications.rpc.schemas import (
    MANY_ITEMS,
    MANY_UIDS,
    STATUS_IDS,
    Key,
    Noted,
    Params,
    StrictStr,
    ToUid,
    Uid,
    UidOrAnything,
    validate,
)

_ID = "01a207b6-45ac-776c-a9b4-312094ad3315"
_NEXT_ID = "01a207b6-45ac-776c-a9b4-3130aa0f1c57"


class Send(Noted, ToUid):
    """Whom, what, and the caller's key."""

    idempotency_key: Key | None = Field(None, description="Makes repeating the call safe for 7 days.")


class SendMany(Params):
    """Items and one key."""

    items: list[Any] = Field(
        description="Each has the parameters of `notifications.send`.",
        min_length=1,
        max_length=MANY_ITEMS,
        json_schema_extra={"items": Send.model_json_schema()},
    )
    idempotency_key: Key | None = Field(None, description="For the whole call; repeated, it gives the whole result.")


class _Uids(Params):
    uids: list[UidOrAnything] = Field(description="The users.", min_length=1, max_length=MANY_UIDS)


class Multicast(Noted, _Uids):
    """Whom, what, and the caller's key."""

    idempotency_key: Key | None = Field(None, description="Makes repeating the call safe for 7 days.")


class Retract(Params):
    """Which."""

    id: StrictStr | None = Field(None, description="The notification's id; or give `ref`.")
    ref: StrictStr | None = Field(None, description="Your reference: all that carry it.")
    uid: Uid | None = Field(None, description="Only this user's.")


class Status(Params):
    """Which."""

    ids: list[StrictStr] = Field(description="Ids of notifications.", min_length=1, max_length=STATUS_IDS)


@method(
    "notifications.send",
    scope=Scope.NOTIFY,
    writes=True,
    errors=(Code.KEY_REUSED,),
    example={
        "uid": "7",
        "title": "Top-up arrived",
        "body": "50.00 was added.",
        "kind": "recharge.succeeded",
        "level": "success",
        "url": "/wallet/42",
        "ref": "order-42",
        "idempotency_key": "order-42-paid",
    },
    result={"id": _ID, "duplicate": False, "online": True},
)
async def send(params: Send) -> SendResult:
    """Send one notification to one user.

    An answer means that it is stored: the user gets it, at once if connected, else with the next connection.
    """
    if params.idempotency_key is None:
        return await _together(_Sending(params, caller().name))
    return await in_thread(_send, params, caller().name)


def _send(params: Send, source: str) -> SendResult:
    # One thread, one database connection for all of it.
    accepted = publishing.notify(**params.model_dump(), source=source)
    online = presence.known([params.uid])[params.uid] > 0
    return {"id": str(accepted.id), "duplicate": accepted.duplicate, "online": online}


@dataclass(frozen=True, slots=True, eq=False)
class _Sending:
    """One call of `send` without a key, on its way."""

    params: Send
    source: str


async def _send_together(sendings: list[_Sending]) -> dict[_Sending, SendResult | NotificationsError]:
    return await in_thread(_send_all, sendings)


def _send_all(sendings: list[_Sending]) -> dict[_Sending, SendResult | NotificationsError]:
    """Store what several callers send at the same moment by one commit for each service.

    A commit, and the thread and the round trips that go with it, cost more than the row.
    """
    online = presence.known([sending.params.uid for sending in sendings])
    results: dict[_Sending, SendResult | NotificationsError] = {}
    for source in dict.fromkeys(sending.source for sending in sendings):
        own = [sending for sending in sendings if sending.source == source]
        letters = [bulk.Letter(s.params.uid, s.params.content(), s.params.expires_at) for s in own]
        outcomes = bulk.send_many(letters, source=source).each
        for sending, outcome in zip(own, outcomes, strict=True):
            results[sending] = outcome.error or {
                "id": str(outcome.id),
                "duplicate": False,
                "online": online[sending.params.uid] > 0,
            }
    return results


_gathered = GatherPerLoop(_send_together, seconds=lambda: 0.0)


async def _together(sending: _Sending) -> SendResult:
    result = await _gathered(sending)
    if isinstance(result, NotificationsError):
        raise result
    return result


@method(
    "notifications.send_many",
    scope=Scope.NOTIFY,
    writes=True,
    errors=(Code.KEY_REUSED,),
    example={
        "items": [{"uid": "7", "title": "Your report is ready"}, {"uid": "8", "title": "Hello", "url": "//elsewhere"}],
        "idempotency_key": "reports-of-monday",
    },
    result={
        "results": [
            {"index": 0, "id": _ID},
            {
                "index": 1,
                "error": {
                    "code": -32602,
                    "message": "Invalid params",
                    "data": [{"loc": ["url"], "msg": "must be a path or an http(s) address"}],
                },
            },
        ],
        "accepted": 1,
        "rejected": 1,
    },
)
async def send_many(params: SendMany) -> SendManyResult:
    """Send up to 1,000 notifications. Each is accepted or refused by itself, and answered by its index.

    All that are accepted are stored by one commit, together with the key: a call that failed has sent nothing.
    """
    letters = [_letter(item) for item in params.items]
    done = await in_thread(bulk.send_many, letters, source=caller().name, idempotency_key=params.idempotency_key)
    results: list[ItemResult] = []
    for index, outcome in enumerate(done.each):
        if outcome.error is None:
            results.append({"index": index, "id": str(outcome.id)})
        else:
            results.append({"index": index, "error": errors.as_json(errors.of(outcome.error))})  # type: ignore[typeddict-item]
    accepted = sum(outcome.error is None for outcome in done.each)
    answer: SendManyResult = {"results": results, "accepted": accepted, "rejected": len(results) - accepted}
    if done.duplicate:
        answer["duplicate"] = True
    return answer


def _letter(item: Any) -> bulk.Letter | InvalidContent:
    try:
        params: Send = validate(Send, item)
    except InvalidContent as error:
        return error
    return bulk.Letter(params.uid, params.content(), params.expires_at, params.idempotency_key)


@method(
    "notifications.multicast",
    scope=Scope.NOTIFY,
    writes=True,
    errors=(Code.KEY_REUSED,),
    example={"uids": ["7", "8", "9"], "title": "Your team's room has moved", "idempotency_key": "room-moved-42"},
    result={"accepted": 3, "rejected": 0},
)
async def multicast(params: Multicast) -> MulticastResult:
    """Send one content to up to 10,000 users, once to each however often it is named.

    `rejected` counts what cannot be any user's id. All are stored by one commit, together with the key.
    """
    done = await in_thread(
        bulk.multicast,
        params.uids,
        params.content(),
        expires_at=params.expires_at,
        source=caller().name,
        idempotency_key=params.idempotency_key,
    )
    answer: MulticastResult = {"accepted": done.accepted, "rejected": done.rejected}
    if done.duplicate:
        answer["duplicate"] = True
    return answer


@method(
    "notifications.retract",
    scope=Scope.NOTIFY,
    writes=True,
    errors=(Code.NOT_FOUND,),
    example={"ref": "order-42"},
    result={"retracted": 1, "already_read": 0},
)
async def retract(params: Retract) -> RetractResult:
    """Take notifications back, by `id` or by `ref`: they vanish from every screen and list.

    Only what this service sent. Repeating is harmless: what was retracted before counts no more.
    """
    done = await in_thread(publishing.retract, params.id, ref=params.ref, uid=params.uid, source=caller().name)
    return {"retracted": done.retracted, "already_read": done.already_read}


@method(
    "notifications.status",
    scope=Scope.NOTIFY,
    example={"ids": [_ID, _NEXT_ID]},
    result=[
        {"id": _ID, "state": "read", "at": "2026-01-02T03:05:06.789Z"},
        {"id": _NEXT_ID, "state": "unknown", "at": None},
    ],
)
async def status(params: Status) -> list[StateResult]:
    """Ask what became of notifications that this service sent.

    `accepted` (stored), `delivered` (written to a socket of the user's, or fetched), `read`, `confirmed`, `expired`
    (before it was read), `retracted`, each with the moment; `unknown` for all others. Where several hold, the last
    thing that mattered is said: retracted, confirmed, read, expired, delivered, accepted.
    """
    found = await in_thread(lifecycle.states, params.ids, source=caller().name)
    return [{"id": state.id, "state": state.state, "at": timestamp(state.at)} for state in found]
