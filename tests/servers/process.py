"""What all servers share: free ports, waiting with a deadline, and a process that ends by its pid."""

import asyncio
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent.parent
HOST = "127.0.0.1"
# Below the range from which the kernel takes the ports of outgoing connections (32768-60999).
PORTS = range(20_000, 32_000)

_given: set[int] = set()


def _ports() -> range:
    # A server binds its port a moment after it was found free: workers that run side by side have ports of their own.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    return PORTS[int(worker[2:]) :: int(os.environ["PYTEST_XDIST_WORKER_COUNT"])] if worker else PORTS


def free_port() -> int:
    """A port of the loopback on which nobody listens; none is given twice by one process, or to two of its workers."""
    ports = _ports()
    for _ in range(200):
        port = random.choice(ports)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        if port not in _given:
            _given.add(port)
            return port
    raise RuntimeError("no free port found")


def eventually(ask: Callable[[], T], seconds: float = 20.0, what: str = "") -> T:
    """Ask every 20 ms until the answer is truthy, and give it; raises `AssertionError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or ask} (last answer {answer!r})")
        time.sleep(0.02)


async def aeventually(ask: Callable[[], T], seconds: float = 20.0, what: str = "") -> T:
    """`eventually` for coroutines: the event loop goes on between two questions."""
    deadline = time.monotonic() + seconds
    while True:
        answer = ask()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or ask} (last answer {answer!r})")
        await asyncio.sleep(0.01)


def accepts(port: int) -> bool:
    """Whether somebody listens on `port`."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


class Process:
    """A program of the test's own, with a folder and a log file; subclasses say which and when it is ready."""

    name = "process"
    # A program that refuses to run as root: who it runs as then.
    unprivileged = False
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"test-{self.name}-"))
        self.log_path = self.folder / "log"
        self.user = self._other_user() if self.unprivileged and os.getuid() == 0 else None
        if self.user:
            shutil.chown(self.folder, self.user)
        else:
            # nginx's workers run as another user than its master.
            self.folder.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> Sequence[str]:
        """The program and its arguments."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """The environment of the program."""
        return os.environ

    def ready(self) -> bool:
        """Whether it serves."""
        raise NotImplementedError

    @property
    def pid(self) -> int:
        """Its process id; raises `RuntimeError` while it does not run."""
        if self._process is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What it has printed so far."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def launch(self) -> None:
        """Begin the process, without waiting for it to serve."""
        assert not self.running, f"{self.name} runs already"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.environment()),
                cwd=self.folder if self.user else ROOT,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
            )

    def wait_ready(self, seconds: float = 60.0) -> None:
        """Wait until it serves; raises `AssertionError` with its log when it dies or `seconds` pass."""
        deadline = time.monotonic() + seconds
        while not self.ready():
            if not self.running:
                raise AssertionError(f"{self.name} ended with {self.returncode}:\n{self.log}")
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.name} does not serve after {seconds} s:\n{self.log}")
            time.sleep(0.02)

    def start(self) -> None:
        """Begin the process and wait until it serves."""
        self.launch()
        self.wait_ready()

    @property
    def returncode(self) -> int | None:
        """Its exit status, None while it runs."""
        return None if self._process is None else self._process.poll()

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """`kill -9`, and wait for its end."""
        if self._process is not None and self.running:
            self._process.kill()
            self._process.wait(30)

    def pause(self) -> None:
        """SIGSTOP: it lives, and does nothing."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT: it goes on."""
        self.signal(signal.SIGCONT)

    def wait_ended(self, seconds: float = 60.0) -> int:
        """Wait for its end; gives its exit status, raises `subprocess.TimeoutExpired` when it does not end."""
        assert self._process is not None
        return self._process.wait(seconds)

    def stop(self, seconds: float = 15.0) -> None:
        """End it as its operator would; after `seconds` by `kill -9`."""
        if self._process is None or not self.running:
            return
        self.resume()
        self.signal(self.stop_signal)
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()

    def close(self) -> None:
        """End it at once and remove its files."""
        if self.running:
            self.resume()
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @staticmethod
    def _other_user() -> str:
        import pwd

        names = {entry.pw_name for entry in pwd.getpwall()}
        return "postgres" if "postgres" in names else "nobody"
