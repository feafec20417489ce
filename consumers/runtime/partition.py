"""One owned partition: its queue, its place in the topic and its life, from a takeover until it is revoked or fails."""

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import structlog
from aiokafka import ConsumerRecord

from consumers.runtime.commit import Fenced
from consumers.runtime.ledger import Claim, Ledger, Tools
from consumers.runtime.outage import is_outage

log = structlog.get_logger("partition")

QUEUED_BATCHES_MAX = 4


class Partition:
    """Takes the records of one partition in batches, in order; thrown away whole after any failure."""

    def __init__(self, number: int, claim: Claim, tools: Tools, lost: Callable[["Partition", Exception], None]) -> None:
        self.number = number
        self.ledger = Ledger(number, claim, tools)
        self.tail = claim.next_offset
        """The offset that must come next from Kafka."""
        self.held_back = False
        """Whether Kafka is told to wait for room in the queue."""
        self._batch = tools.inbox.batch
        self._lost = lost
        self._queue: list[ConsumerRecord] = []
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._closing = False
        self._flush_asked = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to decide."""
        self._tasks = [
            asyncio.create_task(self._guarded(self._work())),
            asyncio.create_task(self._guarded(self.ledger.telling.follow())),
        ]

    def put(self, records: Sequence[ConsumerRecord]) -> bool:
        """Queue records; False, with nothing queued, when there is a hole between them and what was queued before."""
        if records[0].offset > self.tail:
            return False
        if records[0].offset < self.tail:
            records = [record for record in records if record.offset >= self.tail]
            if not records:
                return True
        self._queue += records
        self.tail = records[-1].offset + 1
        self._wake.set()
        return True

    def skip_to(self, offset: int) -> None:
        """Accept that the topic has nothing before an offset (its retention took it)."""
        self.tail = offset

    @property
    def has_room(self) -> bool:
        """Whether more may be queued."""
        return len(self._queue) < QUEUED_BATCHES_MAX * self._batch

    async def room(self, *, timeout_s: float) -> bool:
        """Wait until more may be queued; False when that takes too long."""
        self._room.clear()
        try:
            await asyncio.wait_for(self._room.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    def flush_soon(self) -> None:
        """Have the marks written to Postgres when nothing else is, if they moved."""
        if self.ledger.dirty:
            self._flush_asked = True
            self._wake.set()

    async def close(self, *, timeout_s: float) -> None:
        """Let the batch in hand be committed and told, write the marks, and end; what is late is cut off."""
        self._end()
        ends_at = time.monotonic() + timeout_s
        working = self._tasks[0]
        await asyncio.wait([working], timeout=timeout_s)
        try:
            async with asyncio.timeout(max(0.05, ends_at - time.monotonic())):
                if working.done() and not self.ledger.broken:
                    await self.ledger.telling.drained()
                    await self.ledger.flush()
        except Exception as error:
            if not isinstance(error, Fenced) and not is_outage(error):
                raise
            log.info("marks not written at the end", partition=self.number, error=type(error).__name__)
        finally:
            await self._cut_off()

    async def retire(self, *, timeout_s: float) -> None:
        """End after a failure: the batch in hand may still be committed, but nothing is told any more."""
        self.ledger.broken = True
        self._end()
        await asyncio.wait([self._tasks[0]], timeout=timeout_s)
        await self._cut_off()

    def _end(self) -> None:
        self._closing = True
        self._wake.set()
        self._room.set()

    async def _cut_off(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - whatever it is, the partition is taken over anew.
            if not self.ledger.broken:
                self.ledger.broken = True
                self._lost(self, error)

    async def _work(self) -> None:
        while not self._closing:
            if self._queue:
                batch = self._queue[: self._batch]
                del self._queue[: self._batch]
                self._room.set()
                await self.ledger.settle(batch)
            elif self._flush_asked:
                self._flush_asked = False
                await self.ledger.flush()
            else:
                self._wake.clear()
                await self._wake.wait()
