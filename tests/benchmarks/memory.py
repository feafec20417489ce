"""Memory: every process idle, and what 10^5 live auctions add to bids."""

import argparse
import asyncio
import sys
from uuid import UUID

from tests.benchmarks import drain, history, protocol
from tests.benchmarks.drain import WORKER
from tests.benchmarks.many_auctions import clone, ids_of
from tests.benchmarks.market import Prefill, bids
from tests.benchmarks.protocol import Report
from tests.benchmarks.stack import SERVERS, Bench, bench, until
from tests.benchmarks.usage import cpu_of, rss_mb, spent

IDLE_MB_MAX = 120
ADDED_MB_MAX = 200
REMEMBERED = "SELECT count(*) FROM bids.log WHERE command_type = 'PlaceBid'"


async def idle(one: Bench, report: Report) -> None:
    """All processes, after a while without anything to do."""
    await one.only()
    await one.only(*(name for name in one.supervisor.states() if name not in (*SERVERS, "topics")))
    await asyncio.sleep(2)
    pids = one.pids()
    began = cpu_of(pids)
    await asyncio.sleep(report.options.seconds)
    used = spent(began, cpu_of(pids))
    for name, pid in sorted(pids.items()):
        report.figure("memory", f"{name}, idle", [rss_mb(pid)], unit="MB", at_most=IDLE_MB_MAX)
        report.keep("idle", {"name": name, "rss_mb": rss_mb(pid), "cpu_share": used[name] / report.options.seconds})
    share = {name: f"{100 * value / report.options.seconds:.1f} %" for name, value in sorted(used.items())}
    report.note(f"idle CPU: {share}")


async def live(one: Bench, report: Report) -> None:
    """One bid on each of so many live auctions, on all partitions: what bids then remembers of them."""
    count = report.options.auctions
    await one.only()
    await one.forget_auctions()
    opened = await drain.fill(one, 1 + one.settings.partitions, 0)
    await drain.drain(one, opened.end)
    await clone(one, opened.auctions[0], count)
    ids = await ids_of(one, count, besides=opened.auctions)
    # The cache of outcomes and the pools grow with commands, not with auctions: they are filled first.
    await bid_once(one, opened.auctions[1:] * (count // one.settings.partitions))
    before = drain.memory_mb(one)
    await bid_once(one, ids)
    added = drain.memory_mb(one) - before
    report.keep("live", {"auctions": count, "before_mb": before, "added_mb": added})
    report.figure("memory", f"{count} live auctions add to bids", [added], unit="MB", at_most=ADDED_MB_MAX)
    report.violations += await history.check(one)


async def bid_once(one: Bench, ids: list[UUID]) -> None:
    """One bid on each, in turn on the partitions, and wait until all are decided."""
    partitions = one.settings.partitions
    async with one.owner() as db:
        before = await db.fetchval(REMEMBERED)
        async with Prefill(one.settings) as prefill:
            for partition in range(partitions):
                share = ids[partition::partitions]
                if share:
                    await prefill.put(partition, bids(share, len(share)))
        if not one.supervisor.states()[WORKER]["pid"]:
            await one.start(WORKER)

        async def decided() -> bool:
            return bool(await db.fetchval(REMEMBERED) - before >= len(ids))

        await until(decided, within_s=120, every_s=0.25)


async def run(report: Report) -> None:
    """Idle first, then full."""
    async with bench(keep=report.options.keep) as one:
        await idle(one, report)
        await live(one, report)


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("memory", asked, run)


if __name__ == "__main__":
    sys.exit(main(protocol.options("memory", __doc__, rounds=1, seconds=10, auctions=(100_000, "live auctions"))))
