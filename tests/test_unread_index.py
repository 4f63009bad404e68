"""The unread index: whatever happens to Redis or to writers, it never answers wrongly."""

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import redis

from notifications import clock, redis_client, unread_index, unread_store, writing
from notifications.models import Unindexed
from notifications.unread_index import Change, EveryonesChange, Guard, Lease, begin, fill, look_up
from notifications.unread_store import Shard
from notifications.writing import Endings
from tests.servers.proxy import Proxy
from tests.servers.redis import Redis

pytestmark = [pytest.mark.server, pytest.mark.django_db(transaction=True)]

Item = dict[UUID, tuple[str, datetime | None]]


@pytest.fixture
def indexed(redis_server: Redis, settings: Any) -> Redis:
    """The unread index is on, in a Redis of the test's own."""
    settings.NOTIFICATIONS = {**settings.NOTIFICATIONS, "REDIS_URLS": [redis_server.url]}
    return redis_server


def _look(uid: str) -> dict[UUID, str] | Lease | None:
    """What a node that has just polled is told of `uid`: items, a lease, or nothing."""
    unread_index.poll()
    return _told(uid)


def _told(uid: str) -> dict[UUID, str] | Lease | None:
    found, leases = look_up([uid])
    if uid in found:
        return found[uid].items
    return leases[0] if leases else None


def _lease(uid: str = "7") -> Lease:
    lease = _look(uid)
    assert isinstance(lease, Lease)
    return lease


def _fill(uid: str = "7", *ids: UUID, until: datetime | None = None) -> None:
    fill([(_lease(uid), dict.fromkeys(ids, "text"), until)])


def _add(item_id: UUID, until: datetime | None = None) -> dict[str, Item]:
    return {"7": {item_id: ("text", until)}}


def _ids(count: int) -> list[UUID]:
    return [clock.new_id() for _ in range(count)]


def _is_away() -> None:
    for shard in unread_index._shards():
        shard._away_until = 0.0


# --- rules, one by one


def test_what_was_filled_is_answered(indexed: Redis) -> None:
    """In the hash that the contract names; an empty inbox is an answer too."""
    one, two = _ids(2)
    _fill("7", one, two)
    _fill("8")
    assert _look("7") == {one: "text", two: "text"}
    assert _look("8") == {}
    assert indexed.ask("HGETALL", "notifications:unread:7") == {str(one): "text", str(two): "text"}
    assert 0 < indexed.ask("TTL", "notifications:unread:7") <= 6 * 3600


def test_without_redis_there_is_no_index(settings: Any) -> None:
    """And nobody pays for it."""
    settings.NOTIFICATIONS = {}
    change = begin(["7"])
    change.done(added=_add(clock.new_id()))
    EveryonesChange().done()
    assert (change.settle, look_up(["7"]), unread_index.server_states()) == (0.0, ({}, []), [])
    assert not Unindexed.objects.exists()


def test_a_write_keeps_the_index(indexed: Redis) -> None:
    """After its commit what is new is in the hash and what is read is not; the hash lives no longer for it."""
    old, new = _ids(2)
    _fill("7", old)
    change = begin(["7"])
    change.done(added=_add(new), removed={"7": [old]})
    assert _look("7") == {new: "text"}
    lives = [indexed.ask("PTTL", f"notifications:{name}:7") for name in ("unread", "state")]
    assert abs(lives[0] - lives[1]) < 1_000
    assert 0 < lives[0] <= 6 * 3_600_000


def test_while_a_write_is_under_way_the_database_answers(indexed: Redis) -> None:
    """From before the commit until after it nothing is answered or filled, and a fill under way is void."""
    (item_id,) = _ids(1)
    lease = _lease()
    change = begin(["7"])
    assert _look("7") is None
    fill([(lease, {}, None)])
    assert _look("7") is None
    change.done(added=_add(item_id))
    # Not even now may what was read before the commit be stored.
    fill([(lease, {}, None)])
    assert isinstance(_look("7"), Lease)


