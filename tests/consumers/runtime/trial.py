"""One trial of the runtime: topics and a schema of its own, processes of the counter worker, and what they left behind."""

import asyncio
import json
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from compose.settings import Settings
from schemas import envelope
from tests.consumers.runtime.counter import COUNT_CE_TYPE, Trial
from topics.catalog import dead_letter_topic

ROOT = Path(__file__).parents[3]
PARTITIONS = 3
PATIENCE_S = 30.0


async def until(ask: Callable[[], Awaitable[Any]], *, within_s: float = PATIENCE_S) -> Any:
    """Ask again and again until the answer is true, and return it; fails when that takes too long."""
    give_up_at = time.monotonic() + within_s
    while not (answer := await ask()):
        assert time.monotonic() < give_up_at, f"not within {within_s:.0f} s: {getattr(ask, '__name__', ask)}"
        await asyncio.sleep(0.05)
    return answer


@dataclass
class Process:
    """One process of the counter worker."""

    process: asyncio.subprocess.Process
    port: int
    log: Path

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    async def ended(self, *, within_s: float = 10) -> int:
        """Wait for its end and return its exit code."""
        return await asyncio.wait_for(self.process.wait(), within_s)

    async def get(self, path: str) -> httpx.Response | None:
        """What its internal listener answers, or None while nobody does."""
        async with httpx.AsyncClient() as client:
            with suppress(httpx.HTTPError):
                return await client.get(f"http://127.0.0.1:{self.port}{path}", timeout=2)
        return None

    async def ready(self) -> bool:
        """Whether it may take work."""
        assert self.process.returncode is None, self.log.read_text()[-3000:]
        answer = await self.get("/ready")
        return answer is not None and answer.status_code == 200

    def lines(self) -> list[dict[str, Any]]:
        """Its log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]


@dataclass
class Stage:
    """What a test of the runtime plays on."""

    trial: Trial
    settings: Settings
    owner: asyncpg.Connection
    producer: AIOKafkaProducer
    folder: Path
    processes: list[Process] = field(default_factory=list)

    async def start(self, slot: int = 1, **environment: str) -> Process:
        """Start a process of the worker; it may not be ready yet."""
        port = _free_port()
        log = self.folder / f"worker-{len(self.processes)}.log"
        with log.open("w") as out:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.consumers.runtime.counter",
                cwd=ROOT,
                stdout=out,
                stderr=out,
                env={
                    **os.environ,
                    "TRIAL": self.trial.name,
                    "TRIAL_RINGS": str(self.folder),
                    "TRIAL_FIXED": str(self.folder / "fixed"),
                    "WORKER_SLOT": str(slot),
                    "INTERNAL_PORT": str(port),
                    **environment,
                },
            )
        started = Process(process, port, log)
        self.processes.append(started)
        return started

    async def running(self, slot: int = 1, **environment: str) -> Process:
        """A process of the worker that is ready."""
        process = await self.start(slot, **environment)
        await until(process.ready)
        return process

    async def count(
        self,
        by: int = 1,
        *,
        counter: UUID,
        partition: int | None = None,
        command_id: UUID | None = None,
        fingerprint: bytes | None = None,
        reply_partition: int | None = 0,
        correlation_id: str = "request-1",
        traceparent: str | None = None,
        **data: Any,
    ) -> UUID:
        """Send a command and return its id."""
        command_id = command_id or envelope.new_command_id()
        value = json.dumps(
            {
                "commandId": str(command_id),
                "commandType": "Count",
                "timestamp": "2026-01-01T00:00:00.000Z",
                "data": {"by": by, **data},
            }
        ).encode()
        headers = envelope.command_headers(
            command_id=command_id,
            ce_type=COUNT_CE_TYPE,
            source="/test",
            subject=str(counter),
            schema="none",
            at="2026-01-01T00:00:00.000Z",
            actor=envelope.Actor("anna", ("buyer",)),
            correlation_id=correlation_id,
            traceparent=traceparent,
            reply_partition=reply_partition,
            fingerprint=fingerprint.hex() if fingerprint else None,
        )
        await self.put(value, key=str(counter).encode(), headers=headers, partition=partition)
        return command_id

    async def put(
        self,
        value: bytes | None,
        *,
        key: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
        partition: int | None = None,
    ) -> None:
        """Put anything on the topic of commands."""
        await self.producer.send_and_wait(
            self.trial.commands, value, key=key, headers=list(headers), partition=partition
        )

    async def log(self) -> list[asyncpg.Record]:
        """The rows of the worker's log, in the order of the topic; none while no worker has made it."""
        if await self.owner.fetchval("SELECT to_regclass($1)", f"{self.trial.schema}.log") is None:
            return []
        return await self.owner.fetch(f"SELECT * FROM {self.trial.schema}.log ORDER BY partition, src_offset")

    async def parked(self) -> list[asyncpg.Record]:
        """The keys that are set aside."""
        return await self.owner.fetch(f"SELECT * FROM {self.trial.schema}.parked")

    async def decided(self, *ids: UUID, within_s: float = PATIENCE_S) -> dict[UUID, asyncpg.Record]:
        """The log rows of commands, waited for."""

        async def all_there() -> dict[UUID, asyncpg.Record] | None:
            rows = {row["command_id"]: row for row in await self.log()}
            return rows if rows.keys() >= set(ids) else None

        rows: dict[UUID, asyncpg.Record] = await until(all_there, within_s=within_s)
        return {one: rows[one] for one in ids}

    async def read(self, topic: str) -> list[ConsumerRecord]:
        """Everything on a topic now."""
        consumer = AIOKafkaConsumer(
            topic, bootstrap_servers=self.settings.kafka_bootstrap, group_id=None, auto_offset_reset="earliest"
        )
        await consumer.start()
        try:
            records: list[ConsumerRecord] = []
            for partition, end in sorted((await consumer.end_offsets(consumer.assignment())).items()):
                while await consumer.position(partition) < end:
                    records += (await consumer.getmany(partition, timeout_ms=1000)).get(partition, [])
            return records
        finally:
            await consumer.stop()

    async def events(self) -> list[ConsumerRecord]:
        """Everything on the events topic."""
        return await self.read(self.trial.events)

    async def answers(self, *ids: UUID, at_least: int = 1) -> dict[UUID, list[ConsumerRecord]]:
        """The replies to commands, waited for until each has so many."""

        async def all_there() -> dict[UUID, list[ConsumerRecord]] | None:
            found: dict[UUID, list[ConsumerRecord]] = {one: [] for one in ids}
            for record in await self.read(self.trial.replies):
                if (command_id := UUID(record.key.decode())) in found:
                    found[command_id].append(record)
            return found if all(len(records) >= at_least for records in found.values()) else None

        answers: dict[UUID, list[ConsumerRecord]] = await until(all_there)
        return answers

    async def dead(self, at_least: int = 1) -> list[ConsumerRecord]:
        """The dead letters, waited for until there are so many; markers of redriven ones left out."""

        async def enough() -> list[ConsumerRecord] | None:
            records = [
                record
                for record in await self.read(self.dead_topic)
                if envelope.header(record.headers, "dead-reason") is not None
            ]
            return records if len(records) >= at_least else None

        letters: list[ConsumerRecord] = await until(enough)
        return letters

    @property
    def dead_topic(self) -> str:
        """Name of the dead-letter topic of the commands."""
        return dead_letter_topic(self.trial.commands, self.trial.group)

    async def hold_offsets(self) -> asyncpg.Connection:
        """Hold the rows of the offsets as a process does that was stopped inside its transaction."""
        holder = await asyncpg.connect(self.settings.database_url("cli"))
        await holder.execute(f"BEGIN; UPDATE {self.trial.schema}.offsets SET epoch = epoch")
        return holder

    async def is_cut_off(self, holder: asyncpg.Connection) -> bool:
        """Whether Postgres ended that connection."""
        try:
            await holder.execute("SELECT 1")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            return True
        return False

    async def check_history(self) -> None:
        """What must hold whatever happened; fails with the first thing that does not.

        One outcome per command, sequences without a gap, events on the topic = events in the log (repeats byte for byte),
        totals = what was accepted, the second inbox counted each event once.
        """
        rows = await self.log()
        assert len({row["command_id"] for row in rows}) == len(rows)
        sequences: dict[UUID, list[int]] = {}
        totals: dict[UUID, int] = {}
        logged: dict[str, bytes] = {}
        for row in rows:
            for value in row["events"]:
                told = json.loads(value)
                sequences.setdefault(row["aggregate"], []).append(told["sequence"])
                totals[row["aggregate"]] = totals.get(row["aggregate"], 0) + told["data"]["by"]
                assert told["data"]["total"] == totals[row["aggregate"]]
                logged[told["eventId"]] = value
        for aggregate, seen in sequences.items():
            assert seen == list(range(1, len(seen) + 1)), aggregate
        await until(partial(self._tells, logged))
        stored = await self.owner.fetch(f"SELECT id, total FROM {self.trial.schema}.counter")
        assert {row["id"]: row["total"] for row in stored} == totals

        async def view_is_level() -> bool:
            view = await self.owner.fetch(f"SELECT id, total FROM {self.trial.schema}.seen_total")
            return {row["id"]: row["total"] for row in view} == totals

        await until(view_is_level)

    async def _tells(self, logged: dict[str, bytes]) -> bool:
        """Whether all events of the log are on the topic, a moment after their replies; fails with one that must not be there."""
        told: dict[str, bytes] = {}
        last: dict[bytes, int] = {}
        for record in await self.events():
            read = json.loads(record.value)
            assert told.setdefault(read["eventId"], record.value) == record.value == logged.get(read["eventId"])
            assert read["sequence"] <= last.get(record.key, 0) + 1, "an event came before the one before it"
            last[record.key] = max(last.get(record.key, 0), read["sequence"])
        return told.keys() == logged.keys()


