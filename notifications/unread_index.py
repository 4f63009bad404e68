"""The unread index: a Redis hash per uid that answers what is unread without asking the database.

It is optional, and only ever an index: losing it, filling it up or being cut off from it changes speed, not answers.

`notifications:unread:<uid>` maps item ids to the items' JSON. Beside it stand the state it was filled in, the writers
that are under way, and the lease of whoever is filling it. Three rules keep it right under any interleaving:

1. A writer makes itself known in Redis *before* its transaction commits, and applies its change after. Meanwhile the
   index is neither used nor filled, and any fill under way is void. Two writers at once void the index. A writer that
   is killed leaves two marks: one in the state, which makes that state void for good, and one among the writers, which
   keeps others from filling it anew until it ends after `WRITER_SECONDS`.
2. A writer that cannot reach Redis says so in the database (`Unindexed`): before its commit in the same transaction,
   after it in one more. Every node looks there twice a second, and trusts the index only if it has looked within
   `TRUST_SECONDS`. Whoever can reach Redis voids what is named there, and strikes it out when every node has had the
   time to see it. What a node replayed from an index that had become wrong just before, it replays anew. The one thing
   that must not be seen to go back, a confirmed read, is confirmed only `SETTLE_SECONDS` later: by then no node trusts
   an index from before it.
3. What time alone changes (an item expires, an announcement begins or ends) is in the state as `until`; publishing or
   withdrawing an announcement changes a version that every state carries.

Redis must not come back with older data than it had: run it without persistence, as the files in docker/ do.
"""

import logging
import secrets
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import redis
from django.core.signals import setting_changed
from django.dispatch import receiver
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifications import clock, metrics
from notifications.conf import conf
from notifications.models import Unindexed

logger = logging.getLogger(__name__)

# Longer than a transaction may last. The price is that for so long after a writer was killed or rolled back the
# database answers for the uids it wrote to.
WRITER_SECONDS = 900
LEASE_SECONDS = 10
TTL_SECONDS = 6 * 3600
POLL_SECONDS = 0.5
TRUST_SECONDS = 0.6
SETTLE_SECONDS = 0.7
# Rows of `Unindexed` stay so long after they were first seen: every node that trusts its index polls meanwhile.
KEEP_SECONDS = 1.5
# Nobody waits longer for Redis, and after a failure nobody tries for a second.
TIMEOUT_SECONDS = 0.25
AWAY_SECONDS = 1.0
BATCH = 200
# Rows of `Unindexed` that one poll reads. Where there are more, nobody's index is trusted.
ROWS_MAX = 10_000


@dataclass(slots=True)
class Entry:
    """What the index holds of one uid: item ids and texts, in no order."""

    items: dict[UUID, str]


@dataclass(slots=True)
class Lease:
    """The right to fill one uid's index with what the database says from now on."""

    uid: str
    token: str
    version: str


@dataclass(frozen=True, slots=True)
class ServerState:
    """What operators should know of one Redis. Where it could not be asked, `error` says why and the rest is empty."""

    address: str
    error: str = ""
    maxmemory_policy: str = ""
    persistent: bool = False
    clock: datetime | None = None


@dataclass(slots=True)
class Change:
    """A change of some uids' unread that is about to be committed. `done` must be called after commit."""

    tokens: dict[str, str] = field(default_factory=dict)
    """The uids whose index knows of this writer, each with the writer's mark."""
    settle: float = 0.0
    """Seconds to wait after commit before a read may be confirmed."""

    def done(
        self,
        added: Mapping[str, Mapping[UUID, tuple[str, datetime | None]]] | None = None,
        removed: Mapping[str, Iterable[UUID]] | None = None,
    ) -> None:
        """Apply the change: by uid, items that are unread now (text and expiry) and ids that are unread no more."""
        calls = []
        for uid, token in self.tokens.items():
            new = (added or {}).get(uid, {})
            until = min((_ms(at) for _, at in new.values() if at is not None), default=_NEVER)
            args: list[Any] = [token, until, conf().replay_limit, len(new)]
            for item_id, (text, _) in new.items():
                args += [str(item_id), text]
            args += [str(item_id) for item_id in (removed or {}).get(uid, ())]
            calls.append((uid, "done", args))
        missed = [uid for (uid, _, _), answer in zip(calls, _run(calls), strict=True) if answer is None]
        if missed:
            self.settle = SETTLE_SECONDS
            _note_unindexed(missed)


