"""What is told of an auction: an event of the rules -> its envelope on the topic (schemas/auctions.py), hidden parts left out."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumers.bids import events as happened
from consumers.bids.auction import Auction, Open, Opened, reserve_met
from consumers.bids.events import AuctionEvent
from consumers.bids.listing import Listing, listing_of
from consumers.bids.offer import Closing, Offer
from consumers.runtime import OutEvent, event
from producers.publish import event_id
from schemas.envelope import print_time

_ONE_MS: Final = 1000


class _Told(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """A field that is UNSET is left out; the others are always there."""

    auction_id: str


class AuctionUpdated(_Told, frozen=True, kw_only=True):
    seller_id: str
    title: str
    starting_price: Raw
    category: str | None
    start_time: str | None
    end_time: str | None
    description: str
    tags: tuple[str, ...]
    video_id: str | None
    shipping_info: Raw
    has_reserve: bool
    buy_now_price: Raw | None
    max_buyer_strikes: int | UnsetType
    pay_window_s: int | UnsetType
    draft: bool


class AuctionCreated(AuctionUpdated, frozen=True, kw_only=True):
    currency: str
    closing: Raw


class BidPlaced(_Told, frozen=True, kw_only=True):
    bid_id: str
    bidder_id: str
    amount: Raw
    previous_amount: Raw | None
    is_winning: bool
    placed_at: str
    automatic: bool
    outbid_bidder_id: str | UnsetType
    minimum_next_bid: Raw
    bid_count: int
    reserve_met: bool | None
    message: str | UnsetType
    stream_time_ms: int | UnsetType


class MaximumRaised(_Told, frozen=True):
    bidder_id: str


class BidRefused(_Told, frozen=True):
    bidder_id: str
    reason: str
    minimum: Any


class AuctionExtended(_Told, frozen=True):
    end_time: str
    extensions: int


class AuctionEnded(_Told, frozen=True, kw_only=True):
    winner_id: str | UnsetType
    seller_id: str
    final_price: Any
    total_bids: int
    ended_at: str
    outcome: str
    currency: str


class AuctionCancelled(_Told, frozen=True):
    by: str
    reason: str


class BidRetracted(_Told, frozen=True):
    bidder_id: str
    by: str
    reason: str
    bids: int
    bid_ids: tuple[str, ...]
    since_sequence: int


class PriceRecomputed(_Told, frozen=True, kw_only=True):
    leader_id: str | None
    price: Raw | None
    bid_count: int
    minimum_next_bid: Raw
    reserve_met: bool | None


class ReserveLowered(_Told, frozen=True):
    has_reserve: bool
    reserve_met: bool | None


class BidderBlocked(_Told, frozen=True):
    bidder_id: str


Told = (
    AuctionCreated
    | AuctionUpdated
    | BidPlaced
    | MaximumRaised
    | BidRefused
    | AuctionExtended
    | AuctionEnded
    | AuctionCancelled
    | BidRetracted
    | PriceRecomputed
    | ReserveLowered
    | BidderBlocked
)

_encode: Final[Callable[[Any], bytes]] = msgspec.json.Encoder().encode
time_text: Final = lru_cache(maxsize=1024)(print_time)
"""RFC 3339 text of a time in ms; the commands of one batch share a few."""


@lru_cache(maxsize=8_192)
def money(minor: int) -> Raw:
    """An amount, never below zero, as the text of a JSON number with two decimals."""
    return Raw(b"%d.%02d" % divmod(minor, 100))


def bid_id(auction_id: UUID, sequence: int) -> str:
    """The id of the bid that the auction's event of this sequence accepted: that event's id.

    Not the command's: that one follows from its sender's id and key, and would let a guesser undo the pseudonym (B13).
    """
    return event_id(auction_id, sequence)


def tell(
    auction_id: UUID,
    one: AuctionEvent,
    before: Auction,
    after: Auction,
    listing: Listing | None,
    message: str | None,
    seen_ms: int | None = None,
) -> OutEvent:
    """One event as it goes to the topic, between the auction `before` it and `after` it.

    `listing` is the listing as it is after it, needed by an update only; `message` is what the bidder said with a bid,
    `seen_ms` where in the film he was.
    """
    name = event_id(auction_id, one.seq)
    data = _data(auction_id, name, one, after, listing, message, seen_ms)
    return event(
        type(data).__name__,
        aggregate=auction_id,
        sequence=one.seq,
        at=time_text(one.at),
        data=_encode(data),
        previous_public_sequence=getattr(before, "public_seq", 0),
        id=name,
    )


def _data(
    aggregate: UUID,
    name: str,
    one: AuctionEvent,
    after: Auction,
    listing: Listing | None,
    message: str | None,
    seen_ms: int | None,
) -> Told:
    auction_id = str(aggregate)
    match one, after:
        case happened.BidPlaced(), Open():
            return BidPlaced(
                auction_id,
                bid_id=name,
                bidder_id=one.bidder,
                amount=money(one.amount),
                previous_amount=None if one.previous_amount is None else money(one.previous_amount),
                is_winning=one.is_winning,
                placed_at=time_text(one.at),
                automatic=one.automatic,
                outbid_bidder_id=one.outbid_bidder or UNSET,
                minimum_next_bid=money(one.minimum_next),
                bid_count=after.bid_count,
                reserve_met=reserve_met(after),
                message=UNSET if message is None or one.automatic else message,
                stream_time_ms=UNSET if seen_ms is None or one.automatic else seen_ms,
            )
        case happened.BidRefused(), _:
            minimum = UNSET if one.minimum is None else money(one.minimum)
            return BidRefused(auction_id, one.bidder, one.reason, minimum)
        case happened.MaximumRaised(), _:
            return MaximumRaised(auction_id, one.bidder)
        case happened.AuctionExtended(), Open():
            return AuctionExtended(auction_id, time_text(one.end), after.extensions)
        case happened.BidRetracted(), _:
            ids = tuple(bid_id(aggregate, seq) for seq in one.bid_seqs)
            return BidRetracted(auction_id, one.bidder, one.by, one.reason, len(ids), ids, min(one.bid_seqs))
        case happened.PriceRecomputed(), Open():
            return PriceRecomputed(
                auction_id,
                leader_id=one.lead.bidder if one.lead else None,
                price=money(one.lead.price) if one.lead else None,
                bid_count=one.bid_count,
                minimum_next_bid=money(one.minimum_next),
                reserve_met=reserve_met(after),
            )
        case happened.ReserveLowered(), Open():
            return ReserveLowered(auction_id, one.reserve is not None, reserve_met(after))
        case happened.BidderBlocked(), _:
            return BidderBlocked(auction_id, one.bidder)
        case happened.AuctionEnded(), _:
            return _ended(auction_id, one, after)
        case happened.AuctionCancelled(), _:
            return AuctionCancelled(auction_id, one.by, one.reason)
        case happened.DraftDiscarded(), _:
            return AuctionCancelled(auction_id, one.by, "The draft was discarded.")
        case ((happened.AuctionCreated() | happened.DraftOpened()), _):
            draft = isinstance(one, happened.DraftOpened)
            return _created(auction_id, one.offer, listing_of(one.listing), draft=draft)
        case ((happened.AuctionUpdated() | happened.DraftUpdated()), _):
            if listing is None:
                raise ValueError("an update tells the whole listing")
            draft = isinstance(one, happened.DraftUpdated)
            return AuctionUpdated(auction_id, **_offered(one.offer, listing, draft=draft))
        case _:
            raise ValueError(f"{type(one).__name__} left {type(after).__name__}")


def _ended(auction_id: str, one: happened.AuctionEnded, after: Auction) -> AuctionEnded:
    if not isinstance(after, Opened):
        raise ValueError("only an auction ends")
    return AuctionEnded(
        auction_id,
        winner_id=one.winner or UNSET,
        seller_id=one.seller,
        final_price=UNSET if one.final_price is None else money(one.final_price),
        total_bids=one.total_bids,
        ended_at=time_text(one.at),
        outcome=one.outcome,
        currency=after.terms.currency,
    )


def _created(auction_id: str, offer: Offer, listing: Listing, *, draft: bool) -> AuctionCreated:
    closing = Raw(closing_json(offer.terms.closing))
    return AuctionCreated(
        auction_id, currency=offer.terms.currency, closing=closing, **_offered(offer, listing, draft=draft)
    )


def _offered(offer: Offer, listing: Listing, *, draft: bool) -> dict[str, Any]:
    terms = offer.terms
    return {
        "seller_id": terms.seller,
        "title": listing.title,
        "starting_price": money(terms.start_price),
        "category": listing.category,
        "start_time": None if offer.start is None else time_text(offer.start),
        "end_time": None if offer.end is None else time_text(offer.end),
        "description": listing.description,
        "tags": listing.tags,
        "video_id": listing.video_id,
        "shipping_info": Raw(listing.shipping_info.encode()),
        "has_reserve": offer.reserve is not None,
        "buy_now_price": None if terms.buy_now is None else money(terms.buy_now.price),
        "max_buyer_strikes": UNSET if terms.strikes_max is None else terms.strikes_max,
        "pay_window_s": UNSET if terms.pay_window_s is None else terms.pay_window_s,
        "draft": draft,
    }


def closing_json(closing: Closing) -> bytes:
    """How the auction ends, in the form in which it is asked for: windows and extensions in seconds (C1-C4)."""
    said: dict[str, Any] = {"mode": closing.mode}
    if closing.mode == "soft":
        said |= {
            "window": closing.window // _ONE_MS,
            "extension": closing.extension // _ONE_MS,
            "extend": closing.extend,
        }
    if closing.mode == "counter_bid":
        said["counterBidTime"] = closing.extension // _ONE_MS
    if closing.max_extensions is not None:
        said["maxExtensions"] = closing.max_extensions
    if closing.hard_stop is not None:
        said["hardStop"] = time_text(closing.hard_stop)
    return _encode(said)
