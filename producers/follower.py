"""Follows partitions from their end, without a group, on librdkafka in a thread of its own (0001).

The client is the thread's alone: its calls wait for one another, and one that waits may hold the interpreter meanwhile.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from producers.producer import LOGGED, LOGGER, RECONNECT_MS_MAX, TIMEOUT_MS, Headers

log = structlog.get_logger("follower")

BATCH_MAX = 500
WAITING_MAX = 10
"""So many batches wait for whoever follows; what comes then waits in the client, and at the broker."""

POLL_S = 0.25
PREFETCHED_KB_MAX = 16_384
ANSWER_S_MAX = 2.0

Place = tuple[str, int]
"""A topic and one of its partitions."""


class Heard(NamedTuple):
    """One record."""

    topic: str
    partition: int
    offset: int
    at_ms: int
    key: bytes
    value: bytes
    headers: Headers


class Lost(Exception):
    """Kafka has thrown away what was to be read next, in `places`."""

    def __init__(self, places: Sequence[Place]) -> None:
        """Say where."""
        super().__init__(places)
        self.places = places


class Follower:
    """Everything that is written to some partitions from `start` on, in the order of each; goes on by itself after an outage."""

    def __init__(self, bootstrap: str, *, client_id: str) -> None:
        """Take Kafka's bootstrap servers."""
        self.polled_at = time.monotonic()
        """When Kafka's client was last asked, by time.monotonic."""
        self._loop = asyncio.get_running_loop()
        self._something = asyncio.Event()
        self._room = threading.Event()
        self._come: deque[list[Heard] | Lost] = deque()
        self._todo: deque[tuple[asyncio.Future[dict[Place, int]], Callable[[], dict[Place, int]]]] = deque()
        self._ends: dict[Place, int] = {}
        self._died: BaseException | None = None
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=f"{client_id}-follower", daemon=True)
        self._kafka = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": client_id,
                "group.id": client_id,  # Asked for by the client, never used: it neither joins nor commits.
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "allow.auto.create.topics": False,
                "queued.max.messages.kbytes": PREFETCHED_KB_MAX,
                "fetch.error.backoff.ms": 50,
                "socket.timeout.ms": TIMEOUT_MS,
                "reconnect.backoff.max.ms": RECONNECT_MS_MAX,
                **LOGGED,
            },
            logger=logging.getLogger(LOGGER),
        )

    async def start(self, places: Iterable[Place]) -> dict[Place, int]:
        """Begin at the end of each partition; returns those ends. Raises ConnectionError when Kafka does not answer."""
        # Before the thread runs: else it would poll for nothing first.
        assigned = self._in_thread(lambda: self._assign(places))
        self._thread.start()
        return await assigned

    async def skip(self, places: Sequence[Place]) -> None:
        """Go on at the end of partitions that were lost; raises ConnectionError when Kafka does not answer."""
        await self._in_thread(lambda: self._assign_anew(places))

    def _in_thread(self, work: Callable[[], dict[Place, int]]) -> "asyncio.Future[dict[Place, int]]":
        done: asyncio.Future[dict[Place, int]] = self._loop.create_future()
        self._todo.append((done, work))
        # Looked at after it is queued: a thread that dies in between finds it there.
        if self._died is not None:
            done.set_exception(self._died)
        return done

    async def next(self, *, timeout_s: float) -> list[Heard]:
        """What came since the last call, at once or as soon as something comes; nothing after `timeout_s`.

        Raises Lost, after what came before it, and what ended the thread.
        """
        if not self._come and self._died is None:
            try:
                async with asyncio.timeout(timeout_s):
                    await self._something.wait()
            except TimeoutError:
                return []
        # Cleared before it is looked: what comes in between is found now, and wakes once more for nothing.
        self._something.clear()
        heard: list[Heard] = []
        while self._come and (isinstance(self._come[0], list) or not heard):
            come = self._come.popleft()
            if isinstance(come, Lost):
                raise come
            heard += come
        self._room.set()
        if not heard and self._died is not None:
            raise self._died
        return heard

    def end_of(self, place: Place) -> int:
        """Where a partition ended when it was last fetched from."""
        return self._ends.get(place, 0)

    async def stop(self) -> None:
        """Read no more."""
        self._stopping = True
        self._room.set()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join)

    # In the thread.

    def _run(self) -> None:
        try:
            while not self._stopping:
                while self._todo:
                    self._do(*self._todo.popleft())
                if self._has_room():
                    self._poll()
                self.polled_at = time.monotonic()
            self._kafka.close()
        except BaseException as error:  # noqa: BLE001 - told to whoever follows
            self._died = error
            while self._todo:
                self._loop.call_soon_threadsafe(_fail, self._todo.popleft()[0], error)
            self._wake()

    def _do(self, done: "asyncio.Future[dict[Place, int]]", work: Callable[[], dict[Place, int]]) -> None:
        try:
            found = work()
        except KafkaException as error:
            self._loop.call_soon_threadsafe(_fail, done, ConnectionError(f"Kafka does not answer: {error}"))
        except Exception as error:  # noqa: BLE001 - told to whoever asked for it
            self._loop.call_soon_threadsafe(_fail, done, error)
        else:
            self._loop.call_soon_threadsafe(_succeed, done, found)

    def _assign(self, places: Iterable[Place]) -> dict[Place, int]:
        ends = {place: self._end_of(place) for place in places}
        self._kafka.incremental_assign([TopicPartition(*place, offset) for place, offset in ends.items()])
        return ends

    def _assign_anew(self, places: Sequence[Place]) -> dict[Place, int]:
        ends = [TopicPartition(*place, self._end_of(place)) for place in places]
        # The client has stopped fetching there, and does not seek where it does not fetch.
        self._kafka.incremental_unassign(ends)
        self._kafka.incremental_assign(ends)
        return {}

    def _end_of(self, place: Place, *, cached: bool = False) -> int:
        return self._kafka.get_watermark_offsets(TopicPartition(*place), timeout=ANSWER_S_MAX, cached=cached)[1]

    def _poll(self) -> None:
        first = self._kafka.poll(POLL_S)
        if first is None:
            return
        heard, lost = [], []
        # `consume` alone would wait until it has so many.
        for message in (first, *self._kafka.consume(BATCH_MAX, 0)):
            error = message.error()
            if error is None:
                heard.append(_heard(message))
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                lost.append((message.topic() or "", message.partition() or 0))
            else:
                log.warning("Kafka's client complains", reason=error.str())
        if heard:
            self._ends |= {
                place: self._end_of(place, cached=True) for place in {(one.topic, one.partition) for one in heard}
            }
            self._come.append(heard)
        if lost:
            self._come.append(Lost(lost))
        self._wake()

    def _has_room(self) -> bool:
        if len(self._come) < WAITING_MAX:
            return True
        # Cleared before it is looked again: whoever takes in between sets it, and what is waited for has happened.
        self._room.clear()
        return len(self._come) < WAITING_MAX or self._room.wait(POLL_S)

    def _wake(self) -> None:
        if not self._something.is_set() and not self._stopping:
            self._loop.call_soon_threadsafe(self._something.set)


def _heard(message: Message) -> Heard:
    return Heard(
        message.topic() or "",
        message.partition() or 0,
        message.offset() or 0,
        message.timestamp()[1],
        message.key() or b"",
        message.value() or b"",
        message.headers() or [],  # type: ignore[arg-type]  # bytes, as they came
    )


def _succeed(done: "asyncio.Future[dict[Place, int]]", found: dict[Place, int]) -> None:
    if not done.done():
        done.set_result(found)


def _fail(done: "asyncio.Future[dict[Place, int]]", error: BaseException) -> None:
    if not done.done():
        done.set_exception(error)
