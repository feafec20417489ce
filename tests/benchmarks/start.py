"""How long `compose/local up` takes from installed, on data and without, and how long the demo takes."""

import argparse
import asyncio
import subprocess
import sys
import time

from tests.benchmarks import protocol
from tests.benchmarks.protocol import Report
from tests.benchmarks.stack import ROOT, compose_local, raise_limits, the_stack

UP_S_MAX = 25
DEMO_S_MAX = 120


async def timed(*arguments: str) -> float:
    """Seconds that a command of compose/local takes."""
    began = time.perf_counter()
    await asyncio.to_thread(compose_local, *arguments)
    return time.perf_counter() - began


async def run(report: Report) -> None:
    """Up on nothing, up on data, demo; the stack must not run before."""
    first, again = [], []
    try:
        for number in range(report.options.rounds):
            stack = the_stack()
            if stack.folder.exists():
                await timed("reset")
            raise_limits(stack)
            first.append(await timed("up"))
            await timed("down")
            again.append(await timed("up"))
            if number + 1 < report.options.rounds:
                await timed("down")
        if report.options.demo:
            await demo(report)
    finally:
        if not report.options.keep:
            await timed("down")
    report.raw |= {"first_s": first, "again_s": again}
    report.figure("start", "compose/local up, installed, first data", first, unit="s", at_most=UP_S_MAX)
    report.figure("start", "compose/local up, again", again, unit="s", at_most=UP_S_MAX)


async def demo(report: Report) -> None:
    """The demo on the running stack."""
    began = time.perf_counter()
    command = [str(ROOT / "compose" / "local"), "--stack", the_stack().name, "demo"]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    report.figure(
        "start", "compose/local demo, on a running stack", [time.perf_counter() - began], unit="s", at_most=DEMO_S_MAX
    )
    if done.returncode:
        report.violations.append(f"the demo ended with {done.returncode}: {(done.stdout + done.stderr)[-400:]}")


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("start", asked, run)


if __name__ == "__main__":
    sys.exit(main(protocol.options("start", __doc__, rounds=1, seconds=0, demo=(1, "1: run the demo too"))))
