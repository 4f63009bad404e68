"""What is read of a request before it is answered."""

import asyncio
from typing import Any

import pytest
from django.test import override_settings

from notifications.rpc.bounds import BoundedCalls

MOST = 100


class Django:
    """Reads a body to its end, as Django does, then waits for the client to go until it is cancelled."""

    def __init__(self) -> None:
        self.body = b""
        self.gone: asyncio.Task[Any] | None = None

    async def __call__(self, _: Any, receive: Any, __: Any) -> None:
        """Serve."""
        more = True
        while more:
            message = await receive()
            self.body += message.get("body", b"")
            more = message.get("more_body", False)
        self.gone = asyncio.create_task(receive())
        await asyncio.sleep(0)


async def read(pieces: list[int], **scope: Any) -> tuple[Django, int]:
    """What Django has of a body in such pieces, and how many of them were taken from the server."""
    messages = [{"type": "http.request", "body": b"x" * size, "more_body": True} for size in pieces]
    messages[-1]["more_body"] = False
    taken = 0

    async def receive() -> Any:
        nonlocal taken
        taken += 1
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    django = Django()
    with override_settings(NOTIFICATIONS={"RPC_MAX_BYTES": MOST}):
        await BoundedCalls(django)({"type": "http", "path": "/rpc/", **scope}, receive, None)  # type: ignore[arg-type]
    return django, taken


@pytest.mark.parametrize(
    ("pieces", "length", "taken"),
    [([99], 99, 2), ([50, 50], 100, 3), ([60, 41], 101, 2), ([60, 60, 60, 60], 120, 2), ([50, 50, 0, 1, 5], 101, 4)],
)
async def test_a_body_is_cut_once_it_is_too_large(pieces: list[int], length: int, taken: int) -> None:
    """At the limit it is whole; past it nothing more is taken, and nobody is told that the client has gone."""
    django, asked = await read(pieces)
    assert (len(django.body), asked) == (length, taken)
    assert django.gone is not None
    assert django.gone.done() is (length <= MOST)
    django.gone.cancel()


@pytest.mark.parametrize("scope", [{"path": "/rpc/docs/"}, {"path": "/admin/"}, {"path": "/x/rpc/"}])
async def test_other_addresses_are_nobodys_business_here(scope: dict[str, Any]) -> None:
    """Uploads of the admin are larger."""
    django, _ = await read([60, 60, 60], **scope)
    assert len(django.body) == 180


async def test_a_project_below_a_path_is_bounded_too() -> None:
    """As its server says."""
    django, _ = await read([60, 60, 60], path="/x/rpc/", root_path="/x")
    assert len(django.body) == 120
