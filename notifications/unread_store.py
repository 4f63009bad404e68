"""Where the unread index lies: one Redis of it, and the scripts that change a uid's keys in one step each.

`unread_index` says what the keys mean and why the scripts do what they do.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import redis

from notifications.redis_client import FAILED, Client, Command

BATCH = 200
# Under the names that the app's user of Redis may write to.
PROBE_KEY = "notifications:probe"

Call = tuple[str, str, Sequence[Any]]
"""A uid, the name of a script, and its arguments."""


@dataclass(frozen=True, slots=True)
class ServerState:
    """What operators should know of one Redis. Where it could not be asked, `error` says why and the rest is empty."""

    address: str
    error: str = ""
    maxmemory_policy: str = ""
    refusal: str = ""
    """What it said to a write, where it takes none: full, or a replica."""
    persistent: bool = False
    clock: datetime | None = None


class Shard(Client):
    """One Redis of the index."""

    part = "index"

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
            refusal=self._refusal(),
            maxmemory_policy=str(info.get("maxmemory_policy", "")),
            persistent=bool(info.get("aof_enabled") or snapshots.get("save")),
            clock=datetime.fromtimestamp(seconds + microseconds / 1e6, UTC),
        )

    def _refusal(self) -> str:
        """Try a write of the kind that a full server refuses: its figures alone do not tell that it would."""
        try:
            self._client.set(PROBE_KEY, "1", px=1)
        except (redis.RedisError, OSError) as error:
            return str(error) or type(error).__name__
        return ""

    def run(self, calls: Sequence[Call]) -> list[Any]:
        """Run scripts; an answer each, None for what failed."""
        commands: list[Command] = []
        for uid, name, args in calls:
            keys = _keys(uid)
            commands.append(("EVALSHA", _DIGESTS[name], len(keys), *keys, *args))
        answers: list[Any] = []
        for start in range(0, len(commands), BATCH):
            answers += self.ask(commands[start : start + BATCH])
        return [None if answer is FAILED else answer for answer in answers]

    def _execute(self, commands: Sequence[Command]) -> list[Any]:
        """One round trip, or three where Redis does not know the scripts yet."""
        answers = super()._execute(commands)
        unknown = [index for index, answer in enumerate(answers) if isinstance(answer, redis.exceptions.NoScriptError)]
        if unknown:
            loading = self._client.pipeline(transaction=False)
            for text in _SCRIPTS.values():
                loading.script_load(text)
            loading.execute()
            for index, answer in zip(unknown, super()._execute([commands[index] for index in unknown]), strict=True):
                answers[index] = answer
        return answers


def _keys(uid: str) -> list[str]:
    prefix = "notifications:"
    return [
        f"{prefix}unread:{uid}",
        f"{prefix}state:{uid}",
        f"{prefix}writers:{uid}",
        f"{prefix}lease:{uid}",
        f"{prefix}version",
        f"{prefix}writers",
        f"{prefix}epoch",
    ]


# KEYS: 1 the hash, 2 its state, 3 its writers, 4 its lease, 5 the announcements' version, 6 the announcements' writers,
# 7 the epoch.
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
local epoch = redis.call('GET', KEYS[7])
if not epoch then epoch = ARGV[1]; redis.call('SET', KEYS[7], epoch) end
return {'lease', version, epoch}
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
    # ARGV: token, until, most items, number of new items, then id and text of each, then ids to take away.
    # 1: the hash holds the unread; 0: it does not.
    "done": _WHOLE
    + """
local kept = 0
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
    kept = 1
    local ttl = redis.call('PTTL', KEYS[2])
    if ttl > 0 then redis.call('PEXPIRE', KEYS[1], ttl) end
  end
else
  redis.call('DEL', KEYS[1], KEYS[2], KEYS[4])
end
redis.call('ZREM', KEYS[3], ARGV[1])
return kept
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
# What `EVALSHA` calls them by.
_DIGESTS = {name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest() for name, text in _SCRIPTS.items()}
