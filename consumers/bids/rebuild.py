"""The view in Redis made anew from Postgres: idempotent, and safe while bids are decided and the view moves."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from redis.asyncio import Redis

from compose.settings import Settings
from consumers.bids.asked import minor
from consumers.bids.current import ENDED_KEPT_S, LIVE, SCHEDULED, BidPlaced, Change, View, member
from consumers.runtime import Database

CHUNK: Final = 200
BIDS_AT_ONCE: Final = 1_000
STATEMENT_WITHIN_S: Final = 60

SHOWN_IDS: Final = """
    SELECT id FROM bids.auction
     WHERE id > $1 AND (status IN ('open', 'draft') OR ends_at > $2)
     ORDER BY id LIMIT $3
"""

STAND: Final = """
    SELECT a.id, a.status, a.outcome, a.price, a.leader_id, a.minimum_next, a.bid_count, a.reserve_met, a.seq,
           a.public_seq, l.seller_id, l.currency, l.starts_at, a.ends_at
      FROM bids.auction a JOIN bids.listing l ON l.auction_id = a.id
     WHERE a.id = ANY($1)
"""

EVENTS: Final = """
    SELECT aggregate, events FROM bids.log WHERE aggregate = ANY($1) AND first_seq IS NOT NULL
"""

STILL_OPEN: Final = """
    SELECT id FROM bids.auction WHERE id = ANY($1) AND status = 'open'
"""


class _Envelope(msgspec.Struct, rename="camel", gc=False):
    event_type: str
    sequence: int
    data: msgspec.Raw


_envelope: Final = msgspec.json.Decoder(_Envelope)
_bid: Final = msgspec.json.Decoder(BidPlaced)


async def rebuild_views(settings: Settings, *, role: str = "cli") -> int:
    """Make the view of every auction that it should hold anew; returns how many. For `marketplace bids rebuild-view`."""
    redis = Redis.from_url(settings.redis_url.get_secret_value(), decode_responses=True)
    pool = await asyncpg.create_pool(settings.database_url(role), min_size=1, command_timeout=STATEMENT_WITHIN_S)
    try:
        return await rebuild_all(View(redis), pool)
    finally:
        await pool.close()
        await redis.aclose()


async def rebuild_all(view: View, db: Database) -> int:
    """Every open auction, every draft, and those that ended lately; then what the sets hold too much goes."""
    last, count = UUID(int=0), 0
    since = datetime.now(UTC) - timedelta(seconds=ENDED_KEPT_S)
    while ids := [row["id"] for row in await db.fetch(SHOWN_IDS, last, since, CHUNK)]:
        await rebuild(view, db, ids)
        last, count = ids[-1], count + len(ids)
    for key in (LIVE, SCHEDULED):
        await _drop_closed(view, db, key)
    return count


async def rebuild(view: View, db: Database, auction_ids: Sequence[UUID]) -> None:
    """The view of these auctions as one snapshot of Postgres has them; one that moved on meanwhile keeps its place."""
    async with db.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await connection.fetch(STAND, auction_ids)
        placed = bids_of(await connection.fetch(EVENTS, auction_ids))
    changes = [_whole(row, placed.get(row["id"], {})) for row in rows]
    await view.move(changes)
    for row in rows:
        await _set_bids(view, str(row["id"]), placed.get(row["id"], {}), row["seq"])


def bids_of(rows: Sequence[Any]) -> dict[UUID, dict[str, int]]:
    """The members and scores of every auction's sorted set, from rows of the log."""
    found: dict[UUID, dict[str, int]] = {}
    for row in rows:
        for envelope in row["events"]:
            event = _envelope.decode(envelope)
            if event.event_type == "BidPlaced":
                bid = _bid.decode(event.data)
                amount = minor(bid.amount)
                assert isinstance(amount, int), "the log holds amounts"
                found.setdefault(row["aggregate"], {})[member(event.sequence, bid.bidder_id)] = amount
    return found


def fields_of(row: Any) -> dict[str, str | int]:
    """The fields of the hash, from a row of STAND."""
    sold = row["outcome"] in ("sold", "sold_buy_now")
    return {
        "publicSeq": row["public_seq"],
        "status": "cancelled" if row["status"] == "discarded" else row["status"],
        "price": _or_nothing(row["price"]),
        "leader": _or_nothing(row["leader_id"]),
        "minimum": row["minimum_next"],
        "bidCount": row["bid_count"],
        "reserveMet": "" if row["reserve_met"] is None else str(int(row["reserve_met"])),
        "startTime": _ms(row["starts_at"]),
        "endTime": _ms(row["ends_at"]),
        "sellerId": str(row["seller_id"]),
        "currency": row["currency"],
        "outcome": row["outcome"] or "",
        "winner": _or_nothing(row["leader_id"]) if sold else "",
        "finalPrice": _or_nothing(row["price"]) if sold else "",
    }


def _whole(row: Any, bids: dict[str, int]) -> Change:
    change = Change(str(row["id"]), 0)
    change.last = row["seq"]
    change.fields = fields_of(row)
    if len(bids) <= BIDS_AT_ONCE:
        change.bids = bids
    if row["status"] == "open":
        change.start, change.end = change.fields["startTime"], change.fields["endTime"]
    elif row["status"] != "draft":
        change.end, change.kept_s = "-", ENDED_KEPT_S
    return change


async def _set_bids(view: View, auction_id: str, bids: dict[str, int], last: int) -> None:
    """Add what the script was too small for, and take away what the log does not know."""
    key, members = f"bids:{auction_id}", list(bids)
    if len(members) > BIDS_AT_ONCE:
        for start in range(0, len(members), BIDS_AT_ONCE):
            await view.redis.zadd(key, {bid: bids[bid] for bid in members[start : start + BIDS_AT_ONCE]})
    if await view.redis.zcard(key) != len(bids):
        stored = await view.redis.zrange(key, 0, -1)
        unknown = [bid for bid in map(_text, stored) if bid not in bids and int(bid.partition(":")[0]) <= last]
        if unknown:
            await view.redis.zrem(key, *unknown)


async def _drop_closed(view: View, db: Database, key: str) -> None:
    stored = [UUID(_text(one)) for one in await view.redis.zrange(key, 0, -1)]
    for start in range(0, len(stored), BIDS_AT_ONCE):
        some = stored[start : start + BIDS_AT_ONCE]
        still_open = {row["id"] for row in await db.fetch(STILL_OPEN, some)}
        if closed := [str(one) for one in some if one not in still_open]:
            await view.redis.zrem(key, *closed)


def _text(stored: Any) -> str:
    return stored.decode() if isinstance(stored, bytes) else str(stored)


def _or_nothing(value: object) -> str | int:
    return "" if value is None else value if isinstance(value, int) else str(value)


def _ms(at: datetime | None) -> int | str:
    return "" if at is None else round(at.timestamp() * 1000)
