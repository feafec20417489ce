"""The bare pipe beside the bids worker: getmany, decode, COPY rows as long as ours, produce events and replies, commit.

Run by tests.benchmarks.deciding: python -m tests.benchmarks.peers.drain PLAN, where PLAN is a file of msgpack (`Plan`).
Prints one JSON line. It decides nothing, remembers nothing and notices no repetition: what it costs is the floor.
"""

import asyncio
import gc
import json
import sys
import time
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from asyncpg.pgproto import pgproto

BATCH = 500


class Row(msgspec.Struct):
    """What one of our own rows held and told; the peer writes and tells the same bytes."""

    first_seq: int | None
    last_seq: int | None
    actor: str
    reply: bytes
    events: list[bytes]
    facts: bytes | None
    headers: list[list[tuple[str, bytes]]]
    reply_headers: list[tuple[str, bytes]]


class Plan(msgspec.Struct):
    """What to drain, and where to put it."""

    bootstrap: str
    database: str
    topic: str
    events_topic: str
    replies_topic: str
    partition: int
    first: int
    end: int
    rows: list[Row]


class _Bid(msgspec.Struct, rename="camel"):
    amount: msgspec.Raw = msgspec.Raw()
    max_amount: msgspec.Raw = msgspec.Raw()


class _Command(msgspec.Struct, rename="camel"):
    command_id: str
    command_type: str
    data: _Bid


class Pipe:
    """The loop."""

    def __init__(self, plan: Plan, producer: AIOKafkaProducer, db: asyncpg.Connection) -> None:
        self._plan = plan
        self._producer = producer
        self._db = db
        self._decode = msgspec.json.Decoder(_Command).decode
        self._done = 0

    async def batch(self, records: list[Any]) -> None:
        """One batch: decode, COPY, produce, wait for the broker."""
        plan, templates = self._plan, self._plan.rows
        rows, events, replies = [], self._producer.create_batch(), self._producer.create_batch()
        out, told = [], []
        for record in records:
            command = self._decode(record.value)
            headers = dict(record.headers)
            row = templates[self._done % len(templates)]
            self._done += 1
            rows.append(
                (
                    *(plan.partition, record.offset, pgproto.UUID(record.key.decode()), row.first_seq, row.last_seq),
                    *(pgproto.UUID(command.command_id), command.command_type, row.actor, None, record.timestamp, 0),
                    *(row.reply, row.events, row.facts),
                    *(headers["correlation-id"].decode(), headers["traceparent"].decode()),
                )
            )
            for value, named in zip(row.events, row.headers, strict=True):
                if events.append(timestamp=record.timestamp, key=record.key, value=value, headers=named) is None:
                    out.append(events)
                    events = self._producer.create_batch()
                    events.append(timestamp=record.timestamp, key=record.key, value=value, headers=named)
            if replies.append(timestamp=None, key=record.key, value=row.reply, headers=row.reply_headers) is None:
                told.append(replies)
                replies = self._producer.create_batch()
                replies.append(timestamp=None, key=record.key, value=row.reply, headers=row.reply_headers)
        async with self._db.transaction():
            await self._db.copy_records_to_table("log", records=rows)
        sent = [
            *[
                await self._producer.send_batch(one, plan.events_topic, partition=plan.partition)
                for one in [*out, events]
                if one.record_count()
            ],
            *[await self._producer.send_batch(one, plan.replies_topic, partition=0) for one in [*told, replies]],
        ]
        await asyncio.gather(*sent)


async def main(plan: Plan) -> dict[str, float]:
    """Drain the range and tell how long it took."""
    producer = AIOKafkaProducer(
        bootstrap_servers=plan.bootstrap, acks="all", enable_idempotence=True, linger_ms=0, max_batch_size=1 << 20
    )
    consumer = AIOKafkaConsumer(
        bootstrap_servers=plan.bootstrap, group_id="bench-pipe", enable_auto_commit=False, auto_offset_reset="earliest"
    )
    db = await asyncpg.connect(plan.database, server_settings={"search_path": "bench"})
    await producer.start()
    await consumer.start()
    place = TopicPartition(plan.topic, plan.partition)
    consumer.assign([place])
    consumer.seek(place, plan.first)
    pipe = Pipe(plan, producer, db)
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    at, began, cpu = plan.first, 0.0, 0.0
    while at < plan.end:
        records = (await consumer.getmany(place, timeout_ms=1000, max_records=BATCH)).get(place, [])
        if records:
            if at == plan.first:
                began, cpu = time.perf_counter(), time.process_time()
            await pipe.batch(records)
            at = records[-1].offset + 1
            await consumer.commit({place: at})
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    await consumer.stop()
    await producer.stop()
    await db.close()
    return {"commands": at - plan.first, "seconds": seconds, "cpu_s": cpu}


if __name__ == "__main__":
    read = msgspec.msgpack.decode(Path(sys.argv[1]).read_bytes(), type=Plan)
    print(json.dumps(uvloop.run(main(read))))
