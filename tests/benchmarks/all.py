"""Runs every benchmark, one after the other on one stack, and writes the table of tests/benchmarks/README.md.

python -m tests.benchmarks.all [--full] [--only NAME,NAME] [--table]
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.protocol import FULL_ROUNDS, RESULTS, ROOT, Figure, measured_text
from tests.benchmarks.stack import compose_local, the_stack

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- figures: written by tests.benchmarks.all -->", "<!-- end of figures -->"
FULL_SECONDS = "20"

# What watches people first, then what fills the log; `start` begins with a stack of its own.
NAMES = (
    *("round_trip", "bid_cpu", "recovery", "redis_view", "fan_out", "idle_sockets"),
    *("deciding", "hot_auction", "many_auctions", "restart", "webhook", "orders", "indexing", "searching"),
    *("ladder", "memory", "start"),
)
LONGER = {"round_trip", "bid_cpu", "webhook"}
"""Those whose measurement has a length."""


def run(names: list[str], *, full: bool) -> list[str]:
    """Run them; returns those that failed or broke an invariant."""
    failed = []
    try:
        for name in names:
            command = [sys.executable, "-m", f"tests.benchmarks.{name}", "--keep"]
            if full and name != "start":
                command += ["--rounds", str(FULL_ROUNDS), *(["--seconds", FULL_SECONDS] if name in LONGER else [])]
            began = time.monotonic()
            code = subprocess.run(command, cwd=ROOT, check=False).returncode
            print(f"{name}: {time.monotonic() - began:.0f} s, exit code {code}\n", flush=True)
            if code:
                failed.append(name)
    finally:
        if the_stack().folder.exists():
            compose_local("down")
    return failed


def latest() -> list[dict[str, Any]]:
    """The newest result of each benchmark."""
    found = []
    for name in NAMES:
        files = sorted(RESULTS.glob(f"*-{name}.json"))
        if files:
            found.append(json.loads(files[-1].read_text()))
    return found


def table(results: list[dict[str, Any]]) -> str:
    """The figures as Markdown: what is asked, what was measured, by which command, at which commit."""
    lines = [
        "| row | what | asked | measured | interval | rounds | met |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    told = ["| command | date | commit | quiet | took |", "| --- | --- | --- | --- | --- |"]
    for result in results:
        for raw in result["figures"]:
            figure = Figure(**raw)
            met = "" if figure.met is None else "yes" if figure.met else "**no**"
            cells = (figure.row, figure.what, figure.asked, *measured_text(figure), str(figure.rounds), met)
            lines.append("| " + " | ".join(cells) + " |")
        quiet = result["quiet"]
        gate = f"{'yes' if quiet['enough'] else 'no'}: fdatasync p99 {quiet['fdatasync_ms_p99']} ms, load {quiet['load_1min']}"
        broken = f"; BROKEN: {'; '.join(result['violations'])}" if result["violations"] else ""
        took = f"{result['raw'].get('took_s', '?')} s{broken}"
        told.append(f"| `{result['command']}` | {result['date'][:16]} | `{result['commit']}` | {gate} | {took} |")
    machine = results[-1]["machine"]
    where = f"On {machine['cores']} cores of {machine['cpu']}, {machine['memory_gb']} GB, Linux {machine['kernel']}, Python {machine['python']}."
    return "\n".join([where, "", *lines, "", *told])


def rewrite() -> None:
    """Put the table of the newest results into the README."""
    results = latest()
    if not results:
        print("There are no results yet.")
        return
    text = README.read_text()
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    README.write_text(f"{head}{BEGIN}\n\n{table(results)}\n\n{END}{tail}")
    print(f"{README.relative_to(ROOT)}: {len(results)} benchmarks")


def main() -> int:
    """Run what is asked; 1 when a benchmark failed or broke an invariant."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.all", description=__doc__)
    parser.add_argument("--full", action="store_true", help=f"the full protocol: {FULL_ROUNDS} rounds (takes hours)")
    parser.add_argument("--only", default=",".join(NAMES), help="which, comma separated")
    parser.add_argument("--table", action="store_true", help="only write the table of the results there are")
    asked = parser.parse_args()
    failed = [] if asked.table else run(asked.only.split(","), full=asked.full)
    rewrite()
    if failed:
        print(f"Failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
