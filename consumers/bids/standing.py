"""The bids of one auction that still stand: needed only when bids are taken back (RULES X2, X3, X8)."""

from collections.abc import Iterable

from msgspec.structs import replace

from consumers.bids.events import AuctionEvent, BidPlaced, BidRetracted, MaximumRaised, ReserveLowered
from consumers.bids.pricing import StandingBid, cut

Standing = dict[int, StandingBid]
"""The standing bids of one auction by their `seq`, in the order of the log."""


def fold_standing(standing: Standing, event: AuctionEvent) -> None:
    """Brings the standing bids up to date with the event, in place: appending stays O(1) however many stand."""
    match event:
        case BidPlaced(automatic=False):
            standing[event.seq] = StandingBid(
                event.seq, event.at, event.bidder, event.stated, event.maximum, counted=True
            )
        case MaximumRaised():
            standing[event.seq] = StandingBid(
                event.seq, event.at, event.bidder, event.stated, event.maximum, counted=False
            )
        case BidRetracted():
            for seq in event.bid_seqs:
                del standing[seq]
        case ReserveLowered():
            for seq, bid in standing.items():
                maximum = cut(bid.maximum, event.reserve)
                if maximum != bid.maximum:
                    standing[seq] = replace(bid, maximum=maximum)


def standing_bids(events: Iterable[AuctionEvent]) -> Standing:
    """The standing bids that a whole history leaves."""
    standing: Standing = {}
    for event in events:
        fold_standing(standing, event)
    return standing
