"""P20: how long nobody is answered after a fault under load: a killed worker, a stopped one, a restart, a killed broker."""

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from uuid import UUID

from compose import envfile
from compose.servers import SERVERS
from producers.commands import Command, Commands, Pending, Unavailable
from schemas.envelope import Actor, new_command_id
from schemas.registry import BY_NAME
from tests.benchmarks import history, protocol
from tests.benchmarks.asking import door, one_per_partition
from tests.benchmarks.drain import WORKER
from tests.benchmarks.market import BIDDERS_OF_HOT, bidder
from tests.benchmarks.open_loop import ticks
from tests.benchmarks.protocol import Report
from tests.benchmarks.stack import Bench, bench, compose_local, until

SESSION_S = 6.0
RESTARTED_S_MAX = 1.0
BROKER_BACK_S_MAX = 5.0
BEFORE_S = 2.0
ANSWER_S = 40.0
BACK_WITHIN_S = 60.0
SECOND = "bids-2"
BIDS = BY_NAME["PlaceBid"]
FOUND = "SELECT count(*) FROM bids.log WHERE command_id = ANY($1)"


class Asking:
    """Bids at a steady rate, in turn on one auction of each partition, and when each partition answered."""

    def __init__(self, commands: Commands, auctions: dict[int, UUID]) -> None:
        self._commands = commands
        self._auctions = sorted(auctions.items())
        self._number = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.answers: dict[int, list[float]] = {partition: [] for partition in auctions}
        self.answered: list[UUID] = []
        self.unanswered = 0
        self.refused_at_the_door = 0

    @asynccontextmanager
    async def at(self, rate: float) -> AsyncIterator[None]:
        """Ask for the length of the block, then wait for the answers."""
        with ticks(rate, self._tick):
            yield
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _tick(self, due: int) -> None:
        for _ in range(due):
            task = asyncio.create_task(self._ask(self._number))
            self._number += 1
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _ask(self, number: int) -> None:
        turn, place = divmod(number, len(self._auctions))
        partition, auction = self._auctions[place]
        actor = Actor(str(bidder(turn % BIDDERS_OF_HOT)), ("buyer",))
        command_id = new_command_id()
        command = Command(BIDS, command_id, auction, b'{"amount":%d}' % (turn + 2), actor, command_id.hex)
        try:
            answer = await self._commands.ask(command, wait_s=ANSWER_S)
        except Unavailable:
            self.refused_at_the_door += 1
            return
        if isinstance(answer, Pending):
            self.unanswered += 1
            return
        self.answered.append(command_id)
        self.answers[partition].append(time.perf_counter())

    def silence(self, since: float) -> float:
        """How long after a moment the longest silence of any partition ended, seconds."""
        return max(_silence(times, since) for times in self.answers.values())

    def all_answer_since(self, since: float) -> bool:
        """Whether each partition has answered after a moment."""
        return all(times and times[-1] > since for times in self.answers.values())


def _silence(times: list[float], since: float) -> float:
    near = [time_s for time_s in times if time_s > since - 1]
    return max((later - max(earlier, since) for earlier, later in pairwise(near) if later > since), default=0.0)


async def gap(asking: Asking, report: Report, act: Callable[[], Awaitable[float]], rate: float) -> tuple[float, float]:
    """Have a fault under load; (seconds of silence from the fault, perf_counter of the fault).

    `act` does it and returns when it was done.
    """
    async with asking.at(rate):
        await asyncio.sleep(BEFORE_S)
        fault_at = await act()

        async def back() -> bool:
            return (
                asking.all_answer_since(time.perf_counter() - 0.5)
                and time.perf_counter() - fault_at > report.options.seconds
            )

        await until(back, within_s=BACK_WITHIN_S)
    return asking.silence(fault_at), fault_at


