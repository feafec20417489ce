"""The parts of a bid's way, each alone and as bare as it goes, at a given rate: what it costs to do only this.

python -m tests.benchmarks.peers.parts PART PLAN: waits until it is ready, then for a line on stdin, works, and prints one
JSON line with the CPU seconds and the number of pieces. PLAN is a file of msgpack (`Plan`).
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from schemas.envelope import Reply
from tests.benchmarks.open_loop import ticks

TOPIC = "bench-parts"
TOLD = "bench-parts-told"
REPLIES = "bench-parts-replies"
Headers = list[tuple[str, bytes]]


class Plan(msgspec.Struct):
    """What all parts need: where, how fast, how long, and the bytes of a real bid's messages."""

    bootstrap: str
    database: str
    partitions: int
    rate: float
    seconds: float
    batch: int
    """Bids that ours had in one commit at this rate."""
    command: bytes
    command_headers: Headers
    events: list[bytes]
    event_headers: Headers
    reply: bytes
    reply_headers: Headers
    facts: bytes | None


class _Command(msgspec.Struct, rename="camel"):
    command_id: str
    command_type: str
    data: msgspec.Raw


async def pace(rate: float, count: int) -> AsyncIterator[int]:
    """How many are due, each time some are, until `count` were."""
    due: asyncio.Queue[int] = asyncio.Queue()
    left = count
    with ticks(rate, due.put_nowait):
        while left > 0:
            number = min(await due.get(), left)
            left -= number
            yield number


async def _producer(plan: Plan) -> AIOKafkaProducer:
    producer = AIOKafkaProducer(bootstrap_servers=plan.bootstrap, acks="all", enable_idempotence=True, linger_ms=0)
    await producer.start()
    return producer


async def produce(plan: Plan, ready: Callable[[], Awaitable[None]]) -> int:
    """One command after the other, as the edge sends them."""
    producer = await _producer(plan)
    keys = [str(uuid4()).encode() for _ in range(200)]
    await ready()
    count = round(plan.rate * plan.seconds)
    sent = 0
    async for due in pace(plan.rate, count):
        for _ in range(due):
            await producer.send(TOPIC, plan.command, key=keys[sent % 200], headers=plan.command_headers)
            sent += 1
    await producer.stop()
    return count


async def tell(plan: Plan, ready: Callable[[], Awaitable[None]]) -> int:
    """Events and replies by batch, as a worker sends them."""
    producer = await _producer(plan)
    key = str(uuid4()).encode()
    await ready()
    count = round(plan.rate * plan.seconds)
    turn = 0
    async for due in pace(plan.rate / plan.batch, count // plan.batch):
        for _ in range(due):
            events, replies = producer.create_batch(), producer.create_batch()
            for _ in range(plan.batch):
                for value in plan.events:
                    events.append(timestamp=None, key=key, value=value, headers=plan.event_headers)
                replies.append(timestamp=None, key=key, value=plan.reply, headers=plan.reply_headers)
            turn += 1
            await producer.send_batch(events, TOLD, partition=turn % plan.partitions)
            await producer.send_batch(replies, REPLIES, partition=0)
    await producer.stop()
    return count // plan.batch * plan.batch


async def _consume(
    plan: Plan, places: list[TopicPartition], decode: Callable[[bytes], Any], ready: Callable[[], Awaitable[None]]
) -> int:
    consumer = AIOKafkaConsumer(bootstrap_servers=plan.bootstrap, enable_auto_commit=False)
    await consumer.start()
    consumer.assign(places)
    for place, end in (await consumer.end_offsets(places)).items():
        consumer.seek(place, end)
    await ready()
    seen = 0
    ends_at = time.monotonic() + plan.seconds
    while time.monotonic() < ends_at:
        for records in (await consumer.getmany(timeout_ms=200)).values():
            for record in records:
                decode(record.value)
            seen += len(records)
    await consumer.stop()
    return seen


async def consume(plan: Plan, ready: Callable[[], Awaitable[None]]) -> int:
    """Fetch and decode commands from all partitions, by batch."""
    places = [TopicPartition(TOPIC, number) for number in range(plan.partitions)]
    return await _consume(plan, places, msgspec.json.Decoder(_Command).decode, ready)


async def consume_replies(plan: Plan, ready: Callable[[], Awaitable[None]]) -> int:
    """Fetch and decode replies from one partition."""
    return await _consume(plan, [TopicPartition(REPLIES, 0)], msgspec.json.Decoder(Reply).decode, ready)


async def copy(plan: Plan, ready: Callable[[], Awaitable[None]]) -> int:
    """COPY rows of the log, as many in one transaction as ours."""
    db = await asyncpg.connect(plan.database, server_settings={"search_path": "bench"})
    await db.execute("TRUNCATE log")
    await ready()
    count, offset = round(plan.rate * plan.seconds), 0
    aggregate = uuid4()
    async for due in pace(plan.rate / plan.batch, count // plan.batch):
        for _ in range(due):
            rows = []
            for _ in range(plan.batch):
                offset += 1
                ids = (0, offset, aggregate, offset, offset, uuid4())
                said = ("PlaceBid", str(aggregate), None, 1, 0, plan.reply, plan.events, plan.facts, "0" * 32, "0" * 55)
                rows.append((*ids, *said))
            async with db.transaction():
                await db.copy_records_to_table("log", records=rows)
    await db.close()
    return offset


PARTS = {"produce": produce, "tell": tell, "consume": consume, "consume_replies": consume_replies, "copy": copy}


async def main(part: str, plan: Plan) -> dict[str, float]:
    """Do one part; its preparation is not counted."""
    began = 0.0

    async def ready() -> None:
        nonlocal began
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        began = time.process_time()

    count = await PARTS[part](plan, ready)
    return {"count": count, "cpu_s": time.process_time() - began}


if __name__ == "__main__":
    read = msgspec.msgpack.decode(Path(sys.argv[2]).read_bytes(), type=Plan)
    print(json.dumps(uvloop.run(main(sys.argv[1], read))), flush=True)
