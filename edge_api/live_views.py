"""What the live process reads of an auction in Postgres; a commit comes before its event, so this is never behind the tail."""

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from edge_api.live_frames import NULL, AliasOf, Event, Standing, alias_text, read_event
from schemas.envelope import print_time
from schemas.money import print_minor

RESUMED_MAX = 200
"""The most events that a resume sends; whoever missed more gets a snapshot."""

PATIENCE_S = 3.0

Pool = asyncpg.Pool

STANDING = """
    SELECT seller_id, title, currency, starting_price_minor, price_minor, leader_id, minimum_next_minor, bid_count,
           has_reserve, reserve_met, buy_now_minor, status, outcome, winner_id, final_price_minor,
           starts_at, ends_at, public_seq
      FROM bids.auction_view
     WHERE id = $1 AND public_seq > 0
"""


async def standing(db: Pool, auction_id: str, alias_of: AliasOf) -> Standing | None:
    """An auction as it is now, or None when there is none, or only a draft, of which nothing public was ever told."""
    async with asyncio.timeout(PATIENCE_S):
        row = await db.fetchrow(STANDING, UUID(auction_id))
    if row is None:
        return None
    shown = {
        "title": _json(row["title"]),
        "status": _json(row["status"]),
        "currentBid": _amount(row["price_minor"]),
        "leaderAlias": alias_text(_id(row["leader_id"]), alias_of),
        "minimumNextBid": _amount(row["minimum_next_minor"]),
        "bidCount": _json(row["bid_count"]),
        "endTime": _time(row["ends_at"]),
        "startTime": _time(row["starts_at"]),
        "currency": _json(row["currency"]),
        "startingPrice": _amount(row["starting_price_minor"]),
        "hasReserve": _json(row["has_reserve"]),
        "reserveMet": _json(row["reserve_met"]),
        "buyNowPrice": _amount(row["buy_now_minor"]),
        "outcome": _json(row["outcome"]),
        "winnerAlias": alias_text(_id(row["winner_id"]), alias_of),
        "finalPrice": _amount(row["final_price_minor"]),
        "sellerId": _json(_id(row["seller_id"])),
    }
    return Standing(auction_id, row["public_seq"], shown)


EVENTS = """
    SELECT envelope
      FROM bids.public_events_after($1, $2, $3)
     WHERE sequence <= $4
     ORDER BY sequence
"""


async def events(db: Pool, auction_id: str, *, after: int, upto: int) -> list[Event]:
    """The public events of an auction with `after < sequence <= upto`, in order, at most RESUMED_MAX + 1."""
    async with asyncio.timeout(PATIENCE_S):
        rows = await db.fetch(EVENTS, UUID(auction_id), after, RESUMED_MAX + 1, upto)
    return [read_event(row["envelope"]) for row in rows]


def _json(value: object) -> bytes:
    return msgspec.json.encode(value)


def _amount(minor: int | None) -> bytes:
    return NULL if minor is None else print_minor(minor).encode()


def _id(value: Any) -> str | None:
    return None if value is None else str(value)


def _time(at: datetime | None) -> bytes:
    return NULL if at is None else b'"%b"' % print_time(round(at.timestamp() * 1000)).encode()
