"""A real Redis, without persistence: killed and started again it is empty."""

from collections.abc import Sequence
from typing import Any

import redis

from tests.servers.process import HOST, Process, accepts, free_port


class Redis(Process):
    """`redis-server` on a free port; `url` is for REDIS_URL, `client()` talks to it."""

    name = "redis"

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self.url = f"redis://{HOST}:{self.port}/0"

    def command(self) -> Sequence[str]:
        """No snapshots, no log of changes: nothing survives it."""
        options = {"port": self.port, "bind": HOST, "save": "", "appendonly": "no", "dir": self.folder}
        return ["redis-server", *(part for name, value in options.items() for part in (f"--{name}", str(value)))]

    def ready(self) -> bool:
        """It listens."""
        return accepts(self.port)

    def ask(self, *command: str | int) -> Any:
        """Run one command, as `redis-cli` does, on a connection of its own; texts come as `str`."""
        with redis.Redis.from_url(self.url, decode_responses=True, socket_timeout=5, protocol=2) as client:
            return client.execute_command(*command)

    def restart_empty(self) -> None:
        """`kill -9`, and a new one in its place."""
        self.kill()
        self.start()

    def limit_memory(self, bytes_left: int) -> None:
        """From now on refuse writes (`noeviction`) once `bytes_left` more are used; 0 lifts the limit."""
        self.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        used = self.ask("INFO", "memory")["used_memory"]
        self.ask("CONFIG", "SET", "maxmemory", used + bytes_left if bytes_left else 0)

    def fill_up(self) -> None:
        """Let every write be refused: the limit is below what is used already."""
        self.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.ask("CONFIG", "SET", "maxmemory", 1)
