"""P4: bids that all meet on one auction, beside bids spread over 10,000; and whether a bid costs more after many others."""

import argparse
import math
import sys

from tests.benchmarks import drain, protocol
from tests.benchmarks.drain import WORKER, Drained, Sample
from tests.benchmarks.protocol import Report, ratios, sides
from tests.benchmarks.stack import Bench, bench

REACH = 0.95
SLOPE_MAX = 0.05
SPREAD = 10_000
EACH_BEFORE = 2_000
FROM = 1_000
WINDOW = 10_000
"""The cost after n bids is that of the next WINDOW; all windows count, for one alone differs by a sixth from the next."""


async def drained(one: Bench, report: Report, auctions: int, count: int) -> tuple[list[Sample], drain.Filled]:
    """Decide so many bids on so many auctions, on empty tables; then the check."""
    await one.only()
    await one.forget_auctions()
    filled = await drain.fill(one, auctions, count)
    await one.checkpoint()
    samples = await drain.drain(one, filled.end)
    report.violations += await drain.check(one, filled)
    await one.stop(WORKER)
    return samples, filled


async def hot_and_spread(one: Bench, report: Report) -> None:
    """The same number of bids on one auction and on many, by turns; the spread ones stand where the peer would."""
    asked = report.options
    rates: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(asked.rounds):
        for side in sides(number):
            auctions = 1 if side == "ours" else min(SPREAD, asked.bids)
            samples, filled = await drained(one, report, auctions, asked.bids)
            told = drain.between(samples, filled.first_bid + min(EACH_BEFORE, asked.bids // 10), filled.end)
            rates[side].append(told.rate)
            report.keep("hot" if side == "ours" else "spread", told.told())
            report.say(f"round {number + 1}, {auctions} auctions: {told.told()}")
    report.figure(
        "P4", f"decided a second, 1 auction over {SPREAD}", ratios(rates["ours"], rates["peer"]), at_least=REACH
    )
    report.figure("P4", "1 auction", rates["ours"], unit="/s")
    report.figure("P4", f"{SPREAD} auctions", rates["peer"], unit="/s")


async def slope(one: Bench, report: Report) -> None:
    """One auction from its first to its last bid: how the cost of a bid grows after 10^3, 10^4, ... others."""
    upto = report.options.upto
    grows = [await _followed(one, report, upto) for _ in range(report.options.rounds)]
    what = f"growth of a bid's CPU (bids and Postgres) per tenfold of earlier bids, 10^3 to {upto}"
    report.figure("P4", what, grows, at_most=SLOPE_MAX, unit="")


async def _followed(one: Bench, report: Report, upto: int) -> float:
    samples, filled = await drained(one, report, 1, upto)
    points: list[tuple[float, Drained]] = []
    for earlier in range(FROM, upto - WINDOW + 1, WINDOW):
        first = filled.first_bid + earlier
        told = drain.between(samples, first, min(first + WINDOW, filled.end))
        points.append((math.log10(earlier + WINDOW / 2), told))
        report.keep("slope", {"earlier_bids": earlier} | told.told())
    report.say(f"after {FROM} bids: {points[0][1].told()}; at the end: {points[-1][1].told()}")
    costs = [told.worker_us + told.postgres_s / told.commands * 1e6 for _, told in points]
    return _slope([at for at, _ in points], costs) / (sum(costs) / len(costs)) if len(points) > 1 else math.nan


def _slope(xs: list[float], ys: list[float]) -> float:
    """Of the straight line of least squares."""
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys, strict=True)) / sum((x - x_mean) ** 2 for x in xs)


async def run(report: Report) -> None:
    """Both questions."""
    async with bench(keep=report.options.keep) as one:
        await hot_and_spread(one, report)
        await slope(one, report)


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("hot_auction", asked, run)


if __name__ == "__main__":
    more = {
        "bids": (60_000, "bids of one measurement"),
        "upto": (1_000_000, "bids of the one auction whose cost is followed"),
    }
    sys.exit(main(protocol.options("hot_auction", __doc__, rounds=2, seconds=0, **more)))
