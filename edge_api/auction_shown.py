"""An auction as clients see it: bidders under pseudonyms, never a maximum or the reserve."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from msgspec import Raw

from edge_api.edge import Edge
from edge_api.people_views import sellers, time_text
from edge_api.prices import Price, newest
from edge_api.tokens import Caller
from schemas.envelope import print_time, time_ms
from schemas.money import print_minor

NO_BID = Raw(b"0.00")


async def shown(edge: Edge, rows: Sequence[asyncpg.Record], caller: Caller | None) -> list[dict[str, Any]]:
    """Auctions in their order, each with its seller and, for a caller, what is theirs in it."""
    prices = await newest(edge, rows)
    cards = await sellers(edge, (row["seller_id"] for row in rows))
    return [auction(edge, row, prices[row["id"]], cards, caller) for row in rows]


def auction(
    edge: Edge,
    row: asyncpg.Record,
    price: Price,
    cards: Mapping[UUID, dict[str, Any]],
    caller: Caller | None,
) -> dict[str, Any]:
    """One auction; the names are those of a worker's answer to POST /auctions."""
    auction_id = row["id"]

    def alias(bidder: UUID | str | None) -> str | None:
        return None if bidder is None else edge.pseudonym(auction_id, bidder)

    found = {
        "id": str(auction_id),
        "title": row["title"],
        "description": row["description"],
        "category": row["category"],
        "tags": row["tags"],
        "videoId": row["video_id"] and str(row["video_id"]),
        "shippingInfo": Raw(row["shipping_info"].encode()),
        "currency": row["currency"],
        "startingPrice": money(row["starting_price_minor"]),
        "currentBid": money(price.price_minor) or NO_BID,
        "minimumNextBid": money(price.minimum_minor),
        "bidCount": price.bid_count,
        "leaderId": alias(price.leader_id),
        "hasReserve": row["has_reserve"],
        "reserveMet": price.reserve_met,
        "buyNowPrice": money(row["buy_now_minor"]),
        "status": row["status"],
        "outcome": row["outcome"],
        "winnerId": alias(row["winner_id"]),
        "finalPrice": money(row["final_price_minor"]),
        "startTime": _time(row["starts_at"]),
        "endTime": _time(price.ends_at),
        "createdAt": _time(row["created_at"]),
        "seller": cards[row["seller_id"]],
        "closing": Raw(row["closing"].encode()),
        "increments": row["increments"],
        "maxBuyerStrikes": row["max_buyer_strikes"],
        "payWindow": row["pay_window_s"],
        "seq": price.seq,
        "publicSeq": price.public_seq,
        "serverTime": print_time(time_ms()),
    }
    if caller is not None:
        found |= {
            "yourBidderId": alias(caller.user_id),
            "youLead": price.leader_id == str(caller.user_id),
            "youSell": row["seller_id"] == caller.user_id,
        }
    return found


def money(minor: int | None) -> Raw | None:
    """An amount as the text of a JSON number."""
    return None if minor is None else Raw(print_minor(minor).encode())


def _time(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)
