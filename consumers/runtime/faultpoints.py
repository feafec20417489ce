"""Named places where a test can make this process die, stop or fail; nothing but an empty call when FAULT_POINTS is unset.

`FAULT_POINTS="committed=kill:0.01,published=error:#3,decided=stop:/tmp/now"`: at `committed` die (SIGKILL) once in a
hundred; at the third `published` fail; at `decided` stop (SIGSTOP) when the file is there, which is removed first.
"""

import os
import random
import signal
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import NamedTuple

POINTS = ("polled", "decided", "committed", "published", "replied", "offset-committed", "in-revoke")
JOB_POINTS = ("job-claimed", "job-acted", "job-told")
"""Of a runner: before the effect, after it, and when its outcome is sent but the job not ended."""


class InjectedFault(ConnectionError):
    """The failure that `error` raises; taken for an outage, as a lost connection is."""


class Fault(NamedTuple):
    """What happens at a point, and when."""

    action: str
    due: Callable[[], bool]


def parse(text: str) -> dict[str, list[Fault]]:
    """Read FAULT_POINTS, in which a point may stand more than once; raises ValueError for what does not exist."""
    faults: dict[str, list[Fault]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        point, _, what = part.partition("=")
        action, _, moment = what.partition(":")
        if point not in POINTS + JOB_POINTS or action not in ("kill", "stop", "error"):
            raise ValueError(f"fault point {part!r}: must read point=kill|stop|error[:when]")
        faults.setdefault(point, []).append(Fault(action, _due(moment or "1")))
    return faults


def _due(moment: str) -> Callable[[], bool]:
    if moment.startswith("/"):
        return lambda: _taken(Path(moment))
    if moment.startswith("#"):
        hits, due = count(1), int(moment[1:])
        return lambda: next(hits) == due
    probability = float(moment)
    return lambda: random.random() < probability  # noqa: S311


def _taken(trigger: Path) -> bool:
    try:
        trigger.unlink()
    except FileNotFoundError:
        return False
    return True


def _nothing(_point: str) -> None:
    pass


hit: Callable[[str], None] = _nothing
"""Pass a point."""


def install(environment: Mapping[str, str] = os.environ) -> None:
    """Arm the faults that FAULT_POINTS names, or disarm all."""
    global hit
    faults = parse(environment.get("FAULT_POINTS", ""))
    hit = _armed(faults) if faults else _nothing


def _armed(faults: Mapping[str, Sequence[Fault]]) -> Callable[[str], None]:
    def armed(point: str) -> None:
        fault = next((one for one in faults.get(point, ()) if one.due()), None)
        if fault is None:
            return
        if fault.action == "error":
            raise InjectedFault(f"injected at {point}")
        os.kill(os.getpid(), signal.SIGKILL if fault.action == "kill" else signal.SIGSTOP)

    return armed
