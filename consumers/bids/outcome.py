"""What came of a command: the answer, and what happened by it."""

import msgspec

from consumers.bids.auction import Opened
from consumers.bids.commands import Answer, AuctionCommand, BuyNow, PlaceBid
from consumers.bids.events import AuctionEvent, BidRefused
from consumers.bids.increments import is_amount


class Outcome(msgspec.Struct, frozen=True, gc=False):
    """`events` in their order, none with a no-op or a repetition; `at` is the command's t after T2, in ms."""

    answer: Answer
    events: tuple[AuctionEvent, ...]
    at: int


def accepted(code: str, at: int, *events: AuctionEvent) -> Outcome:
    """It was done, by these events."""
    return Outcome(Answer("accepted", code), events, at)


def nothing(code: str, at: int) -> Outcome:
    """It is so already, or not yet to be so (K1)."""
    return Outcome(Answer("no_op", code), (), at)


def unheard(code: str, at: int) -> Outcome:
    """Refused without a trace: there is no auction that could keep one (O1)."""
    return Outcome(Answer("refused", code), (), at)


def refused(auction: Opened, command: AuctionCommand, code: str, at: int, minimum: int | None = None) -> Outcome:
    """Refused; a bid and a purchase leave a BidRefused in the log (E5), any other command nothing (E10)."""
    answer = Answer("refused", code, None, minimum)
    match command:
        case PlaceBid():
            # Only what is an amount fits the log: a refused one may be text, or of a hundred digits.
            amount = command.amount if is_amount(command.amount) else None
            most = command.max_amount if is_amount(command.max_amount) else None
            event = BidRefused(auction.seq + 1, at, command.bidder, code, minimum, amount, most)
        case BuyNow():
            event = BidRefused(auction.seq + 1, at, command.bidder, code, None, None, None)
        case _:
            return Outcome(answer, (), at)
    return Outcome(answer, (event,), at)
