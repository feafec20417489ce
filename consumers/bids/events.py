"""What happens to an auction: the events of RULES section 10 with their hidden parts, in the form the log keeps."""

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec

from consumers.bids.offer import Offer
from consumers.bids.pricing import Lead

EndOutcome = Literal["sold", "sold_buy_now", "reserve_not_met", "no_bids", "cancelled"]
Role = Literal["bidder", "seller", "platform"]


class _Event(msgspec.Struct, frozen=True, array_like=True, gc=False, tag=True):
    """`seq` counts 1, 2, 3 ... per auction without a gap; `at` is the record time after T2, in ms."""

    seq: int
    at: int


class DraftOpened(_Event, frozen=True):
    """Private. `listing` is what the seller says about the thing, and is carried unread."""

    offer: Offer
    listing: Any


class DraftUpdated(_Event, frozen=True):
    """Private. The whole offer and listing after the change."""

    offer: Offer
    listing: Any


class DraftDiscarded(_Event, frozen=True):
    """Private. The draft will never be an auction."""

    by: Role


class AuctionCreated(_Event, frozen=True):
    """E0. Hidden: the reserve and the blocked in `offer`."""

    offer: Offer
    listing: Any


class AuctionUpdated(_Event, frozen=True):
    """The whole offer after a change before the first bid; `listing` is None if it stays as it was."""

    offer: Offer
    listing: Any


class BidPlaced(_Event, frozen=True):
    """E1, E2, E3: one visible step of the price.

    Hidden: `stated` and `maximum` of the bid; in a winning one `maximum` is M. `outbid_bidder` has just lost the
    lead. `minimum_next` is what a challenger has to reach once all events of the command have happened.
    """

    bidder: str
    amount: int
    previous_amount: int | None
    minimum_next: int
    outbid_bidder: str | None
    stated: int | None
    maximum: int
    is_winning: bool
    automatic: bool

    @property
    def takes_the_lead(self) -> bool:
        """Whether the leader changes by it; every winning one moves the price."""
        return self.is_winning and not self.automatic


class MaximumRaised(_Event, frozen=True):
    """E3, private: the leader's own raise. Hidden: both amounts."""

    bidder: str
    stated: int | None
    maximum: int


class BidRefused(_Event, frozen=True):
    """E5, private. Hidden: the refused amounts, as far as they were amounts."""

    bidder: str
    reason: str
    minimum: int | None
    amount: int | None
    max_amount: int | None


class AuctionExtended(_Event, frozen=True):
    """E4. `end` in ms."""

    end: int


class BidRetracted(_Event, frozen=True):
    """E7. Hidden: which bids went, by their `seq`."""

    bidder: str
    by: Role
    reason: str
    bid_seqs: tuple[int, ...]


class PriceRecomputed(_Event, frozen=True):
    """E7. Hidden: the maximum in `lead`."""

    lead: Lead | None
    bid_count: int
    minimum_next: int


class ReserveLowered(_Event, frozen=True):
    """E9. Hidden: the new reserve, None when it was removed."""

    reserve: int | None


class BidderBlocked(_Event, frozen=True):
    """E7, E9, private."""

    bidder: str
    by: Role


class AuctionCancelled(_Event, frozen=True):
    """E8."""

    by: Role
    reason: str


class AuctionEnded(_Event, frozen=True):
    """E6, E8. `winner` and `final_price` only if it was sold."""

    outcome: EndOutcome
    total_bids: int
    winner: str | None
    final_price: int | None
    seller: str


AuctionEvent = (
    DraftOpened
    | DraftUpdated
    | DraftDiscarded
    | AuctionCreated
    | AuctionUpdated
    | BidPlaced
    | MaximumRaised
    | BidRefused
    | AuctionExtended
    | BidRetracted
    | PriceRecomputed
    | ReserveLowered
    | BidderBlocked
    | AuctionCancelled
    | AuctionEnded
)

PRIVATE: Final[frozenset[type]] = frozenset(
    {DraftOpened, DraftUpdated, DraftDiscarded, MaximumRaised, BidRefused, BidderBlocked}
)


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(tuple[AuctionEvent, ...])


def to_facts(events: Sequence[AuctionEvent]) -> bytes:
    """The events of one command in msgpack, hidden parts included: what the log keeps."""
    return _ENCODER.encode(events)


def from_facts(facts: bytes) -> tuple[AuctionEvent, ...]:
    """The events that were kept. Raises msgspec.ValidationError if these are none."""
    events: tuple[AuctionEvent, ...] = _DECODER.decode(facts)
    return events


def is_public(event: AuctionEvent) -> bool:
    """Whether everyone may see it; the others are for the bidder and the seller (E11)."""
    return type(event) not in PRIVATE


def public(event: AuctionEvent) -> dict[str, Any]:
    """`seq`, `type` and the listed fields of section 10: never a maximum or a reserve (E11)."""
    return {"seq": event.seq, "type": type(event).__name__, "data": _data(event)}


def _data(event: AuctionEvent) -> dict[str, Any]:
    match event:
        case BidPlaced():
            return {
                "bidder": event.bidder,
                "amount": event.amount,
                "previousAmount": event.previous_amount,
                "isWinning": event.is_winning,
                "automatic": event.automatic,
            }
        case BidRefused(minimum=None):
            return {"bidder": event.bidder, "reason": event.reason}
        case BidRefused():
            return {"bidder": event.bidder, "reason": event.reason, "minimum": event.minimum}
        case MaximumRaised() | BidderBlocked():
            return {"bidder": event.bidder}
        case AuctionExtended():
            return {"endTime": event.end}
        case AuctionEnded(winner=None):
            return {"outcome": event.outcome, "totalBids": event.total_bids}
        case AuctionEnded():
            return {
                "outcome": event.outcome,
                "totalBids": event.total_bids,
                "winner": event.winner,
                "finalPrice": event.final_price,
            }
        case BidRetracted():
            return {
                "bidder": event.bidder,
                "by": event.by,
                "reason": event.reason,
                "bids": len(event.bid_seqs),
            }
        case PriceRecomputed():
            lead = event.lead
            return {
                "leader": lead and lead.bidder,
                "price": lead and lead.price,
                "bidCount": event.bid_count,
            }
        case ReserveLowered():
            return {"hasReserve": event.reserve is not None}
        case AuctionCancelled():
            return {"by": event.by, "reason": event.reason}
        case DraftDiscarded():
            return {"by": event.by}
        case DraftOpened() | DraftUpdated() | AuctionCreated() | AuctionUpdated():
            offer = event.offer
            return {
                "seller": offer.terms.seller,
                "startingPrice": offer.terms.start_price,
                "startTime": offer.start,
                "endTime": offer.end,
            }
