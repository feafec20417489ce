"""How far the workers are behind on commands, and whether Kafka answers at all: the edge asks before it publishes."""

import asyncio
import time

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from producers.sparingly import Sparingly
from topics.catalog import Topic

LOOK_EVERY_S = 2.0
RETRY_S = 0.3
CALL_TIMEOUT_S = 4
FRESH_S = 8
"""Kafka counts as away when it did not answer for so long."""

LAG_MAX = 50_000
"""Commands that wait on one topic: above it a caller is sent away (seconds of a worker's full speed)."""

log = structlog.get_logger("backlog")


class Backlog:
    """Looks every two seconds at the end of the command topics and at what their groups have done."""

    def __init__(self, *, bootstrap: str, topics: tuple[Topic, ...], partitions: int) -> None:
        """Watch these topics of `partitions` partitions, each by its first group."""
        self._bootstrap = bootstrap
        self._groups = {topic.name: next(iter(topic.readers)) for topic in topics}
        self._places = [TopicPartition(topic.name, number) for topic in topics for number in range(partitions)]
        self._lag: dict[str, int] = {}
        self._answered_at = float("-inf")
        self._sparingly = Sparingly()

    @property
    def reachable(self) -> bool:
        """Whether Kafka answered lately."""
        return time.monotonic() - self._answered_at < FRESH_S

    def heard(self) -> None:
        """Kafka answered somebody else of this process."""
        self._answered_at = time.monotonic()

    def lags(self, topic: str) -> bool:
        """Whether so many commands wait on a topic that another would only wait in vain."""
        return self._lag.get(topic, 0) > LAG_MAX

    def lag(self, topic: str) -> int:
        """How many commands waited on a topic at the last look."""
        return self._lag.get(topic, 0)

    async def run(self) -> None:
        """Look until cancelled; begins anew by itself after every failure."""
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                client_id="edge-backlog",
                enable_auto_commit=False,
                request_timeout_ms=CALL_TIMEOUT_S * 1000,
            )
            admin = AIOKafkaAdminClient(
                bootstrap_servers=self._bootstrap,
                client_id="edge-backlog",
                request_timeout_ms=CALL_TIMEOUT_S * 1000,
            )
            try:
                await self._watch(consumer, admin)
            except (KafkaError, OSError, TimeoutError) as error:
                if self._sparingly.due():
                    log.warning("Kafka does not answer", bootstrap=self._bootstrap, reason=repr(error))
            finally:
                await consumer.stop()
                await admin.close()
            await asyncio.sleep(RETRY_S)

    async def _watch(self, consumer: AIOKafkaConsumer, admin: AIOKafkaAdminClient) -> None:
        async with asyncio.timeout(2 * CALL_TIMEOUT_S):
            await consumer.start()
            await admin.start()
        while True:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                ends = await consumer.end_offsets(self._places)
            self.heard()
            for topic, group in self._groups.items():
                self._lag[topic] = await self._behind(admin, topic, group, ends)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _behind(self, admin: AIOKafkaAdminClient, topic: str, group: str, ends: dict[TopicPartition, int]) -> int:
        async with asyncio.timeout(CALL_TIMEOUT_S):
            done = await admin.list_consumer_group_offsets(group)
        return sum(
            max(0, end - max(0, done[place].offset))
            for place, end in ends.items()
            # A partition without a commit was never taken: what waits there cannot be told from what has expired.
            if place.topic == topic and place in done
        )
