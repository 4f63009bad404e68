"""What is measured: our nodes as they run in production, and the peers. Each can broadcast to a `Fleet`."""

import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from bench.fleet import Share
from tests.servers.deployment import Deployment
from tests.servers.node import Platform
from tests.servers.postgresql import PostgreSQL
from tests.servers.process import Process, accepts, free_port
from tests.servers.redis import Redis

UNREAD_ITEMS = 3
TOKEN_SECONDS = 24 * 3600


class Site(Protocol):
    """A server under load."""

    name: str
    replays: bool

    @property
    def pids(self) -> list[int]:
        """The processes that hold sockets."""

    def shares(self, sockets: int) -> list[Share]:
        """The sockets to open, spread evenly over the processes."""

    def broadcast(self) -> float:
        """Send one item to every socket; gives the moment, by `time.monotonic()`, at which that began."""


class Peer(Process):
    """A peer: one process of `bench.peers`, told by a signal to broadcast."""

    name = "peer"
    replays = False

    def __init__(self, module: str, name: str) -> None:
        super().__init__()
        self._module = module
        self.name = name
        self.port = free_port()

    def command(self) -> Sequence[str]:
        """Its module, with its port."""
        return [sys.executable, "-m", f"bench.peers.{self._module}", str(self.port)]

    def ready(self) -> bool:
        """It listens."""
        return accepts(self.port)

    @property
    def pids(self) -> list[int]:
        """Its one process."""
        return [self.pid]

    def shares(self, sockets: int) -> list[Share]:
        """All to the one process."""
        return [Share(self.port, [f"/?uid={number}" for number in range(sockets)])]

    def broadcast(self) -> float:
        """The signal."""
        begun = time.monotonic()
        self.signal(signal.SIGUSR1)
        return begun


class Ours:
    """Our nodes with everything on: PostgreSQL, Redis, tokens, replay, read state, limits, metrics.

    No user table is asked (`STANDALONE`); every uid has one socket and three unread items to be replayed.
    """

    replays = True

    def __init__(self, name: str, deployment: Deployment) -> None:
        self.name = name
        self.deployment = deployment
        self._number = 0

    @property
    def pids(self) -> list[int]:
        """The nodes."""
        return [node.pid for node in self.deployment.nodes]

    def shares(self, sockets: int) -> list[Share]:
        """As many to each node."""
        nodes = self.deployment.nodes
        each = sockets // len(nodes)
        return [
            Share(
                node.port,
                [
                    f"/ws/notifications/?token={self.deployment.token(str(uid), lifetime=TOKEN_SECONDS)}"
                    for uid in range(index * each, (index + 1) * each)
                ],
            )
            for index, node in enumerate(nodes)
        ]

    def broadcast(self) -> float:
        """An announcement to everyone, from a process of the platform's."""
        self._number += 1
        code = (
            "import time\nresult = time.monotonic()\n"
            "announce(title, 'The site is closed from ten to eleven.', kind='general')"
        )
        return float(self.run(code, title=f"Maintenance {self._number}"))

    def fill_inboxes(self, users: int, items: int = UNREAD_ITEMS) -> None:
        """Give each of the first `users` uids so many unread items, straight into the table."""
        self.run(
            """
from datetime import timedelta
from notifications import clock
from notifications.models import Notification
for item in range(items):
    for start in range(0, users, 1000):
        rows = []
        for uid in range(start, min(users, start + 1000)):
            at = clock.now()
            rows.append(Notification(id=clock.new_id(), uid=str(uid), title="Top-up arrived",
                body="50.00 was added to your balance.", kind="recharge.succeeded", level="success",
                url="/wallet/42/", created_at=at))
        Notification.objects.bulk_create(rows)
# They are history to the tails: a window full of them would be read once a second all through the opening.
Notification.objects.update(changed_at=clock.now() - timedelta(hours=1))
connection.cursor().execute("VACUUM ANALYZE")
""",
            users=users,
            items=items,
        )

    def run(self, code: str, **names: Any) -> Any:
        """Run code in a process of the platform's that serves nothing."""
        return self.deployment.business.run(code, **names)


@contextmanager
def peer(module: str, name: str) -> Iterator[Peer]:
    """A peer that serves."""
    with Peer(module, name) as process:
        yield process


@contextmanager
def ours(name: str, *, server: str = "uvicorn", nodes: int = 1) -> Iterator[Ours]:
    """Our nodes with a PostgreSQL and a Redis of their own, migrated and empty."""
    with ExitStack() as stack:
        postgresql = stack.enter_context(PostgreSQL())
        redis = stack.enter_context(Redis())
        platform = Platform(postgresql.url(postgresql.make_database()), redis.url, standalone=True)
        platform.migrate()
        yield Ours(name, stack.enter_context(Deployment(platform, [server] * nodes, redis)))
