"""The edge's only door to Kafka: publishes a command and waits for its reply; never says "failed" of what may still happen."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog
from redis.asyncio import Redis

from compose.settings import Settings
from producers.backlog import Backlog
from producers.follower import Heard
from producers.producer import NotAcknowledged, NotTaken, Producer
from producers.reply_partition import LET_GO_S_MAX, Lease, ReplyPartition
from producers.sparingly import Sparingly
from schemas import envelope
from schemas.envelope import Actor, Reply
from schemas.registry import Message
from topics.catalog import AUCTION_COMMANDS, PAYMENT_COMMANDS, USER_COMMANDS

IN_FLIGHT_MAX = 10_000
UNACKED_S_MAX = 2.0
"""A broker that has not acknowledged a command for so long is away: what comes next is refused before it is published."""

SOURCE = "/edge"
APPEND_TIMEOUT_S = 8.0
"""Longer than the broker's own time to answer, shorter than Stripe waits for a webhook's 200."""
CONNECT_TIMEOUT_S = 1.0
STOP_TIMEOUT_S = 1.0
TASKS_END_S = LET_GO_S_MAX + 1.0
RETRY_S = 1.0
log = structlog.get_logger("commands")


class Command(NamedTuple):
    """What is asked of a worker; `data` is the JSON object of its message, `aggregate` its key."""

    message: Message
    command_id: UUID
    aggregate: UUID
    data: bytes
    actor: Actor
    correlation_id: str
    traceparent: str | None = None
    fingerprint: str | None = None
    """SHA-256, hex, of what was asked; given when the sender named an Idempotency-Key."""
    deadline_ms: int | None = None


class Pending(NamedTuple):
    """No answer yet; the command may have been decided or may still be. `reason` is for the log."""

    command_id: UUID
    reason: str


class Unavailable(Exception):
    """Nothing was published; the same command may be sent again after `retry_after_s`."""

    def __init__(self, reason: str, retry_after_s: int = 2) -> None:
        """Say why, in words for an operator."""
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s


class _Asking:
    """One command on its way, how many wait for it, and what they will be told."""

    __slots__ = ("answer", "correlation_id", "fingerprint", "waiting")

    def __init__(self, command: Command, answer: "asyncio.Future[Reply | Pending]") -> None:
        self.correlation_id = command.correlation_id
        self.fingerprint = command.fingerprint
        self.answer = answer
        self.waiting = 0

    def settle(self, answer: Reply | Pending) -> None:
        if not self.answer.done():
            self.answer.set_result(answer)

    def settle_with(self, failure: Unavailable) -> None:
        if not self.answer.done():
            self.answer.set_exception(failure)
            self.answer.exception()  # Read here: the one who asked may be gone.


class Commands:
    """Sends commands and matches replies to those who wait, by command id and by the asker's correlation id."""

    def __init__(self, settings: Settings, redis: Redis, *, fatal: Callable[[BaseException], None]) -> None:
        """`fatal` is told of failures after which the process must end."""
        self._settings = settings
        self._fatal = fatal
        self._asked: dict[bytes, list[_Asking]] = {}
        self._in_flight = 0
        self._unacked: dict[_Asking, float] = {}
        self._producer: Producer | None = None
        self._connected = False
        self._decode = msgspec.json.Decoder(Reply).decode
        self._tasks: list[asyncio.Task[None]] = []
        self._replies = ReplyPartition(
            Lease(redis, settings.reply_partitions),
            bootstrap=settings.kafka_bootstrap,
            take=self._take,
            lost=self._replies_lost,
        )
        self.backlog = Backlog(
            bootstrap=settings.kafka_bootstrap,
            topics=(AUCTION_COMMANDS, USER_COMMANDS, PAYMENT_COMMANDS),
            partitions=settings.partitions,
        )

    async def start(self) -> None:
        """Begin to connect; `ready` says when commands are taken."""
        for work in (self._connect(), self._replies.run(), self.backlog.run()):
            task = asyncio.create_task(work)
            task.add_done_callback(self._ended)
            self._tasks.append(task)

    async def stop(self) -> None:
        """Stop within 5 s: who still waits is told that the outcome is pending."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=TASKS_END_S)
        self.give_up("stopping")
        if self._producer is not None:
            await self._producer.stop(timeout_s=STOP_TIMEOUT_S)

    @property
    def in_flight(self) -> int:
        """Commands that somebody waits for."""
        return self._in_flight

    @property
    def trouble(self) -> str | None:
        """Why no command is taken now, in words for an operator; None when all is well."""
        if not self._connected:
            return "Kafka's producer is not connected"
        if not self._replies.ready:
            return "replies are not read yet"
        if not self.backlog.reachable:
            return "Kafka does not answer"
        oldest = next(iter(self._unacked.values()), None)
        if oldest is not None and time.monotonic() - oldest > UNACKED_S_MAX:
            return "Kafka does not acknowledge commands"
        return None

    @property
    def ready(self) -> bool:
        """Whether commands are taken and their replies read."""
        return self.trouble is None

    async def ask(self, command: Command, *, wait_s: float) -> Reply | Pending:
        """Publish a command and wait for its reply; equal commands in flight share one wait.

        Raises Unavailable when nothing was published.
        """
        key = str(command.command_id).encode()
        asking = self._joined(key, command)
        joins = asking is not None
        if asking is None:
            self._admit(command.message.topic)
            asking = self._enter(key, command)
        asking.waiting += 1
        try:
            if not joins:
                self._publish(command, asking)
            await asyncio.wait((asking.answer,), timeout=wait_s)
            return asking.answer.result() if asking.answer.done() else Pending(command.command_id, "deadline")
        finally:
            asking.waiting -= 1
            if not asking.waiting:
                self._forget(key, asking)

    async def append(self, command: Command) -> None:
        """Publish a command whose outcome nobody waits for, and wait until the broker holds it.

        Raises Unavailable when it may not have been published; the same command may be sent again.
        """
        self._admit(command.message.topic)
        try:
            async with asyncio.timeout(APPEND_TIMEOUT_S):
                # Shielded: the record is on its way also when we wait no longer.
                await asyncio.shield(self._send(command, reply_partition=None))
        except (NotTaken, NotAcknowledged, TimeoutError) as error:
            raise Unavailable(f"Kafka does not take commands: {error!r}") from error
        self.backlog.heard()

    def _joined(self, key: bytes, command: Command) -> _Asking | None:
        if command.fingerprint is None:
            return None
        same = (asking for asking in self._asked.get(key, ()) if asking.fingerprint == command.fingerprint)
        return next(same, None)

    def _admit(self, topic: str) -> None:
        if self._in_flight >= IN_FLIGHT_MAX:
            raise Unavailable(f"{self._in_flight} commands are in flight", 1)
        if (trouble := self.trouble) is not None:
            raise Unavailable(trouble)
        if self.backlog.lags(topic):
            raise Unavailable(f"{self.backlog.lag(topic)} commands wait on {topic}", 5)

    def _enter(self, key: bytes, command: Command) -> _Asking:
        asking = _Asking(command, asyncio.get_running_loop().create_future())
        self._asked.setdefault(key, []).append(asking)
        self._in_flight += 1
        return asking

    def _forget(self, key: bytes, asking: _Asking) -> None:
        self._in_flight -= 1
        others = self._asked[key]
        others.remove(asking)
        if not others:
            del self._asked[key]

    def _send(self, command: Command, *, reply_partition: int | None) -> "asyncio.Future[None]":
        """Hand the command to the producer; the future says whether the broker took it."""
        assert self._producer is not None
        at = envelope.print_time(envelope.time_ms())
        subject = str(command.aggregate)
        message = command.message
        value = b'{"commandId":"%b","commandType":"%b","timestamp":"%b","data":%b}' % (
            str(command.command_id).encode(),
            message.name.encode(),
            at.encode(),
            command.data,
        )
        headers = envelope.command_headers(
            command_id=command.command_id,
            ce_type=message.ce_type,
            source=SOURCE,
            subject=subject,
            schema=message.schema,
            at=at,
            actor=command.actor,
            correlation_id=command.correlation_id,
            traceparent=command.traceparent,
            reply_partition=reply_partition,
            deadline_ms=command.deadline_ms,
            fingerprint=command.fingerprint,
        )
        return self._producer.send(
            message.topic, value, key=subject.encode(), headers=headers, awaited=reply_partition is None
        )

    def _publish(self, command: Command, asking: _Asking) -> None:
        """Publish for those who wait; whether the broker took it is told later, to `_acked`."""
        try:
            acked = self._send(command, reply_partition=self._replies.partition)
        except (NotTaken, NotAcknowledged) as error:
            asking.settle_with(Unavailable(f"Kafka does not take commands: {error!r}"))
        else:
            self._unacked[asking] = time.monotonic()
            acked.add_done_callback(lambda future: self._acked(asking, command, future))

    def _acked(self, asking: _Asking, command: Command, acked: "asyncio.Future[None]") -> None:
        self._unacked.pop(asking, None)
        error = None if acked.cancelled() else acked.exception()
        if error is None:
            self.backlog.heard()
            return
        # The record may stand on the topic all the same: the outcome is unknown, not "failed".
        log.error("a command was not acknowledged", command_id=str(command.command_id), reason=repr(error))
        asking.settle(Pending(command.command_id, "unknown"))

    def _take(self, record: Heard) -> None:
        asked = self._asked.get(record.key)
        if asked is None:
            return
        # One id may be in flight twice, with two bodies: the correlation id says whose answer this is.
        correlation_id = envelope.header(record.headers, envelope.CORRELATION_ID)
        asking = next((one for one in asked if one.correlation_id == correlation_id), None)
        if asking is None:
            return
        try:
            asking.settle(self._decode(record.value))
        except msgspec.MsgspecError as error:
            log.error("a reply cannot be read", correlation_id=correlation_id, reason=repr(error))

    def _replies_lost(self) -> None:
        self.give_up("replies are read anew")

    def give_up(self, reason: str) -> None:
        """Tell everyone who waits that the outcome is pending."""
        for key, asked in self._asked.items():
            for asking in asked:
                asking.settle(Pending(UUID(key.decode()), reason))

    async def _connect(self) -> None:
        sparingly = Sparingly()
        producer = self._producer = Producer(self._settings.kafka_bootstrap, client_id="edge", fatal=self._fatal)
        while not self._connected:
            try:
                await producer.start(timeout_s=CONNECT_TIMEOUT_S)
                self._connected = True
            except ConnectionError as error:
                if sparingly.due():
                    log.warning("waiting for Kafka", bootstrap=self._settings.kafka_bootstrap, reason=repr(error))
                await asyncio.sleep(RETRY_S)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fatal(error)
