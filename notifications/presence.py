"""Presence: how many sockets each uid has open, on which node.

With Redis, `notifications:online:<uid>` is a hash of node ids and their numbers of sockets, on the shard of the uid's
unread index. A node writes what has changed in gathered pipelines, and says with a short-lived key of its own that it
lives: what a node that was killed left behind counts for nothing and is taken away by whoever finds it. Without Redis
only this process's own sockets are known.

It is a hint, never the truth about delivery: a socket is in it within about 50 ms of its opening.
"""

import asyncio
import logging
import secrets
import time
import zlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import redis
from django.core.signals import setting_changed
from django.dispatch import receiver
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifications import metrics
from notifications.conf import conf
from notifications.exceptions import Unavailable

logger = logging.getLogger(__name__)

# What changes within this after a write is written together: a node that takes 500 sockets a second writes 20
# pipelines, not 500, and a single one that comes is known to all at once.
GATHER_SECONDS = 0.05
BEAT_SECONDS = 3.0
NODE_SECONDS = 10.0
# Nobody waits longer for Redis, and after a failure nobody tries for a second.
TIMEOUT_SECONDS = 0.25
AWAY_SECONDS = 1.0
# What is never looked up again goes by itself; a node writes everything anew well before.
HASH_SECONDS = 6 * 3600
BATCH = 500

Command = tuple[Any, ...]


class Here:
    """The sockets of this process by uid. The hub sets them on the event loop; `keep` writes them to Redis."""

    def __init__(self) -> None:
        self.node = secrets.token_hex(8)
        self.sockets: dict[str, int] = {}
        self._changed: set[str] = set()
        self._wake = asyncio.Event()
        self._written_at: dict[int, float] = {}

    def note(self, uid: str, sockets: int) -> None:
        """From now on `uid` has so many sockets here."""
        if sockets:
            self.sockets[uid] = sockets
        else:
            self.sockets.pop(uid, None)
        if conf().redis_urls:
            self._changed.add(uid)
            self._wake.set()

    async def keep(self) -> None:
        """Write what changes, and that this node lives, for ever. What a Redis missed it is told when it is back."""
        while True:
            try:
                async with asyncio.timeout(BEAT_SECONDS):
                    await self._wake.wait()
            except TimeoutError:
                pass
            self._wake.clear()
            try:
                await self.write()
            except Exception:
                logger.exception("presence")
            await asyncio.sleep(GATHER_SECONDS)

    async def write(self) -> None:
        """Write everything that is not yet known to each Redis."""
        shards = _shards()
        whole = await asyncio.to_thread(self._beat, shards)
        uids = self._changed
        if whole:
            uids = uids | {uid for uid in self.sockets if _shard_of(uid, len(shards)) in whole}
        self._changed = set()
        counts = {uid: self.sockets.get(uid, 0) for uid in uids}
        self._changed |= await asyncio.to_thread(self._write, shards, counts)

    def goodbye(self) -> None:
        """This node ends: it counts no more."""
        for shard in _shards():
            shard.run([("DEL", _node_key(self.node))])

    def _beat(self, shards: Sequence["Shard"]) -> set[int]:
        """Say that this node lives; gives the shards to which everything is to be written anew."""
        whole = set()
        milliseconds = int(NODE_SECONDS * 1000)
        for number, shard in enumerate(shards):
            (before,) = shard.run([("SET", _node_key(self.node), 1, "PX", milliseconds, "GET")])
            if before is _FAILED:
                # While it is away others may clear what this node wrote, or it may come back empty.
                self._written_at.pop(number, None)
                continue
            written_at = self._written_at.get(number)
            if before is None or written_at is None or time.monotonic() - written_at > HASH_SECONDS / 3:
                self._written_at[number] = time.monotonic()
                whole.add(number)
        return whole

    def _write(self, shards: Sequence["Shard"], counts: Mapping[str, int]) -> set[str]:
        """Write the counts; gives the uids whose Redis could not be told."""
        failed = set()
        for number, uids in _by_shard(counts, len(shards)).items():
            for start in range(0, len(uids), BATCH):
                some = uids[start : start + BATCH]
                commands: list[Command] = []
                for uid in some:
                    key = _key(uid)
                    if counts[uid]:
                        commands += [("HSET", key, self.node, counts[uid]), ("EXPIRE", key, HASH_SECONDS)]
                    else:
                        commands.append(("HDEL", key, self.node))
                if _FAILED in shards[number].run(commands):
                    failed.update(some)
        return failed


_here: Here | None = None


