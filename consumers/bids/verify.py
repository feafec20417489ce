"""Proves what bids keeps: folds the log of auctions and compares rows, events, topic and view with it.

For `marketplace bids verify`. Each difference is a line that names the auction; none means that all agree.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from msgspec.structs import replace
from redis.asyncio import Redis

from compose.settings import Settings
from consumers.bids.auction import UNOPENED, Auction, Ended, Unopened, evolve, restore
from consumers.bids.events import AuctionEvent, PriceRecomputed, is_public
from consumers.bids.rebuild import EVENTS, STAND, bids_of, fields_of
from consumers.bids.store import AUCTION, auction_row, read_facts
from topics.catalog import AUCTION_EVENTS

Report = Callable[[str], None]

PAGE: Final = 500
AUCTIONS_AT_ONCE: Final = 200
VIEW_WITHIN_S: Final = 10.0
TOPIC_SILENT_S: Final = 5.0

LOG: Final = """
    SELECT aggregate, first_seq, last_seq, events, facts FROM bids.log
     WHERE aggregate = ANY($1) AND first_seq IS NOT NULL ORDER BY aggregate, first_seq
"""

IDS: Final = """
    SELECT id FROM bids.auction WHERE id > $1 ORDER BY id LIMIT $2
"""

WITHOUT_ROW: Final = """
    SELECT DISTINCT aggregate FROM bids.log l
     WHERE first_seq IS NOT NULL AND NOT EXISTS (SELECT FROM bids.auction a WHERE a.id = l.aggregate)
"""

ROWS: Final = f"""
    SELECT {", ".join((*AUCTION.key, *AUCTION.columns))} FROM bids.auction WHERE id = ANY($1)
"""  # noqa: S608 - names of ours

TOLD: Final = """
    SELECT aggregate, first_seq, events FROM bids.log WHERE first_seq IS NOT NULL
"""


class _Envelope(msgspec.Struct, rename="camel", gc=False):
    event_type: str
    sequence: int
    previous_public_sequence: int | None = None


_envelope: Final = msgspec.json.Decoder(_Envelope)


async def verify(
    settings: Settings,
    auction_id: UUID | None = None,
    *,
    topic: bool = False,
    view: bool = True,
    role: str = "cli",
    report: Report = print,
) -> int:
    """Compare all auctions, or one, and return how many differences there are; safe beside running workers.

    `view` compares Redis too, `topic` the whole of auction-events (of all auctions).
    """
    found: list[str] = []

    def differs(what: str) -> None:
        found.append(what)
        report(what)

    async with _connected(settings, role) as (db, redis):
        async for ids in _ids(db, auction_id):
            async with db.transaction(isolation="repeatable_read", readonly=True):
                await _check_log(db, ids, differs)
            if view:
                await _check_view(db, redis, ids, differs)
        if auction_id is None:
            for row in await db.fetch(WITHOUT_ROW):
                differs(f"{row['aggregate']}: events, but no auction")
    if topic:
        await _check_topic(settings, role, differs)
    return len(found)


@asynccontextmanager
async def _connected(settings: Settings, role: str) -> AsyncIterator[tuple[asyncpg.Connection, "Redis"]]:
    redis = Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=True)
    db = await asyncpg.connect(settings.database_url(role))
    try:
        yield db, redis
    finally:
        await db.close()
        await redis.aclose()


async def _ids(db: asyncpg.Connection, auction_id: UUID | None) -> AsyncIterator[list[UUID]]:
    if auction_id is not None:
        yield [auction_id]
        return
    last = UUID(int=0)
    while ids := [row["id"] for row in await db.fetch(IDS, last, AUCTIONS_AT_ONCE)]:
        yield ids
        last = ids[-1]


async def _check_log(db: asyncpg.Connection, ids: Sequence[UUID], differs: Report) -> None:
    histories = {auction_id: History() for auction_id in ids}
    async for row in db.cursor(LOG, ids, prefetch=PAGE):
        for what in histories[row["aggregate"]].take(row["first_seq"], row["last_seq"], row["events"], row["facts"]):
            differs(f"{row['aggregate']}: {what}")
    rows = {row["id"]: row for row in await db.fetch(ROWS, ids)}
    for auction_id, history in histories.items():
        if auction_id in rows:
            for what in compare_row(auction_id, history.auction, rows[auction_id]):
                differs(f"{auction_id}: {what}")
        elif not isinstance(history.auction, Unopened):
            differs(f"{auction_id}: events, but no auction")


class History:
    """One auction folded from its log, row by row."""

    def __init__(self) -> None:
        self.auction: Auction = UNOPENED
        self._seq = self._public_seq = 0
        self._price: int | None = None

    def take(self, first: int, last: int, envelopes: Sequence[bytes], facts: bytes | None) -> Iterator[str]:
        """Fold one command's events and name what is wrong with them."""
        events = read_facts(facts) if facts is not None else []
        told = [_envelope.decode(envelope) for envelope in envelopes]
        if first != self._seq + 1:
            yield f"after sequence {self._seq} comes {first}"
        if [event.seq for event in events] != list(range(first, last + 1)):
            yield f"row {first}..{last} folds events {[event.seq for event in events]}"
        if [one.sequence for one in told] != [event.seq for event in events]:
            yield f"row {first}..{last} tells events {[one.sequence for one in told]}"
        for event, one in zip(events, told, strict=False):
            if one.previous_public_sequence != self._public_seq:
                yield f"{event.seq} names {one.previous_public_sequence} as the public one before, not {self._public_seq}"
            yield from self._fold(event)
        self._seq = last

    def _fold(self, event: AuctionEvent) -> Iterator[str]:
        try:
            self.auction = evolve(self.auction, event)
        except ValueError as error:
            yield f"{event.seq} cannot be folded: {error}"
            return
        if is_public(event):
            self._public_seq = event.seq
        lead = getattr(self.auction, "lead", None)
        price = None if lead is None else lead.price
        sold_now = isinstance(self.auction, Ended) and self.auction.outcome == "sold_buy_now"
        if not isinstance(event, PriceRecomputed) and not sold_now and (price or 0) < (self._price or 0):
            yield f"{event.seq} lowers the price from {self._price} to {price}"
        self._price = price


