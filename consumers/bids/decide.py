"""What an auction does with a command. No clock, no database, no broker."""

from consumers.bids.auction import (
    Auction,
    Cancelled,
    Discarded,
    Draft,
    Ended,
    Open,
    Opened,
    Unopened,
    advance,
    evolve,
)
from consumers.bids.bidding import buy_now, place_bid
from consumers.bids.commands import (
    AuctionCommand,
    BlockBidder,
    BuyNow,
    CancelAuction,
    CloseAuction,
    EndEarly,
    LowerReserve,
    OpenAuction,
    PlaceBid,
    PublishAuction,
    Remembered,
    Retract,
    UnknownCommand,
    UpdateAuction,
)
from consumers.bids.ending import cancel, close, end_early
from consumers.bids.increments import is_amount
from consumers.bids.offering import decide_draft, lower_reserve, open_auction, update
from consumers.bids.outcome import Outcome, nothing, refused, unheard
from consumers.bids.standing import Standing
from consumers.bids.withdrawing import block_bidder, retract

__all__ = ["decide", "evolve", "judge", "needs_history"]


def judge(
    auction: Auction,
    command: AuctionCommand,
    at_ms: int,
    *,
    standing: Standing | None = None,
    earlier: Remembered | None = None,
) -> tuple[Outcome, Auction]:
    """`decide`, and the auction after it: events applied, clock moved."""
    outcome = decide(auction, command, at_ms, standing=standing, earlier=earlier)
    for event in outcome.events:
        auction = evolve(auction, event)
    return outcome, auction if outcome.events else advance(auction, outcome.at)


def needs_history(command: AuctionCommand) -> bool:
    """Whether `decide` has to be given the standing bids for this command; all others do without (X2, X3, X8)."""
    match command:
        case Retract():
            return True
        case BlockBidder():
            return command.cancel_bids is True
        case _:
            return False


def decide(
    auction: Auction,
    command: AuctionCommand,
    at_ms: int,
    *,
    standing: Standing | None = None,
    earlier: Remembered | None = None,
) -> Outcome:
    """The answer to the command and the events it makes, checked in the order of K4.

    `at_ms` is the record's own time; `earlier` says that this asker used the command's key before. Raises
    ValueError if `standing` is missing although `needs_history` asks for it.
    """
    match auction:
        case Open() | Ended() | Cancelled():
            at = at_ms if at_ms > auction.clock else auction.clock
        case Unopened():
            if isinstance(command, OpenAuction):
                return open_auction(command, at_ms)
            return unheard("auction_not_found", at_ms)
        case Draft() | Discarded():
            return decide_draft(auction, command, max(at_ms, auction.clock), earlier)
    if earlier is not None:
        return _repeated(auction, command, at, earlier)
    if (code := _unfit(auction, command, at)) is not None:
        return refused(auction, command, code, at)
    match auction, command:
        case Open(), PlaceBid() if auction.start <= at < auction.end:
            return place_bid(auction, command, at)
        case Open(), CloseAuction():
            return close(auction, at)
        case _, CloseAuction():
            return nothing("already_ended", at)
        case Cancelled(), _:
            return refused(auction, command, "auction_cancelled", at)
        case Ended(), _:
            return refused(auction, command, "auction_ended", at)
        case Open(), _ if at >= auction.end:
            return refused(auction, command, "auction_ended", at)
        case Open(), CancelAuction():
            return cancel(auction, command, at)
        case Open(), LowerReserve():
            return lower_reserve(auction, command, at)
        case Open(), BlockBidder():
            return block_bidder(auction, command, at, standing)
        case Open(), UpdateAuction():
            return update(auction, command, at)
        case Open(), PublishAuction() if command.by == auction.terms.seller:
            return nothing("already_published", at)
        case Open(), PublishAuction():
            return refused(auction, command, "not_allowed", at)
        case Open(), _ if at < auction.start:
            return refused(auction, command, "auction_not_started", at)
        case Open(), BuyNow():
            return buy_now(auction, command, at)
        case Open(), Retract():
            return retract(auction, command, at, standing)
        case Open(), EndEarly():
            return end_early(auction, command, at)
        case _:
            raise ValueError(f"nobody judges {type(command).__name__}")


def _repeated(auction: Opened, command: AuctionCommand, at: int, earlier: Remembered) -> Outcome:
    if earlier.same_body:
        return Outcome(earlier.answer, (), at)  # K2
    return refused(auction, command, "idempotency_conflict", at)  # K3


def _unfit(auction: Opened, command: AuctionCommand, at: int) -> str | None:
    """K4 (2) and (3): what is wrong with the command whatever the auction's state."""
    if type(command) is OpenAuction:
        return "auction_exists"
    if type(command) is UnknownCommand:
        return "invalid_command"
    if command.deadline is not None and at >= command.deadline:
        return "deadline_passed"
    match command:
        case PlaceBid():
            return _unfit_bid(auction, command)
        case BuyNow() if command.currency is not None and command.currency != auction.terms.currency:
            return "currency_mismatch"
        case EndEarly() if command.mode not in ("sell_to_high_bidder", "cancel"):
            return "invalid_command"
        case LowerReserve() if type(command.reserve) is not int or command.reserve < 0:
            return "invalid_reserve"
        case _:
            return None


def _unfit_bid(auction: Opened, bid: PlaceBid) -> str | None:
    """B17."""
    amount, most = bid.amount, bid.max_amount
    if amount is None:
        if not is_amount(most):
            return "invalid_amount"
    elif not is_amount(amount):
        return "invalid_amount"
    elif most is not None:
        if not is_amount(most):
            return "invalid_amount"
        if amount > most:
            return "amount_above_maximum"
    if bid.currency is not None and bid.currency != auction.terms.currency:
        return "currency_mismatch"
    return None
