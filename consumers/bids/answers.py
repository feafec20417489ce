"""What the asker is told: the JSON object of a reply, ready for the edge to pass on (API of the design; rule K1)."""

from collections.abc import Callable, Sequence
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw, UnsetType

from consumers.bids import asked
from consumers.bids.auction import Auction, Opened
from consumers.bids.events import AuctionEvent, BidPlaced, MaximumRaised
from consumers.bids.listing import Listing
from consumers.bids.outcome import Outcome
from consumers.bids.pricing import minimum_next
from consumers.bids.shown import Shown, shown, status_at
from consumers.bids.told import closing_json, money, time_text
from consumers.runtime import OutEvent
from schemas.envelope import Actor
from schemas.money import print_minor

_encode: Final[Callable[[Any], bytes]] = msgspec.json.Encoder().encode
_NO_BID: Final = Raw(b"0.00")

DETAIL: Final = {
    "account_suspended": "Your account is suspended.",
    "already_blocked": "This bidder is blocked already.",
    "already_ended": "The auction is over already.",
    "already_published": "The auction is published already.",
    "amount_above_maximum": "The amount is above the maximum of the same bid.",
    "auction_cancelled": "The auction was cancelled.",
    "auction_draft": "The auction is a draft: publish it first.",
    "auction_ended": "The auction is over.",
    "auction_exists": "There is such an auction already.",
    "auction_not_found": "There is no such auction.",
    "auction_not_started": "The auction has not started yet.",
    "auction_started": "The auction has started: its start can no longer change.",
    "below_minimum": "The bid is below the minimum of {minimum}.",
    "below_start_price": "The bid is below the starting price of {minimum}.",
    "bidder_blocked": "The seller does not take bids of yours.",
    "bidding_limit_exceeded": "The bid is above your bidding limit.",
    "buy_now_unavailable": "The auction cannot be bought at once, or no longer.",
    "confirmation_required": "The bid is far above the price: confirm that it is meant.",
    "currency_mismatch": "The auction is held in another currency.",
    "deadline_passed": "The command came after its deadline.",
    "has_bids": "There were bids already: the auction can no longer change.",
    "has_qualifying_bid": "In its last twelve hours an auction with a qualifying bid runs to its end.",
    "idempotency_conflict": "This Idempotency-Key was used for another request.",
    "invalid_amount": "The amount is not an amount of money.",
    "invalid_command": "The auction knows no such command.",
    "invalid_config": "These prices, times or terms do not fit together.",
    "invalid_reserve": "The reserve cannot be lowered to this amount.",
    "no_qualifying_bid": "There is no bid to sell to.",
    "not_above_own_maximum": "You lead: only a maximum above your own counts.",
    "not_allowed": "You may not do this.",
    "not_due": "The auction has not reached its end.",
    "not_video_owner": "The video is somebody else's.",
    "nothing_to_retract": "No bid of yours stands in this auction.",
    "own_auction": "Nobody bids in an auction of their own.",
    "reason_required": "A reason is required.",
    "reserve_already_met": "The reserve is met already.",
    "seller_cancelled_bids_recently": "You cancelled bids less than twelve hours ago.",
    "too_late_to_lower": "In its last twelve hours the reserve of an auction stays.",
    "too_many_strikes": "The seller takes no bids from accounts with so many unpaid items.",
    "too_late_to_retract": "It is too late to take this bid back.",
    "video_not_found": "There is no such video.",
    "video_not_ready": "The video cannot be shown yet, or not at all.",
}
"""What each refusal and no-op says to a person."""


class Refusal(msgspec.Struct, frozen=True, rename="camel", kw_only=True, gc=False):
    code: str
    detail: str
    auction_id: str
    minimum: Any = UNSET
    currency: str | UnsetType = UNSET


class Bid(msgspec.Struct, frozen=True, rename="camel", kw_only=True, gc=False):
    id: str
    auction_id: str
    bidder_id: str
    amount: Raw
    max_amount: Any
    placed_at: str
    is_winning: bool
    minimum_next_bid: Raw
    end_time: str
    code: str
    current_bid: Raw
    currency: str
    seq: int


class Stand(msgspec.Struct, frozen=True, rename="camel", kw_only=True, gc=False):
    """Where the auction stands now."""

    auction_id: str
    code: str
    status: str
    outcome: str | None
    current_bid: Raw
    bid_count: int
    minimum_next_bid: Raw
    has_reserve: bool
    reserve_met: bool | None
    end_time: str | None
    winner_id: str | None
    final_price: Raw | None
    currency: str
    seq: int


class Seller(msgspec.Struct, frozen=True, gc=False):
    id: str


class Resource(msgspec.Struct, frozen=True, rename="camel", kw_only=True, gc=False):
    """The whole auction, as GET /auctions/{id} shows it."""

    id: str
    title: str
    description: str
    category: str | None
    tags: tuple[str, ...]
    video_id: str | None
    shipping_info: Raw
    currency: str
    starting_price: Raw
    current_bid: Raw
    minimum_next_bid: Raw
    bid_count: int
    has_reserve: bool
    reserve_met: bool | None
    buy_now_price: Raw | None
    status: str
    outcome: str | None
    start_time: str | None
    end_time: str | None
    created_at: str
    seller: Seller
    closing: Raw
    increments: str
    max_buyer_strikes: int | None
    pay_window: int | None
    seq: int
    public_seq: int


