"""P5: what a bid costs, and what the worker remembers, when 10^2 to 10^6 auctions are live."""

import argparse
import sys
from collections.abc import Sequence
from uuid import UUID

from tests.benchmarks import drain, history, protocol
from tests.benchmarks.drain import PARTITION, WORKER, Drained
from tests.benchmarks.market import Asked, Prefill, bids
from tests.benchmarks.protocol import Report
from tests.benchmarks.stack import Bench, bench

REACH = 1.1
BUSY = 100
ABOVE_ALL = 1_000_000
"""Bids as high as after so many turns: above whatever an auction has."""

CLONES_AT_ONCE = 200_000

# The snapshot does not name its auction, so one auction just opened stands for as many as are wanted.
CLONE = """
    INSERT INTO bids.auction
    SELECT gen_random_uuid(), status, outcome, ends_at, price, leader_id, minimum_next, bid_count, reserve_met,
           buy_now_available, seq, public_seq, state
      FROM bids.auction, generate_series(1, $2) WHERE id = $1
"""

ANY = "SELECT id FROM bids.auction WHERE id <> ALL($2) ORDER BY id LIMIT $1"


async def clone(one: Bench, auction: UUID, count: int) -> None:
    """Put `count` more auctions like this one into the table."""
    async with one.owner() as db:
        for start in range(0, count, CLONES_AT_ONCE):
            await db.execute(CLONE, auction, min(CLONES_AT_ONCE, count - start), timeout=120)
        await db.execute("ANALYZE bids.auction")


async def ids_of(one: Bench, count: int, *, besides: Sequence[UUID] = ()) -> list[UUID]:
    """Some of the live auctions; as their ids are random, so is the choice."""
    async with one.owner() as db:
        return [row["id"] for row in await db.fetch(ANY, count, besides)]


async def decide(one: Bench, asked: list[Asked], skip: int) -> Drained:
    """What the running worker takes for these commands, the first `skip` of them left out."""
    await one.stop(WORKER)
    async with Prefill(one.settings) as prefill:
        first, end = await prefill.put(PARTITION, asked)
    samples = await drain.drain(one, end)
    return drain.between(samples, first + skip, end)


async def with_live(one: Bench, report: Report, live: int) -> tuple[Drained, Drained]:
    """With so many live auctions: bids on the busy ones, then bids all over."""
    count = report.options.bids
    await one.only()
    await one.forget_auctions()
    filled = await drain.fill(one, BUSY, 10 * BUSY)
    await drain.drain(one, filled.end)
    empty_mb = drain.memory_mb(one)
    opened = await drain.fill(one, 1, 0)
    await drain.drain(one, opened.end)
    await clone(one, opened.auctions[0], live - BUSY)
    await one.checkpoint()
    busy = await decide(one, list(bids(filled.auctions, count, first=10)), count // 10)
    busy_mb = drain.memory_mb(one)
    everywhere_ids = await ids_of(one, min(live, count))
    everywhere = await decide(one, list(bids(everywhere_ids, count, first=ABOVE_ALL)), count // 10)
    everywhere_mb = drain.memory_mb(one)
    report.violations += await history.check(one)
    told = {"live": live, "busy": busy.told(), "everywhere": everywhere.told()}
    told |= {"rss_mb": {"start": empty_mb, "busy": busy_mb, "everywhere": everywhere_mb}}
    report.keep("live", told)
    report.say(f"{live} live: {told}")
    report.figure("P5", f"memory of bids, {live} live, after {count} bids on {BUSY}", [busy_mb], unit="MB")
    report.figure(
        "P5", f"memory of bids, {live} live, after bids on {len(everywhere_ids)} of them", [everywhere_mb], unit="MB"
    )
    return busy, everywhere


async def run(report: Report) -> None:
    """From few to many."""
    sizes = [int(size) for size in report.options.live.split(",")]
    async with bench(keep=report.options.keep) as one:
        costs: dict[int, tuple[list[float], list[float]]] = {size: ([], []) for size in sizes}
        for number in range(report.options.rounds):
            for size in sizes if number % 2 == 0 else reversed(sizes):
                for kept, drained in zip(costs[size], await with_live(one, report, size), strict=True):
                    kept.append(drained.worker_us + drained.postgres_s / drained.commands * 1e6)
        few, many = costs[sizes[0]], costs[sizes[-1]]
        told = f"CPU (bids and Postgres) of a bid with {sizes[-1]} live auctions over {sizes[0]}"
        report.figure("P5", f"{told}, {BUSY} of them busy", protocol.ratios(many[0], few[0]), at_most=REACH)
        report.figure("P5", f"{told}, bids all over", protocol.ratios(many[1], few[1]))


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("many_auctions", asked, run)


if __name__ == "__main__":
    more = {"live": ("100,10000,1000000", "live auctions"), "bids": (40_000, "bids of one measurement")}
    sys.exit(main(protocol.options("many_auctions", __doc__, rounds=1, seconds=0, **more)))
