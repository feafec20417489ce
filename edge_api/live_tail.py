"""Follows public topics from their end, without a group: every live process hears everything, in the order of each key."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from compose.settings import Settings
from consumers.runtime.outage import Backoff
from consumers.runtime.readiness import wait_for_topics
from edge_api import live_metrics
from topics.catalog import AUCTION_EVENTS, PAYMENT_EVENTS, VIDEO_EVENTS

log = structlog.get_logger("live")

TOPICS = (AUCTION_EVENTS, VIDEO_EVENTS, PAYMENT_EVENTS)
BATCH_MAX = 500
POLL_MS = 500
ANSWER_S = 10.0

Records = Sequence[ConsumerRecord]


class Tail:
    """All partitions of TOPICS; when Kafka was away it goes on where it stopped."""

    def __init__(
        self,
        settings: Settings,
        hear: Callable[[Records], Awaitable[None]],
        lost: Callable[[], None],
    ) -> None:
        """`hear` takes what came, `lost` learns that Kafka has thrown away what was not heard yet."""
        self._partitions = [
            TopicPartition(topic.name, partition)
            for topic in TOPICS
            for partition in range(getattr(settings, topic.partitioned_by_setting))
        ]
        self._settings = settings
        self._hear = hear
        self._lost = lost
        self.placed = asyncio.Event()
        self.polled_at = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether everything from now on will be heard."""
        return self.placed.is_set()

    async def follow(self) -> None:
        """Hear of everything from now on, until cancelled."""
        await wait_for_topics(self._settings, [topic.name for topic in TOPICS])
        consumer = await self._place()
        try:
            await self._follow(consumer)
        finally:
            await consumer.stop()

    async def _place(self) -> AIOKafkaConsumer:
        backoff = Backoff()
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._settings.kafka_bootstrap,
                client_id="live",
                enable_auto_commit=False,
                auto_offset_reset="none",
                max_poll_records=BATCH_MAX,
            )
            try:
                await consumer.start()
                consumer.assign(self._partitions)
                await self._to_the_end(consumer, self._partitions)
            except (KafkaError, OSError) as error:
                await consumer.stop()
                self.polled_at = time.monotonic()
                await backoff.wait(error, f"Kafka at {self._settings.kafka_bootstrap}")
            else:
                self.placed.set()
                return consumer

    async def _to_the_end(self, consumer: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> None:
        # `seek_to_end` only promises a seek: what is written before the first poll would be lost.
        async with asyncio.timeout(ANSWER_S):
            for partition, offset in (await consumer.end_offsets(list(partitions))).items():
                consumer.seek(partition, offset)

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        backoff = Backoff()
        while True:
            self.polled_at = time.monotonic()
            try:
                polled = await consumer.getmany(timeout_ms=POLL_MS)
            except OffsetOutOfRangeError as error:
                log.warning("the topic no longer has what comes next", lost=str(error))
                await self._skip(consumer, error.args[0], backoff)
            except KafkaError as error:
                await backoff.wait(error, "Kafka")
            else:
                backoff.reset()
                await self._hear([record for records in polled.values() for record in records])
                for partition, records in polled.items():
                    lag = (consumer.highwater(partition) or 0) - records[-1].offset - 1
                    live_metrics.LAG.labels(partition.topic, partition.partition).set(max(0, lag))

    async def _skip(self, consumer: AIOKafkaConsumer, lost: Iterable[TopicPartition], backoff: Backoff) -> None:
        try:
            await self._to_the_end(consumer, lost)
        except (KafkaError, OSError) as error:
            await backoff.wait(error, "Kafka")
        else:
            self._lost()
