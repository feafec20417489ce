"""clock: says CloseAuction when the time of an auction is up. Run: python -m producers.clock

Any number of clocks may run: what they say about one end of one auction at one attempt has one id, so bids hears it once.
A clock decides nothing. bids judges by the broker's time; an auction that it did not close, because a clock was ahead or a
message was lost, is told again a second later, then two, four ... up to a minute.
"""

import asyncio
import signal
import sys
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog
import uvloop
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, OutOfOrderSequenceNumber, ProducerFenced
from prometheus_client import Counter, Gauge, Histogram

from compose.settings import ConfigurationError, Settings, load
from consumers.runtime import logs, readiness
from consumers.runtime.health import Health
from consumers.runtime.outage import Backoff, is_fatal, is_outage
from producers.agenda import Agenda, End, command_id
from schemas.envelope import Actor, command_headers, print_time, time_ms
from schemas.registry import BY_NAME
from topics.catalog import AUCTION_COMMANDS

log = structlog.get_logger("clock")

AHEAD_S: Final = 2.0
"""How far ahead ends are read."""

LOOK_EVERY_S: Final = 0.25
SAY_EVERY_S: Final = 0.01
"""Ends closer together than this are said together: under load one turn per end would cost more than the closing."""

SWEEP_EVERY_S: Final = 0.5
"""How often everything that should be closed by now is read again: before a second attempt is due."""

PAGE: Final = 5_000
SAID_WITHIN_S: Final = 10.0
STOPPED_WITHIN_S: Final = 2.0
STATEMENT_WITHIN_S: Final = 10.0
STALLED_AFTER_S: Final = 30.0

SAID = Counter("clock_closes_said_total", "CloseAuction commands sent.", ("again",))
LATE = Histogram(
    "clock_late_seconds",
    "From the end of an auction until its first CloseAuction is with the broker.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60),
)
UPCOMING = Gauge("clock_upcoming", "Auctions known to end soon.")

DUE = """
    SELECT auction_id, ends_at FROM bids.due
     WHERE (ends_at, auction_id) > ($1, $2) AND ends_at <= $3
     ORDER BY ends_at, auction_id LIMIT $4
"""

Place = tuple[datetime, UUID]
_START: Final[Place] = (datetime(1970, 1, 1, tzinfo=UTC), UUID(int=0))
_CLOSE: Final = BY_NAME["CloseAuction"]
_ACTOR: Final = Actor("clock", ("system",))