def _note_unindexed(uids: Iterable[str]) -> None:
    Unindexed.objects.bulk_create([Unindexed(uid=uid) for uid in uids], batch_size=500)


def begin(uids: Sequence[str]) -> Change:
    """Announce, inside the transaction and before anything is written, that the unread of `uids` will change."""
    if not conf().redis_urls:
        return Change()
    token = secrets.token_hex(8)
    answers = _run([(uid, "begin", [token, WRITER_SECONDS * 1000]) for uid in uids])
    change = Change(tokens={uid: token for uid, answer in zip(uids, answers, strict=True) if answer is not None})
    unreached = [uid for uid in uids if uid not in change.tokens]
    if unreached:
        _note_unindexed(unreached)
        change.settle = SETTLE_SECONDS
    return change


class EveryonesChange:
    """An announcement that is about to be published or withdrawn: `done` after commit."""

    def __init__(self) -> None:
        self._token = secrets.token_hex(8)
        if not _on_every_shard("begin_all", [self._token, WRITER_SECONDS * 1000]):
            _note_unindexed([""])

    def done(self) -> None:
        """Strike out the mark of this writer: the indexes may be filled again."""
        if not _on_every_shard("done_all", [self._token]):
            _note_unindexed([""])


def _on_every_shard(script: str, args: Sequence[Any]) -> bool:
    answers = [shard.run([("", script, args)])[0] for shard in _shards()]
    return all(answer is not None for answer in answers)


# --- reading and filling


def look_up(uids: Sequence[str]) -> tuple[dict[str, Entry], list[Lease]]:
    """What the index knows of `uids`, and leases to fill it for those it does not. The rest is the database's alone."""
    if not conf().redis_urls or not _guard.trusted():
        return {}, []
    asked = [uid for uid in uids if uid not in _guard.distrusted]
    token, now = secrets.token_hex(8), clock.now_ms()
    found: dict[str, Entry] = {}
    leases: list[Lease] = []
    args = [token, now, LEASE_SECONDS * 1000]
    for uid, answer in zip(asked, _run([(uid, "look_up", args) for uid in asked]), strict=True):
        if not isinstance(answer, list) or not answer:
            continue
        match answer[0]:
            case b"hit":
                flat = answer[1:]
                found[uid] = Entry({UUID(k.decode()): v.decode() for k, v in zip(flat[::2], flat[1::2], strict=True)})
            case b"lease":
                leases.append(Lease(uid, token, answer[1].decode()))
    return found, leases


def fill(lease: Lease, items: Mapping[UUID, str], until: datetime | None) -> None:
    """Store what the database said after the lease was given; nothing happens if a writer voided it meanwhile.

    `until`: when time will change the answer by itself. An inbox with more unread than a replay holds is not for the
    index: the database counts it.
    """
    ends = _NEVER if until is None else _ms(until)
    args: list[Any] = [lease.token, lease.version, ends, TTL_SECONDS * 1000]
    for item_id, text in items.items():
        args += [str(item_id), text]
    _run([(lease.uid, "fill", args)])


# --- the guard


class Guard:
    """Knows whose index cannot be trusted because a writer could not reach Redis. `poll` must run twice a second."""

    def __init__(self) -> None:
        self.distrusted: frozenset[str] = frozenset()
        self._everyone = False
        self._polled_at = float("-inf")
        self._first_seen: dict[int, float] = {}

    def trusted(self) -> bool:
        """Whether the database was asked lately enough to trust the index of anybody."""
        return not self._everyone and time.monotonic() - self._polled_at < TRUST_SECONDS

    def poll(self) -> frozenset[str]:
        """Ask the database which indexes are stale, void them in Redis, and strike out those that are done.

        Gives the uids that were not known to be stale before; the empty uid stands for everyone.
        """
        begun = time.monotonic()
        rows = list(Unindexed.objects.order_by("id").values_list("id", "uid")[:ROWS_MAX])
        uids = {uid for _, uid in rows}
        self._everyone = "" in uids or len(rows) == ROWS_MAX
        self.distrusted = frozenset(uids)
        self._polled_at = begun
        fresh = frozenset("" if self._everyone else uid for row_id, uid in rows if row_id not in self._first_seen)
        self._first_seen = {row_id: self._first_seen.get(row_id, begun) for row_id, _ in rows}
        personal = sorted(uids - {""})
        voided = {
            uid for uid, answer in zip(personal, _run([(u, "void", []) for u in personal]), strict=True) if answer
        }
        if "" in uids and _on_every_shard("void_all", [secrets.token_hex(8)]):
            voided.add("")
        old = begun - KEEP_SECONDS
        done = [row_id for row_id, uid in rows if uid in voided and self._first_seen[row_id] <= old]
        for start in range(0, len(done), 500):
            Unindexed.objects.filter(id__in=done[start : start + 500]).delete()
        return fresh


