"""Batches: several calls by one request, each with its own outcome. Only what may succeed later is repeated."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from notifications.client.calls import Call
from notifications.client.namespaces import (
    BatchAnnouncements,
    BatchConnections,
    BatchInbox,
    BatchNotifications,
    BatchService,
    Pending,
)
from notifications.client.wire import BATCH_MOST, Outcome

R = TypeVar("R")


class Run:
    """Calls under way: what became of each so far, and which are still to be made."""

    def __init__(self, calls: Sequence[Call[Any]]) -> None:
        self._calls = calls
        self.outcomes: list[Outcome] = [(None, None)] * len(calls)
        self._open = list(range(len(calls)))

    @property
    def finished(self) -> bool:
        """Whether every call has its result, or an error that repeating will not mend."""
        return not self._open

    @property
    def errors(self) -> list[Any]:
        """What the open calls have met."""
        return [self.outcomes[index][1] for index in self._open]

    def requests(self) -> list[list[int]]:
        """The places of the open calls, as many together as one request may hold."""
        return [self._open[start : start + BATCH_MOST] for start in range(0, len(self._open), BATCH_MOST)]

    def calls(self, places: Sequence[int]) -> list[Call[Any]]:
        """The calls at these places."""
        return [self._calls[index] for index in places]

    def settle(self, places: Sequence[int], found: Sequence[Outcome]) -> None:
        """Note what a request gave."""
        for index, (result, error) in zip(places, found, strict=True):
            self.outcomes[index] = (result, error)
            if error is None or not error.retryable:
                self._open.remove(index)


class _Collected:
    """Calls that are collected to be made together."""

    def __init__(self) -> None:
        self._pending: list[Pending[Any]] = []
        self.notifications = BatchNotifications(self._add)
        self.announcements = BatchAnnouncements(self._add)
        self.inbox = BatchInbox(self._add)
        self.connections = BatchConnections(self._add)
        self.service = BatchService(self._add)

    def __len__(self) -> int:
        return len(self._pending)

    def _add(self, call: Call[R]) -> Pending[R]:
        pending = Pending(call)
        self._pending.append(pending)
        return pending

    def _calls(self) -> list[Call[Any]]:
        return [pending.call for pending in self._pending]

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        for pending, outcome in zip(self._pending, outcomes, strict=True):
            pending.outcome = outcome
        self._pending = []


class Batch(_Collected):
    """`send = batch.notifications.send(...)`, more of them, `batch.run()`, then `send.result()`."""

    def __init__(self, run: Callable[[Sequence[Call[Any]]], list[Outcome]]) -> None:
        super().__init__()
        self._run = run

    def run(self) -> None:
        """Make the calls collected so far. Raises nothing: each call's `result()` does."""
        self._settle(self._run(self._calls()))


class AsyncBatch(_Collected):
    """`Batch` for asyncio."""

    def __init__(self, run: Callable[[Sequence[Call[Any]]], Coroutine[Any, Any, list[Outcome]]]) -> None:
        super().__init__()
        self._run = run

    async def run(self) -> None:
        """Make the calls collected so far. Raises nothing: each call's `result()` does."""
        self._settle(await self._run(self._calls()))