async def worker_faults(one: Bench, report: Report, asking: Asking) -> None:
    """Killed and restarted by the supervisor; restarted gently; of two, one stopped for ever."""

    async def kill() -> float:
        os.kill(one.pid(WORKER), signal.SIGKILL)
        return time.perf_counter()

    async def restart() -> float:
        at = time.perf_counter()
        await one.stop(WORKER)
        await asyncio.to_thread(one.supervisor.start, WORKER)
        return at

    rate = report.options.rate
    killed, restarted = [], []
    for number in range(report.options.rounds):
        killed.append((await gap(asking, report, kill, rate))[0])
        restarted.append((await gap(asking, report, restart, rate))[0])
        report.say(f"round {number + 1}: killed {killed[-1]:.2f} s, restarted gently {restarted[-1]:.2f} s")
    report.figure("P20", "kill -9 of bids, restarted: silence", killed, unit="s", at_most=RESTARTED_S_MAX)
    report.figure("P20", "graceful restart of bids: silence", restarted, unit="s", at_most=RESTARTED_S_MAX)
    report.figure(
        "P20",
        "one of two bids stopped for ever: silence",
        [await stopped(one, report, asking)],
        unit="s",
        at_most=SESSION_S + 1,
    )


async def stopped(one: Bench, report: Report, asking: Asking) -> float:
    """SIGSTOP, as a supervisor would restart a dead one; killed when the other has taken over."""
    await asyncio.to_thread(compose_local, "scale", "bids", "2")

    async def stop() -> float:
        os.kill(one.pid(SECOND), signal.SIGSTOP)
        return time.perf_counter()

    try:
        seconds, _ = await gap(asking, report, stop, report.options.rate)
    finally:
        os.kill(one.pid(SECOND), signal.SIGKILL)
        await asyncio.to_thread(compose_local, "scale", "bids", "1")
    report.say(f"one of two stopped for ever: {seconds:.2f} s")
    return seconds


async def broker(one: Bench, report: Report, asking: Asking) -> None:
    """kill -9 of the broker; the supervisor restarts it."""
    ready_at = 0.0

    async def kill() -> float:
        nonlocal ready_at
        os.kill(one.pid("kafka"), signal.SIGKILL)
        at = time.perf_counter()
        env = envfile.read(one.stack.env_file)

        async def ready() -> bool:
            return not await asyncio.to_thread(SERVERS["kafka"].ready, one.stack, env)

        await until(ready, within_s=BACK_WITHIN_S)
        ready_at = time.perf_counter()
        return at

    from_kill, from_ready = [], []
    for number in range(report.options.broker_rounds):
        silence, fault_at = await gap(asking, report, kill, report.options.rate)
        from_kill.append(silence)
        from_ready.append(silence - (ready_at - fault_at))
        report.say(
            f"round {number + 1}: broker killed, {silence:.2f} s of silence, ready after {ready_at - fault_at:.2f} s"
        )
    report.figure(
        "P20", "broker killed: from its readiness to all answers", from_ready, unit="s", at_most=BROKER_BACK_S_MAX
    )
    report.figure("P20", "broker killed: silence from the kill", from_kill, unit="s")


async def run(report: Report) -> None:
    """All faults on one stack, then the check of all that was answered."""
    async with bench(keep=report.options.keep) as one:
        await one.only(WORKER)
        async with door(one) as commands:
            asking = Asking(commands, await one_per_partition(commands, one.settings.partitions))
            await worker_faults(one, report, asking)
            await broker(one, report, asking)
        async with one.owner() as db:
            found = await db.fetchval(FOUND, asking.answered)
        if found != len(asking.answered):
            report.violations.append(f"{len(asking.answered)} bids were answered, {found} of them are in the log")
        report.raw |= {
            "answered": len(asking.answered),
            "unanswered": asking.unanswered,
            "at_the_door": asking.refused_at_the_door,
        }
        report.note(
            f"{len(asking.answered)} bids answered, {asking.unanswered} not within {ANSWER_S:.0f} s, {asking.refused_at_the_door} told to come again"
        )
        report.violations += await history.check(one)


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("recovery", asked, run)


if __name__ == "__main__":
    more = {"rate": (200, "bids a second"), "broker_rounds": (2, "how often the broker is killed")}
    sys.exit(main(protocol.options("recovery", __doc__, rounds=3, seconds=3, **more)))
