"""Injects faults of the matrix, one or two at a time, in an order that the seed decides."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import Callable, Sequence
from typing import Protocol

import psycopg

from tests.faults.history import Fault, History
from tests.servers.node import Node
from tests.servers.postgresql import PostgreSQL
from tests.servers.proxy import Proxy
from tests.servers.redis import Redis


class Cluster(Protocol):
    """What there is to break."""

    redis: Redis
    postgresql: PostgreSQL
    database: str
    nodes: list[Node]
    redis_link: Proxy
    database_link: Proxy


class Nemesis:
    """Breaks a cluster at random. What each fault breaks is taken while it lasts, so that two do not meet there."""

    def __init__(
        self,
        rng: random.Random,
        cluster: Cluster,
        history: History,
        say: Callable[[str], None],
        only: Sequence[str] = (),
    ) -> None:
        self.rng = rng
        self.cluster = cluster
        self.history = history
        self.say = say
        self._faults = [(name, where) for name, where in FAULTS if not only or name in only]
        self._taken: set[str] = set()

    async def run(self, seconds: float) -> None:
        """Break things for so long, two hands at once; at the end everything is whole again."""
        until = time.monotonic() + seconds
        async with asyncio.TaskGroup() as group:
            group.create_task(self._hand(until, 0.5))
            group.create_task(self._hand(until, 4.0))

    async def _hand(self, until: float, pause: float) -> None:
        while True:
            await asyncio.sleep(self.rng.uniform(0.5, 1.5) * (pause + 1))
            name, where = self.rng.choice(self._faults)
            if time.monotonic() > until:
                return
            if where in self._taken:
                continue
            self._taken.add(where)
            fault = Fault(name, time.monotonic())
            self.history.faults.append(fault)
            try:
                await getattr(self, name)()
            finally:
                fault.ended = time.monotonic()
                self._taken.discard(where)
                self.say(f"{name} {fault.ended - fault.began:.1f} s")

    async def _for_a_while(self, least: float = 0.5, most: float = 5.0) -> None:
        await asyncio.sleep(self.rng.uniform(least, most))

    # --- the faults

    async def redis_killed(self) -> None:
        """`kill -9`, nothing for a while, and an empty one in its place."""
        self.cluster.redis.kill()
        await self._for_a_while(0.1, 4)
        await asyncio.to_thread(self.cluster.redis.start)

    async def redis_paused(self) -> None:
        """SIGSTOP: connections stay and nothing is answered."""
        self.cluster.redis.pause()
        await self._for_a_while()
        self.cluster.redis.resume()

    async def redis_flushed(self) -> None:
        """Every key is gone."""
        await asyncio.to_thread(self.cluster.redis.ask, "FLUSHALL")

    async def redis_full(self) -> None:
        """Writes are refused."""
        await asyncio.to_thread(self.cluster.redis.fill_up)
        await self._for_a_while()
        await asyncio.to_thread(self.cluster.redis.limit_memory, 0)

    async def redis_evicts(self) -> None:
        """Half of the keys go, as under a policy that evicts."""
        keys = await asyncio.to_thread(self.cluster.redis.ask, "KEYS", "notifications:*")
        gone = [key for key in sorted(keys) if self.rng.random() < 0.5]
        if gone:
            await asyncio.to_thread(self.cluster.redis.ask, "DEL", *gone)

    async def redis_link_holed(self) -> None:
        """The last node is partitioned from Redis; nobody is told."""
        self.cluster.redis_link.hole()
        await self._for_a_while()
        self.cluster.redis_link.heal()

    async def redis_link_refused(self) -> None:
        """The last node cannot connect to Redis."""
        self.cluster.redis_link.refuse()
        await self._for_a_while()
        self.cluster.redis_link.heal()

    async def redis_link_reset(self) -> None:
        """The last node's connections to Redis are cut."""
        self.cluster.redis_link.reset()

    async def database_link_reset(self) -> None:
        """The last node's connections to the database are cut, whatever is in a transaction."""
        self.cluster.database_link.reset()

    async def database_link_holed(self) -> None:
        """The last node is partitioned from the database."""
        self.cluster.database_link.hole()
        await self._for_a_while(0.5, 3)
        self.cluster.database_link.heal()

    async def database_crashed(self) -> None:
        """The database crashes and recovers."""
        await asyncio.to_thread(self.cluster.postgresql.kill)
        await self._for_a_while(0.1, 2)
        await asyncio.to_thread(self.cluster.postgresql.start)

    async def database_paused(self) -> None:
        """SIGSTOP for the database and all its processes."""
        self.cluster.postgresql.pause()
        await self._for_a_while(0.5, 3)
        self.cluster.postgresql.resume()

    async def database_locked(self) -> None:
        """Somebody holds a lock on the table that everything writes to."""
        url = self.cluster.postgresql.url(self.cluster.database)
        try:
            connection = await psycopg.AsyncConnection.connect(url)
            async with connection:
                await connection.execute("LOCK TABLE notifications_notification IN ACCESS EXCLUSIVE MODE")
                await self._for_a_while(0.5, 3)
        except psycopg.Error:
            # The database went away meanwhile; so did the lock.
            return

    async def node_killed(self) -> None:
        """`kill -9`, and a new one some time later."""
        node = self._node()
        node.kill()
        await self._for_a_while(0.1, 3)
        await asyncio.to_thread(node.start)

    async def node_paused(self) -> None:
        """SIGSTOP: its sockets stay open and nothing comes."""
        node = self._node()
        node.pause()
        await self._for_a_while()
        node.resume()

    async def node_drained(self) -> None:
        """SIGTERM, as for a new release."""
        node = self._node()
        node.signal(signal.SIGTERM)
        with contextlib.suppress(Exception):
            await asyncio.to_thread(node.wait_ended, 25)
        node.kill()
        await asyncio.to_thread(node.start)

    def _node(self) -> Node:
        return self.rng.choice(self.cluster.nodes)


# Each with what it breaks.
FAULTS = [
    ("redis_killed", "redis"),
    ("redis_paused", "redis"),
    ("redis_flushed", "redis"),
    ("redis_full", "redis"),
    ("redis_evicts", "redis"),
    ("redis_link_holed", "redis link"),
    ("redis_link_refused", "redis link"),
    ("redis_link_reset", "redis link"),
    ("database_link_reset", "database link"),
    ("database_link_holed", "database link"),
    ("database_crashed", "database"),
    ("database_paused", "database"),
    ("database_locked", "database"),
    ("node_killed", "node"),
    ("node_paused", "node"),
    ("node_drained", "node"),
]