_guard = Guard()
poll = _guard.poll


# --- Redis


def server_states() -> list[ServerState]:
    """The state of every Redis, as it is now."""
    return [shard.state() for shard in _shards()]


class Shard:
    """One Redis: runs scripts in pipelines, within a bounded time, and not at all for a second after a failure."""

    def __init__(self, url: str) -> None:
        self._client: redis.Redis = redis.Redis.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._scripts = {name: self._client.register_script(text) for name, text in _SCRIPTS.items()}
        self._away_until = 0.0

    def state(self) -> ServerState:
        """Ask this server about itself."""
        at = self._client.connection_pool.connection_kwargs
        address = str(at.get("path") or f"{at.get('host')}:{at.get('port')}")
        try:
            info: Any = self._client.info("everything")
            seconds, microseconds = self._client.time()
        except (redis.RedisError, OSError) as error:
            return ServerState(address, error=str(error) or type(error).__name__)
        try:
            snapshots: Any = self._client.config_get("save")
        except redis.RedisError:
            # A server that lends no CONFIG is a hosted one, which tells nothing of its snapshots.
            snapshots = {}
        return ServerState(
            address,
            maxmemory_policy=str(info.get("maxmemory_policy", "")),
            persistent=bool(info.get("aof_enabled") or snapshots.get("save")),
            clock=datetime.fromtimestamp(seconds + microseconds / 1e6, UTC),
        )

    def run(self, calls: Sequence[tuple[str, str, Sequence[Any]]]) -> list[Any]:
        """Run scripts, each `(uid, name, arguments)`; an answer each, None for what failed."""
        answers: list[Any] = []
        for start in range(0, len(calls), BATCH):
            batch = calls[start : start + BATCH]
            if time.monotonic() < self._away_until:
                answers += [None] * len(batch)
                continue
            try:
                pipeline = self._client.pipeline(transaction=False)
                for uid, name, args in batch:
                    self._scripts[name](keys=_keys(uid), args=args, client=pipeline)
                results = pipeline.execute(raise_on_error=False)
            except (redis.RedisError, OSError) as error:
                metrics.redis_errors.labels("index").inc()
                logger.warning("unread index: Redis is away, the database answers (%s)", error)
                self._away_until = time.monotonic() + AWAY_SECONDS
                answers += [None] * len(batch)
                continue
            for result in results:
                if isinstance(result, Exception):
                    # Out of memory, read only, no permission: this call did not happen.
                    metrics.redis_errors.labels("index").inc()
                    logger.warning("unread index: Redis refused (%s)", result)
                    answers.append(None)
                else:
                    answers.append(result)
        return answers


def _run(calls: Sequence[tuple[str, str, Sequence[Any]]]) -> list[Any]:
    """Run scripts on the shard of each uid; answers in the order of the calls."""
    shards = _shards()
    if not shards:
        return [None] * len(calls)
    answers: list[Any] = [None] * len(calls)
    by_shard: dict[int, list[int]] = {}
    for index, (uid, _, _) in enumerate(calls):
        by_shard.setdefault(zlib.crc32(uid.encode("utf-8", "surrogatepass")) % len(shards), []).append(index)
    for number, indexes in by_shard.items():
        for index, answer in zip(indexes, shards[number].run([calls[i] for i in indexes]), strict=True):
            answers[index] = answer
    return answers


@lru_cache(maxsize=1)
def _shards() -> tuple[Shard, ...]:
    return tuple(Shard(url) for url in conf().redis_urls)


@receiver(setting_changed)
def _forget(*, setting: str, **_: object) -> None:
    if setting == "NOTIFICATIONS":
        _shards.cache_clear()


def _keys(uid: str) -> list[str]:
    prefix = "notifications:"
    return [
        f"{prefix}unread:{uid}",
        f"{prefix}state:{uid}",
        f"{prefix}writers:{uid}",
        f"{prefix}lease:{uid}",
        f"{prefix}version",
        f"{prefix}writers",
    ]


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