def compare_row(auction_id: UUID, auction: Auction, row: Any) -> Iterator[str]:
    """How the stored row differs from the folded auction.

    The clock (T2) is left out: commands that make no event move it, and are not folded.
    """
    if isinstance(auction, Unopened):
        yield "an auction, but no events"
        return
    stored = restore(bytes(row["state"]))
    if isinstance(stored, Unopened):
        yield "its state is of no auction"
        return
    if stored.clock < auction.clock:
        yield f"its clock stands at {stored.clock}, before its last event"
    if replace(stored, clock=0) != replace(auction, clock=0):
        yield f"its state is {stored}, the log folds {auction}"
    names = (*AUCTION.key, *AUCTION.columns)
    for name, folded in zip(names, auction_row(auction_id, auction), strict=True):
        kept = str(row[name]) if name == "leader_id" and row[name] is not None else row[name]
        if name != "state" and kept != folded:
            yield f"its {name} is {kept}, the log folds {folded}"


async def _check_view(db: asyncpg.Connection, redis: "Redis", ids: Sequence[UUID], differs: Report) -> None:
    """Compare Redis with Postgres, each auction at a moment when both know the same events."""
    waiting = list(ids)
    ends_at = asyncio.get_running_loop().time() + VIEW_WITHIN_S
    while waiting:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            rows = await db.fetch(STAND, waiting)
            bids = bids_of(await db.fetch(EVENTS, waiting))
        pipeline = redis.pipeline(transaction=True)
        for row in rows:
            pipeline.hgetall(f"auction:{row['id']}")
            pipeline.zrange(f"bids:{row['id']}", 0, -1, withscores=True)
        shown = await pipeline.execute()
        last_try = asyncio.get_running_loop().time() >= ends_at
        waiting = []
        for row, fields, members in zip(rows, shown[::2], shown[1::2], strict=True):
            if fields.get("seq", "gone") != str(row["seq"]) and not _may_be_gone(row, fields):
                if not last_try:
                    waiting.append(row["id"])
                elif int(fields.get("seq", 0)) < row["seq"]:
                    differs(f"{row['id']}: the view knows {fields.get('seq', 'nothing')}, the log {row['seq']}")
                continue
            for what in compare_view(row, fields, dict(members), bids.get(row["id"], {})):
                differs(f"{row['id']}: {what}")
        if waiting:
            await asyncio.sleep(0.1)


