"""How far each consumer group is behind, as the broker knows it (workers commit there once a second)."""

from dataclasses import dataclass

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from compose.settings import Settings
from topics.catalog import CATALOG

TIMEOUT_MS = 10_000


@dataclass(frozen=True, slots=True)
class Lag:
    """One group on one topic; `behind` counts records, `unread` partitions that the group never committed."""

    topic: str
    group: str
    end: int
    behind: int
    unread: int


async def lags(settings: Settings) -> list[Lag]:
    """The lag of every group of the catalog; raises KafkaError when the broker is away."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=TIMEOUT_MS)
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, request_timeout_ms=TIMEOUT_MS)
    await admin.start()
    try:
        await consumer.start()
        return [
            await _lag(admin, consumer, topic.name, group, getattr(settings, topic.partitioned_by_setting))
            for topic in CATALOG
            for group in topic.readers
        ]
    finally:
        await consumer.stop()
        await admin.close()


async def _lag(admin: AIOKafkaAdminClient, consumer: AIOKafkaConsumer, topic: str, group: str, partitions: int) -> Lag:
    places = [TopicPartition(topic, number) for number in range(partitions)]
    ends = await consumer.end_offsets(places)
    starts = await consumer.beginning_offsets(places)
    committed = await admin.list_consumer_group_offsets(group, partitions=places)
    behind = unread = 0
    for place in places:
        reached = committed[place].offset if place in committed else -1
        unread += reached < 0
        behind += ends[place] - max(reached, starts[place])
    return Lag(topic, group, sum(ends.values()), behind, unread)
