"""How fast, and at what cost, the real bids worker decides what stands on one partition."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

from tests.benchmarks import history
from tests.benchmarks.market import Prefill, bids, opening
from tests.benchmarks.stack import Bench, ends_of
from tests.benchmarks.usage import cpu_s, rss_mb
from topics.catalog import AUCTION_COMMANDS, AUCTION_EVENTS

WORKER = "bids-1"
PARTITION = 0
LOOK_EVERY_S = 0.02
STUCK_S = 30.0

TOLD = """
    SELECT count(*), sum(cardinality(events)) FROM bids.log WHERE partition = $1 AND src_offset >= $2 AND src_offset < $3
"""

NEXT = "SELECT next_offset FROM bids.offsets WHERE topic = $1 AND partition = $2"


class Sample(NamedTuple):
    """Where the worker stands at a moment, and what it has cost until then (CPU seconds)."""

    at: float
    next_offset: int
    worker_s: float
    postgres_s: float


class Drained(NamedTuple):
    """Commands decided between two samples."""

    commands: int
    seconds: float
    worker_s: float
    postgres_s: float

    @property
    def rate(self) -> float:
        """Commands a second."""
        return self.commands / self.seconds

    @property
    def worker_us(self) -> float:
        """CPU of the worker for one command, microseconds."""
        return self.worker_s / self.commands * 1e6

    def told(self) -> dict[str, float]:
        """In numbers."""
        return {
            "commands": self.commands,
            "seconds": round(self.seconds, 3),
            "per_s": round(self.rate),
            "worker_us": round(self.worker_us, 2),
            "postgres_us": round(self.postgres_s / self.commands * 1e6, 2),
        }


class Filled(NamedTuple):
    """What was put on the partition: the openings, then the bids."""

    first: int
    first_bid: int
    end: int
    auctions: list[UUID]
    events_from: int
    """Where the partition of auction-events ended before."""


async def fill(bench: Bench, auctions: int, count: int) -> Filled:
    """Open so many auctions on the partition and put so many bids after them."""
    ids = [uuid4() for _ in range(auctions)]
    events_from = await events_end(bench, PARTITION)
    async with Prefill(bench.settings) as prefill:
        first, first_bid = await prefill.put(PARTITION, (opening(one) for one in ids))
        end = (await prefill.put(PARTITION, bids(ids, count)))[1] if count else first_bid
    return Filled(first, first_bid, end, ids, events_from)


async def events_end(bench: Bench, partition: int) -> int:
    """Where a partition of auction-events ends now."""
    return (await ends_of(bench.settings, AUCTION_EVENTS.name))[AUCTION_EVENTS.name, partition]


async def check(bench: Bench, filled: Filled) -> list[str]:
    """What is wrong with how the running worker decided what was put on the partition."""
    wrong = await history.check(bench)
    async with bench.owner() as db:
        row = await db.fetchrow(TOLD, PARTITION, filled.first, filled.end)
    rows, events = row or (0, 0)
    if rows != filled.end - filled.first:
        wrong.append(f"{filled.end - filled.first} commands stand on the topic, {rows} rows in the log")
    told = await events_end(bench, PARTITION) - filled.events_from
    if told != events:
        wrong.append(f"the log has {events} events, {told} were told")
    return wrong


async def drain(bench: Bench, upto: int) -> list[Sample]:
    """Start the worker if it does not run and sample it until all before `upto` is decided.

    Raises TimeoutError when it does not get on.
    """
    if not bench.supervisor.states()[WORKER]["pid"]:
        await asyncio.to_thread(bench.supervisor.start, WORKER)
    worker, postgres = bench.pid(WORKER), bench.pid("postgres")
    samples: list[Sample] = []
    async with bench.owner() as db:
        moved_at = time.perf_counter()
        while not samples or samples[-1].next_offset < upto:
            at = time.perf_counter()
            offset = await db.fetchval(NEXT, AUCTION_COMMANDS.name, PARTITION) or 0
            samples.append(Sample(at, offset, cpu_s(worker), cpu_s(postgres)))
            if len(samples) > 1 and offset > samples[-2].next_offset:
                moved_at = at
            if at - moved_at > STUCK_S:
                raise TimeoutError(f"the worker stands at {offset} of {upto}")
            await asyncio.sleep(LOOK_EVERY_S)
    return samples


def between(samples: Sequence[Sample], first: int, end: int) -> Drained:
    """What was decided between the first samples at or after two offsets."""
    begin = next(sample for sample in samples if sample.next_offset >= first)
    last = next(sample for sample in samples if sample.next_offset >= end)
    return Drained(
        last.next_offset - begin.next_offset,
        last.at - begin.at,
        last.worker_s - begin.worker_s,
        last.postgres_s - begin.postgres_s,
    )


def memory_mb(bench: Bench) -> float:
    """Resident memory of the worker."""
    return rss_mb(bench.pid(WORKER))
