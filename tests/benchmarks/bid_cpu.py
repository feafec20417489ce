"""P2: the CPU that a bid over HTTP costs all our processes (broker and stores aside), beside the sum of its bare parts."""

import argparse
import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.benchmarks import beside, history, protocol
from tests.benchmarks.asking import door, open_auctions
from tests.benchmarks.market import BIDDERS_OF_HOT, bid_body, tokens
from tests.benchmarks.open_loop import Load, http_post
from tests.benchmarks.peers.parts import REPLIES, TOLD, TOPIC, Headers, Plan
from tests.benchmarks.protocol import Report, ratios, sides
from tests.benchmarks.round_trip import AUCTIONS, OURS, PLACED, bidding
from tests.benchmarks.stack import Bench, bench
from tests.benchmarks.usage import cpu_of, cpu_s, spent
from topics.catalog import AUCTION_COMMANDS, AUCTION_EVENTS

REACH = 1.5
WARM_UP_S = 2.0
AFTER_S = 0.5

TABLE = """
    DROP SCHEMA IF EXISTS bench CASCADE;
    CREATE SCHEMA bench;
    CREATE TABLE bench.log (LIKE bids.log INCLUDING ALL)
"""

A_BID = """
    SELECT partition, src_offset, reply, events, facts FROM bids.log
     WHERE command_type = 'PlaceBid' AND cardinality(events) = 1 ORDER BY at_ms DESC LIMIT 1
"""


class Commits:
    """How many bids ours puts into one transaction, from the worker's own metrics."""

    def __init__(self, one: Bench) -> None:
        self._url = f"http://127.0.0.1:{one.stack.internal_port('bids')}/metrics"

    async def read(self) -> tuple[float, float]:
        """Messages and batches so far."""
        async with httpx.AsyncClient() as client:
            lines = (await client.get(self._url)).text.splitlines()
        found = {
            line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line.startswith("worker_batch")
        }
        chosen = {
            name.partition("{")[0]: value
            for name, value in found.items()
            if AUCTION_COMMANDS.name in name and "_bucket" not in name
        }
        return chosen["worker_batch_messages_sum"], chosen["worker_batch_messages_count"]


async def run(report: Report) -> None:
    """Ours and the parts by turns."""
    asked = report.options
    async with bench(keep=asked.keep) as one:
        await one.only(*OURS)
        async with door(one) as commands:
            auctions = await open_auctions(commands, AUCTIONS)
        await beside.make_topics(one, TOPIC, TOLD, REPLIES)
        async with one.owner() as db:
            await db.execute(TABLE)
            before = await db.fetchval(PLACED)
        ours = Load(one.edge.edge_port, bidding(auctions, tokens(one.edge, BIDDERS_OF_HOT)))
        await ours.open()
        commits = Commits(one)
        messages, batches = await commits.read()
        await ours.run(asked.rate, WARM_UP_S)
        sums: dict[str, list[float]] = {"ours": [], "peer": []}
        deciding: list[float] = []
        for number in range(asked.rounds):
            plan = await _plan(one, asked, commits, messages, batches)
            for side in sides(number):
                us = await (_ours(one, ours, asked) if side == "ours" else _parts(plan))
                sums[side].append(sum(us.values()))
                if side == "ours":
                    deciding.append(us["edge"] + us["bids-1"])
                report.keep(side, us | {"batch": plan.batch})
                report.say(
                    f"round {number + 1}, {side}: {sum(us.values()):.0f} us: "
                    + ", ".join(f"{k} {v:.0f}" for k, v in us.items())
                )
        report.figure(
            "P2",
            f"CPU of a bid at {asked.rate}/s over its bare parts",
            ratios(sums["ours"], sums["peer"]),
            at_most=REACH,
        )
        report.figure("P2", "the same without what follows a bid (views, live)", ratios(deciding, sums["peer"]))
        report.figure("P2", "ours: edge, bids, bid-views, live, clock", sums["ours"], unit="us")
        report.figure("P2", "bare parts: POST, produce, consume, COPY, tell, reply", sums["peer"], unit="us")
        async with one.owner() as db:
            rows = await db.fetchval(PLACED) - before
            await db.execute("DROP SCHEMA bench CASCADE")
        if rows != ours.total:
            report.violations.append(f"{ours.total} bids were sent, the log has {rows}")
        report.violations += await history.check(one)


