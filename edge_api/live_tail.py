"""Follows public topics from their end, without a group: every live process hears everything, in the order of each key."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import structlog

from compose.settings import Settings
from consumers.runtime.outage import Backoff
from consumers.runtime.readiness import wait_for_topics
from edge_api import live_metrics
from producers.follower import Follower, Heard, Lost, Place
from topics.catalog import AUCTION_EVENTS, PAYMENT_EVENTS, VIDEO_EVENTS

log = structlog.get_logger("live")

TOPICS = (AUCTION_EVENTS, VIDEO_EVENTS, PAYMENT_EVENTS)
POLL_S = 0.5

Records = Sequence[Heard]


class Tail:
    """All partitions of TOPICS; when Kafka was away it goes on where it stopped."""

    def __init__(
        self,
        settings: Settings,
        hear: Callable[[Records], Awaitable[None]],
        lost: Callable[[], None],
    ) -> None:
        """`hear` takes what came, `lost` learns that Kafka has thrown away what was not heard yet."""
        self._places = [
            (topic.name, partition)
            for topic in TOPICS
            for partition in range(getattr(settings, topic.partitioned_by_setting))
        ]
        self._settings = settings
        self._hear = hear
        self._lost = lost
        self.placed = asyncio.Event()
        self.polled_at = time.monotonic()

    @property
    def ready(self) -> bool:
        """Whether everything from now on will be heard."""
        return self.placed.is_set()

    async def follow(self) -> None:
        """Hear of everything from now on, until cancelled."""
        await wait_for_topics(self._settings, [topic.name for topic in TOPICS])
        follower = await self._place()
        try:
            await self._follow(follower)
        finally:
            await follower.stop()

    async def _place(self) -> Follower:
        backoff = Backoff()
        while True:
            follower = Follower(self._settings.kafka_bootstrap, client_id="live")
            try:
                await follower.start(self._places)
            except OSError as error:
                await follower.stop()
                self.polled_at = time.monotonic()
                await backoff.wait(error, f"Kafka at {self._settings.kafka_bootstrap}")
            else:
                self.placed.set()
                return follower

    async def _follow(self, follower: Follower) -> None:
        while True:
            try:
                heard = await follower.next(timeout_s=POLL_S)
            except Lost as lost:
                log.warning("the topic no longer has what comes next", lost=str(lost))
                await self._skip(follower, lost.places)
            else:
                await self._hear(heard)
                for place, offset in {(one.topic, one.partition): one.offset for one in heard}.items():
                    live_metrics.LAG.labels(*place).set(max(0, follower.end_of(place) - offset - 1))
            self.polled_at = follower.polled_at

    async def _skip(self, follower: Follower, lost: Sequence[Place]) -> None:
        backoff = Backoff()
        while True:
            try:
                await follower.skip(lost)
            except OSError as error:
                await backoff.wait(error, "Kafka")
            else:
                self._lost()
                return
