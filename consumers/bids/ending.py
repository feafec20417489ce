"""How an auction ends: by time, by sale, by the seller, by the platform (RULES C6-C8, X5-X7, N3)."""

from typing import Final

from consumers.bids.auction import Open, reserve_met
from consumers.bids.commands import PLATFORM, Answer, CancelAuction, EndEarly
from consumers.bids.events import AuctionCancelled, AuctionEnded, Role
from consumers.bids.outcome import Outcome, accepted, nothing, refused

TWELVE_HOURS_MS: Final = 12 * 3_600_000


def close(auction: Open, at: int) -> Outcome:
    """Ends the auction if its time is up (C6)."""
    if at < auction.end:
        return nothing("not_due", at)
    lead = auction.lead
    if lead is None:
        end = AuctionEnded(auction.seq + 1, at, "no_bids", auction.bid_count, None, None, auction.terms.seller)
        return accepted("ended", at, end)
    if reserve_met(auction) is False:
        end = AuctionEnded(auction.seq + 1, at, "reserve_not_met", auction.bid_count, None, None, auction.terms.seller)
        return accepted("ended", at, end)
    return _sold(auction, at)


def bought(auction: Open, buyer: str, price: int, at: int) -> Outcome:
    """Sold at once at the Buy It Now price, whoever leads (N3)."""
    end = AuctionEnded(auction.seq + 1, at, "sold_buy_now", auction.bid_count, buyer, price, auction.terms.seller)
    return Outcome(Answer("accepted", "bought", price), (end,), at)


def end_early(auction: Open, command: EndEarly, at: int) -> Outcome:
    """The seller sells to the high bidder or cancels, before the end (X5, X6)."""
    if command.by != auction.terms.seller or not auction.terms.seller_may_stop:
        return refused(auction, command, "not_allowed", at)
    if command.mode == "cancel" and not command.reason:
        return refused(auction, command, "reason_required", at)
    if _cancelled_bids_recently(auction, at):
        return refused(auction, command, "seller_cancelled_bids_recently", at)
    qualifying = auction.lead is not None and reserve_met(auction) is not False
    if qualifying and auction.end - at <= TWELVE_HOURS_MS:
        return refused(auction, command, "has_qualifying_bid", at)
    if command.mode == "cancel":
        return _cancelled(auction, "seller", command.reason or "", at)
    if not qualifying:
        return refused(auction, command, "no_qualifying_bid", at)
    return _sold(auction, at)


def cancel(auction: Open, command: CancelAuction, at: int) -> Outcome:
    """The platform voids the auction; the seller one on which no bid stands (X6, X7)."""
    by_platform = command.by == PLATFORM
    if not by_platform:
        may_stop = auction.terms.seller_may_stop or at < auction.start
        if command.by != auction.terms.seller or not may_stop or auction.lead is not None:
            return refused(auction, command, "not_allowed", at)
    if not command.reason:
        return refused(auction, command, "reason_required", at)
    if not by_platform and _cancelled_bids_recently(auction, at):
        return refused(auction, command, "seller_cancelled_bids_recently", at)
    return _cancelled(auction, "platform" if by_platform else "seller", command.reason, at)


def _sold(auction: Open, at: int) -> Outcome:
    lead = auction.lead
    if lead is None:
        raise ValueError("nobody to sell to")
    end = AuctionEnded(auction.seq + 1, at, "sold", auction.bid_count, lead.bidder, lead.price, auction.terms.seller)
    return accepted("ended", at, end)


def _cancelled(auction: Open, by: Role, reason: str, at: int) -> Outcome:
    called_off = AuctionCancelled(auction.seq + 1, at, by, reason)
    end = AuctionEnded(auction.seq + 2, at, "cancelled", auction.bid_count, None, None, auction.terms.seller)
    return accepted("cancelled", at, called_off, end)


def _cancelled_bids_recently(auction: Open, at: int) -> bool:
    since = auction.seller_cancelled_at
    return since is not None and at - since < TWELVE_HOURS_MS
