"""One worker process: waits for what it needs, migrates its schema, runs its inboxes and job runners, stops in order."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import structlog
import uvloop
from aiokafka import AIOKafkaProducer
from faststream.kafka import KafkaBroker

from compose.serve import spare_the_collector
from compose.settings import ConfigurationError, Role, Settings, load
from consumers.runtime import faultpoints, logs, readiness
from consumers.runtime.assignment import Assignment
from consumers.runtime.commit import Commit
from consumers.runtime.dead import REQUEST_BYTES_MAX, DeadLetters
from consumers.runtime.health import Health
from consumers.runtime.inbox import Inbox
from consumers.runtime.incoming import Reading
from consumers.runtime.jobs import JobRunner, Shift
from consumers.runtime.ledger import Tools
from consumers.runtime.messages import Database
from consumers.runtime.migrate import MigrationChanged, migrate
from consumers.runtime.outage import FatalToProducer
from consumers.runtime.outcomes import Outcomes
from consumers.runtime.subscription import broker_of, subscribe
from producers.publish import Publisher, Replies
from topics.catalog import REPLIES, dead_letter_topic

log = structlog.get_logger("worker")

STOPPED_WITHIN_S = 4.5
CONNECTIONS_MAX = 8
STATEMENT_WITHIN_S = 15
BATCH_BYTES_MAX = 1 << 20
STALLED_AFTER_S = 90.0
WATCH_EVERY_S = 5.0
RUNNER_SILENT_MAX_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What one worker process consists of."""

    name: Role
    schema: str
    """Its own Postgres schema; the runtime's tables stand there too."""
    sql: Path
    """The folder of its `.sql` files: numbered ones run once, in order; the others at each start whose text is new."""
    inboxes: Sequence[Inbox] = ()
    runners: Sequence[JobRunner] = ()
    before: Callable[[Database], Awaitable[None]] | None = None
    """Run after the migrations, before the first message (fill a view, open a client)."""
    after: Callable[[], Awaitable[None]] | None = None
    """Run at the end (close a client)."""
    alongside: Callable[[Database], Coroutine[Any, Any, None]] | None = None
    """Runs as long as the worker does; if it ends, so does the process."""
    replies_topic: str = REPLIES.name

    def __post_init__(self) -> None:
        if sum(inbox.commands for inbox in self.inboxes) > 1:
            raise ValueError(f"worker {self.name}: one log, so one inbox of commands")
        if len({inbox.topic for inbox in self.inboxes}) != len(self.inboxes):
            raise ValueError(f"worker {self.name}: one stored offset per topic, so one inbox per topic")

    @property
    def topics(self) -> list[str]:
        """Every topic it reads or writes."""
        names = {inbox.topic for inbox in self.inboxes}
        names |= {dead_letter_topic(inbox.topic, inbox.group) for inbox in self.inboxes}
        names |= {inbox.events_topic for inbox in self.inboxes if inbox.events_topic is not None}
        if any(inbox.commands for inbox in self.inboxes):
            names.add(self.replies_topic)
        return sorted(names)


class Stalled(Exception):
    """The consumer hangs; a new process gets a new one."""


