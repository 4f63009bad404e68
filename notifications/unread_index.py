"""The unread index: a Redis hash per uid that answers what is unread without asking the database.

It is optional, and only ever an index: losing it, filling it up or being cut off from it changes speed, not answers.

`notifications:unread:<uid>` maps item ids to the items' JSON. Beside it stand the state it was filled in, the writers
that are under way, and the lease of whoever is filling it. Three rules keep it right under any interleaving:

1. A writer makes itself known in Redis *before* its transaction commits, and applies its change after. Meanwhile the
   index is neither used nor filled, and any fill under way is void. Two writers at once void the index.
   A writer that is killed leaves its mark, which ends after `WRITER_SECONDS`; until then the database answers.
2. A writer that cannot reach Redis says so in the database, in the same transaction (`Unindexed`). Every node looks
   there twice a second, and trusts the index only if it has looked within `TRUST_SECONDS`. Whoever can reach Redis
   voids what is named there. The one thing that must not be seen to go back, a confirmed read, is confirmed only
   `SETTLE_SECONDS` later: by then no node trusts an index from before it.
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
from datetime import datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

import redis
from django.core.signals import setting_changed
from django.dispatch import receiver
from redis.backoff import NoBackoff
from redis.retry import Retry

from notifications import clock
from notifications.conf import conf
from notifications.models import Unindexed

logger = logging.getLogger(__name__)

WRITER_SECONDS = 300
LEASE_SECONDS = 10
TTL_SECONDS = 6 * 3600
POLL_SECONDS = 0.5
TRUST_SECONDS = 0.6
SETTLE_SECONDS = 0.7
# Nobody waits longer for Redis, and after a failure nobody tries for a second.
TIMEOUT_SECONDS = 0.25
AWAY_SECONDS = 1.0
BATCH = 200


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
            args: list[Any] = [token, clock.now_ms(), until, conf().replay_limit, len(new)]
            for item_id, (text, _) in new.items():
                args += [str(item_id), text]
            args += [str(item_id) for item_id in (removed or {}).get(uid, ())]
            calls.append((uid, "done", args))
        _run(calls)


def begin(uids: Sequence[str]) -> Change:
    """Announce, inside the transaction and before anything is written, that the unread of `uids` will change."""
    if not conf().redis_urls:
        return Change()
    now = clock.now_ms()
    token = secrets.token_hex(8)
    args = [token, now, now + WRITER_SECONDS * 1000, WRITER_SECONDS * 1000]
    answers = _run([(uid, "begin", args) for uid in uids])
    change = Change(tokens={uid: token for uid, answer in zip(uids, answers, strict=True) if answer is not None})
    unreached = [uid for uid in uids if uid not in change.tokens]
    if unreached:
        Unindexed.objects.bulk_create([Unindexed(uid=uid) for uid in unreached], batch_size=500)
        change.settle = SETTLE_SECONDS
    return change


class EveryonesChange:
    """An announcement that is about to be published or withdrawn: `done` after commit."""

    def __init__(self) -> None:
        self._token = secrets.token_hex(8)
        shards = _shards()
        now = clock.now_ms()
        args = [self._token, now + WRITER_SECONDS * 1000, WRITER_SECONDS * 1000]
        reached = [shard.run([("", "begin_all", args)])[0] is not None for shard in shards]
        if not all(reached):
            Unindexed.objects.create(uid="")

    def done(self) -> None:
        """Give every shard a new version: all that was filled before is void."""
        for shard in _shards():
            shard.run([("", "done_all", [self._token, secrets.token_hex(8)])])


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
    args: list[Any] = [lease.token, clock.now_ms(), lease.version, ends, TTL_SECONDS * 1000]
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

    def trusted(self) -> bool:
        """Whether the database was asked lately enough to trust the index of anybody."""
        return not self._everyone and time.monotonic() - self._polled_at < TRUST_SECONDS

    def poll(self) -> None:
        """Ask the database which indexes are stale, void them in Redis, and strike out those that are done."""
        begun = time.monotonic()
        rows = list(Unindexed.objects.values_list("id", "uid")[:10_000])
        uids = {uid for _, uid in rows}
        self._everyone = "" in uids or len(rows) == 10_000
        self.distrusted = frozenset(uids)
        self._polled_at = begun
        personal = sorted(uids - {""})
        voided = {
            uid for uid, answer in zip(personal, _run([(u, "void", []) for u in personal]), strict=True) if answer
        }
        if "" in uids and all(shard.run([("", "void_all", [secrets.token_hex(8)])])[0] for shard in _shards()):
            voided.add("")
        done = [row_id for row_id, uid in rows if uid in voided]
        for start in range(0, len(done), 500):
            Unindexed.objects.filter(id__in=done[start : start + 500]).delete()


_guard = Guard()
poll = _guard.poll


# --- Redis


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
                logger.warning("unread index: Redis is away, the database answers (%s)", error)
                self._away_until = time.monotonic() + AWAY_SECONDS
                answers += [None] * len(batch)
                continue
            for result in results:
                if isinstance(result, Exception):
                    # Out of memory, read only, no permission: this call did not happen.
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
_COMMON = """
local function busy(now)
  return redis.call('ZCOUNT', KEYS[3], now, '+inf') > 0 or redis.call('ZCOUNT', KEYS[6], now, '+inf') > 0
