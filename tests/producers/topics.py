"""Topics that a test has for itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from compose.settings import Settings


@asynccontextmanager
async def topic_of(settings: Settings, *, partitions: int, **configs: str) -> AsyncIterator[str]:
    """A fresh topic, until the end of the block."""
    name = f"test-{uuid4().hex[:8]}"
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=configs)])
        async with AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap) as asking:
            # Asks again for as long as a partition of the new topic has no leader yet.
            await asking.end_offsets([TopicPartition(name, number) for number in range(partitions)])
        yield name
    finally:
        await admin.delete_topics([name])
        await admin.close()
