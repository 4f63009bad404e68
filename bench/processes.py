"""What a server process costs, as Linux counts it: CPU seconds and resident memory from /proc."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pids: list[int]) -> float:
    """User and system time of these processes so far, in seconds (proc_pid_stat(5), fields 14 and 15)."""
    return sum(sum(map(int, _stat(pid)[11:13])) for pid in pids) / TICK


def resident_bytes(pids: list[int]) -> int:
    """Memory of these processes that lies in RAM (proc_pid_statm(5))."""
    return sum(int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in pids) * PAGE


def _stat(pid: int) -> list[str]:
    # The command's name, in parentheses, may hold spaces.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