def serve(here: Here | None) -> None:
    """From now on these are this process's sockets; None: it has none any more."""
    global _here  # noqa: PLW0603  one node per process is the point
    _here = here


def online(uids: Sequence[str]) -> dict[str, int]:
    """How many sockets each of `uids` has, on all nodes; not on the event loop. Raises `Unavailable` without Redis."""
    counts = _look_up(uids)
    missing = [uid for uid, count in counts.items() if count is None]
    if missing:
        raise Unavailable("who is online cannot be said now")
    return {uid: count or 0 for uid, count in counts.items()}


def known(uids: Sequence[str]) -> dict[str, int]:
    """As `online`, but what Redis cannot say now this process answers from its own sockets. Never raises."""
    own = _here.sockets if _here is not None else {}
    return {uid: own.get(uid, 0) if count is None else count for uid, count in _look_up(uids).items()}


def _look_up(uids: Sequence[str]) -> dict[str, int | None]:
    """By uid the number of sockets, or None where its Redis is away."""
    own = _here.sockets if _here is not None else {}
    shards = _shards()
    if not shards:
        return {uid: own.get(uid, 0) for uid in uids}
    counts: dict[str, int | None] = {}
    for number, some in _by_shard(dict.fromkeys(uids), len(shards)).items():
        for start in range(0, len(some), BATCH):
            counts.update(_look_up_on(shards[number], some[start : start + BATCH], own))
    return {uid: counts[uid] for uid in uids}


def _look_up_on(shard: "Shard", uids: Sequence[str], own: Mapping[str, int]) -> dict[str, int | None]:
    hashes = shard.run([("HGETALL", _key(uid)) for uid in uids])
    nodes = list({node for found in hashes if found is not _FAILED for node in found})
    (beats,) = shard.run([("MGET", *(_node_key(node.decode()) for node in nodes))]) if nodes else [[]]
    if beats is _FAILED:
        return dict.fromkeys(uids)
    alive = {node for node, beat in zip(nodes, beats, strict=True) if beat is not None}
    # This process knows its own sockets better than Redis does.
    mine = _here.node.encode() if _here is not None else b""
    counts: dict[str, int | None] = {}
    dead: list[Command] = []
    for uid, found in zip(uids, hashes, strict=True):
        if found is _FAILED:
            counts[uid] = None
            continue
        others = sum(int(sockets) for node, sockets in found.items() if node in alive and node != mine)
        counts[uid] = others + own.get(uid, 0)
        dead += [("HDEL", _key(uid), node) for node in found if node not in alive and node != mine]
    shard.run(dead)
    return counts


# --- Redis

_FAILED: Any = object()


class Shard:
    """One Redis: runs commands in a pipeline within a bounded time, and not at all for a second after a failure."""

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

    def run(self, commands: Sequence[Command]) -> list[Any]:
        """An answer for each command, `_FAILED` for what was not done."""
        if not commands:
            return []
        if time.monotonic() < self._away_until:
            return [_FAILED] * len(commands)
        try:
            pipeline = self._client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers = pipeline.execute(raise_on_error=False)
        except (redis.RedisError, OSError) as error:
            metrics.redis_errors.labels("presence").inc()
            logger.warning("presence: Redis is away (%s)", error)
            self._away_until = time.monotonic() + AWAY_SECONDS
            return [_FAILED] * len(commands)
        refused = [answer for answer in answers if isinstance(answer, Exception)]
        if refused:
            metrics.redis_errors.labels("presence").inc()
            logger.warning("presence: Redis refused (%s)", refused[0])
        return [_FAILED if isinstance(answer, Exception) else answer for answer in answers]


@lru_cache(maxsize=1)
def _shards() -> tuple[Shard, ...]:
    return tuple(Shard(url) for url in conf().redis_urls)


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting == "NOTIFICATIONS":
        if _shards.cache_info().currsize:
            for shard in _shards():
                shard.close()
        _shards.cache_clear()


def _by_shard(uids: Iterable[str], shards: int) -> dict[int, list[str]]:
    grouped: defaultdict[int, list[str]] = defaultdict(list)
    if shards:
        for uid in uids:
            grouped[_shard_of(uid, shards)].append(uid)
    return grouped


def _shard_of(uid: str, shards: int) -> int:
    # As the unread index has it.
    return zlib.crc32(uid.encode("utf-8", "surrogatepass")) % shards


def _key(uid: str) -> str:
    return f"notifications:online:{uid}"


def _node_key(node: str) -> str:
    return f"notifications:node:{node}"
