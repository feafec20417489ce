"""P9: the Redis view moved by events, beside a redis-py pipeline of the bare HSET and ZADD that they mean.

The bare commands are prepared before: reading the events, the guard by sequence and the script are all ours. Ours puts the
events of one auction in a batch into one command; the peer sends two per event, `merged` the two per auction and batch.
"""

import argparse
import sys
import time
from typing import Any, cast

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from consumers.bids.current import Change, changes
from consumers.bids.views import build
from consumers.runtime.incoming import Reading
from tests.benchmarks import drain, history, protocol
from tests.benchmarks.drain import PARTITION, WORKER
from tests.benchmarks.protocol import Report, ratios, sides
from tests.benchmarks.stack import Bench, bench, ends_of
from tests.benchmarks.usage import cpu_s
from topics.catalog import AUCTION_EVENTS

REACH = 1.25
BATCH = 500
CASES = {"1 auction": 1, "1000 auctions": 1_000}
Batches = list[list[ConsumerRecord]]


async def events_of(one: Bench, auctions: int, count: int) -> Batches:
    """Real events of so many bids, in batches as the worker gets them."""
    await one.only()
    await one.forget_auctions()
    topic = AUCTION_EVENTS.name
    before = (await ends_of(one.settings, topic))[topic, PARTITION]
    filled = await drain.fill(one, auctions, count)
    await drain.drain(one, filled.end)
    async with one.owner() as db:
        await history.settled(db)
    after = (await ends_of(one.settings, topic))[topic, PARTITION]
    consumer = AIOKafkaConsumer(bootstrap_servers=one.settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    place = TopicPartition(topic, PARTITION)
    consumer.assign([place])
    consumer.seek(place, before)
    records: list[ConsumerRecord] = []
    while len(records) < after - before:
        records += (await consumer.getmany(place, timeout_ms=500)).get(place, [])
    await consumer.stop()
    return [records[start : start + BATCH] for start in range(0, len(records), BATCH)]


async def ours(one: Bench, batches: Batches) -> float:
    """Records to view, through the worker's own inbox: CPU seconds of this process."""
    inbox = build(one.settings).inboxes[0]
    assert inbox.apply is not None
    reading = Reading(inbox)
    nowhere = cast(asyncpg.Pool, None)  # Asked only when Redis misses something, which would fail here.
    began = time.process_time()
    for batch in batches:
        readable, unreadable = reading.read(batch)
        assert not unreadable
        await inbox.apply(readable, nowhere)
    return time.process_time() - began


async def bare(one: Bench, made: list[list[Change]]) -> float:
    """The commands alone, prepared before: CPU seconds of this process."""
    redis = one.redis()
    prepared: list[list[tuple[str, dict[Any, Any], str, dict[Any, Any]]]] = [
        [
            (
                f"auction:{change.auction_id}",
                {"seq": change.last, **change.fields},
                f"bids:{change.auction_id}",
                {**change.bids},
            )
            for change in batch
        ]
        for batch in made
    ]
    began = time.process_time()
    for batch in prepared:
        pipeline = redis.pipeline(transaction=False)
        for key, fields, bids_key, placed in batch:
            pipeline.hset(key, mapping=fields)
            if placed:
                pipeline.zadd(bids_key, placed)
        await pipeline.execute()
    spent = time.process_time() - began
    await redis.aclose()
    return spent


def changes_of(one: Bench, batches: Batches, *, merged: bool) -> list[list[Change]]:
    """What the events come to, batch by batch: one change for each, or as ours one for each auction of a batch."""
    reading = Reading(build(one.settings).inboxes[0])
    made = []
    for batch in batches:
        told = [(str(event.aggregate), event) for event in reading.read(batch)[0]]
        made.append(changes(told) if merged else [change for pair in told for change in changes([pair])])
    return made


async def measure_case(one: Bench, report: Report, name: str, auctions: int) -> None:
    """All rounds of one case, Redis empty before each."""
    batches = await events_of(one, auctions, report.options.bids)
    made, made_merged = changes_of(one, batches, merged=False), changes_of(one, batches, merged=True)
    merged: list[float] = []
    events = sum(map(len, batches))
    us: dict[str, list[float]] = {"ours": [], "peer": []}
    redis, server = one.redis(), one.pid("redis")
    for number in range(report.options.rounds):
        for side in sides(number):
            await redis.flushdb()
            began = cpu_s(server)
            spent = await (ours(one, batches) if side == "ours" else bare(one, made))
            us[side].append(spent / events * 1e6)
            told = {"us": us[side][-1], "redis_us": (cpu_s(server) - began) / events * 1e6, "events": events}
            report.keep(f"{name}-{side}", told)
            if side == "ours" and await redis.exists(*_keys(made)) != len(_keys(made)):
                report.violations.append(f"{name}: the view misses auctions")
        await redis.flushdb()
        merged.append(await bare(one, made_merged) / events * 1e6)
    await redis.aclose()
    report.say(f"{name}: {events} events, ours {us['ours']}, peer {us['peer']}, merged {merged} us")
    report.figure(
        "P9",
        f"CPU of an event in the view over the bare pipeline, {name}",
        ratios(us["ours"], us["peer"]),
        at_most=REACH,
    )
    report.figure("P9", f"the same over the commands merged as ours does, {name}", ratios(us["ours"], merged))
    report.figure("P9", f"ours, {name}", us["ours"], unit="us")
    report.violations += await history.check(one)
    await one.stop(WORKER)


def _keys(made: list[list[Change]]) -> list[str]:
    return sorted({f"auction:{change.auction_id}" for batch in made for change in batch})


async def run(report: Report) -> None:
    """Both cases."""
    async with bench(keep=report.options.keep) as one:
        for name, auctions in CASES.items():
            await measure_case(one, report, name, auctions)


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("redis_view", asked, run)


if __name__ == "__main__":
    sys.exit(
        main(protocol.options("redis_view", __doc__, rounds=7, seconds=0, bids=(20_000, "bids of one measurement")))
    )
