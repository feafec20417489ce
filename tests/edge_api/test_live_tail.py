"""The tail of a topic: begins at its end, goes on after an outage, and says so when something is lost for good."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError, OffsetOutOfRangeError

from edge_api import live_tail
from edge_api.live_tail import Tail

pytestmark = pytest.mark.quick

ONE, TWO = (TopicPartition("auction-events", partition) for partition in range(2))
OTHERS = [TopicPartition(topic, partition) for topic in ("video-events", "payment-events") for partition in range(2)]


class Broker:
    """What Kafka answers, one poll after the other; then nothing more comes."""

    def __init__(self) -> None:
        self.starts: list[Exception | None] = []
        self.polls: list[dict[TopicPartition, list[Any]] | Exception] = []
        self.ends = {ONE: 7, TWO: 0, **dict.fromkeys(OTHERS, 0)}
        self.positions: dict[TopicPartition, int] = {}
        self.drained = asyncio.Event()
        self.stopped = 0

    def consumer(self, **options: Any) -> "Broker":
        assert options["auto_offset_reset"] == "none"
        assert not options["enable_auto_commit"]
        return self

    async def start(self) -> None:
        if self.starts and (failure := self.starts.pop(0)):
            raise failure

    async def stop(self) -> None:
        self.stopped += 1

    def assign(self, partitions: Sequence[TopicPartition]) -> None:
        assert list(partitions) == [ONE, TWO, *OTHERS]

    async def end_offsets(self, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        return {partition: self.ends[partition] for partition in partitions}

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.positions[partition] = offset

    def highwater(self, partition: TopicPartition) -> int:
        return self.ends[partition]

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        if not self.polls:
            self.drained.set()
            await asyncio.Event().wait()
        polled = self.polls.pop(0)
        if isinstance(polled, Exception):
            raise polled
        return polled


class Follower:
    """A tail of that broker, and what it heard."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.heard: list[int] = []
        self.losses = 0
        settings: Any = SimpleNamespace(kafka_bootstrap="nowhere:1", partitions=2)
        self.tail = Tail(settings, self.hear, self.lose)

    async def hear(self, records: Sequence[Any]) -> None:
        self.heard += [record.offset for record in records]

    def lose(self) -> None:
        self.losses += 1

    async def until(self, event: asyncio.Event) -> None:
        following = asyncio.create_task(self.tail.follow())
        async with asyncio.timeout(5):
            await event.wait()
        following.cancel()
        await asyncio.wait([following])


@pytest.fixture
async def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    played = Broker()

    async def there(*_: object) -> None:
        return None

    monkeypatch.setattr(live_tail, "AIOKafkaConsumer", played.consumer)
    monkeypatch.setattr(live_tail, "wait_for_topics", there)
    return played


def records(*offsets: int) -> list[Any]:
    return [SimpleNamespace(offset=offset) for offset in offsets]


async def test_it_begins_at_the_end_of_every_partition_and_is_ready_only_then(broker: Broker) -> None:
    follower = Follower(broker)
    assert not follower.tail.ready

    await follower.until(broker.drained)

    assert broker.positions == {ONE: 7, TWO: 0, **dict.fromkeys(OTHERS, 0)}
    assert follower.tail.ready


async def test_it_hears_every_record_in_order(broker: Broker) -> None:
    broker.polls = [{ONE: records(7, 8), TWO: records(0)}, {}, {ONE: records(9)}]
    follower = Follower(broker)

    await follower.until(broker.drained)

    assert follower.heard == [7, 8, 0, 9]


async def test_it_waits_for_a_broker_that_is_not_there_yet(broker: Broker) -> None:
    broker.starts = [KafkaConnectionError("away"), ConnectionRefusedError(), None]
    follower = Follower(broker)

    await follower.until(broker.drained)

    assert follower.tail.ready
    assert broker.stopped == 3


async def test_it_goes_on_after_an_outage(broker: Broker) -> None:
    broker.polls = [{ONE: records(7)}, KafkaConnectionError("away"), {ONE: records(8)}]
    follower = Follower(broker)

    await follower.until(broker.drained)

    assert (follower.heard, follower.losses) == ([7, 8], 0)


async def test_what_the_broker_threw_away_is_passed_over_and_said(broker: Broker) -> None:
    broker.polls = [OffsetOutOfRangeError({TWO: 3}), {TWO: records(40)}]
    broker.ends |= {ONE: 7, TWO: 40}
    follower = Follower(broker)

    await follower.until(broker.drained)

    assert (follower.heard, follower.losses) == ([40], 1)
