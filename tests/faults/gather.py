"""Gathers what a run left behind from the servers themselves: the topics, the owner's view of the tables, Redis."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import asyncpg
from aiokafka import AIOKafkaConsumer, TopicPartition
from redis.asyncio import Redis

from compose.settings import Settings
from schemas.envelope import time_ms
from tests.faults.history import Answer, History, Record, Row, Watched
from topics.catalog import AUCTION_COMMANDS, AUCTION_EVENTS, USER_COMMANDS, USER_EVENTS, dead_letter_topic

ROWS = """
    SELECT partition, src_offset, aggregate::text, first_seq, last_seq, command_id::text, command_type, actor, fingerprint,
           at_ms, reply, events, facts
      FROM {schema}.log ORDER BY partition, src_offset
"""

MARKS = """
    SELECT topic, partition, next_offset, published FROM {schema}.offsets
"""

AUCTIONS = """
    SELECT id::text, status, outcome, ends_at, price, leader_id, minimum_next, bid_count, seq, public_seq FROM bids.auction
"""


class Owner(NamedTuple):
    """A worker that decides: its schema, its topics, its group."""

    schema: str
    commands: str
    events: str
    group: str

    def renamed(self, prefix: str) -> "Owner":
        """The same on topics whose names begin with `prefix`."""
        return Owner(self.schema, prefix + self.commands, prefix + self.events, prefix + self.group)


BIDS = Owner("bids", AUCTION_COMMANDS.name, AUCTION_EVENTS.name, "auction-processors")
ACCOUNTS = Owner("accounts", USER_COMMANDS.name, USER_EVENTS.name, "user-processors")


async def gather(
    settings: Settings,
    owner: Owner = BIDS,
    *,
    answers: Sequence[Answer] = (),
    unanswered: Sequence[str] = (),
    watched: Sequence[Watched] = (),
    views: bool = True,
) -> History:
    """What there is now; events before the log and commands after it, so that nothing seems to be told too early."""
    history = History(
        answers=list(answers),
        unanswered=list(unanswered),
        watched=list(watched),
        pseudonym_key=settings.pseudonym_secret,
        has_views=views,
        at_ms=time_ms(),
    )
    history.events = await read_topic(settings, owner.events)
    await _tables(settings, owner, history)
    history.commands = await read_topic(settings, owner.commands)
    letters = await read_topic(settings, dead_letter_topic(owner.commands, owner.group))
    history.dead = {
        (int(letter.headers["dead-source-partition"]), int(letter.headers["dead-source-offset"]))
        for letter in letters
        if "dead-source-offset" in letter.headers
    }
    if views:
        await _views(settings, history)
    return history


async def _tables(settings: Settings, owner: Owner, history: History) -> None:
    db = await asyncpg.connect(settings.database_url("cli"))
    try:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            history.rows = [Row(*row) for row in await db.fetch(ROWS.format(schema=owner.schema))]
            marks = await db.fetch(MARKS.format(schema=owner.schema))
            if owner.schema == BIDS.schema:
                history.auctions = {row["id"]: dict(row) for row in await db.fetch(AUCTIONS)}
    finally:
        await db.close()
    history.next_offsets = {row["partition"]: row["next_offset"] for row in marks if row["topic"] == owner.commands}


async def _views(settings: Settings, history: History) -> None:
    redis: Redis = Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=True)
    try:
        pipeline = redis.pipeline(transaction=False)
        for auction_id in history.log:
            pipeline.hgetall(f"auction:{auction_id}")
            pipeline.zrange(f"bids:{auction_id}", 0, -1, withscores=True)
        found: list[Any] = await pipeline.execute()
    finally:
        await redis.aclose()
    for place, auction_id in enumerate(history.log):
        history.hashes[auction_id] = found[2 * place]
        history.bids[auction_id] = dict(found[2 * place + 1])


async def read_topic(settings: Settings, topic: str) -> list[Record]:
    """Everything on a topic now, in the order of its partitions."""
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=settings.kafka_bootstrap, group_id=None, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        records = []
        for tp, end in sorted((await consumer.end_offsets(consumer.assignment())).items()):
            records += await _read_partition(consumer, tp, end)
        return records
    finally:
        await consumer.stop()


async def _read_partition(consumer: AIOKafkaConsumer, tp: TopicPartition, end: int) -> list[Record]:
    records = []
    while await consumer.position(tp) < end:
        for found in (await consumer.getmany(tp, timeout_ms=1000)).get(tp, []):
            key = (found.key or b"").decode("utf-8", "replace")
            headers = dict(found.headers)
            records.append(Record(found.partition, found.offset, found.timestamp, key, found.value or b"", headers))
    return records


async def all_taken(settings: Settings, owner: Owner = BIDS, *, views: bool = True) -> bool:
    """Whether every command on the topic is decided and told, and every event shown."""
    marks = await _marks(settings, owner)
    topics = (owner.commands, owner.events) if views else (owner.commands,)
    return all([await _is_through(settings, topic, marks) for topic in topics])


async def _is_through(settings: Settings, topic: str, marks: dict[tuple[str, int], tuple[int, int]]) -> bool:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=settings.kafka_bootstrap, group_id=None)
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
    finally:
        await consumer.stop()
    return all(marks.get((topic, tp.partition), (0, 0)) == (end, end) for tp, end in ends.items())


async def _marks(settings: Settings, owner: Owner) -> dict[tuple[str, int], tuple[int, int]]:
    db = await asyncpg.connect(settings.database_url("cli"))
    try:
        rows = await db.fetch(MARKS.format(schema=owner.schema))
    except asyncpg.UndefinedTableError:
        return {}
    finally:
        await db.close()
    return {(row["topic"], row["partition"]): (row["next_offset"], row["published"]) for row in rows}
