"""The current price of auctions: Redis where it is newer than what Postgres said; nothing is ever decided from it."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from uuid import UUID

import asyncpg
import structlog
from redis.exceptions import RedisError

from edge_api.edge import Edge

log = structlog.get_logger("prices")

FIELDS = ("seq", "publicSeq", "price", "leader", "minimum", "bidCount", "endTime", "reserveMet")
LOOK_TIMEOUT_S = 0.3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Price(NamedTuple):
    """The part of an auction that bids change."""

    seq: int
    public_seq: int
    price_minor: int | None
    leader_id: str | None
    minimum_minor: int
    bid_count: int
    ends_at: datetime | None
    reserve_met: bool | None


async def newest(edge: Edge, rows: Sequence[asyncpg.Record]) -> dict[UUID, Price]:
    """Of each auction the higher sequence of the two; Postgres alone while Redis is away."""
    found = {row["id"]: stored(row) for row in rows}
    bidding = [auction_id for auction_id, row in zip(found, rows, strict=True) if row["status"] == "live"]
    try:
        async with asyncio.timeout(LOOK_TIMEOUT_S), edge.redis.pipeline(transaction=False) as pipe:
            for auction_id in bidding:
                pipe.hmget(f"auction:{auction_id}", FIELDS)
            for auction_id, values in zip(bidding, await pipe.execute() if bidding else [], strict=True):
                seen = read(values)
                if seen is not None and seen.seq > found[auction_id].seq:
                    found[auction_id] = seen
    except (RedisError, OSError, TimeoutError) as error:
        log.warning("prices come from Postgres alone", reason=repr(error))
    return found


def stored(row: asyncpg.Record) -> Price:
    """The price as Postgres has it."""
    return Price(
        seq=row["seq"],
        public_seq=row["public_seq"],
        price_minor=row["price_minor"],
        leader_id=None if row["leader_id"] is None else str(row["leader_id"]),
        minimum_minor=row["minimum_next_minor"],
        bid_count=row["bid_count"],
        ends_at=row["ends_at"],
        reserve_met=row["reserve_met"],
    )


def read(values: Sequence[str | None]) -> Price | None:
    """The price as the hash `auction:{id}` has it; None when there is none."""
    seq, public_seq, price, leader, minimum, bid_count, end, reserve_met = values
    if not seq or not minimum or not end:
        return None
    return Price(
        seq=int(seq),
        public_seq=int(public_seq or 0),
        price_minor=int(price) if price else None,
        leader_id=leader or None,
        minimum_minor=int(minimum),
        bid_count=int(bid_count or 0),
        ends_at=_EPOCH + timedelta(milliseconds=int(end)),
        reserve_met=reserve_met == "1" if reserve_met else None,
    )
