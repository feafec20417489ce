"""What payments learns from others: what sold to whom, who bid how much (for the second chance), and who left."""

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID, uuid5

import msgspec

from consumers.payments.effects import TELL, ForgetPerson, OpenSold, job
from consumers.runtime import Database, Incoming, ReadAs, Remembered, SequenceGuard, Verdict, Write, enqueue
from topics.catalog import AUCTION_EVENTS

OPENED_TOGETHER: Final = 500
"""Auctions whose orders one job opens."""


class _Said(msgspec.Struct, rename="camel", gc=False):
    auction_id: UUID


class _Shipping(msgspec.Struct, rename="camel", gc=False):
    cost: float | None = None


class Listed(_Said, gc=False):
    """AuctionCreated and AuctionUpdated."""

    seller_id: UUID
    title: str
    currency: str | None = None
    shipping_info: _Shipping = msgspec.field(default_factory=_Shipping)
    pay_window_s: int | None = None


class Bid(_Said, gc=False):
    """BidPlaced."""

    bidder_id: UUID
    amount: float


class Retracted(_Said, gc=False):
    """BidRetracted: what of this bidder's stands after it is not told, except where he leads."""

    bidder_id: UUID


class Recomputed(_Said, gc=False):
    """PriceRecomputed."""

    leader_id: UUID | None = None
    price: float | None = None


class Ended(_Said, gc=False):
    """AuctionEnded; winner and price only when it sold."""

    seller_id: UUID
    winner_id: UUID | None = None
    final_price: float | None = None
    currency: str = "USD"


READERS: Final = {
    "AuctionCreated": ReadAs(Listed, refuses_nul=True),
    "AuctionUpdated": ReadAs(Listed, refuses_nul=True),
    "BidPlaced": ReadAs(Bid, refuses_nul=False),
    "BidRetracted": ReadAs(Retracted, refuses_nul=False),
    "PriceRecomputed": ReadAs(Recomputed, refuses_nul=False),
    "AuctionEnded": ReadAs(Ended, refuses_nul=False),
}

LEARN_LISTING = """
    INSERT INTO auction AS a (id, seller_id, title, currency, shipping, pay_window_s)
    SELECT id, seller_id, title, coalesce(currency, 'USD'), shipping, pay_window_s
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::bigint[], $6::int[])
           AS l (id, seller_id, title, currency, shipping, pay_window_s)
        ON CONFLICT (id) DO UPDATE SET title = excluded.title, shipping = excluded.shipping,
           pay_window_s = coalesce(excluded.pay_window_s, a.pay_window_s)
"""
LEARN_SALE = """
    INSERT INTO auction (id, seller_id, title, currency, winner_id, price)
    SELECT id, seller_id, '', currency, winner_id, price
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::uuid[], $5::bigint[])
           AS s (id, seller_id, currency, winner_id, price)
        ON CONFLICT (id) DO UPDATE SET winner_id = excluded.winner_id, price = excluded.price, currency = excluded.currency
"""
FORGET_BIDS = """
    DELETE FROM highest_bid WHERE (auction_id, bidder_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[]))
"""
LEARN_BIDS = """
    INSERT INTO highest_bid AS h (auction_id, bidder_id, amount)
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[])
        ON CONFLICT (auction_id, bidder_id) DO UPDATE SET amount = greatest(h.amount, excluded.amount)
"""


class Auctions:
    """Learns from one partition of auction-events."""

    def __init__(self) -> None:
        self._guard = SequenceGuard(AUCTION_EVENTS.name)

    async def decide(
        self,
        batch: Sequence[Incoming],
        earlier: Mapping[UUID, Remembered],  # noqa: ARG002 - every desk is asked alike
        db: Database,
    ) -> Verdict:
        """What the new events of a batch change, and the orders that they call for."""
        fresh, seen = await self._guard.fresh(batch, db)
        lesson = _Lesson()
        for incoming in fresh:
            lesson.take(incoming)
        return Verdict(writes=[one for one in (*lesson.writes(), seen) if one.rows])


class Leavers:
    """Hears in user-events of those who left."""

    async def decide(
        self,
        batch: Sequence[Incoming],
        earlier: Mapping[UUID, Remembered],  # noqa: ARG002 - every desk is asked alike
        db: Database,  # noqa: ARG002
    ) -> Verdict:
        """One errand for each; a repeated event finds its job standing."""
        jobs = [job(uuid5(one.id, "forget"), TELL, ForgetPerson(one.aggregate)) for one in batch]
        return Verdict(writes=enqueue(*jobs))


class _Lesson:
    """A batch of events, each auction and each bidder once."""

    def __init__(self) -> None:
        self._listed: dict[UUID, Listed] = {}
        self._sold: dict[UUID, tuple[UUID, Ended]] = {}
        self._bids: dict[tuple[UUID, UUID], int] = {}
        self._forgotten: set[tuple[UUID, UUID]] = set()

    def take(self, incoming: Incoming) -> None:
        match incoming.body:
            case Listed() as listed:
                had = self._listed.get(listed.auction_id)
                if listed.currency is None and had is not None:
                    listed.currency = had.currency
                self._listed[listed.auction_id] = listed
            case Bid() as bid:
                self._bid(bid.auction_id, bid.bidder_id, bid.amount)
            case Retracted() as gone:
                self._bids.pop((gone.auction_id, gone.bidder_id), None)
                self._forgotten.add((gone.auction_id, gone.bidder_id))
            case Recomputed(leader_id=UUID() as leader, price=float() | int() as price) as now:
                self._bid(now.auction_id, leader, price)
            case Ended(winner_id=UUID(), final_price=float() | int()) as ended:
                self._sold[ended.auction_id] = incoming.id, ended

    def _bid(self, auction_id: UUID, bidder_id: UUID, amount: float) -> None:
        key = auction_id, bidder_id
        self._bids[key] = max(minor(amount), self._bids.get(key, 0))

    def writes(self) -> list[Write]:
        """In this order: what was taken back goes before what stands after it."""
        listed = [
            (k, one.seller_id, one.title, one.currency, minor(one.shipping_info.cost or 0), one.pay_window_s)
            for k, one in sorted(self._listed.items())
        ]
        bids = [(auction, bidder, amount) for (auction, bidder), amount in sorted(self._bids.items())]
        sold = [
            (k, one.seller_id, one.currency, one.winner_id, minor(one.final_price or 0))
            for k, (_, one) in sorted(self._sold.items())
        ]
        return [
            _columns(LEARN_LISTING, listed),
            _columns(FORGET_BIDS, sorted(self._forgotten)),
            _columns(LEARN_BIDS, bids),
            _columns(LEARN_SALE, sold),
            *self._openings(),
        ]

    def _openings(self) -> list[Write]:
        sold = list(self._sold.items())
        chunks = [sold[start : start + OPENED_TOGETHER] for start in range(0, len(sold), OPENED_TOGETHER)]
        jobs = [
            job(uuid5(chunk[0][1][0], "open"), TELL, OpenSold(tuple(auction_id for auction_id, _ in chunk)))
            for chunk in chunks
        ]
        return enqueue(*jobs)


def _columns(sql: str, rows: Sequence[tuple[object, ...]]) -> Write:
    """One execution for all rows: each column as an array."""
    return Write(sql, [tuple(map(list, zip(*rows, strict=True)))] if rows else [])


def minor(amount: float) -> int:
    """Hundredths of an amount on the wire; exact, since it has at most two decimals and ten digits."""
    return round(amount * 100)