def answer(
    body: Any,
    *,
    auction_id: UUID,
    actor: Actor | None,
    auction: Auction,
    outcome: Outcome,
    told: Sequence[OutEvent],
    listing: Listing | None,
) -> bytes:
    """The answer to `body` that led to `auction` by `outcome`, whose events were `told`.

    `listing` is needed by the answers that show all of an auction.
    """
    said = outcome.answer
    if said.outcome != "accepted" or actor is None:
        return refusal(said.code, auction_id, minimum=said.minimum, auction=auction)
    if isinstance(body, asked.PlaceBid) and isinstance(auction, Opened):
        return _bid(body, auction_id, actor.id, auction, outcome, told)
    if isinstance(body, asked.CreateAuction | asked.UpdateAuction | asked.PublishAuction) and listing is not None:
        return _resource(auction_id, auction, outcome, listing)
    return _stand(auction_id, auction, outcome)


def refusal(code: str, auction_id: UUID, *, minimum: int | None = None, auction: Auction | None = None) -> bytes:
    """Why not: the code, a sentence for a person, and the minimum where the rules say so (B2)."""
    detail = DETAIL.get(code, "The auction refused this.")
    name = str(auction_id)
    if minimum is None:
        return _encode(Refusal(code=code, detail=detail, auction_id=name))
    currency = auction.terms.currency if isinstance(auction, Opened) else "USD"
    return _encode(
        Refusal(
            code=code,
            detail=detail.format(minimum=f"{print_minor(minimum)} {currency}"),
            auction_id=name,
            minimum=money(minimum),
            currency=currency,
        )
    )


def _bid(
    body: asked.PlaceBid, auction_id: UUID, bidder: str, auction: Opened, outcome: Outcome, told: Sequence[OutEvent]
) -> bytes:
    place, amount = _own(outcome.events, bidder)
    price = outcome.answer.price or 0
    maximum = asked.minor(body.max_amount)
    return _encode(
        Bid(
            id=told[place].id,
            auction_id=str(auction_id),
            bidder_id=bidder,
            amount=money(price if amount is None else amount),
            max_amount=money(maximum) if isinstance(maximum, int) else UNSET,
            placed_at=time_text(outcome.at),
            is_winning=outcome.answer.code != "outbid",
            minimum_next_bid=money(minimum_next(auction.lead, auction.terms)),
            end_time=time_text(auction.end),
            code=outcome.answer.code,
            current_bid=money(price),
            currency=auction.terms.currency,
            seq=auction.seq,
        )
    )


def _own(events: tuple[AuctionEvent, ...], bidder: str) -> tuple[int, int | None]:
    """Place of the event by which the bid stands, and its amount unless that is the price."""
    for place, event in enumerate(events):
        match event:
            case BidPlaced(automatic=False) if event.bidder == bidder:
                return place, event.amount
            case MaximumRaised():
                return place, None
    return 0, None  # N5: the bid bought


def _stand(auction_id: UUID, auction: Auction, outcome: Outcome) -> bytes:
    seen = shown(auction)
    winner = seen.lead if seen.is_sold else None
    return _encode(
        Stand(
            auction_id=str(auction_id),
            code=outcome.answer.code,
            status=status_at(seen, outcome.at),
            outcome=seen.outcome,
            current_bid=_price(seen),
            bid_count=seen.bid_count,
            minimum_next_bid=money(seen.minimum_next),
            has_reserve=seen.reserve_met is not None,
            reserve_met=seen.reserve_met,
            end_time=_time(seen.end),
            winner_id=winner.bidder if winner else None,
            final_price=money(winner.price) if winner else None,
            currency=seen.terms.currency,
            seq=seen.seq,
        )
    )


def _resource(auction_id: UUID, auction: Auction, outcome: Outcome, listing: Listing) -> bytes:
    seen = shown(auction)
    terms = seen.terms
    return _encode(
        Resource(
            id=str(auction_id),
            title=listing.title,
            description=listing.description,
            category=listing.category,
            tags=listing.tags,
            video_id=listing.video_id,
            shipping_info=Raw(listing.shipping_info.encode()),
            currency=terms.currency,
            starting_price=money(terms.start_price),
            current_bid=_price(seen),
            minimum_next_bid=money(seen.minimum_next),
            bid_count=seen.bid_count,
            has_reserve=seen.reserve_met is not None,
            reserve_met=seen.reserve_met,
            buy_now_price=money(terms.buy_now.price) if terms.buy_now and seen.buy_now_available else None,
            status=status_at(seen, outcome.at),
            outcome=seen.outcome,
            start_time=_time(seen.start),
            end_time=_time(seen.end),
            created_at=time_text(listing.created_at),
            seller=Seller(terms.seller),
            closing=Raw(closing_json(terms.closing)),
            increments=listing.increments,
            max_buyer_strikes=terms.strikes_max,
            pay_window=terms.pay_window_s,
            seq=seen.seq,
            public_seq=seen.public_seq,
        )
    )


def _price(seen: Shown) -> Raw:
    return _NO_BID if seen.lead is None else money(seen.lead.price)


def _time(at_ms: int | None) -> str | None:
    return None if at_ms is None else time_text(at_ms)
