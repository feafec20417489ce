"""Effects on the outside world: a job is written with the decision, and done by a runner that holds a lease on it."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import structlog
from aiokafka import AIOKafkaProducer

from consumers.runtime import faultpoints, metrics
from consumers.runtime.messages import Database, Job, OutCommand, Write
from consumers.runtime.outage import Backoff, is_outage
from schemas import envelope

log = structlog.get_logger("jobs")

ENQUEUE = """
    INSERT INTO jobs (id, kind, payload, run_after, correlation_id, traceparent)
    VALUES ($1, $2, $3, now() + $4 * interval '1 second', $5, $6)
        ON CONFLICT (id) DO NOTHING
"""

CLAIM = """
    UPDATE jobs SET lease_until = now() + $3 * interval '1 second', leased_by = $2, attempts = attempts + 1
     WHERE id IN (
           SELECT id FROM jobs
            WHERE kind = $1 AND done_at IS NULL AND failed_at IS NULL AND run_after <= now()
              AND (lease_until IS NULL OR lease_until < now()) AND id <> ALL($4)
            ORDER BY run_after LIMIT $5 FOR UPDATE SKIP LOCKED)
    RETURNING id, kind, payload, attempts, correlation_id, traceparent
"""

EXTEND = """
    UPDATE jobs SET lease_until = now() + $3 * interval '1 second'
     WHERE id = ANY($1) AND leased_by = $2 AND done_at IS NULL AND failed_at IS NULL
    RETURNING id
"""

FINISH = """
    UPDATE jobs SET done_at = now(), lease_until = NULL, leased_by = NULL
     WHERE id = $1 AND leased_by = $2
"""

GIVE_UP = """
    UPDATE jobs SET failed_at = now(), lease_until = NULL, leased_by = NULL, last_error = $3
     WHERE id = $1 AND leased_by = $2
"""

TRY_LATER = """
    UPDATE jobs SET run_after = now() + $4 * interval '1 second', lease_until = NULL, leased_by = NULL, last_error = $3
     WHERE id = $1 AND leased_by = $2
"""

HAND_BACK = """
    UPDATE jobs SET lease_until = NULL, leased_by = NULL, attempts = attempts - 1
     WHERE id = ANY($1) AND leased_by = $2
"""

FORGET = """
    DELETE FROM jobs WHERE kind = $1 AND done_at < now() - interval '30 days'
"""

LOOK_EVERY_S = 1.0
FORGET_EVERY_S = 3_600.0
STOP_WITHIN_S = 3.0


def enqueue(*jobs: Job) -> list[Write]:
    """The writes that make jobs due in the transaction that decides them; a job that stands already stays as it is."""
    by_kind: dict[str, list[Job]] = {}
    for job in jobs:
        by_kind.setdefault(job.kind, []).append(job)
    return [
        Write(
            ENQUEUE,
            [(j.id, j.kind, j.payload, j.delay_s, j.correlation_id, j.traceparent) for j in group],
            wakes=kind,
        )
        for kind, group in by_kind.items()
    ]


class Claimed(NamedTuple):
    """A job that this process may do now; `attempt` counts from 1."""

    id: UUID
    kind: str
    payload: bytes
    attempt: int
    correlation_id: str | None
    traceparent: str | None


class Done(NamedTuple):
    """What follows from a job: commands are sent first, then the writes go with its end in one transaction."""

    writes: Sequence[Write] = ()
    commands: Sequence[OutCommand] = ()


class TryAgain(Exception):
    """The job did not succeed this time; `after_s` is when the provider asked to come back, if it did."""

    def __init__(self, reason: str, *, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class GiveUp(Exception):
    """The job can never succeed (the provider refused for good)."""


class LeaseLost(Exception):
    """Another runner holds the job now; nothing of this attempt may be recorded."""


async def nothing_follows(_job: Claimed, _reason: str) -> Done:
    """What follows from a job given up, unless its runner says otherwise."""
    return Done()


@dataclass(frozen=True, kw_only=True)
class JobRunner:
    """Does the jobs of one kind. `act` must give the provider the job's id as idempotency key: it may run twice."""

    kind: str
    act: Callable[[Claimed], Awaitable[Done]]
    gave_up: Callable[[Claimed, str], Awaitable[Done]] = nothing_follows
    concurrency: int = 4
    lease_s: float = 30
    """A job whose runner died is taken up by another after at most so long."""
    attempts_max: int = 10
    first_delay_s: float = 1
    longest_delay_s: float = 600


