"""Following partitions from their end, on a real broker: nothing is missed however late one listens, and what is gone is said."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import confluent_kafka
import pytest
from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from compose.settings import Settings
from producers import follower as module
from producers.follower import Follower, Heard, Lost, Place
from tests.edge_api.waiting import until
from tests.producers.topics import topic_of

pytestmark = pytest.mark.stack

PARTITIONS = 3


@asynccontextmanager
async def followed(stack: Settings, topic: str) -> AsyncIterator[Follower]:
    follower = Follower(stack.kafka_bootstrap, client_id="test-follower")
    await follower.start((topic, number) for number in range(PARTITIONS))
    try:
        yield follower
    finally:
        await follower.stop()


@pytest.fixture
async def topic(stack: Settings) -> AsyncIterator[str]:
    async with topic_of(stack, partitions=PARTITIONS) as name:
        yield name


@pytest.fixture
async def producer(stack: Settings) -> AsyncIterator[AIOKafkaProducer]:
    async with AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap, linger_ms=5) as opened:
        yield opened


class Breaks:
    """A client that knows where partitions end, and then is broken."""

    def get_watermark_offsets(self, *_args: object, **_more: object) -> tuple[int, int]:
        return 0, 7

    def incremental_assign(self, _places: object) -> None:
        pass

    def poll(self, _timeout: float) -> Any:
        raise RuntimeError("broken")

    def consume(self, _count: int, _timeout: float) -> list[Any]:
        return []

    def close(self) -> None:
        pass


class NeverSilent(Breaks):
    """A client that always has one more record."""

    def __init__(self) -> None:
        self.given = 0

    def poll(self, _timeout: float) -> Any:
        self.given += 1
        said = {"topic": "topic", "partition": 0, "offset": self.given, "timestamp": (1, 0)}
        nothing = dict.fromkeys(("error", "key", "value", "headers"))
        return SimpleNamespace(
            **{name: partial(lambda value: value, value) for name, value in (said | nothing).items()}
        )


async def heard_of(follower: Follower, count: int) -> list[Heard]:
    heard: list[Heard] = []
    async with asyncio.timeout(30):
        while len(heard) < count:
            heard += await follower.next(timeout_s=1)
    return heard


async def test_it_hears_what_comes_after_its_start_whole_and_nothing_before(
    stack: Settings, topic: str, producer: AIOKafkaProducer
) -> None:
    await producer.send_and_wait(topic, b"before", partition=1)
    async with followed(stack, topic) as follower:
        now_ms = int(time.time() * 1000)
        await producer.send_and_wait(
            topic, b"value", key=b"key", partition=1, timestamp_ms=now_ms, headers=[("name", b"\xff"), ("", b"")]
        )

        [heard] = await heard_of(follower, 1)

        assert heard == Heard(topic, 1, 1, now_ms, b"key", b"value", [("name", b"\xff"), ("", b"")])
        assert follower.end_of((topic, 1)) == 2


async def test_who_listens_late_hears_everything_in_order(
    stack: Settings, topic: str, producer: AIOKafkaProducer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH_MAX", 10)
    monkeypatch.setattr(module, "WAITING_MAX", 3)
    count = 3_000
    async with followed(stack, topic) as follower:
        sent = [await producer.send(topic, b"%d" % number, partition=number % PARTITIONS) for number in range(count)]
        await asyncio.gather(*sent)
        await until(lambda: len(follower._come) >= 3)

        heard = await heard_of(follower, count)

    for partition in range(PARTITIONS):
        mine = [one for one in heard if one.partition == partition]
        assert [one.offset for one in mine] == list(range(len(mine)))
        assert [int(one.value) for one in mine] == list(range(partition, count, PARTITIONS))


async def test_without_news_it_says_nothing_and_is_seen_to_live(stack: Settings, topic: str) -> None:
    async with followed(stack, topic) as follower:
        before = follower.polled_at

        assert await follower.next(timeout_s=0.6) == []
        assert follower.polled_at > before


async def test_what_kafka_has_thrown_away_is_said_where_it_was(
    stack: Settings, topic: str, producer: AIOKafkaProducer
) -> None:
    place: Place = (topic, 2)
    async with followed(stack, topic) as follower:
        for number in range(5):
            await producer.send_and_wait(topic, b"%d" % number, partition=2)
        await heard_of(follower, 5)
        await delete_up_to(stack, TopicPartition(*place), 5)

        await follower._in_thread(lambda: go_back(follower, place))
        with pytest.raises(Lost) as lost:
            await heard_of(follower, 1)

        assert lost.value.places == [place]
        await follower.skip([place])
        await producer.send_and_wait(topic, b"after", partition=2)
        assert [one.value for one in await heard_of(follower, 1)] == [b"after"]


def go_back(follower: Follower, place: Place) -> dict[Place, int]:
    follower._kafka.seek(confluent_kafka.TopicPartition(*place, 1))
    return {}


async def delete_up_to(stack: Settings, place: TopicPartition, offset: int) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    await admin.delete_records({place: RecordsToDelete(before_offset=offset)})
    await admin.close()


async def test_what_ends_its_thread_is_told_to_whoever_follows_and_nobody_waits_in_vain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    follower = Follower("127.0.0.1:1", client_id="test-follower")

    monkeypatch.setattr(follower, "_kafka", Breaks())
    assert await follower.start([("topic", 0)]) == {("topic", 0): 7}

    with pytest.raises(RuntimeError, match="broken"):
        await follower.next(timeout_s=5)
    with pytest.raises(RuntimeError, match="broken"):
        await asyncio.wait_for(follower.skip([("topic", 0)]), 5)
    await follower.stop()


async def test_while_nobody_listens_it_reads_no_further_and_goes_on_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    follower, client = Follower("127.0.0.1:1", client_id="test-follower"), NeverSilent()
    monkeypatch.setattr(follower, "_kafka", client)
    await follower.start([("topic", 0)])
    await until(lambda: client.given >= module.WAITING_MAX)
    seen_at = follower.polled_at
    await until(lambda: follower.polled_at > seen_at)

    assert client.given == module.WAITING_MAX

    offsets = [one.offset for one in await heard_of(follower, 5 * module.WAITING_MAX)]
    await follower.stop()
    assert offsets == list(range(1, len(offsets) + 1))


async def test_a_broker_that_is_away_is_said_and_it_can_be_stopped() -> None:
    follower = Follower("127.0.0.1:1", client_id="test-follower")

    with pytest.raises(ConnectionError):
        await follower.start([("topic", 0)])

    began = time.monotonic()
    await follower.stop()
    assert time.monotonic() - began < 2
