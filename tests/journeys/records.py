"""Whole topics as they stand now, read without a group."""

from collections.abc import AsyncIterator, Collection, Mapping

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

SILENT_MS = 10_000
FETCH_BYTES = 2**23


async def records(
    bootstrap: str, topics: Collection[str], since: Mapping[TopicPartition, int] | None = None
) -> AsyncIterator[ConsumerRecord]:
    """All records from the beginning, or from earlier `ends` on, to the ends of this moment.

    Raises TimeoutError when a partition holds back what it has.
    """
    for topic in topics:
        consumer = await _reader(bootstrap, topic)
        try:
            places = consumer.assignment()
            begin, until = await consumer.beginning_offsets(places), await consumer.end_offsets(places)
            here = {place: max((since or {}).get(place, 0), begin[place]) for place in places}
            for place, offset in here.items():
                consumer.seek(place, offset)
            while waiting := [place for place in places if here[place] < until[place]]:
                found = await consumer.getmany(*waiting, timeout_ms=SILENT_MS)
                if not found:
                    raise TimeoutError(f"{topic} is silent at {here} of {until}")
                for place, some in found.items():
                    here[place] = some[-1].offset + 1
                    for record in some:
                        yield record
        finally:
            await consumer.stop()


async def ends(bootstrap: str, topic: str) -> dict[TopicPartition, int]:
    """Where each partition ends now."""
    consumer = await _reader(bootstrap, topic)
    try:
        return dict(await consumer.end_offsets(consumer.assignment()))
    finally:
        await consumer.stop()


async def _reader(bootstrap: str, topic: str) -> AIOKafkaConsumer:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=None,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=FETCH_BYTES,
    )
    await consumer.start()
    return consumer
