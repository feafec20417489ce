"""What the edge reads about auctions: the views of bids, with the current price from Redis where that is newer."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Raw

from edge_api.edge import Edge

COLUMNS = """
    id, seller_id, title, description, category, tags, video_id, shipping_info, currency, starting_price_minor,
    price_minor, leader_id, minimum_next_minor, bid_count, has_reserve, reserve_met, buy_now_minor, status, outcome,
    winner_id, final_price_minor, starts_at, ends_at, created_at, closing, increments, max_buyer_strikes,
    pay_window_s, seq, public_seq
"""

ONE = f"SELECT {COLUMNS} FROM bids.auction_view WHERE id = $1"  # noqa: S608  column names of ours

TO_RELIST = f"SELECT {COLUMNS}, duration_s, listed_buy_now_minor FROM bids.auction_view WHERE id = $1"  # noqa: S608

SOME = f"SELECT {COLUMNS} FROM bids.auction_view WHERE id = ANY($1)"  # noqa: S608

OFFERED = f"""
    SELECT {COLUMNS}
      FROM bids.auction_view
     WHERE seller_id = $1 AND ($2::timestamptz IS NULL OR (created_at, id) < ($2, $3))
     ORDER BY created_at DESC, id DESC LIMIT $4
"""  # noqa: S608

BID_ON = """
    SELECT auction_id, last_bid_at, is_leading
      FROM bids.my_bid_view
     WHERE bidder_id = $1 AND ($2::timestamptz IS NULL OR (last_bid_at, auction_id) < ($2, $3))
     ORDER BY last_bid_at DESC, auction_id DESC LIMIT $4
"""

BIDDERS = "SELECT bidder_id FROM bids.my_bid_view WHERE auction_id = $1"

HISTORY = "SELECT sequence, event_type, envelope FROM bids.public_events_before($1, $2, $3) ORDER BY sequence DESC"


WITHDRAWALS = "SELECT sequence, envelope FROM bids.withdrawals($1)"


async def one(edge: Edge, auction_id: UUID) -> asyncpg.Record | None:
    """One auction as bids stored it, drafts included."""
    return await edge.row(ONE, auction_id)


async def to_relist(edge: Edge, auction_id: UUID) -> asyncpg.Record | None:
    """One auction with what else is needed to offer it again."""
    return await edge.row(TO_RELIST, auction_id)


async def some(edge: Edge, auction_ids: Sequence[UUID]) -> dict[UUID, asyncpg.Record]:
    """Auctions by id."""
    return {row["id"]: row for row in await edge.rows(SOME, list(auction_ids))}


class Filters(NamedTuple):
    """Which auctions a list shows; None lets all pass."""

    status: str
    seller: UUID | None = None
    category: str | None = None
    tag: str | None = None


async def listed(edge: Edge, filters: Filters, past: tuple[datetime, UUID] | None, limit: int) -> list[asyncpg.Record]:
    """Auctions by their end: of those to come the next first, of those over the latest first. None of who is suspended or erased."""
    is_over = filters.status in ("ended", "cancelled")
    args: list[Any] = [limit]
    # Written out for live ones: only so is the index of open auctions used.
    conditions = ["status = 'live' AND ends_at > now()"]
    if filters.status != "live":
        args.append(filters.status)
        conditions = ["status = $2"]
    conditions.append("NOT seller_suspended")
    for condition, value in (
        ("seller_id = ${}", filters.seller),
        ("category = ${}", filters.category),
        ("tags @> ARRAY[${}]", filters.tag),
    ):
        if value is not None:
            args.append(value)
            conditions.append(condition.format(len(args)))
    if past is not None:
        args += past
        conditions.append(f"(ends_at, id) {'<' if is_over else '>'} (${len(args) - 1}, ${len(args)})")
    order = "ends_at DESC, id DESC" if is_over else "ends_at, id"
    where = " AND ".join(conditions)
    sql = f"SELECT {COLUMNS} FROM bids.auction_view WHERE {where} ORDER BY {order} LIMIT $1"  # noqa: S608  texts of ours
    return await edge.rows(sql, *args)


async def offered(
    edge: Edge, seller_id: UUID, before: tuple[datetime, UUID] | None, limit: int
) -> list[asyncpg.Record]:
    """All auctions of a seller, drafts included, the latest first."""
    at, last = before or (None, None)
    return await edge.rows(OFFERED, seller_id, at, last, limit)


async def bid_on(edge: Edge, bidder_id: UUID, before: tuple[datetime, UUID] | None, limit: int) -> list[asyncpg.Record]:
    """Which auctions a person bids on, the latest bid first."""
    at, last = before or (None, None)
    return await edge.rows(BID_ON, bidder_id, at, last, limit)


async def bidder_behind(edge: Edge, auction_id: UUID, name: UUID) -> UUID:
    """The person behind a pseudonym of an auction; a name that is none is taken for a user's own id."""
    for row in await edge.rows(BIDDERS, auction_id):
        if edge.pseudonym(auction_id, row["bidder_id"]) == str(name):
            return UUID(str(row["bidder_id"]))
    return name


async def history(edge: Edge, auction_id: UUID, *, before: int, limit: int) -> list[dict[str, Any]]:
    """The bids of an auction as its public events tell them, the latest first; each with its `sequence`."""
    found: list[dict[str, Any]] = []
    while len(found) < limit:
        rows = await edge.rows(HISTORY, auction_id, before, limit)
        found += [_event(row) for row in rows if row["event_type"] == "BidPlaced"]
        if len(rows) < limit:
            break
        before = rows[-1]["sequence"]
    return found[:limit]


class Withdrawal(NamedTuple):
    """Bids of one bidder that went."""

    bidder: bytes
    bids: frozenset[str]
    since: int
    until: int

    def takes(self, bid: dict[str, Any]) -> bool:
        """Whether a bid of the history went with it, or was placed by the system for one that did."""
        if msgspec.json.decode(bid["bidId"]) in self.bids:
            return True
        placed_for_it = bytes(bid["bidderId"]) == self.bidder and bytes(bid["automatic"]) == b"true"
        return placed_for_it and self.since < bid["sequence"] < self.until


async def withdrawals(edge: Edge, auction_id: UUID) -> list[Withdrawal]:
    """By what bids of an auction went; mostly by nothing."""
    events = [_event(row) for row in await edge.rows(WITHDRAWALS, auction_id)]
    return [
        Withdrawal(
            bytes(event["bidderId"]),
            frozenset(msgspec.json.decode(event["bidIds"])),
            msgspec.json.decode(event["sinceSequence"], type=int),
            event["sequence"],
        )
        for event in events
        if "bidIds" in event
    ]


def _event(row: asyncpg.Record) -> dict[str, Any]:
    envelope = msgspec.json.decode(row["envelope"], type=_Envelope)
    return {"sequence": row["sequence"], **msgspec.json.decode(envelope.data, type=dict[str, Raw])}


class _Envelope(msgspec.Struct):
    data: Raw
