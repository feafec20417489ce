"""The one partition of `replies` that this process reads: leased in Redis, read without a group from its end."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import structlog
from aiokafka.errors import KafkaError
from confluent_kafka import KafkaException
from redis.asyncio import Redis
from redis.exceptions import RedisError

from producers.follower import Follower, Heard, Lost
from producers.sparingly import Sparingly
from topics.catalog import REPLIES

LEASE_S = 15
CALL_TIMEOUT_S = 5
RETRY_S = 0.5
LET_GO_S_MAX = 1.0
POLL_S = 1.0
READING_S_MAX = 10
"""A reader that did not come round for so long is not ready."""

log = structlog.get_logger("replies")

_RENEW = """
local holder = redis.call('GET', KEYS[1])
if holder == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
if holder then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class LeaseLost(Exception):
    """Another process holds the partition: this one slept past the end of its lease."""


class NoPartitionFree(Exception):
    """Every partition of `replies` is leased: more edge processes than REPLY_PARTITIONS."""


class Lease:
    """Who reads which partition of `replies`, kept in Redis; it saves reading, correctness does not hang on it."""

    def __init__(self, redis: Redis, partitions: int) -> None:
        """Take a client of Redis and the number of partitions there are."""
        self._redis = redis
        self._partitions = partitions
        self._holder = uuid4().hex

    async def take(self) -> int:
        """Lease any free partition; raises NoPartitionFree, RedisError, TimeoutError."""
        for partition in random.sample(range(self._partitions), self._partitions):
            async with asyncio.timeout(CALL_TIMEOUT_S):
                if await self._redis.set(_key(partition), self._holder, nx=True, px=int(LEASE_S * 1000)):
                    return partition
        raise NoPartitionFree(f"all {self._partitions} partitions of {REPLIES.name} are leased")

    async def renew(self, partition: int) -> None:
        """Hold the partition for longer; raises LeaseLost, RedisError, TimeoutError."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            held = await self._redis.eval(_RENEW, 1, _key(partition), self._holder, int(LEASE_S * 1000))
        if not held:
            raise LeaseLost(f"partition {partition} of {REPLIES.name} is another's")

    async def release(self, partition: int) -> None:
        """Leave the partition to others; raises RedisError, TimeoutError."""
        async with asyncio.timeout(CALL_TIMEOUT_S):
            await self._redis.eval(_RELEASE, 1, _key(partition), self._holder)


def _key(partition: int) -> str:
    return f"reply-partition:{partition}"


class ReplyPartition:
    """Reads this process's replies and hands each record on; begins anew by itself after every failure."""

    def __init__(
        self,
        lease: Lease,
        *,
        bootstrap: str,
        take: Callable[[Heard], None],
        lost: Callable[[], None],
    ) -> None:
        """`take` gets every record; `lost` is told when replies that were asked for may go elsewhere."""
        self._lease = lease
        self._bootstrap = bootstrap
        self._take = take
        self._lost = lost
        self._partition: int | None = None
        self._came_round = 0.0
        self._sparingly = Sparingly()

    @property
    def partition(self) -> int | None:
        """The partition to be answered on; None until its end is known, for a reply before that would be missed."""
        return self._partition

    @property
    def ready(self) -> bool:
        """Whether a reply sent now would be read."""
        return self._partition is not None and time.monotonic() - self._came_round < READING_S_MAX

    async def run(self) -> None:
        """Lease and read until cancelled."""
        while True:
            try:
                await self._serve()
            except* (KafkaException, Lost, RedisError, OSError, TimeoutError, LeaseLost, NoPartitionFree) as failures:
                if self._sparingly.due():
                    log.warning("replies are not read", reason=[repr(failure) for failure in failures.exceptions])
            await asyncio.sleep(RETRY_S)

    async def _serve(self) -> None:
        partition = await self._lease.take()
        follower = Follower(self._bootstrap, client_id="edge-replies")
        try:
            [at] = (await follower.start([(REPLIES.name, partition)])).values()
            log.info("replies are read", partition=partition, offset=at)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._keep(partition))
                tasks.create_task(self._read(follower, partition))
        finally:
            self._partition = None
            self._lost()
            await asyncio.gather(
                bounded(follower.stop(), LET_GO_S_MAX), bounded(self._lease.release(partition), LET_GO_S_MAX)
            )

    async def _keep(self, partition: int) -> None:
        while True:
            await asyncio.sleep(LEASE_S / 3)
            try:
                await self._lease.renew(partition)
            except (RedisError, OSError, TimeoutError) as error:
                # While Redis is away nobody else can take the partition either: bids go on.
                log.warning("the lease could not be renewed", partition=partition, reason=repr(error))

    async def _read(self, follower: Follower, partition: int) -> None:
        self._came_round = time.monotonic()
        self._partition = partition
        while True:
            for one in await follower.next(timeout_s=POLL_S):
                self._take(one)
            self._came_round = follower.polled_at


async def bounded(closing: Awaitable[Any], timeout_s: float) -> None:
    """Let something close within bounds; what is gone already needs no closing."""
    try:
        async with asyncio.timeout(timeout_s):
            await closing
    except (KafkaError, RedisError, OSError, TimeoutError) as error:
        log.info("closed without an answer", reason=repr(error))