class Shift:
    """One process's turn at the jobs of one kind."""

    def __init__(self, runner: JobRunner, db: Database, producer: AIOKafkaProducer, *, source: str) -> None:
        self.runner = runner
        self._db = db
        self._producer = producer
        self._source = source
        self._me = uuid.uuid4()
        self._running: dict[UUID, asyncio.Task[None]] = {}
        self._look = asyncio.Event()
        self.looked_at = asyncio.get_running_loop().time()
        """When the queue was last read with success, on the loop's clock."""

    @property
    def silent_s(self) -> float:
        """How long ago it looked for due jobs with success."""
        return asyncio.get_running_loop().time() - self.looked_at

    def wake(self) -> None:
        """Look for due jobs now."""
        self._look.set()

    async def run(self) -> None:
        """Claim and do jobs until cancelled; then what runs may end within STOP_WITHIN_S, the rest is handed back."""
        heartbeat = asyncio.create_task(self._keep_leases())
        try:
            await self._claim_for_ever()
        finally:
            await self._stop()
            heartbeat.cancel()

    async def _claim_for_ever(self) -> None:
        backoff = Backoff()
        forget_at = 0.0
        loop = asyncio.get_running_loop()
        while True:
            self._look.clear()
            try:
                if loop.time() >= forget_at:
                    await self._db.execute(FORGET, self.runner.kind)
                    forget_at = loop.time() + FORGET_EVERY_S
                await self._claim()
            except Exception as error:
                if not is_outage(error):
                    raise
                await backoff.wait(error, "PostgreSQL", kind=self.runner.kind)
                continue
            backoff.reset()
            self.looked_at = loop.time()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._look.wait(), LOOK_EVERY_S)

    async def _claim(self) -> None:
        free = self.runner.concurrency - len(self._running)
        if free <= 0:
            return
        rows = await self._db.fetch(CLAIM, self.runner.kind, self._me, self.runner.lease_s, list(self._running), free)
        for row in rows:
            job = Claimed(*row)
            self._running[job.id] = task = asyncio.create_task(self._do(job))
            task.add_done_callback(partial(self._ended, job.id))

    def _ended(self, job_id: UUID, _task: asyncio.Task[None]) -> None:
        self._running.pop(job_id, None)
        self._look.set()

    async def _do(self, job: Claimed) -> None:
        try:
            faultpoints.hit("job-claimed")
            done = await self.runner.act(job)
            faultpoints.hit("job-acted")
            await self._finish(job, done, FINISH)
            metrics.JOBS.labels(job.kind, "done").inc()
        except LeaseLost:
            log.warning("lease lost", job=str(job.id), kind=job.kind)
        except GiveUp as error:
            await self._fail(job, str(error))
        except TryAgain as error:
            await self._later(job, str(error), error.after_s)
        except Exception as error:  # Whatever a provider's SDK raises, the job comes again.
            log.warning("job failed", job=str(job.id), kind=job.kind, error=type(error).__name__, exc_info=True)
            await self._later(job, type(error).__name__, None)

    async def _finish(self, job: Claimed, done: Done, how: str, *reason: str) -> None:
        async with asyncio.timeout(self.runner.lease_s):
            # Handed over in order, acknowledged together: a job may have hundreds.
            sent = [await self._send(job, command) for command in done.commands]
            await asyncio.gather(*sent)
        faultpoints.hit("job-told")
        async with self._db.acquire() as connection, connection.transaction():
            if await connection.execute(how, job.id, self._me, *reason) != "UPDATE 1":
                raise LeaseLost
            for write in done.writes:
                await connection.executemany(write.sql, write.rows)

    async def _fail(self, job: Claimed, reason: str) -> None:
        log.error("job given up", job=str(job.id), kind=job.kind, attempt=job.attempt, reason=reason)
        try:
            await self._finish(job, await self.runner.gave_up(job, reason), GIVE_UP, reason)
            metrics.JOBS.labels(job.kind, "given_up").inc()
        except Exception as error:  # noqa: BLE001 - the lease runs out and the job comes again.
            log.warning("job not closed", job=str(job.id), kind=job.kind, error=type(error).__name__)

    async def _later(self, job: Claimed, reason: str, after_s: float | None) -> None:
        if job.attempt >= self.runner.attempts_max:
            await self._fail(job, reason)
            return
        longest = min(self.runner.longest_delay_s, self.runner.first_delay_s * 2 ** (job.attempt - 1))
        delay_s = after_s if after_s is not None else longest * random.uniform(0.5, 1)  # noqa: S311
        metrics.JOBS.labels(job.kind, "again").inc()
        try:
            await self._db.execute(TRY_LATER, job.id, self._me, reason, delay_s)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            log.warning("job not put back", job=str(job.id), kind=job.kind, error=type(error).__name__)

    async def _send(self, job: Claimed, command: OutCommand) -> "asyncio.Future[Any]":
        at = envelope.print_time(envelope.time_ms())
        value = b'{"commandId":"%b","commandType":"%b","timestamp":"%b","data":%b}' % (
            str(command.id).encode(),
            command.type.encode(),
            at.encode(),
            command.data,
        )
        headers = envelope.command_headers(
            command_id=command.id,
            ce_type=command.ce_type,
            source=self._source,
            subject=str(command.aggregate),
            schema=command.schema,
            at=at,
            actor=envelope.Actor("platform", ("system",)),
            correlation_id=job.correlation_id or str(job.id),
            traceparent=job.traceparent,
        )
        key = str(command.aggregate).encode()
        sent: asyncio.Future[Any] = await self._producer.send(command.topic, value, key=key, headers=headers)
        return sent

    async def _keep_leases(self) -> None:
        while True:
            await asyncio.sleep(self.runner.lease_s / 3)
            asked = dict(self._running)
            if not asked:
                continue
            try:
                held = await self._db.fetch(EXTEND, list(asked), self._me, self.runner.lease_s)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("leases not extended", kind=self.runner.kind, error=type(error).__name__)
                continue
            kept = {row["id"] for row in held}
            # Of those that were asked about: what was claimed meanwhile is not lost.
            for job_id, task in asked.items():
                if job_id not in kept and not task.done():
                    log.warning("lease lost", job=str(job_id), kind=self.runner.kind)
                    task.cancel()

    async def _stop(self) -> None:
        running = dict(self._running)
        if not running:
            return
        _, late = await asyncio.wait(running.values(), timeout=STOP_WITHIN_S)
        for task in late:
            task.cancel()
        back = [job_id for job_id, task in running.items() if task in late]
        if back:
            await asyncio.wait(late, timeout=1)
            with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError):
                await self._db.execute(HAND_BACK, back, self._me)