class Clock:
    """Reads ends ahead from bids' view and says CloseAuction at each."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._agenda = Agenda()
        self._read_up_to = _START
        self._looked_at = self._swept_at = float("-inf")
        self._alive_at = time.monotonic()
        self._started = False
        self._backoff = Backoff()

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set; raises what only a new process can cure."""
        settings = self._settings
        health = Health(trouble=self._trouble, waiting=self._waiting)
        await health.start(settings.internal_host, settings.internal_port)
        url = settings.database_url("clock")
        await readiness.wait_for_postgres(settings, url)
        await readiness.wait_for_topics(settings, [AUCTION_COMMANDS.name])
        producer = AIOKafkaProducer(
            bootstrap_servers=settings.kafka_bootstrap,
            client_id=f"clock-{settings.worker_slot}",
            acks="all",
            enable_idempotence=True,
            linger_ms=2,
            max_batch_size=1 << 18,
            request_timeout_ms=6_000,
        )
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=1,
            command_timeout=STATEMENT_WITHIN_S,
            server_settings={"application_name": "clock"},
        )
        await producer.start()
        self._started = True
        log.info("started", slot=settings.worker_slot)
        try:
            while not stop.is_set():
                await self._turn(pool, producer)
                await _wait(stop, self._pause_s())
        finally:
            with suppress(TimeoutError):
                await asyncio.wait_for(producer.stop(), STOPPED_WITHIN_S)
            pool.terminate()
            await health.stop()

    async def _turn(self, pool: asyncpg.Pool, producer: AIOKafkaProducer) -> None:
        try:
            await self._look(pool)
            await self._say(producer)
        except (KafkaError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            if is_fatal(error) or not is_outage(error):
                raise
            await self._backoff.wait(error, "PostgreSQL or Kafka")
        else:
            self._backoff.reset()
        self._alive_at = time.monotonic()

    async def _look(self, pool: asyncpg.Pool) -> None:
        """Read the ends that came into sight, and from time to time all that are past."""
        now = time.monotonic()
        if now - self._looked_at < LOOK_EVERY_S:
            return
        horizon = datetime.now(UTC) + timedelta(seconds=AHEAD_S)
        if now - self._swept_at >= SWEEP_EVERY_S:
            self._agenda.keep_only(await self._read(pool, _START, horizon), until_ms=_ms(horizon))
            self._swept_at = now
        else:
            self._agenda.learn(await self._read(pool, self._read_up_to, horizon))
        self._looked_at = now
        UPCOMING.set(len(self._agenda))

    async def _read(self, pool: asyncpg.Pool, after: Place, horizon: datetime) -> list[End]:
        ends: list[End] = []
        while rows := await pool.fetch(DUE, *after, horizon, PAGE):
            ends += [End(row["auction_id"], _ms(row["ends_at"])) for row in rows]
            after = (rows[-1]["ends_at"], rows[-1]["auction_id"])
            if len(rows) < PAGE:
                break
        self._read_up_to = after
        return ends

    async def _say(self, producer: AIOKafkaProducer) -> None:
        due = self._agenda.due(time_ms())
        if not due:
            return
        try:
            async with asyncio.timeout(SAID_WITHIN_S):
                sent = [await producer.send(AUCTION_COMMANDS.name, **message(end, attempt)) for end, attempt in due]
                await asyncio.gather(*sent)
        except BaseException:
            self._agenda.unsaid(due)
            raise
        now_ms = time_ms()
        for end, attempt in due:
            SAID.labels(again="yes" if attempt else "no").inc()
            if attempt == 0:
                LATE.observe((now_ms - end.at_ms) / 1000)

    def _pause_s(self) -> float:
        next_ms = self._agenda.next_ms()
        if next_ms is None:
            return LOOK_EVERY_S
        return min(LOOK_EVERY_S, max(SAY_EVERY_S, (next_ms - time_ms()) / 1000))

    def _trouble(self) -> dict[str, str]:
        silent_s = time.monotonic() - self._alive_at
        return {"clock": f"has not looked for {silent_s:.0f} s"} if self._started and silent_s > STALLED_AFTER_S else {}

    def _waiting(self) -> dict[str, str]:
        return {} if self._started else {"clock": "not started yet"}


def message(end: End, attempt: int) -> dict[str, Any]:
    """The record of a CloseAuction: key, value and headers."""
    name, at = command_id(end, attempt), print_time(time_ms())
    key = str(end.auction_id).encode()
    value = (
        f'{{"commandId":"{name}","commandType":"CloseAuction","timestamp":"{at}",'
        f'"data":{{"endTime":"{print_time(end.at_ms)}"}}}}'
    )
    headers = command_headers(
        command_id=name,
        ce_type=_CLOSE.ce_type,
        source="/clock",
        subject=str(end.auction_id),
        schema=_CLOSE.schema,
        at=at,
        actor=_ACTOR,
        correlation_id=str(name),
    )
    return {"key": key, "value": value.encode(), "headers": headers}


def _ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def _run(settings: Settings) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Clock(settings).run(stop)


def main() -> int:
    """Run the clock as a process of its own; returns the exit code."""
    try:
        settings = load("clock")
    except ConfigurationError as error:
        print(f"clock: {error}", file=sys.stderr)
        return 2
    logs.configure("clock", settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(_run(settings))
        except (readiness.NotThere, OutOfOrderSequenceNumber, ProducerFenced, OSError) as error:
            log.critical("cannot run", reason=f"{type(error).__name__}: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
