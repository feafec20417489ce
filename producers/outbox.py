"""Records on their way to one topic: all that comes for a partition while the last request is on its way leaves in the next."""

import asyncio
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

Headers = list[tuple[str, bytes]]


class Record(NamedTuple):
    """One record; without a time the producer's clock says when it was made."""

    at_ms: int | None
    key: bytes
    value: bytes
    headers: Headers


class _Group:
    """Records of one partition that leave together, and who is told when the broker has them."""

    __slots__ = ("future", "records")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(self, error: Exception) -> None:
        self.future.set_exception(error)
        self.future.exception()  # Read here: nobody may be waiting any more.


class Outbox:
    """Sends in order, each partition by itself.

    aiokafka takes one batch per partition and request: if every commit sent its own, they would queue.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str, *, gathers_s: float = 0.0) -> None:
        """Records wait `gathers_s` for others before they leave."""
        self._producer = producer
        self._topic = topic
        self._gathers_s = gathers_s
        self._waiting: dict[int, _Group] = {}
        self._sending: dict[int, asyncio.Task[None]] = {}
        self._due: asyncio.TimerHandle | None = None

    def add(self, partition: int, records: Sequence[Record]) -> "asyncio.Future[None]":
        """Queue records; the future ends when the broker has them, or with why it has not. Cancel nothing of it."""
        group = self._waiting.get(partition)
        if group is None:
            group = self._waiting[partition] = _Group()
            self._leave_soon()
        group.records += records
        return group.future

    async def settle(self, partition: int, *, timeout_s: float) -> bool:
        """Wait until the broker has, or has refused, all that was queued; False when it takes longer."""
        try:
            async with asyncio.timeout(timeout_s):
                while ends := self._ends(partition):
                    await asyncio.wait(ends)
        except TimeoutError:
            return False
        return True

    async def close(self) -> None:
        """Let what is on its way leave."""
        while ends := [end for partition in {*self._waiting, *self._sending} for end in self._ends(partition)]:
            await asyncio.wait(ends)

    def _ends(self, partition: int) -> list[asyncio.Future[None]]:
        waiting, sending = self._waiting.get(partition), self._sending.get(partition)
        return ([waiting.future] if waiting else []) + ([sending] if sending else [])

    def _leave_soon(self) -> None:
        if self._due is None:
            self._due = asyncio.get_running_loop().call_later(self._gathers_s, self._leave)

    def _leave(self) -> None:
        self._due = None
        for partition in [one for one in self._waiting if one not in self._sending]:
            self._sending[partition] = asyncio.create_task(self._send(partition, self._waiting.pop(partition)))

    async def _send(self, partition: int, group: _Group) -> None:
        try:
            for batch in self._batches(group.records):
                await (await self._producer.send_batch(batch, self._topic, partition=partition))
        except Exception as error:  # noqa: BLE001 - whatever it is, who queued them is told
            group.fail(error)
            # In order or not at all: what came after it may not arrive before it is told again.
            if (following := self._waiting.pop(partition, None)) is not None:
                following.fail(error)
        else:
            group.future.set_result(None)
        finally:
            del self._sending[partition]
            if partition in self._waiting:
                self._leave_soon()

    def _batches(self, records: Sequence[Record]) -> Iterator[BatchBuilder]:
        batch = self._producer.create_batch()
        for record in records:
            if not _append(batch, record):
                yield batch
                batch = self._producer.create_batch()
                _append(batch, record)
        yield batch


def _append(batch: BatchBuilder, record: Record) -> bool:
    at_ms, key, value, headers = record
    return batch.append(timestamp=at_ms, key=key, value=value, headers=headers) is not None
