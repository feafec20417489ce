"""Commands asked straight through the edge's own door to Kafka, without HTTP; and auctions opened that way."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID, uuid4

from aiokafka.partitioner import murmur2

from edge_api.edge import redis_of
from producers.commands import Command, Commands, Pending
from schemas.envelope import Reply, new_command_id
from schemas.registry import BY_NAME
from tests.benchmarks.market import Asked, opening
from tests.benchmarks.stack import Bench, until

READY_S = 20.0
ANSWER_S = 20.0
AT_ONCE = 500


class NotAnswered(Exception):
    """A command of the preparation was not accepted."""


@asynccontextmanager
async def door(bench: Bench) -> AsyncIterator[Commands]:
    """The edge's door, open: replies come to this process."""
    redis = redis_of(bench.edge)
    broken: list[BaseException] = []
    commands = Commands(bench.edge, redis, fatal=broken.append)
    await commands.start()
    try:
        await until(lambda: _is(ready=commands.ready), within_s=READY_S)
        yield commands
    finally:
        await commands.stop()
        await redis.aclose()
    if broken:
        raise broken[0]


async def _is(*, ready: bool) -> bool:
    return ready


async def ask(commands: Commands, asked: Asked, *, wait_s: float = ANSWER_S) -> Reply | Pending:
    """Ask one thing and wait for its answer."""
    command_id = new_command_id()
    command = Command(BY_NAME[asked.name], command_id, asked.auction, asked.data, asked.actor, command_id.hex)
    return await commands.ask(command, wait_s=wait_s)


async def open_auctions(commands: Commands, count: int) -> list[UUID]:
    """Open so many auctions, each on the partition of its id."""
    ids = [uuid4() for _ in range(count)]
    for start in range(0, count, AT_ONCE):
        answers = await asyncio.gather(*(ask(commands, opening(one)) for one in ids[start : start + AT_ONCE]))
        refused = [answer for answer in answers if not isinstance(answer, Reply) or answer.outcome != "accepted"]
        if refused:
            raise NotAnswered(str(refused[0]))
    return ids


async def one_per_partition(commands: Commands, partitions: int) -> dict[int, UUID]:
    """An auction on each partition."""
    found: dict[int, UUID] = {}
    while len(found) < partitions:
        one = uuid4()
        found.setdefault(partition_of(one, partitions), one)
    answers = await asyncio.gather(*(ask(commands, opening(one)) for one in found.values()))
    if not all(isinstance(answer, Reply) and answer.outcome == "accepted" for answer in answers):
        raise NotAnswered(str(answers))
    return found


def partition_of(auction: UUID, partitions: int) -> int:
    """The partition on which commands to an auction stand (murmur2, as Java and aiokafka do it)."""
    return int(murmur2(str(auction).encode()) & 0x7FFFFFFF) % partitions
