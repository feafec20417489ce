"""Where a planted bug plays: a database and topics of its own on the servers of the house, workers as processes of their own."""

import asyncio
import os
import secrets
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import httpx
import psutil
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from compose.settings import Settings
from compose.stack import ROOT
from tests.faults.asking import Asking
from tests.faults.gather import BIDS, all_taken, gather
from tests.faults.history import violations
from tests.faults.house import House, until
from tests.faults.planted import PREFIX_VARIABLE
from topics.catalog import (
    AUCTION_COMMANDS,
    AUCTION_EVENTS,
    PAYMENT_EVENTS,
    REPLIES,
    USER_EVENTS,
    VIDEO_EVENTS,
    dead_letter_topic,
)

PARTITIONS = 2
GROUPS = (
    (AUCTION_COMMANDS, "auction-processors"),
    (AUCTION_EVENTS, "auction-views"),
    (USER_EVENTS, "auction-processors-users"),
    (PAYMENT_EVENTS, "auction-processors-payments"),
    (VIDEO_EVENTS, "auction-processors-videos"),
)
"""What bids reads, and as which groups."""
READY_WITHIN_S = 30.0
SETTLED_WITHIN_S = 6.0
"""A worker without bugs needs far less; one with a bug may never settle, and the checker says what is left undone."""


class Worker:
    """One process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, log: Path) -> None:
        self.process = process
        self._port = port
        self._log = log

    async def ready(self) -> bool:
        """Whether it may take work."""
        assert self.process.returncode is None, self._log.read_text()[-3000:]
        try:
            async with httpx.AsyncClient() as client:
                return (await client.get(f"http://127.0.0.1:{self._port}/ready", timeout=2)).status_code == 200
        except httpx.HTTPError:
            return False

    async def ended(self, *, within_s: float = 10) -> int:
        """Wait for its end and return its exit code."""
        return await asyncio.wait_for(self.process.wait(), within_s)

    async def stopped(self) -> None:
        """Wait until a signal or a fault point has stopped it."""

        async def is_stopped() -> bool:
            return psutil.Process(self.process.pid).status() == psutil.STATUS_STOPPED

        await until(is_stopped, within_s=10, what="the worker stops at its fault point")

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)


class Stage:
    """One scene's database, topics, askers and workers."""

    def __init__(self, settings: Settings, prefix: str, folder: Path, env_file: Path) -> None:
        self.settings = settings
        self.prefix = prefix
        self.folder = folder
        self.owner = BIDS.renamed(prefix)
        self.asking = Asking(settings, prefix=prefix)
        self.workers: list[Worker] = []
        self._env_file = env_file
        self.trigger = folder / "now"
        """The file whose being there lets a fault happen."""

    async def start(self, plant: str, *, slot: int = 1, faults: str = "") -> Worker:
        """Start a worker with a bug; `{now}` in its fault points is the trigger."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        log = self.folder / f"{plant}-{len(self.workers)}.log"
        with log.open("w") as output:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"tests.faults.planted.{plant}"),
                cwd=ROOT,
                stdout=output,
                stderr=output,
                env=os.environ
                | {
                    "MARKETPLACE_ENV": str(self._env_file),
                    "POSTGRES_DATABASE": self.settings.postgres_database,
                    "PARTITIONS": str(PARTITIONS),
                    "REPLY_PARTITIONS": str(PARTITIONS),
                    "INTERNAL_PORT": str(port),
                    "WORKER_SLOT": str(slot),
                    "FAULT_POINTS": faults.format(now=self.trigger),
                    PREFIX_VARIABLE: self.prefix,
                },
            )
        worker = Worker(process, port, log)
        self.workers.append(worker)
        return worker

    async def running(self, plant: str, *, slot: int = 1, faults: str = "") -> Worker:
        """A worker that is ready."""
        worker = await self.start(plant, slot=slot, faults=faults)
        await until(worker.ready, within_s=READY_WITHIN_S, what=f"{plant} is ready")
        return worker

    async def settled(self, *, views: bool = False) -> None:
        """Wait until all is decided, told, answered and shown, or until it is clear that it will not be."""

        async def is_settled() -> bool:
            return not self.asking.unanswered and await all_taken(self.settings, self.owner, views=views)

        with suppress(AssertionError):
            await until(is_settled, within_s=SETTLED_WITHIN_S, what="all is decided, told and answered")

    async def wrong(self, *, settled: bool = True, views: bool = False) -> list[str]:
        """What the checker finds."""
        history = await gather(
            self.settings,
            self.owner,
            answers=self.asking.answers,
            unanswered=self.asking.unanswered,
            views=views,
        )
        assert history.commands, "nothing was asked, so nothing is proven"
        return violations(history, settled=settled)

    @property
    def names(self) -> list[str]:
        """Its topics."""
        return [
            *(self.prefix + topic.name for topic in (*(topic for topic, _ in GROUPS), REPLIES)),
            *(dead_letter_topic(self.prefix + topic.name, self.prefix + group) for topic, group in GROUPS),
        ]


@asynccontextmanager
async def staged(house: House, folder: Path) -> AsyncIterator[Stage]:
    """Make a stage; at the end its workers are killed and all that it made is removed."""
    name = f"planted_{secrets.token_hex(4)}"
    settings = house.settings.model_copy(
        update={"postgres_database": name, "partitions": PARTITIONS, "reply_partitions": PARTITIONS}
    )
    stage = Stage(settings, f"{name}-", folder, house.stack.env_file)
    await _make_database(house.settings, settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.kafka_bootstrap)
    await admin.start()
    try:
        await admin.create_topics([_topic(topic) for topic in stage.names])
        await stage.asking.open()
        yield stage
    finally:
        for worker in stage.workers:
            if worker.process.returncode is None:
                worker.process.kill()
                await worker.ended()
        await stage.asking.close()
        await admin.delete_topics(stage.names)
        await admin.close()
        await _drop_database(house.settings, name)


def _topic(name: str) -> NewTopic:
    append_time = {"message.timestamp.type": "LogAppendTime"} if name.endswith(AUCTION_COMMANDS.name) else {}
    return NewTopic(name, 1 if name.endswith(".dead") else PARTITIONS, 1, topic_configs=append_time)


async def _make_database(owner: Settings, settings: Settings) -> None:
    db = await asyncpg.connect(owner.database_url("cli"))
    try:
        await db.execute(f'CREATE DATABASE "{settings.postgres_database}"')
    finally:
        await db.close()
    db = await asyncpg.connect(settings.database_url("cli"))
    try:
        await db.execute("CREATE SCHEMA bids AUTHORIZATION bids")
    finally:
        await db.close()


async def _drop_database(owner: Settings, name: str) -> None:
    db = await asyncpg.connect(owner.database_url("cli"))
    try:
        await db.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await db.close()
