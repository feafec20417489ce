"""Kafka's producer for commands that people wait for, on librdkafka (0001): idempotent, for an event loop, without a thread."""

import asyncio
import logging
from collections.abc import Callable

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

Headers = list[tuple[str, bytes]]

LOGGER = "librdkafka"
LOGGED: dict[str, object] = {"log_level": 3}
"""Errors only."""

RECONNECT_MS_MAX = 1_000
TIMEOUT_MS = 6_000
LOOK_EVERY_S = 0.05
AWAITED_EVERY_S = 0.002
"""How often acknowledgements are looked for while some are due, and while somebody waits for one. A thread that waited for them
would ask for the interpreter once per record."""

IDLE_S = 1.0


class NotTaken(Exception):
    """The record was not queued: it is too large, or a gigabyte waits for Kafka already. It may be sent again."""


class NotAcknowledged(Exception):
    """Kafka refused the record, or the process ends: it may stand on the topic or not."""


class Broken(NotAcknowledged):
    """The producer lost its place in the sequence of a partition; only a new process has a clean one."""


class Producer:
    """Sends records, those of one key in the order in which they were given; while Kafka is away they wait."""

    def __init__(self, bootstrap: str, *, client_id: str, fatal: Callable[[Broken], None]) -> None:
        """Take Kafka's bootstrap servers; connects by itself. `fatal` is told once the producer is broken."""
        self._fatal = fatal
        self._awaited: set[asyncio.Future[None]] = set()
        self._under_way: set[asyncio.Future[None]] = set()
        self._broken: Broken | None = None
        self._looking: asyncio.TimerHandle | None = None
        self._kafka = confluent_kafka.Producer(
            {
                "bootstrap.servers": bootstrap,
                "client.id": client_id,
                "acks": "all",
                "enable.idempotence": True,
                "message.timeout.ms": 0,
                "linger.ms": 0,
                "partitioner": "murmur2",
                "request.timeout.ms": TIMEOUT_MS,
                "socket.timeout.ms": TIMEOUT_MS,
                "reconnect.backoff.max.ms": RECONNECT_MS_MAX,
                **LOGGED,
            },
            logger=logging.getLogger(LOGGER),
        )

    async def start(self, *, timeout_s: float) -> None:
        """Wait until Kafka answers; raises ConnectionError when it does not in time."""
        try:
            await asyncio.to_thread(self._kafka.list_topics, timeout=timeout_s)
        except KafkaException as error:
            raise ConnectionError(f"Kafka does not answer: {error}") from error
        self._look()

    def send(self, topic: str, value: bytes, *, key: bytes, headers: Headers, awaited: bool) -> "asyncio.Future[None]":
        """Queue a record for the partition of its key (murmur2); the future ends when all replicas in sync have it.

        Unless the future is `awaited` it may end up to LOOK_EVERY_S later. Raises NotTaken and Broken; the future, NotAcknowledged.
        """
        if self._broken is not None:
            raise self._broken
        acked: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def told(error: KafkaError | None, _message: object) -> None:
            self._end(acked, None if error is None else NotAcknowledged(error.str()))

        try:
            self._kafka.produce(
                topic,
                value=value,
                key=key,
                headers=headers,  # type: ignore[arg-type]  # invariant there, and only read
                on_delivery=told,
            )
        except (KafkaException, BufferError) as error:
            raise NotTaken(str(error)) from error
        (self._awaited if awaited else self._under_way).add(acked)
        due_s = AWAITED_EVERY_S if awaited else LOOK_EVERY_S
        if self._looking is None or self._looking.when() - asyncio.get_running_loop().time() > due_s:
            self._look_in(due_s)
        return acked

    async def stop(self, *, timeout_s: float) -> None:
        """Let what is on its way arrive, within bounds; what has not arrived then is NotAcknowledged."""
        if self._awaited or self._under_way:
            await asyncio.wait(self._awaited | self._under_way, timeout=timeout_s)
        if self._looking is not None:
            self._looking.cancel()
        self._kafka.purge()
        self._end_all(NotAcknowledged("the process ends"))

    def _look_in(self, delay_s: float) -> None:
        if self._looking is not None:
            self._looking.cancel()
        self._looking = asyncio.get_running_loop().call_later(delay_s, self._look)

    def _look(self) -> None:
        try:
            self._kafka.poll(0)
        except (KafkaException, SystemError) as error:
            # After a fatal error the client calls the next callback with its exception still set: a SystemError.
            self._broken = Broken(str(error.__cause__ or error))
            self._end_all(self._broken)
            self._fatal(self._broken)
        else:
            self._look_in(AWAITED_EVERY_S if self._awaited else LOOK_EVERY_S if self._under_way else IDLE_S)

    def _end(self, acked: "asyncio.Future[None]", error: NotAcknowledged | None) -> None:
        self._awaited.discard(acked)
        self._under_way.discard(acked)
        if acked.done():
            return
        if error is None:
            acked.set_result(None)
        else:
            acked.set_exception(error)
            acked.exception()  # Read here: nobody may be waiting any more.

    def _end_all(self, error: NotAcknowledged) -> None:
        for acked in self._awaited | self._under_way:
            self._end(acked, error)