async def _ours(one: Bench, load: Load, asked: argparse.Namespace) -> dict[str, float]:
    pids = one.pids(*OURS)
    began = cpu_of(pids)
    answers = await load.run(asked.rate, asked.seconds)
    await asyncio.sleep(AFTER_S)  # The views are a little behind the answers.
    return {name: value / answers.sent * 1e6 for name, value in spent(began, cpu_of(pids)).items()}


async def _plan(one: Bench, asked: argparse.Namespace, commits: Commits, messages: float, batches: float) -> Plan:
    """The bytes of a bid that ours has just decided, as they stand on the topics."""
    messages_now, batches_now = await commits.read()
    async with one.owner() as db:
        row = await db.fetchrow(A_BID)
    assert row is not None
    command = await _record(one, AUCTION_COMMANDS.name, row["partition"], row["src_offset"])
    event = await _record(one, AUCTION_EVENTS.name, row["partition"], None)
    reply_headers = [
        (name, value) for name, value in command.headers if name in ("content-type", "correlation-id", "traceparent")
    ]
    return Plan(
        bootstrap=one.settings.kafka_bootstrap,
        database=one.settings.database_url("cli"),
        partitions=one.settings.partitions,
        rate=asked.rate,
        seconds=asked.seconds,
        batch=max(1, round((messages_now - messages) / max(batches_now - batches, 1))),
        command=command.value,
        command_headers=_headers(command),
        events=list(row["events"]),
        event_headers=_headers(event),
        reply=row["reply"],
        reply_headers=reply_headers,
        facts=row["facts"],
    )


def _headers(record: Any) -> Headers:
    return [(name, bytes(value)) for name, value in record.headers]


async def _record(one: Bench, topic: str, partition: int, offset: int | None) -> Any:
    """The record at an offset of a partition, or its last one."""
    consumer = AIOKafkaConsumer(bootstrap_servers=one.settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        place = TopicPartition(topic, partition)
        consumer.assign([place])
        end = (await consumer.end_offsets([place]))[place]
        consumer.seek(place, end - 1 if offset is None else offset)
        return await consumer.getone(place)
    finally:
        await consumer.stop()


async def _parts(plan: Plan) -> dict[str, float]:
    """Each part alone; CPU of one piece in microseconds."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "plan"
        path.write_bytes(msgspec.msgpack.encode(plan))
        post = await _post(plan)
        produce, consume = await _pair(path, "produce", "consume")
        copy = await _part(path, "copy")
        tell, replies = await _pair(path, "tell", "consume_replies")
    return {
        "post": post,
        "produce": produce,
        "consume": consume,
        "copy": copy,
        "tell": tell,
        "consume_replies": replies,
    }


async def _post(plan: Plan) -> float:
    port = beside.free_port()
    answer_bytes = len(msgspec.json.decode(plan.reply, type=dict[str, msgspec.Raw])["answer"])
    async with beside.peer("bare_post", port, answer_bytes, port=port) as server:
        load = Load(port, lambda number: http_post("/", bid_body(number, 2 * number)))
        await load.open()
        await load.run(plan.rate, 1.0)
        began = cpu_s(server.pid)
        answers = await load.run(plan.rate, plan.seconds)
        return (cpu_s(server.pid) - began) / answers.sent * 1e6


async def _part(path: Path, name: str) -> float:
    async with beside.peer("parts", name, path) as process:
        await _line(process)
        return await _done(process)


async def _pair(path: Path, speaks: str, listens: str) -> tuple[float, float]:
    """A producer and the consumer of what it sends, each costed by itself."""
    async with beside.peer("parts", listens, path) as listener, beside.peer("parts", speaks, path) as speaker:
        await _line(listener)
        await _line(speaker)
        told = await asyncio.gather(_done(speaker), _done(listener))
    return told[0], told[1]


async def _done(process: asyncio.subprocess.Process) -> float:
    assert process.stdin is not None
    process.stdin.write(b"\n")
    told = json.loads(await _line(process))
    return float(told["cpu_s"] / max(told["count"], 1) * 1e6)


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("bid_cpu", asked, run)


if __name__ == "__main__":
    sys.exit(main(protocol.options("bid_cpu", __doc__, rounds=2, seconds=8, rate=(400, "bids a second"))))