_NEVER = 2**52

# KEYS: 1 the hash, 2 its state, 3 its writers, 4 its lease, 5 the announcements' version, 6 the announcements' writers.
# Marks end by Redis's own clock: a writer's may be hours off.
_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function mark(key, token, ms)
  redis.call('ZADD', key, string.format('%.0f', now + ms), token)
  redis.call('PEXPIRE', key, ms)
end
local function busy()
  return redis.call('ZCOUNT', KEYS[3], now, '+inf') > 0 or redis.call('ZCOUNT', KEYS[6], now, '+inf') > 0
end
"""
# A state without its count is void, as is one that does not fit the hash, or that a writer has marked.
_WHOLE = """
local function whole(writer)
  local state = redis.call('HMGET', KEYS[2], 'n', 'writer')
  return state[1] and state[2] == writer and redis.call('HLEN', KEYS[1]) == tonumber(state[1])
end
"""
_SCRIPTS = {
    # ARGV: token, the asker's time, lease milliseconds
    "look_up": _NOW
    + _WHOLE
    + """
if busy() then return {'busy'} end
local version = redis.call('GET', KEYS[5])
if not version then version = ARGV[1]; redis.call('SET', KEYS[5], version) end
local state = redis.call('HMGET', KEYS[2], 'version', 'until')
if whole(false) and state[1] == version and tonumber(state[2]) > tonumber(ARGV[2]) then
  local items = redis.call('HGETALL', KEYS[1])
  table.insert(items, 1, 'hit')
  return items
end
redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[3])
return {'lease', version}
""",
    # ARGV: token, version, until, ttl, then id and text of each item
    "fill": _NOW
    + """
if busy() or redis.call('GET', KEYS[4]) ~= ARGV[1] or redis.call('GET', KEYS[5]) ~= ARGV[2] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
for i = 5, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[2], 'n', (#ARGV - 4) / 2, 'version', ARGV[2], 'until', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
return 1
""",
    # ARGV: token, milliseconds of the mark
    "begin": _NOW
    + """
redis.call('DEL', KEYS[4])
if redis.call('HEXISTS', KEYS[2], 'writer') == 1 then
  redis.call('DEL', KEYS[1], KEYS[2])
elseif redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('HSET', KEYS[2], 'writer', ARGV[1])
end
mark(KEYS[3], ARGV[1], ARGV[2])
return 1
""",
    # ARGV: token, until, most items, number of new items, then id and text of each, then ids to take away
    "done": _WHOLE
    + """
if whole(ARGV[1]) and redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  -- First void, for memory may run out half-way.
  redis.call('HDEL', KEYS[2], 'n')
  local at = 5
  for _ = 1, tonumber(ARGV[4]) do
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
    at = at + 2
  end
  for i = at, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
  local n = redis.call('HLEN', KEYS[1])
  if n > tonumber(ARGV[3]) then
    redis.call('DEL', KEYS[1], KEYS[2])
  else
    local ends = math.min(tonumber(ARGV[2]), tonumber(redis.call('HGET', KEYS[2], 'until')))
    redis.call('HSET', KEYS[2], 'n', n, 'until', string.format('%.0f', ends))
    redis.call('HDEL', KEYS[2], 'writer')
    local ttl = redis.call('PTTL', KEYS[2])
    if ttl > 0 then redis.call('PEXPIRE', KEYS[1], ttl) end
  end
else
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
end
redis.call('ZREM', KEYS[3], ARGV[1])
return 1
""",
    "void": "redis.call('DEL', KEYS[1], KEYS[2], KEYS[4]) return 1",
    # A new version voids all that was filled before, even if this writer is killed.
    # ARGV: token, milliseconds of the mark
    "begin_all": _NOW
    + """
redis.call('SET', KEYS[5], ARGV[1])
mark(KEYS[6], ARGV[1], ARGV[2])
return 1
""",
    # ARGV: token. The mark may be lost (Redis came back empty), and something filled meanwhile: a new version again.
    "done_all": "redis.call('SET', KEYS[5], ARGV[1] .. 'd') redis.call('ZREM', KEYS[6], ARGV[1]) return 1",
    # ARGV: new version
    "void_all": "redis.call('SET', KEYS[5], ARGV[1]) return 1",
}