class Running:
    """The parts of a running worker, and why it should end."""

    def __init__(self, worker: Worker, settings: Settings) -> None:
        self._worker = worker
        self._settings = settings
        self._source = f"/{worker.name}"
        self._assignments: list[Assignment] = []
        self._shifts: dict[str, Shift] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._started = False
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._claims = asyncio.Semaphore(CONNECTIONS_MAX // 2)
        self._broker: KafkaBroker | None = None
        self._replies: Replies | None = None
        self._producers: list[AIOKafkaProducer] = []
        self._db: Database | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set, then stop within STOPPED_WITHIN_S; raises what makes going on impossible."""
        health = Health(trouble=self._trouble, waiting=self._waiting)
        await health.start(self._settings.internal_host, self._settings.internal_port)
        try:
            await self._until(stop, self._start())
            if not stop.is_set():
                log.info("started", slot=self._settings.worker_slot)
                spare_the_collector()
                await self._until(stop, self._watch())
        finally:
            log.info("stopping")
            stopping = asyncio.create_task(self._stop())
            _, late = await asyncio.wait([stopping], timeout=STOPPED_WITHIN_S)
            await health.stop()
            log.info("stopped", cut_off=bool(late))

    def leave(self) -> None:
        """When it stops it will not come back under its name: the others need not wait for it."""
        for assignment in self._assignments:
            assignment.leaves = True

    async def _until(self, stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
        working = asyncio.create_task(work)
        stopping = asyncio.create_task(stop.wait())
        try:
            ends: list[asyncio.Future[Any]] = [working, stopping, self._broken]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._broken.done():
                self._broken.result()
            if working.done():
                working.result()
        finally:
            for task in (working, stopping):
                task.cancel()
            await asyncio.gather(working, stopping, return_exceptions=True)

    async def _start(self) -> None:
        worker = self._worker
        db, (producer, replier) = await asyncio.gather(self._open_store(), self._open_broker())
        if worker.before is not None:
            await worker.before(db)
        self._shifts = {runner.kind: Shift(runner, db, producer, source=self._source) for runner in worker.runners}
        await self._subscribe(db, producer, replier)
        self._tasks += [asyncio.create_task(shift.run()) for shift in self._shifts.values()]
        if worker.alongside is not None:
            self._tasks.append(asyncio.create_task(worker.alongside(db)))
        self._started = True

    async def _open_store(self) -> Database:
        worker, settings = self._worker, self._settings
        url = settings.database_url(worker.name)
        await readiness.wait_for_postgres(settings, url)
        await migrate(url, worker.schema, worker.sql)
        return await self._open_pool(url)

    async def _open_broker(self) -> tuple[AIOKafkaProducer, AIOKafkaProducer]:
        await readiness.wait_for_topics(self._settings, self._worker.topics)
        # A producer has one request under way at each broker: replies have their own, or each would wait for events.
        return await asyncio.gather(self._open_producer("events"), self._open_producer("replies"))

    async def _subscribe(self, db: Database, producer: AIOKafkaProducer, replier: AIOKafkaProducer) -> None:
        if not self._worker.inboxes:
            return
        replies = self._replies = Replies(
            replier, topic=self._worker.replies_topic, partitions=self._settings.reply_partitions
        )
        outcomes = Outcomes()
        broker = self._broker = broker_of(self._settings, self._worker.name)
        self._assignments = [
            Assignment(self._tools(inbox, db, producer, replies, outcomes), self._fail)
            for inbox in self._worker.inboxes
        ]
        subscribers = [subscribe(broker, assignment, self._settings) for assignment in self._assignments]
        await broker.connect()
        # broker.start() would start them one after the other, each waiting for its first assignment.
        await asyncio.gather(*(subscriber.start() for subscriber in subscribers))
        self._tasks += [asyncio.create_task(assignment.keep_house()) for assignment in self._assignments]

    def _tools(
        self, inbox: Inbox, db: Database, producer: AIOKafkaProducer, replies: Replies, outcomes: Outcomes
    ) -> Tools:
        return Tools(
            inbox=inbox,
            db=db,
            commit=Commit(inbox.state, inbox.beside),
            publisher=Publisher(producer, topic=inbox.events_topic, kinds=inbox.emits, source=self._source),
            replies=replies,
            dead=DeadLetters(producer, topic=inbox.topic, group=inbox.group),
            outcomes=outcomes,
            reading=Reading(inbox),
            wake_runner=self._wake_runner,
            claims=self._claims,
        )

    def _wake_runner(self, kind: str) -> None:
        shift = self._shifts.get(kind)
        if shift is not None:
            shift.wake()

    async def _open_pool(self, url: str) -> Database:
        pool = self._db = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=CONNECTIONS_MAX,
            command_timeout=STATEMENT_WITHIN_S,
            # asyncpg's own sends a query at each release, in the middle of the reply's way.
            reset=_leave_as_it_is,
            server_settings={
                "search_path": self._worker.schema,
                "application_name": f"{self._worker.name}-{self._settings.worker_slot}",
                "jit": "off",
            },
        )
        return pool

    async def _open_producer(self, purpose: str) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._settings.kafka_bootstrap,
            client_id=f"{self._worker.name}-{self._settings.worker_slot}-{purpose}",
            acks="all",
            enable_idempotence=True,
            linger_ms=0,
            max_batch_size=BATCH_BYTES_MAX,
            max_request_size=REQUEST_BYTES_MAX,
            request_timeout_ms=6_000,
        )
        self._producers.append(producer)
        await producer.start()
        return producer

    async def _watch(self) -> None:
        """End with the first of the worker's tasks that ends, or when an inbox polls no more."""
        while True:
            for task in self._tasks:
                if task.done():
                    task.result()
            if any(producer._sender.sender_task.done() for producer in self._producers):
                raise FatalToProducer("the producer's sender ended")
            for assignment in self._assignments:
                if assignment.silent_s > STALLED_AFTER_S:
                    raise Stalled(f"{assignment.inbox.topic} was not polled for {assignment.silent_s:.0f} s")
            await asyncio.wait(self._tasks, timeout=WATCH_EVERY_S, return_when=asyncio.FIRST_COMPLETED)

    def _fail(self, error: BaseException) -> None:
        if not self._broken.done():
            self._broken.set_exception(error)

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        stopping: list[Awaitable[Any]] = list(self._tasks)
        if self._broker is not None:
            stopping.append(self._broker.stop())
        await asyncio.gather(*stopping, return_exceptions=True)
        if self._replies is not None:
            await self._replies.close()
        for producer in self._producers:
            await producer.stop()
        if self._worker.after is not None:
            await self._worker.after()
        if self._db is not None:
            await self._db.close()

    def _trouble(self) -> dict[str, str]:
        trouble = {
            assignment.inbox.topic: reason
            for assignment in self._assignments
            if (reason := assignment.trouble()) is not None
        }
        trouble |= {
            f"jobs:{kind}": f"has not looked for {shift.silent_s:.0f} s"
            for kind, shift in self._shifts.items()
            if shift.silent_s > RUNNER_SILENT_MAX_S
        }
        return trouble

    def _waiting(self) -> dict[str, str]:
        waiting = {
            assignment.inbox.topic: reason
            for assignment in self._assignments
            if (reason := assignment.waiting()) is not None
        }
        return waiting if self._started else {"start": "not started yet", **waiting}


async def _leave_as_it_is(_connection: Any) -> None:
    pass


async def run_worker(worker: Worker, settings: Settings) -> None:
    """Run a worker until SIGTERM or SIGINT; after SIGUSR1 that stop is for good.

    Raises what makes going on impossible (the supervisor restarts it).
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    running = Running(worker, settings)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, running.leave)
    await running.run(stop)


def start(name: Role, build: Callable[[Settings], Worker]) -> int:
    """Run the worker that `build` makes of the settings, as a process of its own; returns the exit code."""
    try:
        settings = load(name)
        faultpoints.install()
    except (ConfigurationError, ValueError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    logs.configure(name, settings.log_level)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            runner.run(run_worker(build(settings), settings))
        except (readiness.NotThere, MigrationChanged, OSError) as error:
            log.critical("cannot run", reason=str(error))
            code = 1
        except Exception:
            log.critical("died", exc_info=True)
            code = 1
        else:
            code = 0
        # What still hangs (a broker that is away) must not keep the process from ending.
        sys.stdout.flush()
        os._exit(code)
