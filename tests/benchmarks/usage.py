"""CPU seconds and memory of named processes, read from /proc."""

import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and of all that it started, those included that have ended; in steps of 10 ms."""
    own, ended = _times(pid)
    return own + ended + sum(cpu_s(child) for child in _children(pid))


def _times(pid: int) -> tuple[float, float]:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:
        return 0.0, 0.0
    user, system, ended_user, ended_system = map(int, fields[11:15])
    return (user + system) * TICK_S, (ended_user + ended_system) * TICK_S


def _children(pid: int) -> list[int]:
    # A child belongs to the thread that started it: a Java launcher's is no child of its first.
    found: list[int] = []
    with suppress(FileNotFoundError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError):
                found += [int(child) for child in (thread / "children").read_text().split()]
    return found


def cpu_of(pids: Mapping[str, int]) -> dict[str, float]:
    """CPU seconds by name."""
    return {name: cpu_s(pid) for name, pid in pids.items()}


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What was spent between two readings, by name."""
    return {name: after[name] - before[name] for name in before}


def rss_mb(pid: int) -> float:
    """Resident memory of one process, megabytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_MB


def peak_rss() -> int:
    """The most resident memory that this process ever had, bytes; rusage's would count what it was forked from."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def per(total: Mapping[str, float], names: Iterable[str], count: int) -> float:
    """Microseconds of CPU for each of `count`, of these names together."""
    return sum(total[name] for name in names) / max(count, 1) * 1e6
