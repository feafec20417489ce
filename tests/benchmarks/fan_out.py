"""P10: one event to N sockets: the live process beside bare `transport.write` and beside nginx with nchan.

One real bid after the other: the next when everybody has the event of the one before, so nothing is written together.
"""

import argparse
import math
import sys
import time
from collections.abc import Awaitable, Callable
from uuid import UUID

from aiokafka import AIOKafkaProducer

from producers.commands import Commands
from schemas.envelope import Actor, Reply
from tests.benchmarks import beside, history, protocol
from tests.benchmarks.asking import ask, door, open_auctions
from tests.benchmarks.market import Asked, bidder
from tests.benchmarks.nchan import MISSING, installed, nchan
from tests.benchmarks.protocol import Report, percentile, ratios
from tests.benchmarks.sockets import Crowd, files_needed, watch
from tests.benchmarks.stack import Bench, bench
from tests.benchmarks.usage import cpu_s

REACH = 0.85
SLOPE_MAX = 0.05
TOPIC = "bench-fan-out"
MESSAGE = b'{"event":"bid_placed","data":"' + b"x" * 310 + b'"}'
"""As long as the frame of a bid."""

WARM_UP = 3
EVENTS_MIN, EVENTS_MAX = 5, 300
OURS = ("bids-1", "live")

Tell = Callable[[], Awaitable[None]]


class Cost(dict[str, float]):
    """CPU of one frame and time of one event until the last socket has it."""


async def fan_out(crowd: Crowd, sockets: int, events: int, tell: Tell, cpu: Callable[[], float]) -> Cost:
    """Tell events one after the other and wait each time until every socket has its frame."""
    times = []
    for number in range(WARM_UP + events):
        if number == WARM_UP:
            began = cpu()
        crowd.expect(sockets)
        at = time.perf_counter()
        await tell()
        await crowd.all_there()
        times.append((time.perf_counter() - at) * 1000)
    used = cpu() - began
    return Cost(us=used / (events * sockets) * 1e6, p50_ms=percentile(times[WARM_UP:], 0.5))


class Bids:
    """Bids of one auction, each above the one before."""

    def __init__(self, commands: Commands, auction: UUID) -> None:
        self._commands = commands
        self._auction = auction
        self._amount = 0

    async def place(self) -> None:
        """The next bid; raises RuntimeError unless it takes the lead."""
        self._amount += 1
        actor = Actor(str(bidder(self._amount % 2)), ("buyer",))
        bid = Asked("PlaceBid", self._auction, actor, b'{"amount":%d}' % self._amount)
        answer = await ask(self._commands, bid)
        if not isinstance(answer, Reply) or answer.outcome != "accepted":
            raise RuntimeError(f"a bid was not taken: {answer}")


async def live(one: Bench, commands: Commands, sockets: int, events: int) -> Cost:
    """The live process."""
    [auction] = await open_auctions(commands, 1)
    crowd, bids, pid = Crowd(), Bids(commands, auction), one.pid("live")
    await watch(one, crowd, [str(auction)], sockets)
    cost = await fan_out(crowd, sockets, events, bids.place, lambda: cpu_s(pid))
    await crowd.leave()
    return cost


async def floor(one: Bench, sockets: int, events: int) -> Cost:
    """A bare process that fetches from a topic and writes; `writes_us` counts the writes alone."""
    port = beside.free_port()
    producer = AIOKafkaProducer(bootstrap_servers=one.settings.kafka_bootstrap, linger_ms=0)
    await producer.start()
    async with beside.peer("bare_fan_out", one.settings.kafka_bootstrap, TOPIC, port, port=port) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        crowd = Crowd()
        await crowd.enter(port, ["/"] * sockets, lambda _number: None)

        async def tell() -> None:
            await producer.send(TOPIC, MESSAGE, partition=0)

        cost = await fan_out(crowd, sockets, events, tell, lambda: cpu_s(process.pid))
        process.stdin.write(b"\n")
        cost["writes_us"] = float(await process.stdout.readline()) / ((WARM_UP + events) * sockets) * 1e6
        await crowd.leave()
    await producer.stop()
    return cost


async def beside_nchan(sockets: int, events: int) -> Cost:
    """nginx's worker."""
    async with nchan(sockets) as server:
        crowd = Crowd()
        await crowd.enter(server.port, ["/watch?auction=a"] * sockets, lambda _number: None)
        worker = server.worker()
        cost = await fan_out(crowd, sockets, events, lambda: server.tell("a", MESSAGE), lambda: cpu_s(worker))
        await crowd.leave()
    return cost


async def measure_size(one: Bench, report: Report, commands: Commands, sockets: int) -> list[float]:
    """All rounds with so many sockets; returns ours, us per frame."""
    events = min(EVENTS_MAX, max(EVENTS_MIN, report.options.frames // sockets))
    costs: dict[str, list[Cost]] = {"floor": [], "ours": [], "nchan": []}
    with_nchan = installed()
    for number in range(report.options.rounds):
        order = ["floor", "ours", *(["nchan"] if with_nchan else [])]
        for side in order if number % 2 == 0 else reversed(order):
            match side:
                case "ours":
                    cost = await live(one, commands, sockets, events)
                case "floor":
                    cost = await floor(one, sockets, events)
                case _:
                    cost = await beside_nchan(sockets, events)
            costs[side].append(cost)
            report.keep(f"{sockets}-{side}", cost)
            report.say(f"{sockets} sockets, round {number + 1}, {side}: {cost}")
    us = {side: [cost["us"] for cost in of_side] for side, of_side in costs.items()}
    report.figure(
        "P10", f"frames per CPU over fetch + write, {sockets} sockets", ratios(us["floor"], us["ours"]), at_least=REACH
    )
    writes = [cost["writes_us"] for cost in costs["floor"]]
    report.figure("P10", f"frames per CPU over the writes alone, {sockets} sockets", ratios(writes, us["ours"]))
    if with_nchan:
        report.figure(
            "P10", f"frames per CPU over nchan, {sockets} sockets", ratios(us["nchan"], us["ours"]), at_least=1.0
        )
    report.figure("P10", f"CPU of a frame, {sockets} sockets", us["ours"], unit="us")
    report.figure(
        "P10", f"event to the last of {sockets} sockets, p50", [cost["p50_ms"] for cost in costs["ours"]], unit="ms"
    )
    return us["ours"]


async def run(report: Report) -> None:
    """All sizes."""
    sizes = [int(size) for size in report.options.sockets.split(",")]
    files_needed(max(sizes))
    if not installed():
        report.note(MISSING)
    async with bench(keep=report.options.keep) as one:
        await one.only(*OURS)
        await beside.make_topics(one, TOPIC)
        async with door(one) as commands:
            frames = [await measure_size(one, report, commands, size) for size in sizes]
        if len(sizes) > 1:
            decades = math.log10(sizes[-1] / sizes[0])
            grows = [(many / few - 1) / decades for few, many in zip(frames[0], frames[-1], strict=True)]
            what = f"growth of a frame's CPU per tenfold of sockets, {sizes[0]} to {sizes[-1]}"
            report.figure("P10", what, grows, at_most=SLOPE_MAX, unit="")
        report.violations += await history.check(one)


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("fan_out", asked, run)


if __name__ == "__main__":
    more = {"sockets": ("100,1000,10000", "sockets"), "frames": (100_000, "frames of one measurement")}
    sys.exit(main(protocol.options("fan_out", __doc__, rounds=1, seconds=0, **more)))
