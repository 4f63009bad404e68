"""`service.*`: about the caller and the service itself."""

from notifications import __version__, clock
from notifications.protocol.items import timestamp
from notifications.rpc.exchange import caller
from notifications.rpc.registry import method
from notifications.rpc.results import InfoResult
from notifications.rpc.schemas import Nothing


@method(
    "service.info",
    scope=None,
    example={},
    result={
        "name": "billing",
        "scopes": ["notify"],
        "version": "0.1.0",
        "time": "2026-01-02T03:04:05.678Z",
    },
)
async def info(params: Nothing) -> InfoResult:
    """Ask who the key is and who answers: a check of address, key and scopes."""
    who = caller()
    return {
        "name": who.name,
        "scopes": list(who.scopes),
        "version": __version__,
        "time": timestamp(clock.now()) or "",
    }
