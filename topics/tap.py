"""Read a topic without disturbing its groups: for people and the data team."""

import json
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from compose.settings import Settings
from topics.catalog import CATALOG

POLL_MS = 500


class UnknownTopic(Exception):
    """A topic that the catalog does not name."""


async def tap(
    settings: Settings,
    topic: str,
    *,
    from_start: bool = False,
    follow: bool = False,
    key: str | None = None,
    kind: str | None = None,
) -> AsyncIterator[dict[str, Any]]:
    """Yield each record as plain data; without `follow` it ends at the present end of the topic.

    Raises UnknownTopic, and KafkaError when the broker is away.
    """
    known = [name for entry in CATALOG for name in (entry.name, *entry.dead_letters)]
    if topic not in known:
        raise UnknownTopic(f"{topic} is not in the catalog: {', '.join(known)}")
    # Without a group, the topic's name alone assigns all its partitions.
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=settings.kafka_bootstrap,
        group_id=None,
        # No seek: one given while the first position is still being asked for may be overtaken by it.
        auto_offset_reset="earliest" if from_start else "latest",
        enable_auto_commit=False,
        request_timeout_ms=10_000,
    )
    await consumer.start()
    try:
        places = consumer.assignment()
        ends = await consumer.end_offsets(places)
        while follow or await _unread(consumer, ends):
            for records in (await consumer.getmany(timeout_ms=POLL_MS)).values():
                for record in records:
                    shown = show(record)
                    if key in (None, shown["key"]) and kind in (None, shown["type"]):
                        yield shown
    finally:
        await consumer.stop()


async def _unread(consumer: AIOKafkaConsumer, ends: dict[TopicPartition, int]) -> bool:
    return any([await consumer.position(place) < end for place, end in ends.items()])


def show(record: ConsumerRecord) -> dict[str, Any]:
    """A record as plain data; what is not JSON is shown as text."""
    text = (record.value or b"").decode("utf-8", "replace")
    try:
        value: Any = json.loads(text)
    except ValueError:
        value = text
    kind = value.get("eventType") or value.get("commandType") if isinstance(value, dict) else None
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp": record.timestamp,
        "key": record.key.decode("utf-8", "replace") if record.key else None,
        "type": kind,
        "headers": {name: header.decode("utf-8", "replace") for name, header in record.headers},
        "value": value,
    }
