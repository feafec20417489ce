"""What an asked thing means to the rules: the data of a command, its sender and its auction -> a command of the rules."""

from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from consumers.bids import commands
from consumers.bids.asked import (
    ABSENT,
    BlockBidder,
    BuyNow,
    CancelAuction,
    CloseAuction,
    Closing,
    CreateAuction,
    EndAuction,
    LowerReserve,
    PlaceBid,
    PublishAuction,
    RetractBid,
    ShippingInfo,
    UpdateAuction,
    milliseconds,
    minor,
)
from consumers.bids.auction import Auction, Draft, Open
from consumers.bids.commands import PLATFORM, AuctionCommand
from consumers.bids.listing import Listing
from consumers.bids.offer import Config
from schemas.auction_terms import DURATION_S_MAX, DURATION_S_MIN
from schemas.envelope import Actor
from schemas.money import print_minor
from schemas.roles import permitted

DEFAULT_INCREMENTS: Final = {"USD": "EBAY-US", "GBP": "EBAY-UK"}
"""The increment table of a currency when the seller names none; `FLAT-1` for all others."""

_AHEAD_MS_MAX: Final = 366 * 86_400_000


def may_ask(body: Any, actor: Actor) -> bool:
    """Whether the actor's roles permit such a command at all; whose auction it is, the rules ask."""
    match body:
        case PlaceBid() | BuyNow() | RetractBid():
            return _is_user(actor.id) and _permitted(actor.roles, "place_bids")
        case CloseAuction():
            return actor.is_system
        case CreateAuction():
            return _is_user(actor.id) and _permitted(actor.roles, "create_auctions")
        case _:
            return _is_user(actor.id)


