"""Tells `activity-events` what people do while they look around: at once for the one who asks, and kept while Kafka is away.

Nobody waits for these events and nothing is decided from them, so a search never fails or slows down because of them.
"""

import asyncio
from collections import deque
from typing import NamedTuple
from uuid import UUID

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from pydantic import BaseModel

from producers.reply_partition import bounded
from producers.sparingly import Sparingly
from schemas import envelope
from schemas.registry import BY_NAME
from topics.catalog import ACTIVITY_EVENTS

WAITING_MAX = 10_000
"""So many events wait in the process for a Kafka that is away; what comes then is dropped and counted."""

LINGER_MS = 20
CONNECT_TIMEOUT_S = 10
SEND_TIMEOUT_S = 5.0
STOP_TIMEOUT_S = 1.0
RETRY_S = 1.0
SOURCE = "/edge"

log = structlog.get_logger("activity")


class Told(NamedTuple):
    """One event as it goes to the topic."""

    key: bytes
    value: bytes
    headers: list[tuple[str, bytes]]


class Activity:
    """The edge's second door to Kafka: events that nobody waits for."""

    def __init__(self, bootstrap: str) -> None:
        """Take Kafka's bootstrap servers."""
        self._bootstrap = bootstrap
        self._waiting: deque[Told] = deque()
        self._something = asyncio.Event()
        self._empty = asyncio.Event()
        self._telling: asyncio.Task[None] | None = None
        self._broken = False
        self.dropped = 0
        """How many events were not told, since the process began."""

    @property
    def waiting(self) -> int:
        """How many events Kafka has not been given yet."""
        return len(self._waiting)

    def tell(self, what: BaseModel, *, key: UUID, aggregate: UUID, traceparent: str, correlation_id: str) -> None:
        """Queue an event; it is the aggregate's first and only one, so telling it twice gives the same event id."""
        if len(self._waiting) >= WAITING_MAX:
            self.dropped += 1
            return
        self._waiting.append(_told(what, key, aggregate, traceparent, correlation_id))
        self._empty.clear()
        self._something.set()

    def start(self) -> None:
        """Begin to tell; nothing here waits for Kafka."""
        self._telling = asyncio.create_task(self._tell_all())

    async def stop(self) -> None:
        """Tell what waits, within 2 s."""
        if self._telling is None:
            return
        if self._waiting:
            await bounded(self._empty.wait(), STOP_TIMEOUT_S)
        self._telling.cancel()
        await asyncio.wait((self._telling,), timeout=STOP_TIMEOUT_S)

    async def _tell_all(self) -> None:
        sparingly = Sparingly()
        while True:
            producer = self._producer()
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    await producer.start()
                self._broken = False
                await self._tell_with(producer)
            except (KafkaError, OSError, TimeoutError) as error:
                if sparingly.due():
                    log.warning("activity waits for Kafka", waiting=len(self._waiting), reason=repr(error))
            finally:
                await bounded(producer.stop(), STOP_TIMEOUT_S)
            await asyncio.sleep(RETRY_S)

    def _producer(self) -> AIOKafkaProducer:
        return AIOKafkaProducer(
            bootstrap_servers=self._bootstrap,
            client_id="edge-activity",
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            request_timeout_ms=6_000,
        )

    async def _tell_with(self, producer: AIOKafkaProducer) -> None:
        """Tell until the producer is broken."""
        while not self._broken:
            if not self._waiting:
                self._empty.set()
                self._something.clear()
                await self._something.wait()
                continue
            told = self._waiting[0]
            async with asyncio.timeout(SEND_TIMEOUT_S):
                acked = await producer.send(ACTIVITY_EVENTS.name, told.value, key=told.key, headers=told.headers)
            self._waiting.popleft()
            acked.add_done_callback(self._acked)

    def _acked(self, acked: "asyncio.Future[object]") -> None:
        error = None if acked.cancelled() else acked.exception()
        if error is not None:
            # An idempotent producer tries for ever; what it gives up on, it can go on with only as a new one.
            self.dropped += 1
            self._broken = True
            self._something.set()
            log.error("an activity event was not acknowledged", reason=repr(error))


def _told(what: BaseModel, key: UUID, aggregate: UUID, traceparent: str, correlation_id: str) -> Told:
    message = BY_NAME[type(what).__name__]
    event_id = str(envelope.event_id_of(aggregate, 1))
    at = envelope.print_time(envelope.time_ms())
    value = b'{"eventId":"%b","eventType":"%b","timestamp":"%b","sequence":1,"data":%b}' % (
        event_id.encode(),
        message.name.encode(),
        at.encode(),
        what.model_dump_json(by_alias=True).encode(),
    )
    headers = [
        (envelope.CE_SPECVERSION, envelope.SPEC_VERSION),
        (envelope.CE_ID, event_id.encode()),
        (envelope.CE_SOURCE, SOURCE.encode()),
        (envelope.CE_TYPE, message.ce_type.encode()),
        (envelope.CE_TIME, at.encode()),
        (envelope.CE_SUBJECT, str(key).encode()),
        (envelope.CE_DATASCHEMA, message.schema.encode()),
        (envelope.CONTENT_TYPE_HEADER, envelope.CONTENT_TYPE),
        (envelope.CORRELATION_ID, correlation_id.encode()),
        (envelope.TRACEPARENT, traceparent.encode()),
    ]
    return Told(str(key).encode(), value, headers)