def test_a_lease_is_void_once_another_was_given(indexed: Redis) -> None:
    """The later asker reads the later database."""
    first, second = _lease(), _lease()
    fill([(first, {}, None)])
    assert isinstance(_look("7"), Lease)
    fill([(second, {}, None)])
    assert isinstance(_look("7"), Lease)  # the look above took the lease away again
    _fill("7")
    assert _look("7") == {}


def test_two_writers_at_once_void_the_index(indexed: Redis) -> None:
    """Their commits may come in another order than their changes here."""
    (item_id,) = _ids(1)
    _fill("7")
    first, second = begin(["7"]), begin(["7"])
    second.done(removed={"7": [item_id]})
    assert _look("7") is None
    first.done(added=_add(item_id))
    assert isinstance(_look("7"), Lease)


def test_a_killed_writer_voids_what_it_left_for_good(indexed: Redis) -> None:
    """Until its mark ends the database answers; then the index is filled anew, never used as it was."""
    (old,) = _ids(1)
    _fill("7", old)
    begin(["7"])  # and then SIGKILL, just after the commit
    assert _look("7") is None
    assert 0 < indexed.ask("PTTL", "notifications:writers:7") <= unread_index.WRITER_SECONDS * 1000
    indexed.ask("DEL", "notifications:writers:7")  # as Redis does after 15 minutes
    assert isinstance(_look("7"), Lease)


def test_a_writer_after_a_killed_one_does_not_hide_its_change(indexed: Redis) -> None:
    """What the dead one committed is in nobody's hash: the next writer voids it instead of adding to it."""
    old, new = _ids(2)
    _fill("7", old)
    begin(["7"])
    indexed.ask("DEL", "notifications:writers:7")
    begin(["7"]).done(added=_add(new))
    assert isinstance(_look("7"), Lease)


def test_a_writer_that_takes_too_long_voids_the_index(indexed: Redis) -> None:
    """Its mark has ended and others have filled meanwhile: what it changes is not merely added to that."""
    (item_id,) = _ids(1)
    change = begin(["7"])
    indexed.ask("DEL", "notifications:writers:7")
    _fill("7")
    change.done(added=_add(item_id))
    assert isinstance(_look("7"), Lease)


