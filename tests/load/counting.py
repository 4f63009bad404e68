"""The counting node as tests see it: what it holds, and what it has done, whenever they ask."""

import json
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.fleet import Share
from bench.processes import resident_bytes
from bench.sites import TOKEN_SECONDS
from tests.servers.node import Node, Platform
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import eventually
from tests.servers.redis import Redis
from tests.servers.sockets import mint


@dataclass(frozen=True, slots=True)
class Held:
    """What a node holds: memory in bytes, descriptors, tasks, objects; and how often it has called what is counted."""

    memory: int
    descriptors: int
    tasks: int
    objects: int
    calls: Mapping[str, int]


class CountedNode(Node):
    """A node that counts. Without coverage, which would hold more of it than the sockets do."""

    def command(self) -> Sequence[str]:
        """As the Makefile starts a node, but for the counting."""
        return [sys.executable, "-m", "tests.load.counted_node"]

    def environment(self) -> Mapping[str, str]:
        """A node's."""
        return {name: value for name, value in super().environment().items() if name != "COVERAGE_PROCESS_CONFIG"}

    def held(self) -> Held:
        """What it holds now."""
        before = self.log.count('{"tasks"')
        self.signal(signal.SIGUSR2)
        eventually(lambda: self.log.count('{"tasks"') > before and self.log.endswith("\n"), 30)
        said = json.loads(next(line for line in reversed(self.log.splitlines()) if line.startswith('{"tasks"')))
        descriptors = len(list(Path(f"/proc/{self.pid}/fd").iterdir()))
        return Held(memory=resident_bytes([self.pid]), descriptors=descriptors, **said)

    def share(self, uids: range) -> Share:
        """A socket for each of these uids."""
        key = self.platform.jwt_signing_key
        tokens = [mint(str(uid), key, lifetime=TOKEN_SECONDS) for uid in uids]
        return Share(self.port, [f"/ws/notifications/?token={token}" for token in tokens])


@contextmanager
def counted_node() -> Iterator[tuple[CountedNode, Redis]]:
    """A node over a PostgreSQL and a Redis of its own, without a user table."""
    with PostgreSQL() as postgresql, Redis() as redis:
        platform = Platform(postgresql.url(postgresql.make_database()), redis.url, standalone=True)
        platform.migrate()
        with CountedNode(platform) as node:
            yield node, redis
