"""P7: the worker's start with a million bids in its log, beside its start with none: until the first answer."""

import argparse
import asyncio
import sys
import time
from uuid import UUID

from producers.commands import Commands, Pending
from schemas.envelope import Actor
from tests.benchmarks import drain, history, protocol
from tests.benchmarks.asking import ask, door, one_per_partition
from tests.benchmarks.drain import WORKER
from tests.benchmarks.market import Asked, bidder
from tests.benchmarks.protocol import Report, percentile
from tests.benchmarks.stack import Bench, bench

WITHIN_S = 2.0
AUCTIONS = 1_000


class NoAnswer(Exception):
    """The started worker did not answer."""


async def started(one: Bench, commands: Commands, auctions: dict[int, UUID], amount: int) -> tuple[float, float]:
    """Stop the worker gently, ask each partition one bid, start it: seconds until its first answer, and the slowest one."""
    await one.stop(WORKER)
    waiting = [
        asyncio.create_task(_asked(commands, auction, amount, number))
        for number, auction in enumerate(auctions.values())
    ]
    await asyncio.sleep(0.2)  # So that the bids stand on the topic before the worker does.
    began = time.perf_counter()
    await asyncio.to_thread(one.supervisor.start, WORKER)
    answered = [at - began for at in await asyncio.gather(*waiting)]
    await one.ready(WORKER)
    return min(answered), max(answered)


async def _asked(commands: Commands, auction: UUID, amount: int, number: int) -> float:
    bid = Asked("PlaceBid", auction, Actor(str(bidder(number)), ("buyer",)), b'{"amount":%d}' % amount)
    answer = await ask(commands, bid, wait_s=60)
    if isinstance(answer, Pending):
        raise NoAnswer(answer.reason)
    return time.perf_counter()


async def starts(one: Bench, report: Report, name: str, rounds: int) -> list[float]:
    """So many starts; the slowest partition of each counts."""
    slowest = []
    async with door(one) as commands:
        auctions = await one_per_partition(commands, one.settings.partitions)
        for number in range(rounds):
            first_s, last_s = await started(one, commands, auctions, 10 + number)
            report.keep(name, {"first_answer_s": first_s, "slowest_partition_s": last_s})
            report.say(f"{name}, start {number + 1}: first answer {first_s:.2f} s, slowest partition {last_s:.2f} s")
            slowest.append(last_s)
    return slowest


async def run(report: Report) -> None:
    """First the starts with an empty log; then the log is filled by the worker itself; then the starts with it."""
    asked = report.options
    async with bench(keep=asked.keep) as one:
        await one.only()
        await one.forget_auctions()
        await one.start(WORKER)
        empty = await starts(one, report, "empty", asked.rounds)
        filled = await drain.fill(one, AUCTIONS, asked.bids)
        await drain.drain(one, filled.end)
        report.violations += await drain.check(one, filled)
        await one.checkpoint()
        full = await starts(one, report, "full", asked.rounds)
        report.violations += await history.check(one)
    longer = [mine - percentile(empty, 0.5) for mine in full]
    report.figure(
        "P7",
        f"start to the slowest partition's first answer, {asked.bids} bids logged",
        full,
        unit="s",
        at_most=WITHIN_S,
    )
    report.figure("P7", "the same, nothing logged", empty, unit="s")
    report.figure("P7", f"longer by, with {asked.bids} bids logged", longer, unit="s")


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("restart", asked, run)


if __name__ == "__main__":
    sys.exit(main(protocol.options("restart", __doc__, rounds=5, seconds=0, bids=(1_000_000, "bids in the log"))))
