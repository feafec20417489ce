"""How a benchmark is run and told: options, the quiet-machine gate, alternating rounds, medians, a table and one JSON line."""

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import psutil
import uvloop
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[2]
RESULTS = Path(__file__).with_name("results")
FDATASYNC_P99_MS_MAX = 1.0
LOAD_MAX = 2.0
FULL_ROUNDS = 7

Side = Literal["peer", "ours"]


@dataclass(frozen=True)
class Figure:
    """One measured number: `asked` is the bound in words, `met` None where nothing is asked."""

    row: str
    what: str
    unit: str
    measured: float
    low: float
    high: float
    rounds: int
    asked: str = ""
    met: bool | None = None


@dataclass
class Quiet:
    """How quiet the machine was just before."""

    fdatasync_ms_p99: float
    load_1min: float

    @property
    def enough(self) -> bool:
        """Whether a figure taken now may be compared with one taken elsewhere."""
        return self.fdatasync_ms_p99 < FDATASYNC_P99_MS_MAX and self.load_1min < LOAD_MAX


@dataclass
class Report:
    """What a benchmark found: figures for people, raw numbers for those who doubt them."""

    name: str
    options: argparse.Namespace
    quiet: Quiet
    figures: list[Figure] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)

    def figure(
        self,
        row: str,
        what: str,
        values: Sequence[float],
        *,
        unit: str = "x",
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> Figure:
        """Add the median of the rounds' values with its interval, held against what is asked."""
        measured, (low, high) = statistics.median(values), interval(values)
        asked, met = "", None
        if at_most is not None:
            asked, met = f"<= {at_most:g} {unit}", measured <= at_most
        if at_least is not None:
            asked, met = f">= {at_least:g} {unit}", measured >= at_least
        made = Figure(row, what, unit, measured, low, high, len(values), asked, met)
        self.figures.append(made)
        return made

    def say(self, line: str) -> None:
        """Tell a person how far it is."""
        print(f"  {line}", file=sys.stderr, flush=True)

    def note(self, line: str) -> None:
        """Something that a reader of the figures must know."""
        self.notes.append(line)
        self.say(line)

    def keep(self, key: str, value: Any) -> None:
        """Add one more raw measurement under a name."""
        self.raw.setdefault(key, []).append(value)

    def as_json(self) -> dict[str, Any]:
        """Everything, for the results folder."""
        return {
            "name": self.name,
            "date": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": " ".join(["python -m", f"tests.benchmarks.{self.name}", *sys.argv[1:]]),
            "commit": commit(),
            "machine": machine(),
            "quiet": asdict(self.quiet) | {"enough": self.quiet.enough},
            "options": vars(self.options),
            "figures": [asdict(figure) for figure in self.figures],
            "notes": self.notes,
            "violations": self.violations,
            "raw": self.raw,
        }


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The interval of the median by order statistics: 95 % where the rounds suffice for that, else all of their range."""
    ordered, n = sorted(values), len(values)
    cut = 0
    while 2 * (cut + 1) < n and 1 - 2 * sum(math.comb(n, k) for k in range(cut + 2)) / 2**n >= 0.95:
        cut += 1
    return ordered[cut], ordered[n - 1 - cut]


def sides(number: int) -> tuple[Side, Side]:
    """The order within a round: peer, ours, then ours, peer, ... so that what drifts on the machine hits both alike."""
    return ("peer", "ours") if number % 2 == 0 else ("ours", "peer")


def ratios(ours: Sequence[float], peer: Sequence[float]) -> list[float]:
    """Ours over the peer, round by round."""
    return [mine / other for mine, other in zip(ours, peer, strict=True)]


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which a share of all lies (nearest rank); NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


def quietness(seconds: float = 1.0) -> Quiet:
    """Look at the disk and the load before anything is measured."""
    times = []
    with tempfile.NamedTemporaryFile(dir=ROOT) as file:
        ends_at = time.monotonic() + seconds
        while time.monotonic() < ends_at:
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    return Quiet(round(percentile(times, 0.99), 3), round(os.getloadavg()[0], 2))


def commit() -> str:
    """The commit that is measured, `+` when files differ from it."""
    head = _git("rev-parse", "--short=12", "HEAD")
    return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown" if done.returncode == 0 else "unknown"


def machine() -> dict[str, Any]:
    """What it ran on."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def options(name: str, says: str, *, rounds: int, seconds: float, **more: tuple[Any, str]) -> argparse.Namespace:
    """The command line of a benchmark; `more` are options of its own, as (default, help)."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.benchmarks.{name}", description=says)
    parser.add_argument(
        "--rounds", type=int, default=rounds, help=f"paired rounds (the full protocol: {FULL_ROUNDS} or more)"
    )
    parser.add_argument("--seconds", type=float, default=seconds, help="length of one measurement, where it has one")
    parser.add_argument("--keep", action="store_true", help="leave the stack `bench` running for the next benchmark")
    parser.add_argument("--strict", action="store_true", help="refuse to measure on a machine that is not quiet")
    for option, (default, text) in more.items():
        parser.add_argument(
            f"--{option.replace('_', '-')}", type=type(default), default=default, help=f"{text} (default {default})"
        )
    return parser.parse_args()


def measure(name: str, asked: argparse.Namespace, work: Callable[[Report], Coroutine[Any, Any, None]]) -> int:
    """Run a benchmark, print its table and its JSON line, keep its results; 0 when no invariant was broken."""
    report = Report(name, asked, quietness())
    gate = f"fdatasync p99 {report.quiet.fdatasync_ms_p99} ms, load {report.quiet.load_1min}"
    report.say(f"{name}: {gate}" + ("" if report.quiet.enough else "  (NOT a quiet machine: figures are rough)"))
    if asked.strict and not report.quiet.enough:
        print(f"Not measured: the machine is not quiet ({gate}; asked < {FDATASYNC_P99_MS_MAX} ms and < {LOAD_MAX}).")
        return 3
    began = time.monotonic()
    uvloop.run(work(report))
    report.raw["took_s"] = round(time.monotonic() - began, 1)
    show(report)
    told = report.as_json()
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{told['date'][:10]}-{name}.json"
    path.write_text(json.dumps(told, indent=1, default=str) + "\n")
    print(json.dumps({key: value for key, value in told.items() if key != "raw"}, default=str))
    return 1 if report.violations else 0


def show(report: Report) -> None:
    """The table for people."""
    table = Table(title=f"{report.name}", title_justify="left", box=None, header_style="bold", pad_edge=False)
    for heading in ("row", "what", "asked", "measured", "interval", "rounds", "met"):
        table.add_column(heading, justify="right" if heading in ("measured", "rounds") else "left")
    for figure in report.figures:
        met = "" if figure.met is None else "[green]yes[/]" if figure.met else "[red]no[/]"
        table.add_row(figure.row, figure.what, figure.asked, *measured_text(figure), str(figure.rounds), met)
    console = Console(width=160)
    console.print(table)
    for line in report.notes:
        console.print(f"  note: {line}", highlight=False)
    for line in report.violations:
        console.print(f"  [red]BROKEN INVARIANT[/]: {line}", highlight=False)


def measured_text(figure: Figure) -> tuple[str, str]:
    """A figure and its interval as people read them."""
    value = f"{figure.measured:.4g} {figure.unit}".strip()
    return value, f"{figure.low:.4g} - {figure.high:.4g}"
