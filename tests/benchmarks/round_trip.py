"""P1: a bid's way from the HTTP request to its answer, committed in between, beside an echo over the same server and broker."""

import argparse
import sys
from collections.abc import Callable
from uuid import UUID

from tests.benchmarks import history, protocol
from tests.benchmarks.asking import door, open_auctions
from tests.benchmarks.beside import free_port, make_topics, peer
from tests.benchmarks.market import BIDDERS_OF_HOT, BIDDERS_OF_ONE, bid_body, tokens
from tests.benchmarks.open_loop import Load, http_post
from tests.benchmarks.peers.echo_edge import ASKED, ECHOED
from tests.benchmarks.protocol import Report, ratios, sides
from tests.benchmarks.stack import Bench, bench
from tests.benchmarks.usage import cpu_of, spent

AUCTIONS = 240
WARM_UP_S = 2.0
REACH = {50: (1.35, 1.5), 200: (1.35, 1.5), 1000: (3.0, None)}
OURS = ("edge", "bids-1", "bid-views-1", "live", "clock-1")
STORES = ("kafka", "postgres", "redis")
PLACED = "SELECT count(*) FROM bids.log WHERE command_type = 'PlaceBid'"


def bidding(auctions: list[UUID], access: list[str]) -> Callable[[int], bytes]:
    """The nth request of the load: a bid of the mix of `market.bid_body`, in turn on each auction."""

    def request(number: int) -> bytes:
        turn, place = divmod(number, len(auctions))
        token = access[(place * BIDDERS_OF_ONE + turn % BIDDERS_OF_ONE) % len(access)]
        body = bid_body(turn, 2 * turn)
        return http_post(f"/api/v1/auctions/{auctions[place]}/bids", body, f"Authorization: Bearer {token}")

    return request


async def run(report: Report) -> None:
    """All rates, peer and ours by turns."""
    asked = report.options
    async with bench(keep=asked.keep) as one:
        await one.only(*OURS)
        async with door(one) as commands:
            auctions = await open_auctions(commands, AUCTIONS)
        await make_topics(one, ASKED, ECHOED)
        async with one.owner() as db:
            before = await db.fetchval(PLACED)
        port = free_port()
        bootstrap = one.settings.kafka_bootstrap
        async with (
            peer("echo_worker", bootstrap, one.settings.partitions) as worker,
            peer("echo_edge", bootstrap, port, port=port) as edge,
        ):
            ours = Load(one.edge.edge_port, bidding(auctions, tokens(one.edge, BIDDERS_OF_HOT)))
            echo = Load(port, lambda number: http_post("/", bid_body(number, 2 * number)))
            pids = {"ours": one.pids(*OURS, *STORES), "peer": {"echo-edge": edge.pid, "echo-worker": worker.pid}}
            pids["peer"] |= one.pids("kafka")
            for load in (ours, echo):
                await load.open()
                await load.run(200, WARM_UP_S)
            for rate in map(int, asked.rates.split(",")):
                await measure_rate(report, rate, {"ours": ours, "peer": echo}, pids)
        await _check(one, report, before, ours.total)


async def measure_rate(report: Report, rate: int, loads: dict[str, Load], pids: dict[str, dict[str, int]]) -> None:
    """All rounds at one rate."""
    asked = report.options
    p50: dict[str, list[float]] = {"ours": [], "peer": []}
    p99: dict[str, list[float]] = {"ours": [], "peer": []}
    cpu: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(asked.rounds):
        for side in sides(number):
            began = cpu_of(pids[side])
            answers = await loads[side].run(rate, asked.seconds)
            used = spent(began, cpu_of(pids[side]))
            told = answers.told()
            p50[side].append(told["p50_ms"])
            p99[side].append(told["p99_ms"])
            cpu[side].append(sum(used.values()) / answers.sent * 1e6)
            us = {name: round(value / answers.sent * 1e6) for name, value in used.items()}
            report.keep(f"{side}-{rate}", told | {"cpu_us": us})
            report.say(f"{rate}/s, round {number + 1}, {side}: p50 {told['p50_ms']} ms, p99 {told['p99_ms']} ms, {us}")
            failed = answers.missing + sum(count for status, count in answers.statuses.items() if status >= 500)
            if failed:
                report.violations.append(f"{side} at {rate}/s: {failed} of {answers.sent} got no answer or an error")
    most_p50, most_p99 = REACH.get(rate, (None, None))
    report.figure("P1", f"p50 at {rate}/s over the echo's", ratios(p50["ours"], p50["peer"]), at_most=most_p50)
    report.figure("P1", f"p99 at {rate}/s over the echo's", ratios(p99["ours"], p99["peer"]), at_most=most_p99)
    report.figure("P1", f"p50 at {rate}/s", p50["ours"], unit="ms")
    report.figure("P1", f"p99 at {rate}/s", p99["ours"], unit="ms")
    report.figure("P1", f"CPU of all processes at {rate}/s over the echo's", ratios(cpu["ours"], cpu["peer"]))


async def _check(one: Bench, report: Report, before: int, sent: int) -> None:
    async with one.owner() as db:
        rows = await db.fetchval(PLACED) - before
    if rows != sent:
        report.violations.append(f"{sent} bids were sent, the log has {rows}")
    report.violations += await history.check(one)


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("round_trip", asked, run)


if __name__ == "__main__":
    sys.exit(main(protocol.options("round_trip", __doc__, rounds=2, seconds=8, rates=("50,200,1000", "bids a second"))))
