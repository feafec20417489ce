"""Telling an outage (wait and try again) from a bug (park the key), and waiting longer the longer it lasts."""

import asyncio
import random
import sys
import time

import asyncpg
import structlog
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    KafkaError,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownProducerId,
)
from asyncpg import exceptions as pg

log = structlog.get_logger("outage")

SHORTEST_S = 0.05
LONGEST_S = 30.0
SAY_EVERY_S = 3.0

_TRANSIENT_SQLSTATES = (
    "08",  # connection
    "40",  # serialization failure, deadlock
    "53",  # insufficient resources: disk full, too many connections
    "55",  # lock not available, object in use
    "57",  # operator intervention: shutdown, crash, query cancelled
    "58",  # system error
)


class FatalToProducer(Exception):
    """The producer lost its place in the sequence of a partition; only a new process has a clean one."""


_FATAL = (
    FatalToProducer,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownProducerId,
)


def is_fatal(error: BaseException) -> bool:
    """Whether only a new process can help."""
    return isinstance(error, _FATAL)


def is_outage(error: BaseException) -> bool:
    """Whether Postgres, Kafka or Redis was away or too slow: the same work will succeed later."""
    if isinstance(error, pg.PostgresError):
        return (error.sqlstate or "").startswith(_TRANSIENT_SQLSTATES)
    if isinstance(error, asyncpg.InterfaceError):
        # A bug (wrong arguments) and a lost connection share this class; only the second can pass.
        return not isinstance(error, ValueError) and "connection" in str(error).lower()
    return isinstance(error, KafkaError | OSError | TimeoutError) or _is_redis_away(error)


def _is_redis_away(error: BaseException) -> bool:
    redis = sys.modules.get("redis.exceptions")  # Only workers that use Redis pay for its import.
    return redis is not None and isinstance(error, redis.ConnectionError | redis.TimeoutError)


class Backoff:
    """Waits a quarter of the time that the outage has lasted, from 50 ms to 30 s, and says so every few seconds."""

    def __init__(self) -> None:
        self._since: float | None = None
        self._said_at = 0.0

    def reset(self) -> None:
        """The outage is over."""
        if self._since is not None and self._said_at:
            log.info("back again", after_s=round(time.monotonic() - self._since, 1))
        self._since = None
        self._said_at = 0.0

    @property
    def failing_for_s(self) -> float:
        """How long it has been failing."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def delay_s(self) -> float:
        """How long to wait now."""
        longest = min(LONGEST_S, max(SHORTEST_S, self.failing_for_s / 4))
        return longest * random.uniform(0.8, 1.2)  # noqa: S311

    async def wait(self, error: BaseException, what: str, **about: object) -> None:
        """Say what is waited for, at most every few seconds, and wait before the next try."""
        now = time.monotonic()
        if self._since is None:
            self._since = now
        if now - self._said_at >= SAY_EVERY_S:
            self._said_at = now
            # Only of these is the text free of what a message holds.
            reason = str(error)[:200] if isinstance(error, OSError | KafkaError) else None
            log.warning(f"waiting for {what}", error=type(error).__name__, reason=reason, **about)
        await asyncio.sleep(self.delay_s())
