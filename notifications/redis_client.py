"""The Redis servers that the app itself asks: one client for each, that nobody waits for longer than a bounded time.

`unread_store` and `presence` say what is asked. The channel layer has connections of its own.
"""

import logging
import time
import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import redis
from django.core.signals import setting_changed
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifications import metrics
from notifications.conf import conf

logger = logging.getLogger(__name__)

# Nobody waits longer for Redis, and after a failure nobody tries for a second.
TIMEOUT_SECONDS = 0.25
AWAY_SECONDS = 1.0

FAILED: Any = object()
"""In place of an answer: the command was not carried out."""

Command = tuple[Any, ...]
C = TypeVar("C", bound="Client")


class Client:
    """One Redis: runs commands in pipelines, within a bounded time, and not at all for a second after a failure."""

    part = ""
    """Who asks, for logs and metrics; subclasses say."""

    def __init__(self, url: str) -> None:
        self._client: redis.Redis = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._away_until = 0.0

    def close(self) -> None:
        """End its connections."""
        self._client.close()

    def ask(self, commands: Sequence[Command]) -> list[Any]:
        """An answer for each command, all in one pipeline; `FAILED` for what was not done."""
        if not commands:
            return []
        if time.monotonic() < self._away_until:
            return [FAILED] * len(commands)
        try:
            answers = self._execute(commands)
        except (redis.RedisError, OSError) as error:
            metrics.redis_errors.labels(self.part).inc()
            logger.warning("%s: Redis is away (%s)", self.part, error)
            self._away_until = time.monotonic() + AWAY_SECONDS
            return [FAILED] * len(commands)
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if refused:
            # Out of memory, read only, no permission.
            metrics.redis_errors.labels(self.part).inc(len(refused))
            logger.warning("%s: Redis refused %d commands (%s)", self.part, len(refused), refused[0])
        return [FAILED if isinstance(answer, Exception) else answer for answer in answers]

    def _execute(self, commands: Sequence[Command]) -> list[Any]:
        pipeline = self._client.pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        answers: list[Any] = pipeline.execute(raise_on_error=False)
        return answers


def one_for_each(kind: type[C]) -> Callable[[], tuple[C, ...]]:
    """Gives the clients of this kind, one for each Redis of the settings, made at first use and ended with them."""

    @lru_cache(maxsize=1)
    def clients() -> tuple[C, ...]:
        return tuple(kind(url) for url in conf().redis_urls)

    def forget(*, setting: str, **_: object) -> None:
        if setting == "NOTIFICATIONS":
            if clients.cache_info().currsize:
                for client in clients():
                    client.close()
            clients.cache_clear()

    setting_changed.connect(forget, weak=False)
    return clients


def shard_of(uid: str, shards: int) -> int:
    """Which of so many Redis holds what is stored for `uid`."""
    return zlib.crc32(uid.encode("utf-8", "surrogatepass")) % shards
