"""Dead letters: what a group could not take, kept with its reason until a person lists, shows and redrives it."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord

from consumers.runtime import metrics
from consumers.runtime.messages import Incoming
from schemas import envelope
from topics.catalog import dead_letter_topic

log = structlog.get_logger("dead-letters")

REASON = "dead-reason"
SOURCE_TOPIC = "dead-source-topic"
SOURCE_PARTITION = "dead-source-partition"
SOURCE_OFFSET = "dead-source-offset"
AT = "dead-at"
REDRIVEN_AT = "redriven-at"
REDRIVEN_LETTER = "redriven-letter"

IN_A_ROW_MAX = 100
SHARE_MAX = 0.01
WINDOW = 10_000
SEND_WITHIN_S = 15.0
READ_WITHIN_S = 10.0
REQUEST_BYTES_MAX = 4 * 1024 * 1024


class Flooded(Exception):
    """So much went to the dead letters that the fault is ours; the worker stops taking messages."""


class Burial(NamedTuple):
    """One message to be put to the dead letters."""

    record: ConsumerRecord | Incoming
    reason: str


class DeadLetters:
    """Puts what one inbox cannot take to its dead-letter topic, and stops it when that becomes the rule."""

    def __init__(self, producer: AIOKafkaProducer, *, topic: str, group: str) -> None:
        self._producer = producer
        self._labels = (topic, group)
        self.topic = dead_letter_topic(topic, group)
        self._in_a_row = 0
        self._dead = 0
        self._read = 0

    def count(self, readable: int) -> None:
        """Messages that could be taken."""
        if readable:
            self._in_a_row = 0
            self._read += readable
            if self._read > WINDOW:
                self._read //= 2
                self._dead //= 2

    async def put(self, burials: Sequence[Burial]) -> None:
        """Put messages to the dead letters and wait until the broker has them; raises Flooded over the limit."""
        self._in_a_row += len(burials)
        self._dead += len(burials)
        self._read += len(burials)
        if self._in_a_row > IN_A_ROW_MAX:
            raise Flooded(f"{self._in_a_row} messages in a row could not be taken ({burials[-1].reason})")
        if self._dead > IN_A_ROW_MAX and self._dead > SHARE_MAX * max(self._read, WINDOW):
            raise Flooded(f"{self._dead} of {self._read} messages could not be taken ({burials[-1].reason})")
        async with asyncio.timeout(SEND_WITHIN_S):
            sent = [await self._send(burial) for burial in burials]
            await asyncio.wait(sent)
            for one in sent:
                one.result()
        for burial in burials:
            metrics.DEAD.labels(*self._labels, burial.reason.partition(":")[0]).inc()
            log.warning(
                "dead letter",
                reason=burial.reason,
                topic=burial.record.topic,
                partition=burial.record.partition,
                offset=burial.record.offset,
            )

    async def _send(self, burial: Burial) -> "asyncio.Future[object]":
        record, reason = burial
        headers = _items(record.headers)
        headers += [
            (REASON, reason.encode()),
            (SOURCE_TOPIC, record.topic.encode()),
            (SOURCE_PARTITION, str(record.partition).encode()),
            (SOURCE_OFFSET, str(record.offset).encode()),
            (AT, envelope.print_time(envelope.time_ms()).encode()),
        ]
        future: asyncio.Future[object] = await self._producer.send(
            self.topic, record.value or b"", key=record.key, headers=headers
        )
        return future


def _items(headers: object) -> list[tuple[str, bytes]]:
    pairs = headers.items() if isinstance(headers, dict) else headers
    return [(name, value) for name, value in pairs if not name.startswith("dead-")]  # type: ignore[attr-defined]


class Letter(NamedTuple):
    """One dead letter as it lies on its topic."""

    offset: int
    key: bytes | None
    value: bytes
    headers: list[tuple[str, bytes]]
    reason: str
    source_topic: str
    source_partition: int
    source_offset: int
    at: str
    redriven: bool

    @property
    def id(self) -> str:
        """The id of the message, as far as its headers say."""
        return envelope.header(self.headers, envelope.CE_ID) or ""

    @property
    def type(self) -> str:
        """The CloudEvents type of the message, as far as its headers say."""
        return envelope.header(self.headers, envelope.CE_TYPE) or ""


async def list_letters(bootstrap: str, topic: str) -> list[Letter]:
    """All dead letters of a dead-letter topic, oldest first, each source message once; raises KafkaError."""
    letters: dict[tuple[str, int, int], Letter] = {}
    redriven: set[int] = set()
    for record in await _read_all(bootstrap, topic):
        headers = dict(record.headers)
        if REDRIVEN_LETTER in headers:
            redriven.add(int(headers[REDRIVEN_LETTER]))
        elif REASON in headers:
            letter = _letter(record, headers)
            letters[letter.source_topic, letter.source_partition, letter.source_offset] = letter
    return [letter._replace(redriven=letter.offset in redriven) for letter in letters.values()]


async def show(bootstrap: str, topic: str, offset: int) -> Letter | None:
    """One dead letter by its offset on the dead-letter topic, or None."""
    return next((one for one in await list_letters(bootstrap, topic) if one.offset == offset), None)


async def redrive(bootstrap: str, topic: str, offsets: Collection[int] | None = None) -> list[Letter]:
    """Send dead letters to where they came from, unchanged and with their own ids; None means all not yet redriven.

    A key that was parked is taken up again by the first of its letters. Raises KafkaError.
    """
    wanted = [
        letter
        for letter in await list_letters(bootstrap, topic)
        if (not letter.redriven if offsets is None else letter.offset in offsets)
    ]
    async with _producer(bootstrap) as producer:
        for letter in wanted:
            now = envelope.print_time(envelope.time_ms()).encode()
            await producer.send_and_wait(
                letter.source_topic,
                letter.value,
                key=letter.key,
                partition=letter.source_partition,
                headers=[*_without_own(letter.headers), (REDRIVEN_AT, now)],
            )
            await producer.send_and_wait(
                topic, b"", key=letter.key, headers=[(REDRIVEN_LETTER, str(letter.offset).encode())]
            )
    return wanted


def _without_own(headers: Iterable[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    return [(name, value) for name, value in headers if not name.startswith(("dead-", "redriven-"))]


def _letter(record: ConsumerRecord, headers: dict[str, bytes]) -> Letter:
    return Letter(
        offset=record.offset,
        key=record.key,
        value=record.value or b"",
        headers=list(record.headers),
        reason=headers[REASON].decode(),
        source_topic=headers[SOURCE_TOPIC].decode(),
        source_partition=int(headers[SOURCE_PARTITION]),
        source_offset=int(headers[SOURCE_OFFSET]),
        at=headers[AT].decode(),
        redriven=False,
    )


async def _read_all(bootstrap: str, topic: str) -> list[ConsumerRecord]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=None, auto_offset_reset="earliest", request_timeout_ms=6000
    )
    await consumer.start()
    try:
        records: list[ConsumerRecord] = []
        async with asyncio.timeout(READ_WITHIN_S):
            for partition, end in (await consumer.end_offsets(consumer.assignment())).items():
                while await consumer.position(partition) < end:
                    records += (await consumer.getmany(partition, timeout_ms=500)).get(partition, [])
        return records
    finally:
        await consumer.stop()


@asynccontextmanager
async def _producer(bootstrap: str) -> AsyncIterator[AIOKafkaProducer]:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        max_request_size=REQUEST_BYTES_MAX,
        request_timeout_ms=6000,
    )
    await producer.start()
    try:
        yield producer
    finally:
        await producer.stop()
