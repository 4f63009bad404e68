"""A real PostgreSQL, for as long as the test run; databases in it are copied from one that is migrated once."""

import os
import shutil
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path

import psycopg

from tests.servers.process import HOST, Process, free_port


class PostgreSQL(Process):
    """`postgres` on a free port, as another user when the tests run as root, which it refuses."""

    name = "postgresql"
    unprivileged = True
    # "Fast": open connections are ended.
    stop_signal = signal.SIGINT

    def __init__(self) -> None:
        super().__init__()
        self.port = free_port()
        self._data = self.folder / "data"
        self._numbers = count(1)
        subprocess.run(
            [program("initdb"), "-D", self._data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync"],
            check=True,
            capture_output=True,
            cwd=self.folder,
            user=self.user,
            group=self.user,
            extra_groups=[] if self.user else None,
        )

    def command(self) -> Sequence[str]:
        """Nothing is synced to the disk: only a crash of the machine, not one of the process, would lose anything."""
        options = {
            "port": self.port,
            "listen_addresses": HOST,
            "unix_socket_directories": self.folder,
            "fsync": "off",
            "max_connections": 200,
            "shared_buffers": "64MB",
        }
        return [program("postgres"), "-D", str(self._data), *(f"--{name}={value}" for name, value in options.items())]

    def ready(self) -> bool:
        """It takes connections."""
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, database: str, port: int | None = None) -> str:
        """The DATABASE_URL of a database here, by way of another port (a proxy's) if given."""
        return f"postgresql://postgres@{HOST}:{port or self.port}/{database}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement outside of any transaction; gives the rows."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def make_database(self, template: str = "template1") -> str:
        """Make a database, a copy of `template` (to which nobody may be connected), and give its name."""
        name = f"test_{next(self._numbers)}"
        self.execute(f'CREATE DATABASE {name} TEMPLATE "{template}"')
        return name

    def pause(self) -> None:
        """SIGSTOP for the server and every one of its connections' processes."""
        super().pause()
        for pid in self._children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT for all of them."""
        super().resume()
        for pid in self._children():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, with its connections: "immediate", as after a crash it recovers from its log."""
        if self.running:
            self.signal(signal.SIGQUIT)
            self.wait_ended()

    def _children(self) -> list[int]:
        children = []
        for status in Path("/proc").glob("[0-9]*/stat"):
            with suppress(OSError):
                # pid (name) state ppid; the name may hold anything.
                if int(status.read_text().rpartition(")")[2].split()[1]) == self.pid:
                    children.append(int(status.parent.name))
        return children


def program(name: str) -> str:
    """The path of a program of PostgreSQL: Debian keeps those of the server off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    path = str(found[-1]) if found else shutil.which(name)
    assert path, f"PostgreSQL's {name} is not installed"
    return path
