"""Taking a partition over: fence whoever had it, tell what was committed but perhaps not told, and say where to go on."""

import asyncio
from contextlib import suppress
from typing import NamedTuple

import asyncpg

from consumers.runtime import parking
from consumers.runtime.ledger import Claim, Tools
from consumers.runtime.messages import Database
from consumers.runtime.telling import ACKNOWLEDGED_WITHIN_S
from producers.publish import LogRow, answers_of, events_of

RAISE_EPOCH = """
    INSERT INTO offsets AS o (topic, partition, next_offset, published, epoch) VALUES ($1, $2, 0, 0, 1)
        ON CONFLICT (topic, partition) DO UPDATE SET epoch = o.epoch + 1
    RETURNING next_offset, published, epoch
"""

UNTOLD = """
    SELECT partition, src_offset, aggregate, first_seq, last_seq, command_id, command_type, actor, fingerprint, at_ms,
           reply_partition, reply, events, facts, correlation_id, traceparent
      FROM log WHERE partition = $1 AND src_offset >= $2 ORDER BY src_offset LIMIT $3
"""

CUT_OFF_BLOCKERS = """
    SELECT pg_terminate_backend(blocker) FROM unnest(pg_blocking_pids($1)) blocker
"""

BLOCKED_MAX_S = 3.0
UNTOLD_PAGE = 500
SETTLED_WITHIN_S = 5.0


class _Marks(NamedTuple):
    next_offset: int
    published: int
    epoch: int


async def take_over(tools: Tools, partition: int) -> Claim:
    """Own a partition from now on; raises what Postgres and Kafka raise, and may then be tried again."""
    # Events still in the producer would arrive after those told again here: first let them arrive.
    if not await tools.publisher.settle(partition, timeout_s=SETTLED_WITHIN_S):
        raise TimeoutError("the broker has not taken the events of the batch before")
    async with tools.claims:
        marks = await raise_epoch(tools.db, tools.inbox.topic, partition)
    if tools.inbox.commands:
        await _tell_again(tools, partition, marks)
    parked = await parking.load(tools.db, tools.inbox.topic, partition)
    return Claim(marks.next_offset, marks.published, marks.epoch, parked)


async def raise_epoch(db: Database, topic: str, partition: int) -> _Marks:
    """Fence whoever had the partition; a commit of theirs in flight ends first, one that hangs is cut off."""
    async with db.acquire() as connection:
        claiming = asyncio.create_task(connection.fetchrow(RAISE_EPOCH, topic, partition))
        try:
            _, blocked = await asyncio.wait([claiming], timeout=BLOCKED_MAX_S)
            if blocked:
                # A process that was stopped in the middle of its transaction would hold the row for ever.
                await db.execute(CUT_OFF_BLOCKERS, connection.get_server_pid())
            row = await claiming
        finally:
            claiming.cancel()
            with suppress(asyncio.CancelledError, asyncpg.PostgresError, OSError, TimeoutError):
                await claiming
    assert row is not None
    return _Marks(*row)


async def _tell_again(tools: Tools, partition: int, marks: _Marks) -> None:
    start = marks.published
    while rows := await _untold(tools.db, partition, start):
        if tools.inbox.after_commit is not None:
            await tools.inbox.after_commit(rows)
        records = tools.publisher.records([(row, events_of(row)) for row in rows])
        answers = tools.replies.add(answers_of(rows))
        events = tools.publisher.send(partition, records)
        told = answers if events is None else {events, *answers}
        _, late = await asyncio.wait(told, timeout=ACKNOWLEDGED_WITHIN_S) if told else ((), ())
        if late:
            raise TimeoutError("the broker does not take what is told again")
        if events is not None:
            events.result()
        start = rows[-1].src_offset + 1


async def _untold(db: Database, partition: int, start: int) -> list[LogRow]:
    return [LogRow(*row) for row in await db.fetch(UNTOLD, partition, start, UNTOLD_PAGE)]
