"""`connections.*`: who is online, and ending that."""

import asyncio

from notifications import presence, publishing
from notifications.database import in_thread
from notifications.rpc.registry import Scope, method
from notifications.rpc.results import DisconnectResult
from notifications.rpc.schemas import SomeUids, ToUid


@method(
    "connections.online",
    scope=Scope.CONNECTIONS,
    example={"uids": ["7", "8"]},
    result={"7": 2, "8": 0},
)
async def online(params: SomeUids) -> dict[str, int]:
    """Ask how many sockets users have open, on all nodes."""
    return await asyncio.to_thread(presence.online, params.uids)


@method(
    "connections.disconnect",
    scope=Scope.CONNECTIONS,
    writes=True,
    example={"uid": "7"},
    result={"closed": 2},
)
async def disconnect(params: ToUid) -> DisconnectResult:
    """Close every socket that a user has open now, on all nodes, with 4003: signed out, banned, password changed.

    `closed` is how many there were as far as is known here; all are closed within two seconds in any case.
    """

    def act() -> int:
        closed = presence.known([params.uid])[params.uid]
        publishing.disconnect(params.uid)
        return closed

    return {"closed": await in_thread(act)}
