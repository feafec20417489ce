"""P12: what an idle socket costs in memory: the live process beside nginx with nchan."""

import argparse
import asyncio
import sys

from tests.benchmarks import protocol
from tests.benchmarks.asking import door, open_auctions
from tests.benchmarks.nchan import MISSING, installed, nchan
from tests.benchmarks.protocol import Report, ratios
from tests.benchmarks.sockets import Crowd, files_needed, watch
from tests.benchmarks.stack import Bench, bench
from tests.benchmarks.usage import cpu_s, rss_mb

REACH = 2.0
AUCTIONS = 100
SETTLES_S = 2.0


async def live_kb(one: Bench, report: Report, sockets: int) -> float:
    """Memory per socket of a fresh live process, each logged in and watching one of AUCTIONS auctions."""
    await one.stop("live")
    await one.start("live")
    async with door(one) as commands:
        auctions = [str(auction) for auction in await open_auctions(commands, AUCTIONS)]
    pid, first = one.pid("live"), Crowd()
    await watch(one, first, auctions, AUCTIONS)  # The rooms are the auctions' memory, not the sockets'.
    before = rss_mb(pid)
    crowd = Crowd()
    await watch(one, crowd, auctions, sockets, first=AUCTIONS)
    await asyncio.sleep(SETTLES_S)
    added = rss_mb(pid) - before
    began = cpu_s(pid)
    await asyncio.sleep(report.options.seconds)
    report.keep(
        "live", {"sockets": sockets, "added_mb": added, "cpu_share": (cpu_s(pid) - began) / report.options.seconds}
    )
    if crowd.lost:
        report.violations.append(f"{crowd.lost} of {sockets} idle sockets were lost")
    await crowd.leave()
    await first.leave()
    return added / sockets * 1000


async def nchan_kb(report: Report, sockets: int) -> float:
    """The same of nginx's worker."""
    async with nchan(sockets) as server:
        paths = [f"/watch?auction={number % AUCTIONS}" for number in range(sockets + AUCTIONS)]
        worker, crowd = server.worker(), Crowd()
        await crowd.enter(server.port, paths[:AUCTIONS], lambda _number: None)
        before = rss_mb(worker)
        await crowd.enter(server.port, paths[AUCTIONS:], lambda _number: None, first=AUCTIONS)
        await asyncio.sleep(SETTLES_S)
        added = rss_mb(worker) - before
        report.keep("nchan", {"sockets": sockets, "added_mb": added})
        await crowd.leave()
    return added / sockets * 1000


async def run(report: Report) -> None:
    """Ours and the peer by turns."""
    sockets = report.options.sockets
    files_needed(sockets)
    if not installed():
        report.note(MISSING)
    ours, peer = [], []
    async with bench(keep=report.options.keep) as one:
        await one.only("bids-1", "live")
        for number in range(report.options.rounds):
            order = ["peer", "ours"] if number % 2 == 0 else ["ours", "peer"]
            for side in order:
                if side == "ours":
                    ours.append(await live_kb(one, report, sockets))
                    report.say(f"round {number + 1}, ours: {ours[-1]:.2f} kB a socket")
                elif installed():
                    peer.append(await nchan_kb(report, sockets))
                    report.say(f"round {number + 1}, nchan: {peer[-1]:.2f} kB a socket")
    if peer:
        report.figure(
            "P12", f"memory of an idle socket over nchan's, {sockets} sockets", ratios(ours, peer), at_most=REACH
        )
        report.figure("P12", "nchan, one socket", peer, unit="kB")
    report.figure("P12", "ours, one socket (logged in, watching)", ours, unit="kB")


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("idle_sockets", asked, run)


if __name__ == "__main__":
    more = {"sockets": (10_000, "idle sockets")}
    sys.exit(main(protocol.options("idle_sockets", __doc__, rounds=2, seconds=5, **more)))