def counter_of(partition: int) -> UUID:
    """A new counter whose commands the test puts on that partition."""
    return UUID(int=uuid4().int & ~0xFF | partition)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@asynccontextmanager
async def staged(settings: Settings, folder: Path) -> AsyncIterator[Stage]:
    """Make the topics of a new trial; at the end kill its processes and remove all that it made."""
    trial = Trial(f"rt-{secrets.token_hex(4)}")
    topics = [
        NewTopic(trial.commands, PARTITIONS, 1, topic_configs={"message.timestamp.type": "LogAppendTime"}),
        NewTopic(trial.events, PARTITIONS, 1),
        NewTopic(trial.replies, 2, 1),
        NewTopic(dead_letter_topic(trial.commands, trial.group), 1, 1, topic_configs={"max.message.bytes": "2097152"}),
        NewTopic(dead_letter_topic(trial.events, trial.viewers), 1, 1),
    ]
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    await admin.create_topics(topics)
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all", max_request_size=2_000_000)
    await producer.start()
    owner = await asyncpg.connect(settings.database_url("cli"))
    stage = Stage(trial, settings, owner, producer, folder)
    try:
        yield stage
    finally:
        for process in stage.processes:
            if process.process.returncode is None:
                process.process.kill()
                await process.ended()
        await producer.stop()
        await owner.execute(f"DROP SCHEMA IF EXISTS {trial.schema} CASCADE")
        await owner.close()
        await admin.delete_topics([topic.name for topic in topics])
        await admin.close()
