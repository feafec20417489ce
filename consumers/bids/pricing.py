"""How one bid after the other makes price, leader and hidden maximum (RULES B3-B7, R1, R2, X3)."""

from collections.abc import Iterable

import msgspec

from consumers.bids.offer import Terms


class Lead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who leads, at which visible price P, up to which hidden maximum M; amounts in minor units."""

    bidder: str
    price: int
    maximum: int


class StandingBid(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An accepted bid that still stands; `seq` is its id, `counted` is false for a leader's raise (S3)."""

    seq: int
    at: int
    bidder: str
    stated: int | None
    maximum: int
    counted: bool


def minimum_next(lead: Lead | None, terms: Terms) -> int:
    """What one who does not lead has to reach: S without bids, P + I(P) afterwards (B2)."""
    if lead is None:
        return terms.start_price
    return lead.price + terms.increments.step(lead.price)


def place(lead: Lead | None, bidder: str, stated: int | None, maximum: int, terms: Terms, reserve: int | None) -> Lead:
    """The lead after one more bid, without any check (B3-B7, then R1 and R2)."""
    if lead is None:
        price = terms.start_price if stated is None else stated
    elif bidder == lead.bidder:
        # Only X3 meets a raise below the own maximum: both were cut to the same amount by R6.
        price, maximum = lead.price, max(maximum, lead.maximum)
    elif maximum > lead.maximum:
        price = min(maximum, lead.maximum + terms.increments.step(lead.maximum))
        if stated is not None and stated > price:
            price = stated
    else:
        # B5 is the case of equal maxima: the earlier one keeps the lead, and min() gives P = M.
        price = min(lead.maximum, maximum + terms.increments.step(maximum))
        bidder, maximum = lead.bidder, lead.maximum
    if reserve is not None and price < reserve:
        if maximum >= reserve:
            price = reserve
        elif terms.reserve_policy == "jump":
            price = maximum
    return Lead(bidder, price, maximum)


def fold(bids: Iterable[StandingBid], terms: Terms, reserve: int | None) -> Lead | None:
    """The lead that these bids make in their original order, with the reserve of now (X3)."""
    lead: Lead | None = None
    for bid in bids:
        lead = place(lead, bid.bidder, bid.stated, bid.maximum, terms, reserve)
    return lead


def cut(maximum: int, reserve: int | None) -> int:
    """What is left of a maximum when the reserve is lowered to this: always less than the reserve (R6)."""
    return maximum if reserve is None or maximum < reserve else reserve - 1
