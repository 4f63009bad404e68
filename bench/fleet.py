"""The fleet: several load-client processes, told what to do over pipes, and answering together."""

import multiprocessing
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from bench import client

# Sockets of one process: below the usual `nofile` of 20,000.
SOCKETS_PER_PROCESS = 15_000


@dataclass(frozen=True, slots=True)
class Share:
    """The sockets that one process opens: to which port, by which request paths."""

    port: int
    paths: Sequence[str]


class Fleet:
    """So many load clients. `replays`: the server replays an inbox on opening, as ours do; peers do not."""

    def __init__(self, processes: int, *, replays: bool) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes = []
        self._processes = []
        for _ in range(processes):
            mine, theirs = context.Pipe()
            process = context.Process(target=client.main, args=(theirs, replays), daemon=True)
            process.start()
            self._pipes.append(mine)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            with suppress(BrokenPipeError):
                pipe.send(None)
        for process in self._processes:
            process.join(5)
            if process.is_alive():
                process.terminate()

    @property
    def pids(self) -> list[int]:
        """The load clients."""
        return [process.pid for process in self._processes if process.pid is not None]

    def open(self, shares: Sequence[Share], *, at_once: int = client.OPENING_AT_ONCE) -> client.Opened:
        """Open all sockets, a share to each process in turn; raises `RuntimeError` if any could not be opened."""
        answers = self._each(
            "open",
            [
                (share.port, share.paths, [f"127.0.{index + 1}.{last}" for last in (1, 2)], at_once)
                for index, share in enumerate(shares)
            ],
        )
        opened = client.Opened(
            sum(a.count for a in answers), sum(a.failed for a in answers), max(a.seconds for a in answers)
        )
        if opened.failed:
            raise RuntimeError(f"{opened.failed} of {opened.count + opened.failed} sockets did not open")
        return opened

    def expect(self, counts: Sequence[int], *, ids: bool = False) -> None:
        """Each process collects what arrives from now on, so many frames."""
        self._each("expect", [(count, ids) for count in counts])

    def collect(self, seconds: float) -> list[client.Arrivals]:
        """What has arrived in each process, after all of it did or after `seconds`."""
        self.begin("collected", seconds)
        return self.end()

    def begin(self, name: str, *arguments: Any) -> None:
        """Start a command on every process; `end` waits for the answers."""
        for pipe in self._pipes:
            pipe.send((name, arguments))

    def end(self) -> list[Any]:
        """The answers to `begin`."""
        return [_answer(pipe) for pipe in self._pipes]

    def close(self) -> None:
        """Cut every socket."""
        self.begin("close")
        self.end()

    def _each(self, name: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        pipes = self._pipes[: len(arguments)]
        for pipe, its in zip(pipes, arguments, strict=True):
            pipe.send((name, its))
        return [_answer(pipe) for pipe in pipes]


def _answer(pipe: Any) -> Any:
    answer = pipe.recv()
    if isinstance(answer, Exception):
        raise answer
    return answer
