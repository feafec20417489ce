"""The stack `bench` that all benchmarks run on: its own servers, ports and data, with limits that no load reaches."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
from redis.asyncio import Redis

from compose import envfile, readiness
from compose.programs import Instance, instances, known
from compose.servers.kafka import JAVA_VARIABLE
from compose.settings import Settings, load
from compose.stack import ROOT as ROOT
from compose.stack import Stack, find, replace
from compose.supervision import Supervisor
from topics.catalog import AUCTION_COMMANDS, AUCTION_EVENTS

NAME = "bench"
BROKER_JAVA = "-Xms1g -Xmx1g -XX:+UseG1GC"
"""As in production: the small stack's compiler, chosen for a quick start, leaves the broker slower for good (LOCAL-STACK)."""
SERVERS = ("postgres", "redis", "kafka", "elasticsearch")
READY_S_MAX = 60
LIMITS = {
    "LIMIT_PER_ADDRESS_PER_HOUR": "1000000000",
    "LIMIT_PER_USER_PER_MINUTE": "100000000",
    "LIMIT_LOGIN_PER_MINUTE": "100000000",
}


class Bench:
    """The running stack."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.supervisor = Supervisor(stack)
        os.environ["MARKETPLACE_ENV"] = str(stack.env_file)
        self.settings: Settings = load("cli")
        self.edge: Settings = load("edge")

    def pid(self, name: str) -> int:
        """Process id of an instance (`edge`, `bids-1`, `postgres`)."""
        return int(self.supervisor.states()[name]["pid"])

    def pids(self, *names: str) -> dict[str, int]:
        """Process ids by name; without names, of every process of ours that runs."""
        states = self.supervisor.states()
        chosen = names or [name for name, row in states.items() if row["pid"] and name not in SERVERS]
        return {name: int(states[name]["pid"]) for name in chosen}

    async def only(self, *names: str) -> None:
        """Have exactly these processes of ours run beside the servers: others would take their share of the cores."""
        states = self.supervisor.states()
        ours = [one for one in self._instances() if one.program.kind == "process"]
        for instance in ours:
            if instance.name not in names and states[instance.name]["pid"]:
                await asyncio.to_thread(self.supervisor.stop, instance.name)
        for name in names:
            await self.start(name)

    async def start(self, name: str) -> None:
        """Start an instance and wait until it is ready."""
        await asyncio.to_thread(self.supervisor.start, name)
        await self.ready(name)

    async def stop(self, name: str) -> None:
        """Stop an instance, as gently as supervisor does."""
        await asyncio.to_thread(self.supervisor.stop, name)

    async def ready(self, name: str, *, within_s: float = READY_S_MAX) -> None:
        """Wait until an instance is ready; raises TimeoutError."""
        instance = next(one for one in self._instances() if one.name == name)
        await until(lambda: asyncio.to_thread(self._is_ready, instance), within_s=within_s)

    def _is_ready(self, instance: Instance) -> bool:
        state = self.supervisor.states()[instance.name]
        return not readiness.missing(self.stack, envfile.read(self.stack.env_file), instance, state)

    def _instances(self) -> list[Instance]:
        remembered = self.stack.remembered()
        programs = [known(name) for name in remembered["programs"]]
        return instances(programs, remembered.get("scale", {}))

    @asynccontextmanager
    async def owner(self) -> AsyncIterator[asyncpg.Connection]:
        """A connection as the database's owner."""
        connection = await asyncpg.connect(self.settings.database_url("cli"))
        try:
            yield connection
        finally:
            await connection.close()

    def redis(self) -> "Redis":
        """A client of the stack's Redis."""
        return Redis.from_url(self.settings.redis_url.get_secret_value())

    async def forget_auctions(self) -> None:
        """Empty the tables of bids and the view, and let both readers go on where their topics end; nothing may run."""
        async with self.owner() as db:
            await db.execute("TRUNCATE bids.log, bids.auction, bids.listing, bids.participation")
            ends = await ends_of(self.settings, AUCTION_COMMANDS.name, AUCTION_EVENTS.name)
            rows = [(topic, partition, end) for (topic, partition), end in ends.items()]
            await db.executemany(FAST_FORWARD, rows)
            await db.execute("CHECKPOINT")
        redis = self.redis()
        await redis.flushdb()
        await redis.aclose()

    async def checkpoint(self) -> None:
        """Have Postgres write now what it would else write in the middle of a measurement."""
        async with self.owner() as db:
            await db.execute("CHECKPOINT")


FAST_FORWARD = """
    INSERT INTO bids.offsets AS o (topic, partition, next_offset, published, epoch) VALUES ($1, $2, $3, $3, 1)
        ON CONFLICT (topic, partition) DO UPDATE
       SET next_offset = excluded.next_offset, published = excluded.published, epoch = o.epoch + 1
"""


async def ends_of(settings: Settings, *topics: str) -> dict[tuple[str, int], int]:
    """Where each partition of the topics ends."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for topic in topics for number in range(settings.partitions)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        return {(place.topic, place.partition): end for place, end in ends.items()}
    finally:
        await consumer.stop()


def compose_local(*arguments: str) -> None:
    """Run a command of compose/local on the stack, its words to stderr; raises CalledProcessError."""
    command = [str(ROOT / "compose" / "local"), "--stack", NAME, *arguments]
    subprocess.run(command, cwd=ROOT, check=True, stdout=sys.stderr, env={JAVA_VARIABLE: BROKER_JAVA, **os.environ})


def the_stack() -> Stack:
    """Where the stack is, whether it runs or not."""
    return find(NAME, {})


def raise_limits(stack: Stack) -> None:
    """Write the stack's environment with limits that no benchmark reaches; `up` keeps them."""
    variables = envfile.write(stack) | LIMITS
    text = "".join(f"{name}={value}\n" for name, value in sorted(variables.items()))
    replace(stack.env_file, text, mode=0o600)


@asynccontextmanager
async def bench(*, keep: bool) -> AsyncIterator[Bench]:
    """The stack without any auction and with only its servers running: the one that `--keep` left, else a fresh one.

    Stopped afterwards unless it is to be kept.
    """
    stack = the_stack()
    if stack.folder.exists() and not Supervisor(stack).runs():
        await asyncio.to_thread(compose_local, "reset")
    raise_limits(stack)
    await asyncio.to_thread(compose_local, "up")
    try:
        one = Bench(stack)
        await one.only()
        await one.forget_auctions()
        # What the start wrote goes to disk now: the kernel would do it half a minute later, and commits would wait for it.
        await asyncio.to_thread(os.sync)
        yield one
    finally:
        if not keep:
            await asyncio.to_thread(compose_local, "down")


async def until(ask: Callable[[], Awaitable[Any]], *, within_s: float, every_s: float = 0.02) -> Any:
    """Ask again and again until the answer is true, and return it; raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not (answer := await ask()):  # noqa: ASYNC110 - what is waited for is in other processes
            await asyncio.sleep(every_s)
    return answer
