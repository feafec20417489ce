"""Where auctions are kept: each SQL text above the function that runs it, or above the rows that it takes."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec

from consumers.bids.auction import Auction, restore, snapshot
from consumers.bids.events import AuctionEvent
from consumers.bids.listing import Listing
from consumers.bids.shown import shown
from consumers.bids.standing import Standing, standing_bids
from consumers.bids.told import closing_json
from consumers.runtime import Database, StateTable, Write

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MS: Final = 253_402_300_799_000  # The last second of the year 9999: Python knows no later one.

AUCTION: Final = StateTable(
    "auction",
    key=("id",),
    columns=(
        "status",
        "outcome",
        "ends_at",
        "price",
        "leader_id",
        "minimum_next",
        "bid_count",
        "reserve_met",
        "buy_now_available",
        "seq",
        "public_seq",
        "state",
    ),
)


def auction_row(auction_id: UUID, auction: Auction) -> tuple[Any, ...]:
    """The row of table `auction`."""
    seen = shown(auction)
    lead = seen.lead
    return (
        auction_id,
        seen.status,
        seen.outcome,
        timestamp(seen.end),
        None if lead is None else lead.price,
        None if lead is None else lead.bidder,
        seen.minimum_next,
        seen.bid_count,
        seen.reserve_met,
        seen.buy_now_available,
        seen.seq,
        seen.public_seq,
        snapshot(auction),
    )


@lru_cache(maxsize=4096)
def timestamp(at_ms: int | None) -> datetime | None:
    """A time in ms as PostgreSQL takes it."""
    return None if at_ms is None else _EPOCH + timedelta(milliseconds=min(at_ms, _LAST_MS))


STATES: Final = """
    SELECT id, state FROM auction WHERE id = ANY($1)
"""


async def load_auctions(db: Database, auction_ids: Collection[UUID]) -> dict[UUID, Auction]:
    """The auctions of these ids that there are."""
    return {row["id"]: restore(row["state"]) for row in await db.fetch(STATES, auction_ids)}


FACTS: Final = """
    SELECT facts FROM log WHERE aggregate = $1 AND first_seq IS NOT NULL ORDER BY first_seq
"""
_facts_encoder: Final = msgspec.msgpack.Encoder()
_facts_decoder: Final = msgspec.msgpack.Decoder(list[AuctionEvent])


def write_facts(events: Iterable[AuctionEvent]) -> bytes:
    """What the log keeps of the events of a command, hidden parts too."""
    return _facts_encoder.encode(events)


def read_facts(facts: bytes) -> list[AuctionEvent]:
    """The events of a command, as the log kept them."""
    return _facts_decoder.decode(facts)


async def load_standing(db: Database, auction_id: UUID) -> Standing:
    """The standing bids of an auction, folded from its whole log."""
    rows = await db.fetch(FACTS, auction_id)
    return standing_bids(event for row in rows for event in read_facts(row["facts"]))


LISTINGS: Final = """
    SELECT auction_id, title, description, category, tags, video_id, shipping_info, increments, duration_s,
           (extract(epoch FROM created_at) * 1000)::bigint AS created_at_ms
      FROM listing WHERE auction_id = ANY($1)
"""


async def load_listings(db: Database, auction_ids: Collection[UUID]) -> dict[UUID, Listing]:
    """What the sellers of these auctions say about them."""
    return {
        row["auction_id"]: Listing(
            title=row["title"],
            description=row["description"],
            category=row["category"],
            tags=tuple(row["tags"]),
            video_id=None if row["video_id"] is None else str(row["video_id"]),
            shipping_info=row["shipping_info"],
            increments=row["increments"],
            duration=row["duration_s"],
            created_at=row["created_at_ms"],
        )
        for row in await db.fetch(LISTINGS, auction_ids)
    }


OFFER: Final = """
    INSERT INTO listing (auction_id, seller_id, title, description, category, tags, video_id, shipping_info, currency,
                         starting_price, buy_now, starts_at, duration_s, closing, increments, created_at,
                         max_buyer_strikes, pay_window_s)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
        ON CONFLICT (auction_id) DO UPDATE
       SET title = excluded.title, description = excluded.description, category = excluded.category,
           tags = excluded.tags, video_id = excluded.video_id, shipping_info = excluded.shipping_info,
           starting_price = excluded.starting_price, buy_now = excluded.buy_now, starts_at = excluded.starts_at,
           duration_s = excluded.duration_s
"""


def offer_row(auction_id: UUID, auction: Auction, listing: Listing) -> tuple[Any, ...]:
    """The row of table `listing`, for OFFER."""
    seen = shown(auction)
    terms = seen.terms
    return (
        auction_id,
        terms.seller,
        listing.title,
        listing.description,
        listing.category,
        listing.tags,
        listing.video_id,
        listing.shipping_info,
        terms.currency,
        terms.start_price,
        None if terms.buy_now is None else terms.buy_now.price,
        timestamp(seen.start),
        listing.duration,
        closing_json(terms.closing).decode(),
        listing.increments,
        timestamp(listing.created_at),
        terms.strikes_max,
        terms.pay_window_s,
    )


PARTICIPATION: Final = StateTable("participation", key=("auction_id", "bidder_id"), columns=("last_bid_at",))


def participation(last: Mapping[tuple[UUID, str], int]) -> Write:
    """Remember who bid where, and when last (ms)."""
    rows = [(auction, bidder, timestamp(at)) for (auction, bidder), at in last.items()]
    return Write("", rows, into=PARTICIPATION)


LEARN: Final = """
    INSERT INTO standing AS s (user_id, suspended, sequence) VALUES ($1, $2, $3)
        ON CONFLICT (user_id) DO UPDATE
       SET suspended = excluded.suspended, sequence = excluded.sequence, changed_at = excluded.changed_at
     WHERE s.sequence < excluded.sequence
"""

STRIKE: Final = """
    INSERT INTO strike (order_id, buyer_id, struck_at_ms) VALUES ($1, $2, $3) ON CONFLICT (order_id) DO NOTHING
"""

LIFT: Final = """
    UPDATE strike SET lifted = true, changed_at = now() WHERE order_id = $1 AND NOT lifted
"""

STRIKES: Final = """
    SELECT order_id, buyer_id, struck_at_ms, lifted FROM strike WHERE changed_at > $1
"""

STANDING_CHANGES: Final = """
    SELECT now() AS read_at,
           ARRAY(SELECT user_id FROM standing WHERE changed_at > $1 AND suspended) AS suspended,
           ARRAY(SELECT user_id FROM standing WHERE changed_at > $1 AND NOT suspended) AS reinstated
"""
