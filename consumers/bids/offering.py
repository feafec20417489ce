"""What a seller does with an offer: opens, drafts, publishes, updates it, lowers its reserve (RULES 3, R5)."""

from msgspec import UNSET
from msgspec.structs import replace

from consumers.bids.auction import Discarded, Draft, Open, reserve_met
from consumers.bids.commands import (
    PLATFORM,
    AuctionCommand,
    CancelAuction,
    CloseAuction,
    LowerReserve,
    OpenAuction,
    PublishAuction,
    Remembered,
    UpdateAuction,
    asker,
)
from consumers.bids.ending import TWELVE_HOURS_MS
from consumers.bids.events import (
    AuctionCreated,
    AuctionUpdated,
    DraftDiscarded,
    DraftOpened,
    DraftUpdated,
    ReserveLowered,
    Role,
)
from consumers.bids.offer import BLANK, Config, Offer, prices_agree, read, timed, times_agree
from consumers.bids.outcome import Outcome, accepted, nothing, refused, unheard
from consumers.bids.pricing import minimum_next


def open_auction(command: OpenAuction, at: int) -> Outcome:
    """Opens an auction, or a draft, if the config is valid (O1, O2)."""
    offer = _readable(command.config, BLANK)
    if offer is None or not prices_agree(offer):
        return unheard("invalid_config", at)
    if not command.draft:
        offer = timed(offer, at)
        if not times_agree(offer, at):
            return unheard("invalid_config", at)
    if command.suspended:
        return unheard("account_suspended", at)
    if command.draft:
        return accepted("drafted", at, DraftOpened(1, at, offer, command.listing))
    return accepted("opened", at, AuctionCreated(1, at, offer, command.listing))


def decide_draft(draft: Draft | Discarded, command: AuctionCommand, at: int, earlier: Remembered | None) -> Outcome:
    """What becomes of a command to a draft, which for all but its seller and the platform is not there."""
    seller = draft.offer.terms.seller if isinstance(draft, Draft) else draft.seller
    if earlier is not None:
        return Outcome(earlier.answer, (), at) if earlier.same_body else unheard("idempotency_conflict", at)
    match draft, command:
        case _, OpenAuction():
            return unheard("auction_exists", at)
        case Discarded(), CloseAuction():
            return nothing("already_ended", at)
        case Draft(), CloseAuction():
            return nothing("not_due", at)
    by = asker(command)
    if by not in (seller, PLATFORM):
        return unheard("auction_not_found", at)
    if command.deadline is not None and at >= command.deadline:
        return unheard("deadline_passed", at)
    match draft, command:
        case Discarded(), _:
            return unheard("auction_cancelled", at)
        case Draft(), CancelAuction():
            role: Role = "seller" if by == seller else "platform"
            return accepted("cancelled", at, DraftDiscarded(draft.seq + 1, at, role))
        case Draft(), (UpdateAuction() | PublishAuction()) if by != seller:
            return unheard("not_allowed", at)
        case Draft(), UpdateAuction():
            return _update_draft(draft, command, at)
        case Draft(), PublishAuction():
            return _publish(draft, command, at)
        case _:
            return unheard("auction_draft", at)


def update(auction: Open, command: UpdateAuction, at: int) -> Outcome:
    """Changes what is offered, as long as nobody has ever bid on it."""
    if command.by != auction.terms.seller:
        return refused(auction, command, "not_allowed", at)
    if command.suspended:
        return refused(auction, command, "account_suspended", at)
    if auction.had_bids:
        return refused(auction, command, "has_bids", at)
    before = Offer(auction.terms, auction.start, auction.end, None, auction.reserve, auction.blocked)
    offer = _changed(command.config, before)
    if offer is not None:
        offer = timed(offer, at)
    if offer is None or not times_agree(offer, at):
        return refused(auction, command, "invalid_config", at)
    if offer.start != auction.start and at >= auction.start:
        return refused(auction, command, "auction_started", at)
    return accepted("updated", at, AuctionUpdated(auction.seq + 1, at, offer, command.listing))


def lower_reserve(auction: Open, command: LowerReserve, at: int) -> Outcome:
    """Lowers the reserve, or without bids removes it with 0 (R5, R6)."""
    terms, reserve, lowered = auction.terms, auction.reserve, command.reserve
    if command.by != terms.seller or not terms.reserve_lowering or reserve is None:
        return refused(auction, command, "not_allowed", at)
    if auction.end - at < TWELVE_HOURS_MS:
        return refused(auction, command, "too_late_to_lower", at)
    if reserve_met(auction):
        return refused(auction, command, "reserve_already_met", at)
    least = 0 if auction.lead is None else minimum_next(auction.lead, terms)
    if not least <= lowered <= reserve - terms.increments.step(reserve):
        return refused(auction, command, "invalid_reserve", at)
    return accepted("reserve_lowered", at, ReserveLowered(auction.seq + 1, at, lowered or None))


def _update_draft(draft: Draft, command: UpdateAuction, at: int) -> Outcome:
    offer = _changed(command.config, draft.offer)
    if offer is None:
        return unheard("invalid_config", at)
    listing = draft.listing if command.listing is None else command.listing
    return accepted("updated", at, DraftUpdated(draft.seq + 1, at, offer, listing))


def _publish(draft: Draft, command: PublishAuction, at: int) -> Outcome:
    offer = _changed(Config(start=command.start, end=command.end), draft.offer)
    if offer is None:
        return unheard("invalid_config", at)
    if offer.start is not None and offer.start < at:
        # A draft may lie for weeks: what its start left behind would be time that nobody could bid in.
        offer = replace(offer, start=at)
    offer = timed(offer, at)
    if not times_agree(offer, at):
        return unheard("invalid_config", at)
    if command.suspended:
        return unheard("account_suspended", at)
    return accepted("published", at, AuctionCreated(draft.seq + 1, at, offer, draft.listing))


def _readable(config: Config, before: Offer) -> Offer | None:
    try:
        return read(config, before)
    except (ValueError, KeyError):
        return None


def _changed(config: Config, before: Offer) -> Offer | None:
    """The changed offer if its prices agree; whose it is and who is blocked are not changed this way."""
    if config.seller is not UNSET or config.blocked is not UNSET:
        return None
    offer = _readable(config, before)
    return offer if offer is not None and prices_agree(offer) else None
