"""The edge's producer on a real broker: where records go, in which order, and what is said of those that do not arrive."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from confluent_kafka import KafkaException

from compose.settings import Settings
from producers.producer import Broken, NotAcknowledged, NotTaken, Producer
from tests.journeys.records import records
from tests.producers.topics import topic_of

pytestmark = pytest.mark.stack

PARTITIONS = 6


def nothing_fatal(error: Exception) -> None:
    raise AssertionError(error)


@pytest.fixture
async def producer(stack: Settings) -> AsyncIterator[Producer]:
    opened = Producer(stack.kafka_bootstrap, client_id="test", fatal=nothing_fatal)
    await opened.start(timeout_s=10)
    yield opened
    await opened.stop(timeout_s=5)


async def test_a_key_has_the_partition_that_every_other_producer_gives_it(stack: Settings, producer: Producer) -> None:
    keys = [str(uuid4()).encode() for _ in range(100)]
    async with topic_of(stack, partitions=PARTITIONS) as topic:
        async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap) as other:
            await asyncio.gather(*[await other.send(topic, b"theirs", key=key) for key in keys])
        await asyncio.gather(*(producer.send(topic, b"ours", key=key, headers=[], awaited=True) for key in keys))

        places: dict[bytes, dict[bytes, int]] = {b"ours": {}, b"theirs": {}}
        async for record in records(stack.kafka_bootstrap, [topic]):
            places[record.value][record.key] = record.partition

    assert set(places[b"ours"]) == set(keys)
    assert places[b"ours"] == places[b"theirs"]


async def test_records_arrive_whole_and_in_order(stack: Settings, producer: Producer) -> None:
    async with topic_of(stack, partitions=1) as topic:
        sent = [
            producer.send(
                topic,
                b"%d" % number,
                key=b"key",
                headers=[("number", b"%d" % number), ("empty", b"")],
                awaited=number % 2 == 0,
            )
            for number in range(2_000)
        ]
        await asyncio.gather(*sent)

        found = [record async for record in records(stack.kafka_bootstrap, [topic])]

    assert [record.value for record in found] == [b"%d" % number for number in range(2_000)]
    assert found[7].headers == (("number", b"7"), ("empty", b""))
    assert {record.key for record in found} == {b"key"}


async def test_what_kafka_refuses_is_said_and_the_next_arrives(stack: Settings, producer: Producer) -> None:
    async with topic_of(stack, partitions=1, **{"max.message.bytes": "2000"}) as topic:
        refused = producer.send(topic, b"x" * 5_000, key=b"key", headers=[], awaited=True)
        with pytest.raises(NotAcknowledged):
            await refused

        await producer.send(topic, b"small", key=b"key", headers=[], awaited=True)

        assert [record.value async for record in records(stack.kafka_bootstrap, [topic])] == [b"small"]


async def test_what_is_too_large_for_any_topic_is_not_taken(producer: Producer) -> None:
    with pytest.raises(NotTaken):
        producer.send("no-such-topic", b"x" * 1_100_000, key=b"key", headers=[], awaited=True)


async def test_while_kafka_is_away_nothing_is_given_up_before_the_end() -> None:
    away = Producer("127.0.0.1:1", client_id="test", fatal=nothing_fatal)
    with pytest.raises(ConnectionError):
        await away.start(timeout_s=0.5)
    waiting = away.send("topic", b"value", key=b"key", headers=[], awaited=True)

    await asyncio.wait([waiting], timeout=0.5)
    assert not waiting.done()

    await away.stop(timeout_s=0.1)
    with pytest.raises(NotAcknowledged):
        await waiting


async def test_after_a_fatal_error_all_that_is_under_way_fails_and_nothing_more_is_sent(
    stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Broken] = []
    producer = Producer(stack.kafka_bootstrap, client_id="test", fatal=told.append)

    class Fails:
        def produce(self, *_args: object, **_more: object) -> None:
            pass

        def poll(self, _timeout: float) -> int:
            raise KafkaException("out of sequence")

        def purge(self) -> None:
            pass

    monkeypatch.setattr(producer, "_kafka", Fails())
    waiting = producer.send("topic", b"value", key=b"key", headers=[], awaited=True)

    with pytest.raises(Broken):
        await asyncio.wait_for(waiting, 5)
    with pytest.raises(Broken):
        producer.send("topic", b"value", key=b"key", headers=[], awaited=True)
    assert len(told) == 1
    await producer.stop(timeout_s=0)