def test_a_mark_is_measured_by_rediss_clock(indexed: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A writer whose own clock is hours behind is seen all the same."""
    monkeypatch.setattr(clock, "_offset_ms", -7_200_000)
    begin(["7"])
    monkeypatch.setattr(clock, "_offset_ms", 0)
    assert _look("7") is None


def test_time_ends_an_answer(indexed: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """When an item expires or an announcement begins; a written item brings its own end with it."""
    now = clock.now()
    one, two = _ids(2)
    _fill("7", one, until=now + timedelta(hours=2))
    monkeypatch.setattr(clock, "_offset_ms", 3_600_000)
    assert _look("7") == {one: "text"}
    begin(["7"]).done(added=_add(two, now + timedelta(minutes=90)))
    assert _look("7") == {one: "text", two: "text"}
    monkeypatch.setattr(clock, "_offset_ms", 91 * 60_000)
    assert isinstance(_look("7"), Lease)
    monkeypatch.setattr(clock, "_offset_ms", 0)


def test_an_announcement_voids_every_index_at_once(indexed: Redis) -> None:
    """While it is published the database answers for all; what was filled before is void, killed publisher or not."""
    for uid in ("7", "8"):
        _fill(uid)
    lease = _lease("9")
    change = EveryonesChange()
    assert _look("7") is _look("8") is None
    fill([(lease, {}, None)])
    change.done()
    fill([(lease, {}, None)])
    assert all(isinstance(_look(uid), Lease) for uid in ("7", "8", "9"))
    _fill("7")
    EveryonesChange()  # killed before it is done
    indexed.ask("DEL", "notifications:writers")
    assert isinstance(_look("7"), Lease)


@pytest.mark.parametrize(("count", "kept"), [(99, True), (100, True), (101, False)])
def test_more_than_a_replay_holds_is_not_kept(indexed: Redis, count: int, kept: bool) -> None:
    """At, below and above the limit: an index that could not count would be wrong."""
    ids = _ids(count)
    _fill("7", *ids[:-1])
    begin(["7"]).done(added=_add(ids[-1]))
    assert isinstance(_look("7"), dict) == kept


@pytest.mark.security("S7")
def test_uids_of_any_spelling_are_kept_apart(indexed: Redis) -> None:
    """Whatever characters they hold, one uid's hash is no other's, nor any key of another meaning."""
    uids = ["7", "8:9", "{7}", "*", "../x", "用户", "", " ", "version", "writers", "a" * 255]
    for uid in uids:
        _fill(uid, UUID(int=len(uid) + 1))
    for uid in uids:
        assert _look(uid) == {UUID(int=len(uid) + 1): "text"}


def test_shards_share_the_uids(settings: Any) -> None:
    """By hash: each uid is on one Redis, all of them in use; announcements are told to every one."""
    with Redis() as one, Redis() as two:
        settings.NOTIFICATIONS = {"REDIS_URLS": [one.url, two.url]}
        uids = [f"u{n}" for n in range(20)]
        unread_index.poll()
        _, leases = look_up(uids)
        for lease in leases:
            fill([(lease, {}, None)])
        sizes = [len(shard.ask("KEYS", "notifications:state:*")) for shard in (one, two)]
        assert sum(sizes) == 20
        assert min(sizes) > 0
        unread_index.poll()
        assert look_up(uids)[0].keys() == set(uids)
        EveryonesChange().done()
        unread_index.poll()
        assert look_up(uids)[0] == {}


# --- losing Redis, wholly or in part


def test_a_redis_that_was_emptied_is_not_filled_while_its_writers_may_commit(
    indexed: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of those who wrote when it lost their marks one may commit and be killed; who comes later has a mark again."""
    open_now = {"of old"}
    monkeypatch.setattr(writing, "transactions", lambda: frozenset(open_now))
    monkeypatch.setattr(unread_index, "_endings", Endings())
    (item_id,) = _ids(1)
    begin(["7"])
    indexed.ask("FLUSHALL")
    assert _look("7") is None
    open_now.add("later")
    assert _look("7") is None
    # It commits, and is killed before it is `done`.
    open_now.remove("of old")
    _fill("7", item_id)
    assert _look("7") == {item_id: "text"}
    # And once that is known it is asked no more, until Redis is emptied anew.
    monkeypatch.setattr(writing, "transactions", lambda: pytest.fail("asked again"))
    assert isinstance(_look("8"), Lease)
    indexed.ask("FLUSHALL")
    monkeypatch.setattr(writing, "transactions", lambda: frozenset(["of old"]))
    assert _look("8") is None


@pytest.mark.parametrize("key", ["unread:7", "state:7", "writers:7", "lease:7", "version", "writers"])
def test_whatever_key_is_lost_the_answer_stays_right(indexed: Redis, key: str) -> None:
    """Evicted before, during or after a write: there is a right answer, or none."""
    one, two = _ids(2)
    for moment in ("before", "during", "after"):
        indexed.ask("FLUSHALL")
        _fill("7", one)
        if moment == "before":
            indexed.ask("DEL", f"notifications:{key}")
        change = begin(["7"])
        if moment == "during":
            indexed.ask("DEL", f"notifications:{key}")
        change.done(added=_add(two))
        if moment == "after":
            indexed.ask("DEL", f"notifications:{key}")
        answer = _look("7")
        assert isinstance(answer, Lease) or answer == {one: "text", two: "text"}


def test_an_empty_redis_is_filled_anew(indexed: Redis) -> None:
    """FLUSHALL changes speed, never an answer; also in the middle of a write."""
    (item_id,) = _ids(1)
    _fill("7", item_id)
    indexed.ask("FLUSHALL")
    assert isinstance(_look("7"), Lease)
    change = begin(["7"])
    indexed.ask("FLUSHALL")
    _fill("7", item_id)  # as the database was before the commit
    change.done(removed={"7": [item_id]})
    assert isinstance(_look("7"), Lease)


def test_a_full_redis_is_kept_right(indexed: Redis) -> None:
    """With `noeviction` it takes the changes of what it has; what it has no room for, the database answers."""
    one, two = _ids(2)
    _fill("7", one)
    indexed.fill_up()
    change = begin(["7"])
    change.done(added=_add(two), removed={"7": [one]})
    assert change.settle == 0.0
    assert _look("7") == {two: "text"}
    assert _look("8") is None
    indexed.limit_memory(0)
    assert isinstance(_look("8"), Lease)


def _refuse_writes(server: Redis, *, refuse: bool) -> None:
    server.ask("CONFIG", "SET", "min-replicas-to-write", int(refuse))


def test_a_redis_that_refuses_is_voided(indexed: Redis, caplog: pytest.LogCaptureFixture) -> None:
    """Writes go on: they are noted in the database, and reads wait until nobody trusts the index."""
    (item_id,) = _ids(1)
    _fill("7", item_id)
    _refuse_writes(indexed, refuse=True)
    change = begin(["7"])
    assert change.settle == unread_index.SETTLE_SECONDS
    assert [row.uid for row in Unindexed.objects.all()] == ["7"]
    change.done(removed={"7": [item_id]})
    assert _look("7") is None
    _refuse_writes(indexed, refuse=False)
    assert _look("7") is None
    assert indexed.ask("EXISTS", "notifications:unread:7") == 0
    assert "Redis refused" in caplog.text


def test_a_change_that_cannot_be_applied_is_noted_after_the_commit(indexed: Redis) -> None:
    """In one more transaction; it may be that a mark of it was lost with all others."""
    (item_id,) = _ids(1)
    change = begin(["7"])
    indexed.ask("FLUSHALL")
    _fill("7", item_id)  # as the database was before the commit
    _refuse_writes(indexed, refuse=True)
    change.done(removed={"7": [item_id]})
    assert change.settle == unread_index.SETTLE_SECONDS
    assert [row.uid for row in Unindexed.objects.all()] == ["7"]
    _refuse_writes(indexed, refuse=False)
    assert _look("7") is None


@pytest.mark.parametrize("when", ["begin", "done"])
def test_an_announcement_that_redis_cannot_be_told_of_distrusts_all(indexed: Redis, when: str) -> None:
    """Until every node knows, and Redis too, the database answers for everyone."""
    _fill("7")
    if when == "begin":
        _refuse_writes(indexed, refuse=True)
        change = EveryonesChange()
        _refuse_writes(indexed, refuse=False)
    else:
        change = EveryonesChange()
        _refuse_writes(indexed, refuse=True)
    change.done()
    _refuse_writes(indexed, refuse=False)
    assert [row.uid for row in Unindexed.objects.all()] == [""]
    assert unread_index.poll() == {""}
    assert _told("7") is _told("8") is None


def test_a_paused_redis_holds_nobody_up(indexed: Redis) -> None:
    """One quarter of a second, and then not at all for a second: the database answers."""
    _fill("7")
    indexed.pause()
    try:
        begun = time.monotonic()
        for _ in range(100):
            begin(["7"]).done()
        EveryonesChange().done()
        look_up(["7"])
        # Were each to wait, it would be 50 s.
        assert time.monotonic() - begun < 10
    finally:
        indexed.resume()


def test_a_redis_that_was_away_is_used_again(indexed: Redis) -> None:
    """A second after it came back, and with nothing of what it had."""
    _fill("7")
    indexed.kill()
    assert _look("7") is None
    indexed.start()
    assert _look("7") is None
    _is_away()
    assert isinstance(_look("7"), Lease)


@pytest.mark.security("S16")
def test_a_user_of_few_rights_is_enough(indexed: Redis, settings: Any) -> None:
    """An ACL user with the commands used, on the app's keys alone, does all of it."""
    commands = "evalsha script|load time exists del get set pexpire pttl zadd zrem zcount zscore"
    rights = [f"+{name}" for name in f"{commands} hset hdel hget hmget hgetall hexists hlen".split()]
    indexed.ask("ACL", "SETUSER", "app", "on", ">secret", "~notifications:*", *rights)
    settings.NOTIFICATIONS = {"REDIS_URLS": [indexed.url.replace("redis://", "redis://app:secret@")]}
    one, two = _ids(2)
    _fill("7", one)
    change = begin(["7"])
    change.done(added=_add(two))
    assert _look("7") == {one: "text", two: "text"}
    EveryonesChange().done()
    Unindexed.objects.create(uid="")
    Unindexed.objects.create(uid="7")
    unread_index.poll()
    assert change.settle == 0.0
    assert unread_index.server_states()[0].error != ""  # asking the server about itself needs a right of its own


def test_a_call_is_one_round_trip(indexed: Redis) -> None:
    """However many uids: nothing is asked twice once the scripts are known; a flushed script cache is filled again."""
    unread_index.poll()
    look_up(["7"])
    before = indexed.ask("INFO", "commandstats")["cmdstat_evalsha"]["calls"]
    look_up([f"u{n}" for n in range(100)])
    after = indexed.ask("INFO", "commandstats")
    assert after["cmdstat_evalsha"]["calls"] - before == 100
    assert after["cmdstat_script|load"]["calls"] == len(unread_store._SCRIPTS)
    assert "cmdstat_script|exists" not in after
    indexed.ask("SCRIPT", "FLUSH")
    assert isinstance(_look("7"), Lease)


# --- the guard


def test_nobody_is_trusted_without_a_fresh_poll(indexed: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that cannot ask the database does not use the index: just before the border, and just after it."""
    _fill("7")
    unread_index.poll()
    now = time.monotonic()
    for later, trusted in ((0.5, True), (0.7, False)):
        monkeypatch.setattr(unread_index, "time", SimpleNamespace(monotonic=lambda later=later: now + later))
        assert (_told("7") == {}) == trusted


def test_a_node_says_once_whom_it_begins_to_distrust(indexed: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows stay until every node has had the time to see them, and only as long as their Redis cannot be told."""
    guards = [Guard(), Guard()]
    at = time.monotonic()
    now = SimpleNamespace(monotonic=lambda: at)
    monkeypatch.setattr(unread_index, "time", now)
    _fill("7")
    Unindexed.objects.create(uid="7")
    assert guards[0].poll() == {"7"}
    assert guards[0].poll() == frozenset()
    assert indexed.ask("EXISTS", "notifications:unread:7") == 0
    assert guards[0].distrusted == {"7"}
    at += 0.5
    assert guards[1].poll() == {"7"}
    at += unread_index.KEEP_SECONDS - 0.6
    guards[0].poll()
    assert Unindexed.objects.exists()
    at += 0.2
    guards[0].poll()
    assert not Unindexed.objects.exists()
    guards[0].poll()
    assert guards[0].distrusted == frozenset()


def test_rows_stay_while_redis_is_away(settings: Any) -> None:
    """A mark in the database is struck out by whoever could void the index, and by nobody else."""
    with Redis() as server:
        settings.NOTIFICATIONS = {"REDIS_URLS": [server.url]}
        _fill("7")
        server.kill()
        change = begin(["7"])
        EveryonesChange()
        assert change.settle == unread_index.SETTLE_SECONDS
        guard = Guard()
        guard.poll()
        guard._first_seen = dict.fromkeys(guard._first_seen, float("-inf"))
        guard.poll()
        assert Unindexed.objects.count() == 2
        server.start()
        _is_away()
        guard.poll()
        assert not Unindexed.objects.exists()


def test_too_many_rows_distrust_everyone(indexed: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a poll has not read, it cannot exclude."""
    monkeypatch.setattr(unread_index, "ROWS_MAX", 3)
    Unindexed.objects.bulk_create([Unindexed(uid=f"{n}") for n in range(2)])
    guard = Guard()
    guard.poll()
    assert guard.trusted()
    Unindexed.objects.create(uid="3")
    assert "" in guard.poll()
    assert not guard.trusted()


def test_operators_are_told_of_each_redis(indexed: Redis, settings: Any) -> None:
    """Its policy, whether it stores its data, its clock; or why it cannot be asked."""
    (state,) = unread_index.server_states()
    assert (state.error, state.maxmemory_policy, state.persistent) == ("", "noeviction", False)
    assert state.clock is not None
    assert abs(state.clock - datetime.now(UTC)) < timedelta(minutes=1)
    indexed.ask("CONFIG", "SET", "save", "3600 1")
    assert unread_index.server_states()[0].persistent
    indexed.kill()
    assert unread_index.server_states()[0].error != ""


# --- any interleaving


@dataclass
class Process:
    """A process of the platform: it has a way of its own to Redis, and its own guard."""

    proxy: Proxy
    urls: list[str]
    cut: bool = False
    stalled: bool = False
    """Its guard does not get to ask the database."""

    def __post_init__(self) -> None:
        self.shards = tuple(Shard(url) for url in self.urls)
        self.guard = Guard()
        self.endings = Endings()

    @contextmanager
    def running(self) -> Iterator[None]:
        """What the module does meanwhile, this process does."""
        before = unread_index._shards, unread_index._guard, unread_index._endings
        unread_index._shards = lambda: self.shards
        unread_index._guard, unread_index._endings = self.guard, self.endings
        try:
            yield
        finally:
            unread_index._shards, unread_index._guard, unread_index._endings = before


@dataclass
class Truth:
    """The database: what is unread, and when something was last committed of which Redis had not been told."""

    personal: dict[str, dict[UUID, datetime | None]]
    general: dict[UUID, datetime] = field(default_factory=dict)
    read: set[tuple[str, UUID]] = field(default_factory=set)
    untold: dict[str, float] = field(default_factory=dict)

    def of(self, uid: str, now: datetime) -> dict[UUID, datetime | None]:
        """What `uid` has unread at the moment `now`."""
        found = {i: end for i, end in self.personal[uid].items() if end is None or end > now}
        found |= {i: end for i, end in self.general.items() if end > now and (uid, i) not in self.read}
        return found


class Run:
    """One random run. Everything that could overlap in earnest is a step of its own here, in an order drawn by lot."""

    UIDS = ("7", "8")

    def __init__(self, seed: int, server: Redis, proxies: list[Proxy], monkeypatch: pytest.MonkeyPatch) -> None:
        self.random = random.Random(seed)
        self.server = server
        self.seconds = 1_000.0
        self.truth = Truth({uid: {} for uid in self.UIDS})
        urls = [[f"redis://127.0.0.1:{proxy.port}/{n}" for n in (0, 1)] for proxy in proxies]
        self.processes = [Process(proxy, some) for proxy, some in zip(proxies, urls, strict=True)]
        self.clients = [redis.Redis(port=server.port, db=number, protocol=2) for number in (0, 1)]
        self.under_way: list[Iterator[None]] = []
        self.writers = 0
        self.open: set[str] = set()
        """The transactions that have written and have not ended."""
        self.dead: list[str] = []
        self.hits = self.fills = 0
        self.base = clock.now()
        self.refusing = False
        for module in (unread_index, redis_client):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: self.seconds))
        monkeypatch.setattr(writing, "transactions", lambda: frozenset(self.open))
        monkeypatch.setattr(clock, "now_ms", lambda: int(self.now.timestamp() * 1000))
        monkeypatch.setattr(clock, "now", lambda: self.now)

    @property
    def now(self) -> datetime:
        """The clock of all processes, which stands still between steps."""
        return self.base + timedelta(seconds=self.seconds - 1_000.0)

    def go(self, steps: int) -> None:
        """Draw so many steps, then let everything come to rest and look again."""
        choices: dict[Callable[[], None], float] = {
            self._write: 6,
            self._announce: 1,
            self._open: 14,
            self._go_on: 60,
            self._pass_time: 8,
            self._cut: 0.6,
            self._stall: 0.6,
            self._flush: 1.5,
            self._fill_up: 0.3,
            self._refuse: 0.3,
            self._mend: 2,
            self._end_marks: 5,
        }
        for _ in range(steps):
            self.random.choices(list(choices), list(choices.values()))[0]()
        self._rest()

    # --- what processes do; each `yield` is a moment at which any other may act

    def _write(self) -> None:
        uid = self.random.choice(self.UIDS)
        self.writers += 1
        if len(self.under_way) < 6:
            self.under_way.append(self._writer(self.random.choice(self.processes), uid))

    def _writer(self, process: Process, uid: str) -> Iterator[None]:
        uncommitted: list[str] = []
        transaction = self._transaction()
        yield
        flushes = self.flushes
        with process.running(), pytest.MonkeyPatch.context() as patch:
            # Its rows are seen by nobody before its commit.
            patch.setattr(unread_index, "_note_unindexed", uncommitted.extend)
            change = begin([uid])
        # Some transactions last.
        for _ in range(self.random.choice((1, 1, 1, 12))):
            yield
        fate = self.random.random()
        if fate < 0.1:
            self.open.remove(transaction)
            self._die(change)
            return
        added: Item = {}
        removed: list[UUID] = []
        unread = list(self.truth.of(uid, self.now))
        if unread and self.random.random() < 0.5:
            removed = self.random.sample(unread, self.random.randint(1, len(unread)))
            for item_id in removed:
                if item_id in self.truth.general:
                    self.truth.read.add((uid, item_id))
                else:
                    del self.truth.personal[uid][item_id]
        else:
            end = self.now + timedelta(seconds=self.random.uniform(0.2, 5)) if self.random.random() < 0.3 else None
            item_id = clock.new_id()
            self.truth.personal[uid][item_id] = end
            added = {item_id: (str(item_id), end)}
        self._commit(transaction, uncommitted, uid)
        if fate < 0.25:
            self._die(change)
            return
        if flushes != self.flushes:
            self.truth.untold[uid] = self.seconds
        else:
            yield
        if flushes != self.flushes:
            self.truth.untold[uid] = self.seconds
        with process.running():
            change.done(added={uid: added}, removed={uid: removed})

    def _announce(self) -> None:
        if len(self.under_way) < 6:
            self.under_way.append(self._announcer(self.random.choice(self.processes)))

    def _announcer(self, process: Process) -> Iterator[None]:
        uncommitted: list[str] = []
        transaction = self._transaction()
        yield
        flushes = self.flushes
        with process.running(), pytest.MonkeyPatch.context() as patch:
            patch.setattr(unread_index, "_note_unindexed", uncommitted.extend)
            change = EveryonesChange()
        yield
        fate = self.random.random()
        if fate < 0.1:
            self.open.remove(transaction)
            self.dead.append(change._token)
            return
        if self.truth.general and self.random.random() < 0.5:
            del self.truth.general[self.random.choice(list(self.truth.general))]
        else:
            self.truth.general[clock.new_id()] = self.now + timedelta(seconds=self.random.uniform(0.2, 20))
        self._commit(transaction, uncommitted, "")
        if fate < 0.25:
            self.dead.append(change._token)
            return
        if flushes != self.flushes:
            self.truth.untold[""] = self.seconds
        else:
            yield
        if flushes != self.flushes:
            self.truth.untold[""] = self.seconds
        with process.running():
            change.done()

    def _transaction(self) -> str:
        self.open.add(name := f"{len(self.open)}/{self.random.random()}")
        return name

    def _commit(self, transaction: str, uncommitted: list[str], uid: str) -> None:
        self.open.remove(transaction)
        if uncommitted:
            unread_index._note_unindexed(uncommitted)
            self.truth.untold[uid] = self.seconds

    def _die(self, change: Change) -> None:
        self.dead += change.tokens.values()

    def _open(self) -> None:
        if len(self.under_way) < 6:
            self.under_way.append(self._opener(self.random.choice(self.processes), self.random.choice(self.UIDS)))

    def _opener(self, process: Process, uid: str) -> Iterator[None]:
        with process.running():
            found, leases = look_up([uid])
        if uid in found:
            self.hits += 1
            lately = max(self.truth.untold.get(uid, 0.0), self.truth.untold.get("", 0.0))
            # Promised once nobody trusts any more what he had polled before; that is when a read is confirmed.
            if self.seconds - lately >= unread_index.SETTLE_SECONDS:
                assert found[uid].items.keys() == self.truth.of(uid, self.now).keys()
            return
        for lease in leases:
            yield
            now = self.now
            unread = self.truth.of(uid, now)
            until = min([end for end in unread.values() if end is not None], default=None)
            yield
            with process.running():
                fill([(lease, {item_id: str(item_id) for item_id in unread}, until)])
            self.fills += 1

    def _go_on(self) -> None:
        if not self.under_way:
            return
        chosen = self.random.choice(self.under_way)
        try:
            next(chosen)
        except StopIteration:
            self.under_way.remove(chosen)

    # --- time and faults

    flushes = 0

    def _pass_time(self) -> None:
        for _ in range(self.random.randint(1, 6)):
            self.seconds += 0.1
            for process in self.processes:
                # Half a second at most lies between two polls, unless the process cannot ask at all.
                due = self.seconds - process.guard._polled_at >= 0.45
                if not process.stalled and (due or self.random.random() < 0.2):
                    with process.running():
                        process.guard.poll()

    def _cut(self) -> None:
        process = self.random.choice(self.processes)
        process.cut = True
        process.proxy.refuse()

    def _stall(self) -> None:
        self.random.choice(self.processes).stalled = True

    def _mend(self) -> None:
        """Whatever is broken may be mended."""
        for process in self.processes:
            if process.cut and self.random.random() < 0.5:
                process.cut = False
                process.proxy.heal()
            if self.random.random() < 0.5:
                process.stalled = False
        if self.random.random() < 0.5:
            self._fill_up(full=False)
        if self.random.random() < 0.5:
            self._refuse(refuse=False)

    def _flush(self) -> None:
        if not self.refusing:
            self.server.ask("FLUSHALL")
            self.flushes += 1

    def _fill_up(self, *, full: bool = True) -> None:
        if full:
            self.server.fill_up()
        else:
            self.server.limit_memory(0)

    def _refuse(self, *, refuse: bool = True) -> None:
        self.refusing = refuse
        _refuse_writes(self.server, refuse=refuse)

    def _end_marks(self) -> None:
        """The marks of the dead end, as they do in 15 minutes."""
        if self.refusing:
            return
        for client in self.clients:
            for token in self.dead:
                for key in ("writers", *(f"writers:{uid}" for uid in self.UIDS)):
                    client.zrem(f"notifications:{key}", token)

    def _rest(self) -> None:
        self._fill_up(full=False)
        self._refuse(refuse=False)
        for process in self.processes:
            process.stalled = False
            process.proxy.heal()
        while self.under_way:
            self._go_on()
        # All marks end, also those of whoever could not take his away.
        for client in self.clients:
            client.delete("notifications:writers", *(f"notifications:writers:{uid}" for uid in self.UIDS))
        for _ in range(60):
            self.seconds += 0.25
            for process in self.processes:
                with process.running():
                    process.guard.poll()
        assert not Unindexed.objects.exists()
        for _ in range(2):
            for process in self.processes:
                for uid in self.UIDS:
                    for _ in self._opener(process, uid):
                        pass
        with self.processes[0].running():
            assert look_up(list(self.UIDS))[0].keys() == set(self.UIDS)


# The last two find out where Redis is filled again though a writer may have lost its mark.
SEEDS = [*range(8), 17, 25]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_interleaving_makes_it_wrong(seed: int, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes and two shards; writers, announcers, openers, kills, rollbacks, cuts, flushes, a full Redis.

    Whatever the order, what the index answers is what is unread; and when all is quiet it answers for everyone.
    """
    with Redis() as server, Proxy(server.port) as one, Proxy(server.port) as two:
        settings.NOTIFICATIONS = {"REDIS_URLS": [server.url]}  # there is an index; each process has ways of its own
        run = Run(seed, server, [one, two], monkeypatch)
        run.go(1_500)
        # It did something: most opens are while something is under way, when there is no answer to be wrong.
        assert run.hits >= 3
        assert run.fills >= 3