def _may_be_gone(row: Any, fields: dict[str, str]) -> bool:
    return not fields and row["status"] not in ("open", "draft")


def compare_view(row: Any, fields: dict[str, str], members: dict[str, float], bids: dict[str, int]) -> Iterator[str]:
    """How the view differs from the auction's row and the bids of its log."""
    if not fields or row["status"] == "discarded":
        return
    for name, value in fields_of(row).items():
        # The event of a purchase says neither what a bid would have to reach nor that the reserve is met now.
        if name in ("minimum", "reserveMet") and row["outcome"] == "sold_buy_now":
            continue
        if fields.get(name) != str(value):
            yield f"the view says {name} {fields.get(name)!r}, the log {str(value)!r}"
    for bid in sorted(bids.keys() | members.keys()):
        if members.get(bid) != bids.get(bid):
            yield f"the view says bid {bid} is {members.get(bid)}, the log {bids.get(bid)}"


async def _check_topic(settings: Settings, role: str, differs: Report) -> None:
    """Compare the topic with the log: every event of the log is on the topic as it is in the log, in order."""
    db = await asyncpg.connect(settings.database_url(role))
    try:
        # First the log, then the topic: an event is in the log before it is told.
        async with db.transaction(isolation="repeatable_read", readonly=True):
            logged = {
                (str(row["aggregate"]), row["first_seq"] + place): hash(envelope)
                async for row in db.cursor(TOLD, prefetch=PAGE)
                for place, envelope in enumerate(row["events"])
            }
    finally:
        await db.close()
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    await consumer.start()
    try:
        for what in await _compare_topic(consumer, settings.partitions, logged):
            differs(what)
    finally:
        await consumer.stop()


async def _compare_topic(consumer: AIOKafkaConsumer, partitions: int, logged: dict[tuple[str, int], int]) -> list[str]:
    topic = [TopicPartition(AUCTION_EVENTS.name, partition) for partition in range(partitions)]
    consumer.assign(topic)
    await consumer.seek_to_beginning(*topic)
    trimmed = any((await consumer.beginning_offsets(topic)).values())
    ends = await consumer.end_offsets(topic)
    wrong: list[str] = []
    missing, latest = set(logged), dict[str, int]()
    heard_at = asyncio.get_running_loop().time()
    while missing or any([await consumer.position(one) < ends[one] for one in topic]):
        read = await consumer.getmany(*topic, timeout_ms=200)
        now = asyncio.get_running_loop().time()
        if not read and now - heard_at > TOPIC_SILENT_S:
            break
        heard_at = now if read else heard_at
        for record in (record for records in read.values() for record in records):
            place = _place(record)
            if place is None:
                continue
            auction, sequence = place
            missing.discard((auction, sequence))
            if logged.get((auction, sequence), hash(record.value)) != hash(record.value):
                wrong.append(f"{auction}: event {sequence} reads otherwise on the topic than in the log")
            if auction in latest and sequence > latest[auction] + 1:
                wrong.append(f"{auction}: on the topic {sequence} follows {latest[auction]}")
            latest[auction] = max(sequence, latest.get(auction, 0))
    if not trimmed:
        wrong += [f"{auction}: event {sequence} is not on the topic" for auction, sequence in sorted(missing)]
    return wrong


def _place(record: ConsumerRecord) -> tuple[str, int] | None:
    """Auction and sequence of an event; None for what no worker of ours can have told."""
    try:
        return record.key.decode(), _envelope.decode(record.value).sequence
    except (AttributeError, TypeError, UnicodeDecodeError, msgspec.MsgspecError):
        return None
