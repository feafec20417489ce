"""What is known of an auction between two commands, and how an event changes it; of constant size (RULES section 11)."""

from typing import Any, Final

import msgspec
from msgspec.structs import replace

from consumers.bids.events import (
    AuctionCancelled,
    AuctionCreated,
    AuctionEnded,
    AuctionEvent,
    AuctionExtended,
    AuctionUpdated,
    BidderBlocked,
    BidPlaced,
    BidRefused,
    BidRetracted,
    DraftDiscarded,
    DraftOpened,
    DraftUpdated,
    EndOutcome,
    MaximumRaised,
    PriceRecomputed,
    ReserveLowered,
)
from consumers.bids.increments import TABLES
from consumers.bids.offer import BLANK, Offer, Terms
from consumers.bids.pricing import Lead, cut


class Unopened(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """Before the first valid opening: no sequence and no clock (O1)."""


class _Known(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """`seq` of the last event, `public_seq` of the last public one, `clock` the t of the last command (T2, ms)."""

    seq: int
    public_seq: int
    clock: int


class Draft(_Known, frozen=True, tag=True):
    """Seen by its seller only. It keeps the listing, so that publishing can say all of it."""

    offer: Offer
    listing: Any


class Discarded(_Known, frozen=True, tag=True):
    """A draft that will never be an auction."""

    seller: str


class _Opened(_Known, frozen=True):
    """What is public of an auction at any time, and the reserve. `start` and `end` in ms."""

    terms: Terms
    start: int
    end: int
    reserve: int | None
    lead: Lead | None
    bid_count: int


class Open(_Opened, frozen=True, tag=True):
    """From the opening to the event that ends it: scheduled before `start`, live afterwards (S2)."""

    had_bids: bool
    extensions: int
    buy_now_gone: bool
    blocked: frozenset[str]
    seller_cancelled_at: int | None


class Ended(_Opened, frozen=True, tag=True):
    """After the one AuctionEnded (C8)."""

    outcome: EndOutcome


class Cancelled(_Opened, frozen=True, tag=True):
    """Called off; price and leader stay as they were last (S2)."""


Opened = Open | Ended | Cancelled
Auction = Unopened | Draft | Discarded | Open | Ended | Cancelled
UNOPENED: Final = Unopened()


def evolve(auction: Auction, event: AuctionEvent) -> Auction:
    """The auction after the event. Raises ValueError if such an event cannot happen to it."""
    match auction, event:
        case Open(), BidPlaced():
            return _placed(auction, event)
        case ((Open() | Ended() | Cancelled()), BidRefused()):
            return replace(auction, seq=event.seq, clock=event.at)
        case Open(), MaximumRaised(maximum=maximum) if auction.lead is not None:
            return replace(
                auction,
                seq=event.seq,
                clock=event.at,
                lead=replace(auction.lead, maximum=maximum),
                buy_now_gone=auction.buy_now_gone or _sells(auction.lead.price, auction.reserve),
            )
        case Open(), AuctionExtended():
            return _shown(auction, event, end=event.end, extensions=auction.extensions + 1)
        case Open(), AuctionEnded():
            return _ended(auction, event)
        case Open(), BidRetracted(by="seller"):
            return _shown(auction, event, seller_cancelled_at=event.at)
        case Open(), BidRetracted() | AuctionCancelled():
            return _shown(auction, event)
        case Open(), PriceRecomputed():
            return _shown(auction, event, lead=event.lead, bid_count=event.bid_count)
        case Open(), ReserveLowered():
            lead = auction.lead and replace(auction.lead, maximum=cut(auction.lead.maximum, event.reserve))
            return _shown(auction, event, reserve=event.reserve, lead=lead)
        case Open(), BidderBlocked():
            return replace(auction, seq=event.seq, clock=event.at, blocked=auction.blocked | {event.bidder})
        case Open(), AuctionUpdated():
            offer = event.offer
            return _shown(auction, event, terms=offer.terms, start=offer.start, end=offer.end, reserve=offer.reserve)
        case ((Unopened() | Draft()), AuctionCreated()):
            return _created(event)
        case Unopened(), DraftOpened():
            return Draft(event.seq, 0, event.at, event.offer, event.listing)
        case Draft(), DraftUpdated():
            return Draft(event.seq, 0, event.at, event.offer, event.listing)
        case Draft(), DraftDiscarded():
            return Discarded(event.seq, 0, event.at, auction.offer.terms.seller)
        case _:
            raise ValueError(f"{type(event).__name__} cannot happen to {type(auction).__name__}")


def advance(auction: Auction, at: int) -> Auction:
    """The auction after a command that made no event: only its clock has moved (T2)."""
    if isinstance(auction, Unopened) or at <= auction.clock:
        return auction
    return replace(auction, clock=at)


def public_state(auction: Auction) -> dict[str, Any] | None:
    """What everyone may know of it (S1); None while there is no auction to see."""
    if isinstance(auction, Unopened | Draft | Discarded):
        return None
    lead = auction.lead
    return {
        "price": lead and lead.price,
        "leader": lead and lead.bidder,
        "end": auction.end,
        "status": status(auction),
        "bidCount": auction.bid_count,
        "reserveMet": reserve_met(auction),
    }


def status(auction: Opened) -> str:
    """scheduled, live, ended or cancelled (S2)."""
    match auction:
        case Open():
            return "scheduled" if auction.clock < auction.start else "live"
        case Ended():
            return "ended"
        case Cancelled():
            return "cancelled"


def reserve_met(auction: Opened) -> bool | None:
    """Whether P >= R; None without a reserve (R3)."""
    if auction.reserve is None:
        return None
    return auction.lead is not None and auction.lead.price >= auction.reserve


def snapshot(auction: Auction) -> bytes:
    """The auction in msgpack, of a size that does not grow with its bids."""
    return _ENCODER.encode(auction)


def restore(data: bytes) -> Auction:
    """The auction of a snapshot. Raises msgspec.ValidationError if it is none."""
    auction: Auction = _DECODER.decode(data)
    if not isinstance(auction, Open):
        return auction
    # Shared, 100,000 live auctions take 72 MB instead of 194: tables and empty sets are the same in most.
    terms = replace(
        auction.terms,
        increments=_TABLES.get(auction.terms.increments, auction.terms.increments),
        linked_accounts=auction.terms.linked_accounts or _NOBODY,
        closing=BLANK.terms.closing if auction.terms.closing == BLANK.terms.closing else auction.terms.closing,
    )
    return replace(auction, terms=terms, blocked=auction.blocked or _NOBODY)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Auction)
_TABLES: Final = {table: table for table in TABLES.values()}
_NOBODY: Final[frozenset[str]] = frozenset()


def _sells(price: int, reserve: int | None) -> bool:
    return reserve is None or price >= reserve


def _shown(auction: Open, event: AuctionEvent, **changes: Any) -> Open:
    return replace(auction, seq=event.seq, public_seq=event.seq, clock=event.at, **changes)


def _placed(auction: Open, event: BidPlaced) -> Open:
    seq = event.seq
    if not event.is_winning:
        count = auction.bid_count if event.automatic else auction.bid_count + 1
        return replace(auction, seq=seq, public_seq=seq, clock=event.at, bid_count=count, had_bids=True)
    return replace(
        auction,
        seq=seq,
        public_seq=seq,
        clock=event.at,
        lead=Lead(event.bidder, event.amount, event.maximum),
        bid_count=auction.bid_count if event.automatic else auction.bid_count + 1,
        had_bids=True,
        buy_now_gone=auction.buy_now_gone or _sells(event.amount, auction.reserve),
    )


def _created(event: AuctionCreated) -> Open:
    offer = event.offer
    if offer.start is None or offer.end is None:
        raise ValueError("an auction has a start and an end")
    return Open(
        seq=event.seq,
        public_seq=event.seq,
        clock=event.at,
        terms=offer.terms,
        start=offer.start,
        end=offer.end,
        reserve=offer.reserve,
        lead=None,
        bid_count=0,
        had_bids=False,
        extensions=0,
        buy_now_gone=False,
        blocked=offer.blocked,
        seller_cancelled_at=None,
    )


def _ended(auction: Open, event: AuctionEnded) -> Ended | Cancelled:
    lead = auction.lead
    if event.outcome == "sold_buy_now" and event.winner is not None and event.final_price is not None:
        lead = Lead(event.winner, event.final_price, event.final_price)  # N3
    opened = (
        event.seq,
        event.seq,
        event.at,
        auction.terms,
        auction.start,
        auction.end,
        auction.reserve,
        lead,
        auction.bid_count,
    )
    return Cancelled(*opened) if event.outcome == "cancelled" else Ended(*opened, event.outcome)
