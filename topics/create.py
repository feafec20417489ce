"""Make the catalog's topics in the broker; safe to run twice, at once, and on a broker that is still starting."""

import asyncio
import sys
import time
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from compose.settings import ConfigurationError, Settings, load
from topics.catalog import CATALOG, DEAD_KEPT, MESSAGE_BYTES_MAX, Topic

ADMIN_TIMEOUT_MS = 15_000


class TopicsDiffer(Exception):
    """A topic exists with another number of partitions than the settings ask for."""


def wanted(settings: Settings) -> list[NewTopic]:
    """Every topic that must exist, dead letters included, for the broker's admin client."""
    topics = []
    for topic in CATALOG:
        partitions: int = getattr(settings, topic.partitioned_by_setting)
        topics.append(
            NewTopic(
                topic.name,
                partitions,
                settings.replication_factor,
                topic_configs=configuration(topic, settings),
            )
        )
        topics.extend(
            NewTopic(
                name,
                1,
                settings.replication_factor,
                topic_configs={
                    "retention.ms": _ms(DEAD_KEPT),
                    "max.message.bytes": str(2 * MESSAGE_BYTES_MAX),
                },
            )
            for name in topic.dead_letters
        )
    return topics


def configuration(topic: Topic, settings: Settings) -> dict[str, str]:
    """The broker's configuration of one topic."""
    configs = {
        "retention.ms": _ms(topic.kept),
        "max.message.bytes": str(MESSAGE_BYTES_MAX),
        "min.insync.replicas": str(max(1, settings.replication_factor - 1)),
        **topic.config,
    }
    if topic.log_append_time:
        configs["message.timestamp.type"] = "LogAppendTime"
    return configs


def _ms(kept: timedelta) -> str:
    return str(int(kept.total_seconds() * 1000))


async def create(settings: Settings, *, patience_s: float = 60) -> list[str]:
    """Create what is missing and return the names created.

    Raises TopicsDiffer when a topic stands with another partition count, KafkaError when the broker stays away
    for longer than `patience_s`.
    """
    admin = await _connect(settings, patience_s)
    try:
        topics = wanted(settings)
        standing = {
            info["topic"]: len(info["partitions"])
            for info in await admin.describe_topics([topic.name for topic in topics])
            if info["error_code"] == 0
        }
        different = [
            f"{topic.name} has {standing[topic.name]} partitions, not {topic.num_partitions}"
            for topic in topics
            if topic.name in standing and standing[topic.name] != topic.num_partitions
        ]
        if different:
            raise TopicsDiffer("; ".join(different) + ": a partition count is set once and never changes.")
        missing = [topic for topic in topics if topic.name not in standing]
        if missing:
            await _create(admin, missing)
        return [topic.name for topic in missing]
    finally:
        await admin.close()


async def _create(admin: AIOKafkaAdminClient, missing: list[NewTopic]) -> None:
    answer = await admin.create_topics(missing, timeout_ms=ADMIN_TIMEOUT_MS)
    for name, code, *reason in answer.topic_errors:
        error = for_code(code)
        if code and error is not TopicAlreadyExistsError:
            raise error(f"{name}: {reason}")


async def _connect(settings: Settings, patience_s: float) -> AIOKafkaAdminClient:
    give_up_at = time.monotonic() + patience_s
    while True:
        admin = AIOKafkaAdminClient(
            bootstrap_servers=settings.kafka_bootstrap,
            request_timeout_ms=ADMIN_TIMEOUT_MS,
            client_id="topics",
        )
        try:
            await admin.start()
        except KafkaError as error:
            await admin.close()
            if time.monotonic() > give_up_at:
                raise
            print(f"waiting for Kafka at {settings.kafka_bootstrap} ({type(error).__name__})", flush=True)
            await asyncio.sleep(1)
        else:
            return admin


def main() -> int:
    """Create the topics of the environment's broker; 0 when all stand, 1 with the reason otherwise."""
    try:
        created = asyncio.run(create(load("topics")))
    except (ConfigurationError, TopicsDiffer, KafkaError) as error:
        print(f"topics: {error}", file=sys.stderr)
        return 1
    print(f"topics: {len(created)} created, all stand" if created else "topics: all stand")
    return 0


if __name__ == "__main__":
    sys.exit(main())
