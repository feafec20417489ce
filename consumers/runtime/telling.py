"""Telling one partition's committed batches: handed to the producer at once, marked as told when the broker has them."""

import asyncio
import time
from collections.abc import Sequence
from typing import NamedTuple

import structlog

from consumers.runtime import faultpoints, metrics
from consumers.runtime.inbox import Inbox
from producers.outbox import Record
from producers.publish import Asked, Publisher, Replies

log = structlog.get_logger("partition")

ACKNOWLEDGED_WITHIN_S = 30.0


class _Handed(NamedTuple):
    """A batch that the producer has: when its futures end, everything below `upto` is told."""

    upto: int
    events: asyncio.Future[None] | None
    replies: set[asyncio.Future[None]]
    since: float


class Telling:
    """Knows up to where the decisions of one partition are with the broker."""

    def __init__(self, number: int, told: int, inbox: Inbox, publisher: Publisher, replies: Replies) -> None:
        self.told = told
        """All before this source offset is with the broker."""
        self._number = number
        self._inbox = inbox
        self._publisher = publisher
        self._replies = replies
        self._handed: asyncio.Queue[_Handed] = asyncio.Queue()
        self._publish_s = metrics.PUBLISH.labels(inbox.topic, inbox.group)

    def tell(self, upto: int, records: Sequence[Record] = (), asked: Sequence[Asked] = ()) -> None:
        """Hand over what was decided below `upto`: replies leave at once, events a moment later, none waits for the other."""
        if not self._inbox.commands:
            self.told = upto
            return
        since = time.perf_counter()
        replies = self._replies.add(asked)
        events = self._publisher.send(self._number, records)
        self._handed.put_nowait(_Handed(upto, events, replies, since))

    async def follow(self) -> None:
        """For ever, move the mark as the broker acknowledges, in order; raises when events were refused or are late."""
        while True:
            handed = await self._handed.get()
            await _acknowledged(handed.events)
            faultpoints.hit("published")
            await self._answered(handed.replies)
            faultpoints.hit("replied")
            self.told = handed.upto
            self._handed.task_done()
            self._publish_s.observe(time.perf_counter() - handed.since)

    async def drained(self) -> None:
        """Wait until all that was handed over is told."""
        await self._handed.join()

    async def _answered(self, replies: set[asyncio.Future[None]]) -> None:
        """Replies hold nothing up for long: who gets none asks for the command's state."""
        if not replies:
            return
        done, late = await asyncio.wait(replies, timeout=ACKNOWLEDGED_WITHIN_S)
        if late or any(future.exception() for future in done):
            log.warning("replies not delivered", topic=self._inbox.topic, partition=self._number)


async def _acknowledged(events: "asyncio.Future[None] | None") -> None:
    if events is None:
        return
    # Not cancelled with this task: the takeover must know what the producer still holds.
    _, late = await asyncio.wait([events], timeout=ACKNOWLEDGED_WITHIN_S)
    if late:
        raise TimeoutError(f"the broker has not taken events for {ACKNOWLEDGED_WITHIN_S:.0f} s")
    events.result()
