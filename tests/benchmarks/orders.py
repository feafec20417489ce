"""Orders created from a burst of auctions that end together: from the events on the topic to the orders in the table."""

import argparse
import asyncio
import sys
import time
from collections.abc import Iterator
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer

from consumers.payments.verify import verify
from schemas import envelope
from schemas.envelope import print_time, time_ms
from schemas.registry import BY_NAME
from tests.benchmarks import protocol
from tests.benchmarks.market import BATCH_BYTES, SELLER, bidder
from tests.benchmarks.protocol import Report
from tests.benchmarks.stack import Bench, bench, until
from tests.benchmarks.usage import cpu_s
from topics.catalog import AUCTION_EVENTS

WORKER = "payments-1"
STUCK_S = 60.0
COUNT = "SELECT count(*) FROM payments.orders WHERE auction_id = ANY($1)"


class Burst(NamedTuple):
    """What one round measured."""

    orders: int
    seconds: float
    worker_s: float
    postgres_s: float

    @property
    def rate(self) -> float:
        """Orders a second."""
        return self.orders / self.seconds


async def end(one: Bench, auctions: list[UUID]) -> None:
    """Put listing and end of each auction on its partition."""
    producer = AIOKafkaProducer(
        bootstrap_servers=one.settings.kafka_bootstrap, acks="all", max_batch_size=BATCH_BYTES, linger_ms=5
    )
    await producer.start()
    try:
        sent = [
            await producer.send(
                AUCTION_EVENTS.name,
                value,
                key=str(auction).encode(),
                headers=[(envelope.CE_TYPE, BY_NAME[kind].ce_type.encode())],
            )
            for auction, kind, value in _events(auctions)
        ]
        await asyncio.gather(*sent)
    finally:
        await producer.stop()


def _events(auctions: list[UUID]) -> Iterator[tuple[UUID, str, bytes]]:
    at = print_time(time_ms())
    seller = str(SELLER)
    for number, auction in enumerate(auctions):
        listing = {"sellerId": seller, "title": "Benchmarked lens", "startingPrice": 1, "currency": "USD"}
        sold = {
            "sellerId": seller,
            "winnerId": str(bidder(number)),
            "finalPrice": 150.0,
            "totalBids": 3,
            "endedAt": at,
            "outcome": "sold",
            "currency": "USD",
        }
        for sequence, kind, said in ((1, "AuctionCreated", listing), (2, "AuctionEnded", sold)):
            value = {
                "eventId": envelope.event_id_of(auction, sequence),
                "eventType": kind,
                "timestamp": at,
                "sequence": sequence,
                "data": {"auctionId": auction, **said},
            }
            yield auction, kind, msgspec.json.encode(value)


async def burst(one: Bench, count: int) -> Burst:
    """Have so many auctions end while the worker is away, start it, and wait for the last order."""
    auctions = [uuid4() for _ in range(count)]
    await one.stop(WORKER)
    await end(one, auctions)
    await one.checkpoint()
    postgres = one.pid("postgres")
    before = cpu_s(postgres)
    await asyncio.to_thread(one.supervisor.start, WORKER)
    worker = one.pid(WORKER)
    async with one.owner() as db:
        first = await _until(db, auctions, 1)
        last = await _until(db, auctions, count)
    return Burst(count, last - first, cpu_s(worker), cpu_s(postgres) - before)


async def _until(db: asyncpg.Connection, auctions: list[UUID], count: int) -> float:
    async def there() -> bool:
        return bool(await db.fetchval(COUNT, auctions) >= count)

    await until(there, within_s=STUCK_S)
    return time.perf_counter()


async def run(report: Report) -> None:
    """Bursts, one after the other; each begins with a worker that starts anew."""
    asked = report.options
    async with bench(keep=asked.keep) as one:
        await one.only("stripe", WORKER)
        found = []
        for number in range(asked.rounds):
            done = await burst(one, asked.auctions)
            report.keep("burst", done._asdict())
            report.say(
                f"burst {number + 1}: {done.rate:.0f} orders/s, {done.seconds:.2f} s, worker {done.worker_s:.2f} s CPU"
            )
            found.append(done)
        report.violations += [f"{count} differences" for count in [await verify(one.settings)] if count]
    report.figure("orders", f"orders created from {asked.auctions} endings", [one.rate for one in found], unit="/s")
    report.figure(
        "orders",
        "CPU of the worker per order, its start included",
        [one.worker_s / one.orders * 1e6 for one in found],
        unit="us",
    )
    report.figure(
        "orders", "CPU of PostgreSQL per order", [one.postgres_s / one.orders * 1e6 for one in found], unit="us"
    )


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("orders", asked, run)


if __name__ == "__main__":
    sys.exit(main(protocol.options("orders", __doc__, rounds=3, seconds=0, auctions=(10_000, "auctions that end"))))
