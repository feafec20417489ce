"""What may be seen of an auction in whatever state it is: one shape for its row, its answers and its views."""

from typing import NamedTuple

from consumers.bids.auction import Auction, Cancelled, Discarded, Draft, Ended, Open, Unopened, reserve_met
from consumers.bids.offer import BLANK, Terms
from consumers.bids.pricing import Lead, minimum_next


class Shown(NamedTuple):
    """`status` is draft, discarded, open, ended or cancelled; whether an open one has begun is a matter of the time."""

    status: str
    outcome: str | None
    terms: Terms
    start: int | None
    end: int | None
    lead: Lead | None
    minimum_next: int
    bid_count: int
    reserve_met: bool | None
    buy_now_available: bool
    seq: int
    public_seq: int

    @property
    def is_sold(self) -> bool:
        """Whether the leader bought it."""
        return self.outcome in ("sold", "sold_buy_now")


def shown(auction: Auction) -> Shown:
    """All that is not hidden of it. Raises ValueError while there is none."""
    match auction:
        case Open() | Ended() | Cancelled():
            is_open = isinstance(auction, Open)
            terms, lead = auction.terms, auction.lead
            return Shown(
                _STATUS[type(auction)],
                auction.outcome if isinstance(auction, Ended) else None if is_open else "cancelled",
                terms,
                auction.start,
                auction.end,
                lead,
                minimum_next(lead, terms),
                auction.bid_count,
                reserve_met(auction),
                isinstance(auction, Open) and terms.buy_now is not None and not auction.buy_now_gone,
                auction.seq,
                auction.public_seq,
            )
        case Draft(offer=offer):
            terms = offer.terms
            reserve = None if offer.reserve is None else False
            buy_now = terms.buy_now is not None
            return Shown(
                *("draft", None, terms, offer.start, offer.end, None, terms.start_price, 0, reserve, buy_now),
                *(auction.seq, auction.public_seq),
            )
        case Discarded():
            return Shown(
                *("discarded", "cancelled", BLANK.terms, None, None, None, 0, 0, None, False),
                *(auction.seq, auction.public_seq),
            )
        case Unopened():
            raise ValueError("there is no auction to see")


def status_at(seen: Shown, at_ms: int) -> str:
    """draft, scheduled, live, ended or cancelled (S2)."""
    match seen.status:
        case "open":
            return "scheduled" if seen.start is not None and at_ms < seen.start else "live"
        case "discarded":
            return "cancelled"
        case _:
            return seen.status


_STATUS = {Open: "open", Ended: "ended", Cancelled: "cancelled"}
