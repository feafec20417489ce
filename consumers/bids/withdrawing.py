"""Bids that are taken back: by their bidder, or by who blocks him (RULES X1-X4, X8)."""

from typing import Final

from consumers.bids.auction import Open
from consumers.bids.commands import PLATFORM, BlockBidder, Retract
from consumers.bids.ending import TWELVE_HOURS_MS
from consumers.bids.events import AuctionEvent, BidderBlocked, BidRetracted, PriceRecomputed, Role
from consumers.bids.outcome import Outcome, accepted, nothing, refused
from consumers.bids.pricing import StandingBid, fold, minimum_next
from consumers.bids.standing import Standing

_ONE_HOUR_MS: Final = 3_600_000
_REASONS: Final = ("wrong_amount", "description_changed")


def retract(auction: Open, command: Retract, at: int, standing: Standing | None) -> Outcome:
    """Takes back all bids of the bidder, in the last twelve hours only his latest of the last hour (X1, X2)."""
    if not auction.terms.retraction:
        return refused(auction, command, "not_allowed", at)
    own = _of(command.bidder, standing)
    if not own:
        return refused(auction, command, "nothing_to_retract", at)
    reason = command.reason
    if reason not in _REASONS:
        return refused(auction, command, "reason_required", at)
    if auction.end - at <= TWELVE_HOURS_MS:
        own = own[-1:]
        if at - own[0].at > _ONE_HOUR_MS:
            return refused(auction, command, "too_late_to_retract", at)
    events = _withdraw(auction, own, standing, by="bidder", reason=reason, at=at, seq=auction.seq + 1)
    return accepted("retracted", at, *events)


def block_bidder(auction: Open, command: BlockBidder, at: int, standing: Standing | None) -> Outcome:
    """Shuts a bidder out, and takes his bids away if asked to (X8)."""
    by: Role = "platform" if command.by == PLATFORM else "seller"
    with_bids = command.cancel_bids is True
    if by == "seller":
        stopping = with_bids and at >= auction.start and not auction.terms.seller_may_stop  # X6
        if command.by != auction.terms.seller or stopping:
            return refused(auction, command, "not_allowed", at)
    own = _of(command.bidder, standing) if with_bids else []
    seq, events = auction.seq + 1, list[AuctionEvent]()
    if command.bidder not in auction.blocked:
        events.append(BidderBlocked(seq, at, command.bidder, by))
        seq += 1
    if own:
        events += _withdraw(auction, own, standing, by=by, reason="bidder_blocked", at=at, seq=seq)
    if not events:
        return nothing("already_blocked", at)
    return accepted("blocked", at, *events)


def _of(bidder: str, standing: Standing | None) -> list[StandingBid]:
    if standing is None:
        raise ValueError("bids are taken back from the standing ones: needs_history")
    return [bid for bid in standing.values() if bid.bidder == bidder]


def _withdraw(
    auction: Open,
    bids: list[StandingBid],
    standing: Standing | None,
    *,
    by: Role,
    reason: str,
    at: int,
    seq: int,
) -> list[AuctionEvent]:
    """The events of E7, with price and leader found anew from the bids that are left (X3)."""
    gone = {bid.seq for bid in bids}
    left = [bid for bid in (standing or {}).values() if bid.seq not in gone]
    lead = fold(left, auction.terms, auction.reserve)
    count = sum(bid.counted for bid in left)
    return [
        BidRetracted(seq, at, bids[0].bidder, by, reason, tuple(bid.seq for bid in bids)),
        PriceRecomputed(seq + 1, at, lead, count, minimum_next(lead, auction.terms)),
    ]