@lru_cache(maxsize=16_384)
def _is_user(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


@lru_cache(maxsize=256)
def _permitted(roles: tuple[str, ...], permission: str) -> bool:
    return permitted(roles, permission)


def command_of(
    body: Any,
    *,
    actor: Actor,
    auction: Auction,
    listing: Listing | None,
    at_ms: int,
    deadline: int | None,
    suspended: bool,
    strikes: int = 0,
) -> AuctionCommand:
    """The command of the rules that this body of `actor` means to `auction`, whose listing now is `listing`."""
    common: dict[str, Any] = {"deadline": deadline, "suspended": suspended}
    match body:
        case PlaceBid():
            return commands.PlaceBid(
                bidder=actor.id,
                amount=minor(body.amount),
                max_amount=minor(body.max_amount),
                currency=body.currency,
                confirmed=body.confirmed,
                deadline=deadline,
                suspended=suspended,
                strikes=strikes,
            )
        case CloseAuction():
            return commands.CloseAuction(**common)
        case BuyNow():
            return commands.BuyNow(bidder=actor.id, currency=body.currency, strikes=strikes, **common)
        case CreateAuction():
            return commands.OpenAuction(
                config=_config(body, actor.id, at_ms), listing=_listing(body, at_ms), draft=body.draft, **common
            )
        case UpdateAuction():
            changed = None if listing is None else _merged(listing, body)
            return commands.UpdateAuction(
                by=actor.id,
                config=_changes(body, auction),
                listing=None if changed == listing else changed,
                **common,
            )
        case PublishAuction():
            start = UNSET if body.start_time is None else _start(body.start_time, at_ms)
            return commands.PublishAuction(by=actor.id, start=start, **common)
        case RetractBid():
            return commands.Retract(bidder=actor.id, reason=body.reason, **common)
        case EndAuction():
            return commands.EndEarly(by=actor.id, mode=body.mode, reason=body.reason, **common)
        case CancelAuction():
            return commands.CancelAuction(by=_owner_or_platform(actor, auction), reason=body.reason, **common)
        case LowerReserve():
            return commands.LowerReserve(by=actor.id, reserve=minor(body.reserve_price), **common)
        case BlockBidder():
            return commands.BlockBidder(
                by=_owner_or_platform(actor, auction),
                bidder=str(body.bidder_id),
                cancel_bids=body.cancel_bids,
                **common,
            )
        case _:
            return commands.UnknownCommand(**common)


def _owner_or_platform(actor: Actor, auction: Auction) -> str:
    """An admin speaks for the platform, but never about an auction of his own."""
    return PLATFORM if actor.is_admin and actor.id != seller_of(auction) else actor.id


def seller_of(auction: Auction) -> str | None:
    """Whose auction it is; None while there is none, and after a draft was discarded."""
    if isinstance(auction, Draft):
        return auction.offer.terms.seller
    terms = getattr(auction, "terms", None)
    return terms.seller if terms is not None else None


def _config(body: CreateAuction, seller: str, at_ms: int) -> Config:
    price = minor(body.buy_now_price)
    return Config(
        seller=seller,
        currency=body.currency,
        start_price=minor(body.starting_price),
        start=_start(body.start_time, at_ms),
        duration=_duration(body.duration),
        increments=_increments(body),
        reserve=minor(body.reserve_price),
        reserve_policy=body.reserve_policy,
        reserve_lowering=body.reserve_lowering,
        closing=_closing(body.closing),
        buy_now=None if price is None else {"price": price, "maxPolicy": body.buy_now_policy},
        retraction=body.retraction,
        seller_may_stop=body.seller_may_stop,
        confirm_factor=body.confirm_factor,
        strikes_max=body.max_buyer_strikes,
        pay_window_s=body.pay_window,
        blocked=[str(bidder) for bidder in body.blocked],
    )


def _increments(body: CreateAuction) -> str:
    return body.increments or DEFAULT_INCREMENTS.get(body.currency, "FLAT-1")


def _duration(seconds: int) -> int | str:
    """In ms; one out of its bounds is left for the rules to refuse (O2)."""
    return seconds * 1000 if DURATION_S_MIN <= seconds <= DURATION_S_MAX else f"a duration of {seconds} s"


def _start(at: datetime | None, now_ms: int) -> int | str | None:
    """In ms; one more than a year ahead is left for the rules to refuse (O2)."""
    if at is None:
        return None
    start = milliseconds(at)
    return start if start <= now_ms + _AHEAD_MS_MAX else "a start more than a year ahead"


def _closing(body: Closing) -> dict[str, Any]:
    def ms(seconds: int | None) -> int | None:
        return None if seconds is None else seconds * 1000

    return {
        "mode": body.mode,
        "window": ms(body.window),
        "extension": ms(body.extension),
        "extend": body.extend,
        "counterBidTime": ms(body.counter_bid_time),
        "maxExtensions": body.max_extensions,
        "hardStop": None if body.hard_stop is None else milliseconds(body.hard_stop),
    }


def _listing(body: CreateAuction, at_ms: int) -> Listing:
    return Listing(
        title=body.title,
        description=body.description,
        category=body.category,
        tags=body.tags,
        video_id=None if body.video_id is None else str(body.video_id),
        shipping_info=_shipping(body.shipping_info),
        increments=_increments(body),
        duration=body.duration,
        created_at=at_ms,
    )


def _shipping(body: ShippingInfo) -> str:
    cost = minor(body.cost)
    exact = replace(body, cost=Raw(print_minor(cost).encode()) if isinstance(cost, int) else ABSENT)
    return msgspec.json.encode(exact).decode()


def _merged(listing: Listing, body: UpdateAuction) -> Listing:
    said = {
        "title": body.title,
        "description": body.description,
        "category": body.category,
        "tags": body.tags,
        "video_id": None if body.video_id is None else str(body.video_id),
        "shipping_info": None if body.shipping_info is None else _shipping(body.shipping_info),
        "duration": body.duration,
    }
    return replace(listing, **{name: value for name, value in said.items() if value is not None})


def _changes(body: UpdateAuction, auction: Auction) -> Config:
    before = auction.offer if isinstance(auction, Draft) else auction if isinstance(auction, Open) else None
    if before is None:
        return Config()
    changes: dict[str, Any] = {}
    if (price := minor(body.starting_price)) is not None:
        changes["start_price"] = price
    if (reserve := minor(body.reserve_price)) is not None:
        changes["reserve"] = reserve
    if (buy_now := minor(body.buy_now_price)) is not None:
        kept = before.terms.buy_now
        changes["buy_now"] = {"price": buy_now, "maxPolicy": kept.max_policy if kept else "ordinary"}
    if body.duration is not None:
        changes["duration"] = _duration(body.duration)
    return Config(**changes)
