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
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from notifications.conf import conf
from notifications.exceptions import Unavailable
from notifications.redis_client import FAILED, Client, Command, one_for_each, shard_of

logger = logging.getLogger(__name__)

# What changes within this after a write is written together: a node that takes 500 sockets a second writes 20
# pipelines, not 500, and a single one that comes is known to all at once.
GATHER_SECONDS = 0.05
BEAT_SECONDS = 3.0
NODE_SECONDS = 10.0
# What is never looked up again goes by itself; a node writes everything anew well before.
HASH_SECONDS = 6 * 3600
BATCH = 500
# Keys of all sorts that a Redis looks through in one step of a scan: some half a millisecond.
SCANNED = 2_000


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
            uids = uids | {uid for uid in self.sockets if shard_of(uid, len(shards)) in whole}
        self._changed = set()
        counts = {uid: self.sockets.get(uid, 0) for uid in uids}
        self._changed |= await asyncio.to_thread(self._write, shards, counts)

    def goodbye(self) -> None:
        """This node ends: it counts no more."""
        for shard in _shards():
            shard.ask([("DEL", _node_key(self.node))])

    def _beat(self, shards: Sequence["Shard"]) -> set[int]:
        """Say that this node lives; gives the shards to which everything is to be written anew."""
        whole = set()
        milliseconds = int(NODE_SECONDS * 1000)
        for number, shard in enumerate(shards):
            (before,) = shard.ask([("SET", _node_key(self.node), 1, "PX", milliseconds, "GET")])
            if before is FAILED:
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
                if FAILED in shards[number].ask(commands):
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


def users() -> int:
    """How many users have a socket now, each counted once; not on the event loop. Raises as `online` does."""
    shards = _shards()
    if not shards:
        return len(_here.sockets) if _here is not None else 0
    uids: set[str] = set()
    for shard in shards:
        cursor = None
        while cursor != 0:
            (answer,) = shard.ask([("SCAN", cursor or 0, "MATCH", _key("*"), "COUNT", SCANNED)])
            if answer is FAILED:
                raise Unavailable("who is online cannot be said now")
            cursor, keys = answer
            # A scan may give a key twice.
            uids.update(key.decode().removeprefix(_key("")) for key in keys)
    return sum(1 for sockets in online(list(uids)).values() if sockets)


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
    hashes = shard.ask([("HGETALL", _key(uid)) for uid in uids])
    nodes = list({node for found in hashes if found is not FAILED for node in found})
    (beats,) = shard.ask([("MGET", *(_node_key(node.decode()) for node in nodes))]) if nodes else [[]]
    if beats is FAILED:
        return dict.fromkeys(uids)
    alive = {node for node, beat in zip(nodes, beats, strict=True) if beat is not None}
    # This process knows its own sockets better than Redis does.
    mine = _here.node.encode() if _here is not None else b""
    counts: dict[str, int | None] = {}
    dead: list[Command] = []
    for uid, found in zip(uids, hashes, strict=True):
        if found is FAILED:
            counts[uid] = None
            continue
        others = sum(int(sockets) for node, sockets in found.items() if node in alive and node != mine)
        counts[uid] = others + own.get(uid, 0)
        dead += [("HDEL", _key(uid), node) for node in found if node not in alive and node != mine]
    shard.ask(dead)
    return counts


# --- Redis


class Shard(Client):
    """One Redis of it."""

    part = "presence"


_shards = one_for_each(Shard)


def _by_shard(uids: Iterable[str], shards: int) -> dict[int, list[str]]:
    grouped: defaultdict[int, list[str]] = defaultdict(list)
    if shards:
        for uid in uids:
            grouped[shard_of(uid, shards)].append(uid)
    return grouped


def _key(uid: str) -> str:
    return f"notifications:online:{uid}"


def _node_key(node: str) -> str:
    return f"notifications:node:{node}"
