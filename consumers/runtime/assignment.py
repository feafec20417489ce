"""The partitions of one inbox that this process has now: gained and lost in rebalances, fed from each fetch."""

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata
from faststream.kafka.subscriber.usecase import BatchSubscriber

from consumers.runtime import faultpoints, metrics
from consumers.runtime.commit import Fenced
from consumers.runtime.dead import Flooded
from consumers.runtime.ledger import Tools
from consumers.runtime.outage import Backoff, is_fatal
from consumers.runtime.parking import place_of
from consumers.runtime.partition import Partition
from consumers.runtime.takeover import take_over

log = structlog.get_logger("assignment")

Fetched = Sequence[tuple[TopicPartition, list[ConsumerRecord]]]

REVOKED_WITHIN_S = 5.0
STOPPED_WITHIN_S = 3.0
OPENED_TOGETHER_WITHIN_S = 1.0
ROOM_WITHIN_S = 2.0
HOUSEKEEPING_EVERY_S = 1.0
POLLED_WITHIN_S = 30.0


class Assignment(ConsumerRebalanceListener):  # type: ignore[misc]
    """Owns the partitions of one inbox: FastStream's subscriber feeds it, the coordinator tells it what it has."""

    def __init__(self, tools: Tools, fatal: Callable[[BaseException], None]) -> None:
        self.inbox = tools.inbox
        self.subscriber: BatchSubscriber | None = None
        """Whose consumer this is; the consumer itself lives from its start to its stop."""
        self.halted: str | None = None
        """Why this inbox takes nothing any more, in words for an operator."""
        self.leaves = False
        """Whether this member will not come back: its partitions are others' at once, not after the session."""
        self.polled_at = time.monotonic()
        self._tools = tools
        self._fatal = fatal
        self._partitions: dict[int, Partition] = {}
        self._takeovers: dict[int, asyncio.Task[Partition | None]] = {}
        self._assigned_once = False
        self._committing: asyncio.Task[None] | None = None
        self._halting: asyncio.Future[Any] | None = None
        self._holes: dict[int, tuple[int, int]] = {}
        self._committed: dict[TopicPartition, int] = {}
        self._labels = (tools.inbox.topic, tools.inbox.group)

    @property
    def consumer(self) -> AIOKafkaConsumer | None:
        """The consumer while it runs."""
        return self.subscriber.consumer if self.subscriber is not None else None

    # What the group's coordinator calls.

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Let go of everything: the batch in hand is committed and told, within REVOKED_WITHIN_S."""
        log.info("revoked", topic=self.inbox.topic, partitions=sorted(tp.partition for tp in revoked))
        faultpoints.hit("in-revoke")
        await self.release(timeout_s=REVOKED_WITHIN_S)

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Take all over at once; what is not done within a second goes on in the background."""
        numbers = sorted(tp.partition for tp in assigned)
        log.info("assigned", topic=self.inbox.topic, partitions=numbers)
        self._assigned_once = True
        await self.release(timeout_s=REVOKED_WITHIN_S)
        if self.halted is not None:
            self._pause(numbers)
            return
        started = [self._begin_takeover(number, "assigned") for number in numbers]
        if started:
            # Opened in one go: a fetch for the first alone would keep the others waiting for its long poll.
            await asyncio.wait(started, timeout=OPENED_TOGETHER_WITHIN_S)
        for number, task in zip(numbers, started, strict=True):
            task.add_done_callback(partial(self._open, number))

    # What the subscriber calls.

    async def take(self, fetched: Fetched) -> None:
        """Queue what was fetched; a partition that is not open yet gets its records again after the takeover's seek."""
        try:
            faultpoints.hit("polled")
            await self._queue(fetched)
        except Exception as error:  # noqa: BLE001 - the position has moved on: fetch all again, lose nothing.
            log.warning("fetches again", topic=self.inbox.topic, reason=place_of(error))
            for partition in self._partitions.values():
                self._fetch_from(partition)

    async def _queue(self, fetched: Fetched) -> None:
        for tp, records in fetched:
            partition = self._partitions.get(tp.partition)
            if partition is None or partition.held_back:
                continue
            if not partition.has_room and not await partition.room(timeout_s=ROOM_WITHIN_S):
                partition.held_back = True
                self._pause([tp.partition])
            elif self._partitions.get(tp.partition) is partition and not partition.put(records):
                self._hole(partition, records)

    async def release(self, *, timeout_s: float) -> None:
        """Close every partition, all at the same time."""
        partitions = list(self._partitions.values())
        takeovers = list(self._takeovers.values())
        self._partitions.clear()
        self._takeovers.clear()
        self._holes.clear()
        for task in takeovers:
            task.cancel()
        await asyncio.gather(
            *(partition.close(timeout_s=timeout_s) for partition in partitions),
            *takeovers,
            return_exceptions=True,
        )

    # Taking over.

    def _begin_takeover(
        self, number: int, cause: str, failed: Partition | None = None
    ) -> asyncio.Task[Partition | None]:
        self._pause([number])
        metrics.TAKEOVERS.labels(*self._labels, cause).inc()
        task = asyncio.create_task(self._take_over(number, failed))
        self._takeovers[number] = task
        return task

    async def _take_over(self, number: int, failed: Partition | None) -> Partition | None:
        backoff = Backoff()
        if failed is not None:
            await failed.retire(timeout_s=REVOKED_WITHIN_S)
            await asyncio.sleep(backoff.delay_s())
        while self._is_assigned(number):
            try:
                claim = await take_over(self._tools, number)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again.
                if is_fatal(error):
                    self._fatal(error)
                await backoff.wait(error, "a takeover to succeed", topic=self.inbox.topic, partition=number)
            else:
                backoff.reset()
                return Partition(number, claim, self._tools, self._lost)
        return None

    def _open(self, number: int, task: "asyncio.Task[Partition | None]") -> None:
        if self._takeovers.get(number) is not task:
            return
        del self._takeovers[number]
        if task.cancelled() or self.halted is not None or not self._is_assigned(number):
            return
        partition = task.result()
        if partition is None:
            return
        self._partitions[number] = partition
        partition.start()
        self._fetch_from(partition)

    def _lost(self, partition: Partition, error: Exception) -> None:
        if self._partitions.get(partition.number) is not partition:
            return
        del self._partitions[partition.number]
        if is_fatal(error):
            self._fatal(error)
        if isinstance(error, Flooded):
            self._halt(str(error), partition)
            return
        cause = "fenced" if isinstance(error, Fenced) else "failed"
        log.warning(
            "taking over anew",
            topic=self.inbox.topic,
            partition=partition.number,
            cause=cause,
            reason=place_of(error),
        )
        task = self._begin_takeover(partition.number, cause, partition)
        task.add_done_callback(partial(self._open, partition.number))

    def _halt(self, reason: str, failed: Partition | None = None) -> None:
        log.critical("inbox stopped", topic=self.inbox.topic, group=self.inbox.group, reason=reason)
        self.halted = reason
        assert self.consumer is not None
        self.consumer.pause(*self.consumer.assignment())
        self._halting = asyncio.gather(
            self.release(timeout_s=REVOKED_WITHIN_S),
            *([failed.retire(timeout_s=REVOKED_WITHIN_S)] if failed is not None else []),
        )

    # Where to fetch from.

    def _fetch_from(self, partition: Partition) -> None:
        tp = TopicPartition(self.inbox.topic, partition.number)
        assert self.consumer is not None
        try:
            self.consumer.resume(tp)
            self.consumer.seek(tp, partition.tail)
        except IllegalStateError:
            log.info("no longer assigned", topic=tp.topic, partition=tp.partition)

    def _pause(self, numbers: Iterable[int]) -> None:
        assert self.consumer is not None
        for number in numbers:
            if self._is_assigned(number):
                self.consumer.pause(TopicPartition(self.inbox.topic, number))

    def _is_assigned(self, number: int) -> bool:
        return self.consumer is not None and TopicPartition(self.inbox.topic, number) in self.consumer.assignment()

    def _hole(self, partition: Partition, records: Sequence[ConsumerRecord]) -> None:
        """Fetch again from where we are; the same hole a second time is really there."""
        hole = (partition.tail, records[0].offset)
        if self._holes.get(partition.number) == hole:
            log.error("messages are gone", topic=self.inbox.topic, partition=partition.number, missing=hole)
            partition.skip_to(records[0].offset)
            partition.put(records)
        else:
            self._holes[partition.number] = hole
            self._fetch_from(partition)

    # Once a second.

    async def keep_house(self) -> None:
        """For ever: have marks written, let held-back partitions go on, commit offsets to Kafka for people, count the lag."""
        while True:
            await asyncio.sleep(HOUSEKEEPING_EVERY_S)
            for partition in list(self._partitions.values()):
                partition.flush_soon()
                if partition.held_back and partition.has_room:
                    partition.held_back = False
                    self._fetch_from(partition)
            if self._committing is None or self._committing.done():
                self._committing = asyncio.create_task(self._commit_offsets())
            self._measure()

    async def _commit_offsets(self) -> None:
        moved = {
            tp: OffsetAndMetadata(partition.ledger.next_offset, "")
            for number, partition in self._partitions.items()
            if self._committed.get(tp := TopicPartition(self.inbox.topic, number)) != partition.ledger.next_offset
        }
        if not moved or self.consumer is None:
            return
        try:
            await self.consumer.commit(moved)
        except (KafkaError, IllegalStateError) as error:
            # Only people read these offsets; ours stand in Postgres.
            log.info("offsets not committed", topic=self.inbox.topic, error=type(error).__name__)
            return
        self._committed.update({tp: offset.offset for tp, offset in moved.items()})
        try:
            faultpoints.hit("offset-committed")
        except faultpoints.InjectedFault:
            log.info("offsets not committed", topic=self.inbox.topic, error="InjectedFault")

    def _measure(self) -> None:
        if self.consumer is None:
            return
        for number, partition in self._partitions.items():
            ledger = partition.ledger
            metrics.UNTOLD.labels(*self._labels, number).set(ledger.next_offset - ledger.telling.told)
            end = self.consumer.highwater(TopicPartition(self.inbox.topic, number))
            if end is None:
                continue
            metrics.LAG.labels(*self._labels, number).set(max(0, end - ledger.next_offset))
            if end < ledger.next_offset:
                self._halt(f"partition {number} ends at {end} but {ledger.next_offset} was decided: another topic?")
                return

    # Health.

    def trouble(self) -> str | None:
        """Why this inbox is not alive, or None: it polls, and was not stopped."""
        if self.halted is not None:
            return self.halted
        if self.silent_s > POLLED_WITHIN_S:
            return f"has not polled for {self.silent_s:.0f} s"
        return None

    @property
    def silent_s(self) -> float:
        """How long ago it polled with success."""
        return time.monotonic() - self.polled_at

    def waiting(self) -> str | None:
        """Why this inbox is not ready, or None: assigned, and every partition taken over."""
        if not self._assigned_once:
            return "waits for its first assignment"
        if self._takeovers:
            return f"takes over partitions {sorted(self._takeovers)}"
        return self.halted
