"""Things that go wrong on purpose: records that nobody can read, and a table that takes one row no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import murmur2

from compose.settings import Settings
from consumers.runtime import dead
from consumers.runtime.dead import Letter
from consumers.runtime.incoming import COMMAND_BYTES_MAX
from schemas.envelope import Actor, command_headers, print_time, time_ms
from schemas.registry import BY_NAME
from topics.catalog import Topic

Headers = list[tuple[str, bytes]]
STRANGER = Actor("cccccccc-cccc-4ccc-8ccc-cccccccccccc", ("buyer",))


def partition_of(key: UUID | str, partitions: int) -> int:
    """The partition of a key (murmur2, as Java and aiokafka do it)."""
    return int(murmur2(str(key).encode()) & 0x7FFFFFFF) % partitions


class Record(NamedTuple):
    """One that cannot be read; `reason` is what its dead letter says."""

    reason: str
    value: bytes | None
    key: bytes | None
    headers: Headers


def unreadable(kind: str, aggregate: str, data: object, *, wrong_data: object) -> list[Record]:
    """A good command of this kind, spoilt in every way there is."""
    message, key = BY_NAME[kind], aggregate.encode()
    at = print_time(time_ms())
    name = uuid4()
    headers = command_headers(
        command_id=name,
        ce_type=message.ce_type,
        source="/edge",
        subject=aggregate,
        schema=message.schema,
        at=at,
        actor=STRANGER,
        correlation_id=name.hex,
    )

    def value(**changes: object) -> bytes:
        good = {"commandId": str(name), "commandType": kind, "timestamp": at, "data": data}
        return msgspec.json.encode(good | changes)

    def without(header: str, *instead: tuple[str, bytes]) -> Headers:
        return [one for one in headers if one[0] != header] + list(instead)

    return [
        Record("undecodable", b"\xff\xfe no JSON", key, headers),
        Record("undecodable", value()[:-1], key, headers),
        Record("empty", None, key, headers),
        Record("keyless", value(), None, headers),
        Record("bad_key", value(), b"anna", headers),
        Record("oversized", value(padding=" " * COMMAND_BYTES_MAX), key, headers),
        Record("unknown_type", value(commandType="Explode"), key, headers),
        Record("unknown_type", value(), key, without("ce_type", ("ce_type", b"auction.explode.v9"))),
        Record("invalid_data", value(data=wrong_data), key, headers),
        Record("bad_header", value(), key, without("actor")),
        Record("bad_header", value(), key, [*headers, ("reply-partition", b"first")]),
    ]


async def put(settings: Settings, topic: Topic, partition: int, *records: Record) -> list[int]:
    """Put records straight on a partition; returns their offsets."""
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
    await producer.start()
    try:
        sent = [
            await producer.send(topic.name, one.value, key=one.key, headers=one.headers, partition=partition)
            for one in records
        ]
        return [(await one).offset for one in sent]
    finally:
        await producer.stop()


async def letters(settings: Settings, topic: Topic) -> list[Letter]:
    """The dead letters of a topic's deciding group."""
    return await dead.list_letters(settings.kafka_bootstrap, topic.dead_letters[0])


@asynccontextmanager
async def refusing(owner: asyncpg.Connection, table: str, row_id: str) -> AsyncIterator[None]:
    """A table that takes one row no more, as after a wrong migration; at the end it is mended."""
    name = f"refuses_{uuid4().hex}"
    await owner.execute(f"""
        CREATE FUNCTION public.{name}() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF NEW.id = '{UUID(row_id)}' THEN RAISE EXCEPTION 'this row is broken'; END IF;
            RETURN NEW;
        END $$;
        CREATE TRIGGER {name} BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW EXECUTE FUNCTION public.{name}();
    """)
    try:
        yield
    finally:
        await owner.execute(f"DROP FUNCTION public.{name} CASCADE")
