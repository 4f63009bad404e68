"""`make profile WHAT=...`: where a node's time goes while sockets open, a broadcast goes out, or a service sends.

py-spy samples the node from outside, 500 times a second, without slowing it; it needs the right to trace (root, or
`kernel.yama.ptrace_scope=0`). Printed are the functions with the most samples of their own, and with those they called.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import cases, rpc
from bench.fleet import Fleet
from bench.sites import Ours, ours

RATE = 500
TOP = 25
# Broadcasts, or calls, that make up a profile: some seconds of the node's time.
BROADCASTS = 20
CALLS = 3_000


@dataclass(frozen=True, slots=True)
class Function:
    """A function's share of all samples: its own, and with what it called."""

    name: str
    own: float
    total: float


def functions(stacks: Iterable[str]) -> list[Function]:
    """Of py-spy's raw lines (`outermost;...;innermost count`), every function, those with most of their own first."""
    own: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for line in stacks:
        frames, _, count = line.strip().rpartition(" ")
        if not frames:
            continue
        # Without its line: `send (notifications/connection.py:120)`.
        names = [frame.rpartition(":")[0] + ")" if ":" in frame else frame for frame in frames.split(";")]
        own[names[-1]] += int(count)
        for name in set(names):
            total[name] += int(count)
    samples = own.total()
    found = [Function(name, own[name] / samples, total[name] / samples) for name in total]
    return sorted(found, key=lambda function: (-function.own, -function.total))


def text(found: Sequence[Function]) -> str:
    """The first of them by either share."""
    by_total = sorted(found, key=lambda function: -function.total)
    lines = []
    for title, some in (("own", found[:TOP]), ("with what it calls", by_total[:TOP])):
        lines += [f"   own  total  by {title}"]
        lines += [f"{one.own:6.1%} {one.total:6.1%}  {one.name}" for one in some] + [""]
    return "\n".join(lines)


@contextmanager
def sampled(pid: int, path: Path) -> Iterator[None]:
    """Meanwhile py-spy samples the process `pid`; its stacks are in `path` afterwards."""
    command = [str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(pid), "--rate", str(RATE)]
    command += ["--format", "raw", "--output", str(path), "--nonblocking"]
    spy = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert spy.stdout is not None
    # It says so once it samples.
    for line in spy.stdout:
        if "Sampling process" in line:
            break
    else:
        raise RuntimeError(f"py-spy ended with {spy.wait()}")
    try:
        yield
    finally:
        spy.send_signal(2)
        spy.communicate(timeout=60)


def opening(site: Ours, sockets: int, path: Path) -> None:
    """All sockets open, token checked, three items replayed."""
    shares = site.shares(sockets)
    with Fleet(len(shares), replays=True) as fleet, sampled(site.pids[0], path):
        fleet.open(shares)


def broadcast(site: Ours, sockets: int, path: Path) -> None:
    """Announcements go out to all."""
    shares = site.shares(sockets)
    with Fleet(len(shares), replays=True) as fleet:
        fleet.open(shares)
        cases.settle(site)
        with sampled(site.pids[0], path):
            for _ in range(BROADCASTS):
                fleet.expect([len(share.paths) for share in shares])
                site.broadcast()
                fleet.collect(cases.COLLECT_SECONDS)


def send(site: Ours, sockets: int, path: Path) -> None:
    """A service calls `notifications.send` for users who are not there, then sends by `send_many` to 5,000 who are."""
    with sampled(site.pids[0], path):
        rpc.calls(site, CALLS)
        rpc.sustained(site)


WHAT: dict[str, Callable[[Ours, int, Path], None]] = {"opening": opening, "broadcast": broadcast, "send": send}


def main() -> None:
    """Profile, print, write."""
    parser = argparse.ArgumentParser(prog="bench.profile", description=__doc__)
    parser.add_argument("what", choices=WHAT)
    parser.add_argument("--sockets", type=int, default=10_000, help="10,000")
    parser.add_argument("--out", type=Path, default=Path("var/bench"), help="folder of the result (var/bench)")
    options = parser.parse_args()
    begun = time.monotonic()
    with ours("profiled") as site, tempfile.TemporaryDirectory() as folder:
        if options.what != "send":
            site.fill_inboxes(options.sockets)
        stacks = Path(folder) / "stacks"
        WHAT[options.what](site, options.sockets, stacks)
        said = text(functions(stacks.read_text().splitlines()))
    options.out.mkdir(parents=True, exist_ok=True)
    path = options.out / f"profile-{options.what}.txt"
    path.write_text(said)
    print(said)
    print(f"Written to {path} after {time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
