"""Puts the event behind a document that the index will never take to the dead letters, where people find it."""

import asyncio
from typing import Final

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition

from consumers.indexing.mapping import Kind
from consumers.runtime.dead import REQUEST_BYTES_MAX, Burial, DeadLetters
from topics.catalog import AUCTION_EVENTS, USER_EVENTS

log = structlog.get_logger("index-writer")

TOPICS: Final[dict[Kind, str]] = {"auctions": AUCTION_EVENTS.name, "users": USER_EVENTS.name}
GROUPS: Final[dict[Kind, str]] = {"auctions": "index-processors", "users": "index-processors-users"}

FOUND_WITHIN_S: Final = 10.0


class Burials:
    """The way to the dead letters; a connection is opened when the first is needed."""

    def __init__(self, bootstrap: str) -> None:
        """Take the brokers' address."""
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None
        self._letters: dict[Kind, DeadLetters] = {}
        self._opening = asyncio.Lock()

    async def bury(self, kind: Kind, partition: int, offset: int, reason: str) -> None:
        """Put an event to the dead letters; raises Flooded, KafkaError and TimeoutError."""
        record = await self._find(TOPICS[kind], partition, offset)
        if record is None:
            log.error("its event is gone from the topic", kind=kind, partition=partition, offset=offset)
            return
        async with self._opening:
            if self._producer is None:
                await self._open()
        await self._letters[kind].put([Burial(record, reason)])

    def count(self, kind: Kind, written: int) -> None:
        """Say that documents could be written: only many burials among few of these stop the writing."""
        if kind in self._letters:
            self._letters[kind].count(written)

    async def close(self) -> None:
        """Let the connection go."""
        if self._producer is not None:
            await self._producer.stop()

    async def _open(self) -> None:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            acks="all",
            enable_idempotence=True,
            max_request_size=REQUEST_BYTES_MAX,
            request_timeout_ms=6_000,
        )
        await producer.start()
        self._letters = {kind: DeadLetters(producer, topic=TOPICS[kind], group=GROUPS[kind]) for kind in TOPICS}
        self._producer = producer

    async def _find(self, topic: str, partition: int, offset: int) -> ConsumerRecord | None:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            place = TopicPartition(topic, partition)
            consumer.assign([place])
            consumer.seek(place, offset)
            async with asyncio.timeout(FOUND_WITHIN_S):
                record = await consumer.getone(place)
            return record if record.offset == offset else None
        finally:
            await consumer.stop()
