"""The unread index: a Redis hash per uid that answers what is unread without asking the database.

It is optional, and only ever an index: losing it, filling it up or being cut off from it changes speed, not answers.

`notifications:unread:<uid>` maps item ids to the items' JSON. Beside it stand the state it was filled in, the writers
that are under way, and the lease of whoever is filling it. Three rules keep it right under any interleaving:

1. A writer makes itself known in Redis *before* its transaction commits, and applies its change after. Meanwhile the
   index is neither used nor filled, and any fill under way is void. Two writers at once void the index. A writer that
   is killed leaves two marks: one in the state, which makes that state void for good, and one among the writers, which
   keeps others from filling it anew until it ends after `WRITER_SECONDS`. A Redis that was emptied has lost the marks
   of those who were writing then, and nobody would know of one that commits and is killed: nothing is filled there
   until all of them have ended, which the database tells (`writing`), because whoever makes itself known here has
   written before. What Redis has forgotten is told by its `epoch`, which the first to ask after a loss makes anew.
2. A writer that cannot reach Redis says so in the database (`Unindexed`): before its commit in the same transaction,
   after it in one more. Every node looks there twice a second, and trusts the index only if it has looked within
   `TRUST_SECONDS`. Whoever can reach Redis voids what is named there, and strikes it out when every node has had the
   time to see it. What a node replayed from an index that had become wrong just before, it replays anew. The one thing
   that must not be seen to go back, a confirmed read, is confirmed only `SETTLE_SECONDS` later: by then no node trusts
   an index from before it.
3. What time alone changes (an item expires, an announcement begins or ends) is in the state as `until`; publishing or
   withdrawing an announcement changes a version that every state carries.

A hash is filled when it is asked for, and a little after a write that found it void; which hashes hold what is unread
now is told by their state.

Redis must not come back with older data than it had: run it without persistence, as the files in docker/ do.
"""

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from notifications import clock, writing
from notifications.conf import conf
from notifications.models import Unindexed
from notifications.redis_client import one_for_each, shard_of
from notifications.unread_store import ServerState, Shard

__all__ = [
    "POLL_SECONDS",
    "SETTLE_SECONDS",
    "Change",
    "Entry",
    "EveryonesChange",
    "Filling",
    "Guard",
    "Lease",
    "ServerState",
    "begin",
    "fill",
    "look_up",
    "poll",
    "server_states",
]

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
# Uids whose hashes wait to be filled without having been asked for.
COLD_MOST = 200
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
        answers = dict(zip(self.tokens, _run(calls), strict=True))
        cold(uid for uid, kept in answers.items() if kept == 0)
        missed = [uid for uid, kept in answers.items() if kept is None]
        if missed:
            self.settle = SETTLE_SECONDS
            _note_unindexed(missed)


def _note_unindexed(uids: Iterable[str]) -> None:
    Unindexed.objects.bulk_create([Unindexed(uid=uid) for uid in uids], batch_size=500)


def begin(uids: Sequence[str]) -> Change:
    """Announce, inside the transaction and after its first write, that the unread of `uids` will change.

    After the write, so that the database knows of the transaction whatever becomes of the mark in Redis.
    """
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
    """An announcement that was published or withdrawn in an open transaction: `done` after commit."""

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
    whole: dict[str, bool] = {}
    for uid, answer in zip(asked, _run([(uid, "look_up", args) for uid in asked]), strict=True):
        if not isinstance(answer, list) or not answer:
            continue
        match answer[0]:
            case b"hit":
                flat = answer[1:]
                found[uid] = Entry({UUID(k.decode()): v.decode() for k, v in zip(flat[::2], flat[1::2], strict=True)})
            case b"lease":
                version, epoch = (text.decode() for text in answer[1:])
                if epoch not in whole:
                    # Asked after the lease and before what it is for is read: who has ended by now is seen by that.
                    whole[epoch] = _endings.seen(epoch)
                if whole[epoch]:
                    leases.append(Lease(uid, token, version))
    return found, leases


Filling = tuple[Lease, Mapping[UUID, str], datetime | None]
"""A lease, the items and their texts, and when time will change that answer by itself."""


def fill(fillings: Iterable[Filling]) -> None:
    """Store what the database said after the leases were given; nothing happens where a writer voided one meanwhile.

    An inbox with more unread than a replay holds is not for the index: the database counts it.
    """
    calls = []
    for lease, items, until in fillings:
        args: list[Any] = [lease.token, lease.version, _NEVER if until is None else _ms(until), TTL_SECONDS * 1000]
        for item_id, text in items.items():
            args += [str(item_id), text]
        calls.append((lease.uid, "fill", args))
    _run(calls)


_cold: dict[str, None] = {}


def cold(uids: Iterable[str]) -> None:
    """Note that the hashes of `uids` do not hold what is unread now. A node fills them before anybody asks.

    Only a few hundred wait for that: where more change at once, each is filled when it is asked for.
    """
    for uid in uids:
        if len(_cold) >= COLD_MOST:
            return
        _cold[uid] = None


def take_cold(most: int) -> list[str]:
    """The uids that have waited longest, at most so many; they wait no more."""
    taken = list(_cold)[:most]
    for uid in taken:
        _cold.pop(uid, None)
    return taken


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


_endings = writing.Endings()
_guard = Guard()
poll = _guard.poll


# --- Redis

_shards = one_for_each(Shard)


def server_states() -> list[ServerState]:
    """The state of every Redis, as it is now."""
    return [shard.state() for shard in _shards()]


def _run(calls: Sequence[tuple[str, str, Sequence[Any]]]) -> list[Any]:
    """Run scripts on the shard of each uid; answers in the order of the calls."""
    shards = _shards()
    if not shards:
        return [None] * len(calls)
    answers: list[Any] = [None] * len(calls)
    by_shard: dict[int, list[int]] = {}
    for index, (uid, _, _) in enumerate(calls):
        by_shard.setdefault(shard_of(uid, len(shards)), []).append(index)
    for number, indexes in by_shard.items():
        for index, answer in zip(indexes, shards[number].run([calls[i] for i in indexes]), strict=True):
            answers[index] = answer
    return answers


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


_NEVER = 2**52
