"""What a bid and a purchase do to an auction that is live (RULES B2-B16, C1-C4, E1-E5, N2-N5)."""

from consumers.bids.auction import Open
from consumers.bids.commands import Answer, BuyNow, PlaceBid
from consumers.bids.ending import bought
from consumers.bids.events import AuctionEvent, AuctionExtended, BidPlaced, MaximumRaised
from consumers.bids.outcome import Outcome, refused
from consumers.bids.pricing import Lead, minimum_next, place


def place_bid(auction: Open, bid: PlaceBid, at: int) -> Outcome:
    """B2-B7, B10, B14-B16, then N5 or the events of E1-E4."""
    terms, lead, bidder, stated = auction.terms, auction.lead, bid.bidder, bid.amount
    maximum: int = stated if bid.max_amount is None else bid.max_amount
    if bid.suspended:
        return refused(auction, bid, "account_suspended", at)
    if bidder == terms.seller or bidder in terms.linked_accounts:
        return refused(auction, bid, "own_auction", at)
    if bidder in auction.blocked:
        return refused(auction, bid, "bidder_blocked", at)
    if terms.strikes_max is not None and bid.strikes > terms.strikes_max:
        return refused(auction, bid, "too_many_strikes", at)
    if lead is not None and bidder == lead.bidder:
        if maximum <= lead.maximum:
            return refused(auction, bid, "not_above_own_maximum", at)
    else:
        minimum = minimum_next(lead, terms)
        if maximum < minimum or (stated is not None and stated < minimum):
            code = "below_start_price" if lead is None else "below_minimum"
            return refused(auction, bid, code, at, minimum)
    if bid.limit is not None and maximum > bid.limit:
        return refused(auction, bid, "bidding_limit_exceeded", at)
    if terms.confirm_factor is not None and bid.confirmed is not True:
        price = terms.start_price if lead is None else lead.price
        if maximum > terms.confirm_factor * price:
            return refused(auction, bid, "confirmation_required", at)
    buy_now = terms.buy_now
    if buy_now is not None and buy_now.max_policy == "buys" and maximum >= buy_now.price and not auction.buy_now_gone:
        return bought(auction, bidder, buy_now.price, at)
    after = place(lead, bidder, stated, maximum, terms, auction.reserve)
    return _placed(auction, lead, after, bid, maximum, at)


def _placed(auction: Open, before: Lead | None, after: Lead, bid: PlaceBid, maximum: int, at: int) -> Outcome:
    """The events of an accepted bid (E1-E4), and its answer (K1)."""
    following = minimum_next(after, auction.terms)
    if before is None:
        code, events = "leading", _takes_the_lead(auction, None, after, bid, following, at)
    elif before.bidder == bid.bidder:
        code, events = "maximum_raised", _raises(auction, before, after, bid, following, at)
    elif after.bidder == bid.bidder:
        code, events = "leading", _takes_the_lead(auction, before, after, bid, following, at)
    else:
        code, events = "outbid", _is_outbid(auction, before, after, bid, maximum, following, at)
    if auction.end - at < auction.terms.closing.window and (before is None or after.price != before.price):
        end = _extended_end(auction, at)
        if end != auction.end:
            events.append(AuctionExtended(events[-1].seq + 1, at, end))
    return Outcome(Answer("accepted", code, after.price), tuple(events), at)


def _takes_the_lead(
    auction: Open, before: Lead | None, after: Lead, bid: PlaceBid, following: int, at: int
) -> list[AuctionEvent]:
    """E1: a beaten maximum that was hidden is bid first."""
    seq, events, was, beaten = auction.seq + 1, list[AuctionEvent](), None, None
    if before is not None:
        was, beaten, top = before.price, before.bidder, before.maximum
        if top > was:
            events.append(_by_system(seq, at, beaten, top, was, following, top, is_winning=False))
            seq, was = seq + 1, top
    events.append(_by_bidder(seq, at, bid, after.price, was, following, beaten, after.maximum, is_winning=True))
    return events


def _is_outbid(
    auction: Open, before: Lead, after: Lead, bid: PlaceBid, maximum: int, following: int, at: int
) -> list[AuctionEvent]:
    """E2: the challenger's bid, and the leader's answer to it."""
    seq, leader, top = auction.seq + 1, after.bidder, after.maximum
    return [
        _by_bidder(seq, at, bid, maximum, before.price, following, None, maximum, is_winning=False),
        _by_system(seq + 1, at, leader, after.price, maximum, following, top, is_winning=True),
    ]


def _raises(auction: Open, before: Lead, after: Lead, bid: PlaceBid, following: int, at: int) -> list[AuctionEvent]:
    """E3: silent, unless R1 or R2 moves the price."""
    seq, top, was = auction.seq + 1, after.maximum, before.price
    events: list[AuctionEvent] = [MaximumRaised(seq, at, bid.bidder, bid.amount, top)]
    if after.price != was:
        events.append(_by_system(seq + 1, at, bid.bidder, after.price, was, following, top, is_winning=True))
    return events


def _by_bidder(
    seq: int,
    at: int,
    bid: PlaceBid,
    amount: int,
    was: int | None,
    following: int,
    beaten: str | None,
    maximum: int,
    *,
    is_winning: bool,
) -> BidPlaced:
    return BidPlaced(
        seq, at, bid.bidder, amount, was, following, beaten, bid.amount, maximum, is_winning, automatic=False
    )


def _by_system(
    seq: int, at: int, bidder: str, amount: int, was: int, following: int, maximum: int, *, is_winning: bool
) -> BidPlaced:
    return BidPlaced(seq, at, bidder, amount, was, following, None, None, maximum, is_winning, automatic=True)


def _extended_end(auction: Open, at: int) -> int:
    """The end after a bid inside the window, in ms (C2-C4); a challenger who leads always moves the price (C1)."""
    closing, end = auction.terms.closing, auction.end
    if closing.max_extensions is not None and auction.extensions >= closing.max_extensions:
        return end
    later = end + closing.extension if closing.extend == "add" else at + closing.extension
    if closing.hard_stop is not None:
        later = min(later, closing.hard_stop)
    return max(end, later)


def buy_now(auction: Open, command: BuyNow, at: int) -> Outcome:
    """N2, N3, B10, B15, B16."""
    buy_now = auction.terms.buy_now
    if command.suspended:
        return refused(auction, command, "account_suspended", at)
    if command.bidder == auction.terms.seller:
        return refused(auction, command, "own_auction", at)
    if command.bidder in auction.blocked:
        return refused(auction, command, "bidder_blocked", at)
    if auction.terms.strikes_max is not None and command.strikes > auction.terms.strikes_max:
        return refused(auction, command, "too_many_strikes", at)
    if buy_now is None or auction.buy_now_gone:
        return refused(auction, command, "buy_now_unavailable", at)
    if command.limit is not None and buy_now.price > command.limit:
        return refused(auction, command, "bidding_limit_exceeded", at)
    return bought(auction, command.bidder, buy_now.price, at)
