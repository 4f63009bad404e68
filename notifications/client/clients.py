"""The two clients: the same calls over httpx, one waiting and one awaiting."""

import asyncio
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

import httpx

from notifications.client.batches import AsyncBatch, Batch, Run
from notifications.client.calls import Call
from notifications.client.errors import ServiceAway
from notifications.client.namespaces import (
    Announcements,
    AsyncAnnouncements,
    AsyncConnections,
    AsyncInbox,
    AsyncNotifications,
    AsyncService,
    Connections,
    Inbox,
    Notifications,
    Service,
)
from notifications.client.version import __version__
from notifications.client.wire import Outcome, address, outcomes, service_key, text_of, wait_before

R = TypeVar("R")


class NotificationsClient:
    """Calls the service at `url` (its `/rpc/` address) with a service key. Safe to share between threads.

    `timeout` seconds bound each attempt; a call whose outcome may be unknown or that may succeed later is repeated up
    to `retries` times, with a growing random pause, and under the same idempotency key: it is carried out once. Raises
    `ValueError` for what can be neither an address nor a key.
    """

    def __init__(self, url: str, key: str, *, timeout: float = 10, retries: int = 3) -> None:
        self._http = httpx.Client(timeout=timeout, headers=_headers(key))
        self._url = address(url)
        self._retries = retries
        self.notifications = Notifications(self._one)
        self.announcements = Announcements(self._one)
        self.inbox = Inbox(self._one)
        self.connections = Connections(self._one)
        self.service = Service(self._one)

    def batch(self) -> Batch:
        """Several calls by one request: collect them, then `run()`."""
        return Batch(self._many)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _one(self, call: Call[R]) -> R:
        ((result, error),) = self._many([call])
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    def _many(self, wanted: Sequence[Call[Any]]) -> list[Outcome]:
        run = Run(wanted)
        for attempt in range(self._retries + 1):
            for some in run.requests():
                run.settle(some, self._request(run.calls(some)))
            if run.finished or attempt == self._retries:
                break
            time.sleep(wait_before(attempt, run.errors))
        return run.outcomes

    def _request(self, some: Sequence[Call[Any]]) -> list[Outcome]:
        try:
            response = self._http.post(self._url, content=text_of(some))
        except httpx.TransportError as error:
            return _away(some, error)
        return outcomes(some, response.status_code, response.content)


class AsyncNotificationsClient:
    """`NotificationsClient` for asyncio: every call is awaited."""

    def __init__(self, url: str, key: str, *, timeout: float = 10, retries: int = 3) -> None:
        self._http = httpx.AsyncClient(timeout=timeout, headers=_headers(key))
        self._url = address(url)
        self._retries = retries
        self.notifications = AsyncNotifications(self._one)
        self.announcements = AsyncAnnouncements(self._one)
        self.inbox = AsyncInbox(self._one)
        self.connections = AsyncConnections(self._one)
        self.service = AsyncService(self._one)

    def batch(self) -> AsyncBatch:
        """Several calls by one request: collect them, then `await run()`."""
        return AsyncBatch(self._many)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.aclose()

    async def _one(self, call: Call[R]) -> R:
        ((result, error),) = await self._many([call])
        if error is not None:
            raise error
        return result  # type: ignore[no-any-return]

    async def _many(self, wanted: Sequence[Call[Any]]) -> list[Outcome]:
        run = Run(wanted)
        for attempt in range(self._retries + 1):
            for some in run.requests():
                run.settle(some, await self._request(run.calls(some)))
            if run.finished or attempt == self._retries:
                break
            await asyncio.sleep(wait_before(attempt, run.errors))
        return run.outcomes

    async def _request(self, some: Sequence[Call[Any]]) -> list[Outcome]:
        try:
            response = await self._http.post(self._url, content=text_of(some))
        except httpx.TransportError as error:
            return _away(some, error)
        return outcomes(some, response.status_code, response.content)


def _headers(key: str) -> dict[str, str]:
    return {
        "Authorization": f"Bearer {service_key(key)}",
        "Content-Type": "application/json",
        "User-Agent": f"notifications-client/{__version__}",
    }


def _away(some: Sequence[Call[Any]], error: httpx.TransportError) -> list[Outcome]:
    return [(None, ServiceAway(f"{type(error).__name__}: {error}"))] * len(some)
