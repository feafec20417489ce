"""What leaves together, what stays in order, and who is told when the broker does not take it."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder

from producers.outbox import Outbox, Record

pytestmark = pytest.mark.quick


def record(word: bytes) -> Record:
    return Record(0, b"key", word, [])


class Broker:
    """A producer as aiokafka's, whose requests end when the test says so."""

    def __init__(self) -> None:
        self.taken: list[tuple[int, int]] = []
        self.acks: list[asyncio.Future[None]] = []
        self.came = asyncio.Event()

    def create_batch(self) -> Any:
        return BatchBuilder(1_000, 0)

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> "asyncio.Future[None]":
        self.taken.append((partition, batch.record_count()))
        self.acks.append(asyncio.get_running_loop().create_future())
        self.came.set()
        return self.acks[-1]

    async def next(self) -> "asyncio.Future[None]":
        await self.came.wait()
        self.came.clear()
        return self.acks[-1]


async def test_what_comes_while_a_request_is_on_its_way_leaves_together_in_the_next() -> None:
    broker = Broker()
    outbox = Outbox(broker, "events")

    first = outbox.add(3, [record(b"1")])
    ack = await broker.next()
    later = {outbox.add(3, [record(b"2"), record(b"3")]), outbox.add(3, [record(b"4")])}
    ack.set_result(None)
    await first
    (await broker.next()).set_result(None)
    await asyncio.gather(*later)

    assert broker.taken == [(3, 1), (3, 3)]
    assert len(later) == 1


async def test_a_partition_does_not_wait_for_another() -> None:
    broker = Broker()
    outbox = Outbox(broker, "events")

    outbox.add(1, [record(b"1")])
    await broker.next()
    other = outbox.add(2, [record(b"2")])
    (await broker.next()).set_result(None)
    await other

    assert broker.taken == [(1, 1), (2, 1)]
    assert not await outbox.settle(1, timeout_s=0.01)
    assert await outbox.settle(2, timeout_s=0.01)
    broker.acks[0].set_result(None)
    await outbox.close()


async def test_after_a_refusal_nothing_that_came_later_is_sent_before_it() -> None:
    broker = Broker()
    outbox = Outbox(broker, "events")

    first = outbox.add(1, [record(b"1")])
    ack = await broker.next()
    second = outbox.add(1, [record(b"2")])
    ack.set_exception(KafkaTimeoutError())

    for refused in (first, second):
        with pytest.raises(KafkaTimeoutError):
            await refused
    assert await outbox.settle(1, timeout_s=1)
    assert broker.taken == [(1, 1)]


async def test_records_too_many_for_one_batch_go_in_several_in_their_order() -> None:
    broker = Broker()
    outbox = Outbox(broker, "events")

    told = outbox.add(1, [record(b"x" * 300) for _ in range(5)])
    while not told.done():
        (await broker.next()).set_result(None)
        await asyncio.wait([told], timeout=0.01)

    assert [count for _, count in broker.taken] == [3, 2]