end
local function whole()
  local n = redis.call('HGET', KEYS[2], 'n')
  return n and redis.call('HLEN', KEYS[1]) == tonumber(n)
end
"""
_SCRIPTS = {
    # ARGV: token, now, lease milliseconds
    "look_up": _COMMON
    + """
if busy(ARGV[2]) then return {'busy'} end
local version = redis.call('GET', KEYS[5])
if not version then version = ARGV[1]; redis.call('SET', KEYS[5], version) end
local state = redis.call('HMGET', KEYS[2], 'version', 'until')
if whole() and state[1] == version and tonumber(state[2]) > tonumber(ARGV[2]) then
  local items = redis.call('HGETALL', KEYS[1])
  table.insert(items, 1, 'hit')
  return items
end
redis.call('SET', KEYS[4], ARGV[1], 'PX', ARGV[3])
return {'lease', version}
""",
    # ARGV: token, now, version, until, ttl, then id and text of each item
    "fill": _COMMON
    + """
if busy(ARGV[2]) or redis.call('GET', KEYS[4]) ~= ARGV[1] or redis.call('GET', KEYS[5]) ~= ARGV[3] then return 0 end
redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
for i = 6, #ARGV, 2 do redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[2], 'n', (#ARGV - 5) / 2, 'version', ARGV[3], 'until', ARGV[4])
redis.call('PEXPIRE', KEYS[1], ARGV[5])
redis.call('PEXPIRE', KEYS[2], ARGV[5])
return 1
""",
    # ARGV: token, now, end of the mark, milliseconds of the mark
    "begin": """
redis.call('DEL', KEYS[4])
if redis.call('ZCOUNT', KEYS[3], ARGV[2], '+inf') > 0 then redis.call('DEL', KEYS[1], KEYS[2]) end
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[3], ARGV[4])
return 1
""",
    # ARGV: token, now, until, most items, number of new items, then id and text of each, then ids to take away
    "done": _COMMON
    + """
if whole() and redis.call('ZSCORE', KEYS[3], ARGV[1]) then
  -- Without its count the index is void: memory may run out half-way.
  redis.call('HDEL', KEYS[2], 'n')
  local at = 6
  for _ = 1, tonumber(ARGV[5]) do
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[at + 1])
    at = at + 2
  end
  for i = at, #ARGV do redis.call('HDEL', KEYS[1], ARGV[i]) end
  local n = redis.call('HLEN', KEYS[1])
  if n > tonumber(ARGV[4]) then
    redis.call('DEL', KEYS[1], KEYS[2])
  else
    local ends = math.min(tonumber(ARGV[3]), tonumber(redis.call('HGET', KEYS[2], 'until')))
    redis.call('HSET', KEYS[2], 'n', n, 'until', string.format('%.0f', ends))
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
    # ARGV: token, end of the mark, milliseconds of the mark
    "begin_all": """
redis.call('ZADD', KEYS[6], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[6], ARGV[3])
return 1
""",
    # ARGV: token, new version
    "done_all": "redis.call('SET', KEYS[5], ARGV[2]) redis.call('ZREM', KEYS[6], ARGV[1]) return 1",
    # ARGV: new version
    "void_all": "redis.call('SET', KEYS[5], ARGV[1]) return 1",
}
