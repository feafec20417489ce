"""What is asked of an auction: the data of a command as it stands on the topic.

pydantic (schemas/auctions.py) is the contract and the edge's validator; these structs read the same JSON at a third of
its cost, and a test holds them against the contract's JSON Schemas.
"""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final
from uuid import UUID

import msgspec
from msgspec import Raw

from consumers.runtime.inbox import ReadAs

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
_DIGITS_MAX: Final = 18
ABSENT: Final = Raw()
"""An amount that was not said."""

Time = Annotated[datetime, msgspec.Meta(tz=True)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]


class _Asked(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Amounts are kept as their JSON text: whether one is an amount is for the rules to say (B17)."""


class Closing(_Asked, frozen=True):
    """Windows and extensions in seconds."""

    mode: str = "hard"
    window: int | None = None
    extension: int | None = None
    extend: str | None = None
    counter_bid_time: int | None = None
    max_extensions: int | None = None
    hard_stop: Time | None = None


class ShippingInfo(_Asked, frozen=True, omit_defaults=True):
    method: str | None = None
    cost: Raw = ABSENT
    ships_from: str | None = None
    ships_to: tuple[str, ...] = ()
    handling_days: int | None = None


class CreateAuction(_Asked, frozen=True):
    title: str
    starting_price: Raw
    duration: int
    description: str = ""
    video_id: UUID | None = None
    shipping_info: ShippingInfo = ShippingInfo()
    tags: tuple[str, ...] = ()
    category: str | None = None
    currency: Currency = "USD"
    reserve_price: Raw = ABSENT
    reserve_policy: str = "hold"
    reserve_lowering: bool = True
    buy_now_price: Raw = ABSENT
    buy_now_policy: str = "ordinary"
    start_time: Time | None = None
    closing: Closing = Closing()
    increments: str | None = None
    retraction: bool = True
    seller_may_stop: bool = True
    confirm_factor: int | None = None
    max_buyer_strikes: int | None = None
    pay_window: int | None = None
    blocked: tuple[UUID, ...] = ()
    draft: bool = False


class UpdateAuction(_Asked, frozen=True):
    title: str | None = None
    description: str | None = None
    video_id: UUID | None = None
    shipping_info: ShippingInfo | None = None
    tags: tuple[str, ...] | None = None
    category: str | None = None
    starting_price: Raw = ABSENT
    reserve_price: Raw = ABSENT
    buy_now_price: Raw = ABSENT
    duration: int | None = None


class PublishAuction(_Asked, frozen=True):
    start_time: Time | None = None


class PlaceBid(_Asked, frozen=True):
    amount: Raw = ABSENT
    max_amount: Raw = ABSENT
    currency: str | None = None
    confirmed: bool = False
    message: str | None = None
    stream_time_ms: int | None = None


class BuyNow(_Asked, frozen=True):
    currency: str | None = None


class RetractBid(_Asked, frozen=True):
    bid_id: UUID
    reason: str


class EndAuction(_Asked, frozen=True):
    mode: str
    reason: str | None = None


class CancelAuction(_Asked, frozen=True):
    reason: str


class LowerReserve(_Asked, frozen=True):
    reserve_price: Raw


class BlockBidder(_Asked, frozen=True):
    bidder_id: UUID
    cancel_bids: bool = False


class CloseAuction(_Asked, frozen=True):
    end_time: Time


READERS: Final = {
    struct.__name__: ReadAs(struct, refuses_nul=True)
    for struct in (
        CreateAuction,
        UpdateAuction,
        PublishAuction,
        PlaceBid,
        BuyNow,
        RetractBid,
        EndAuction,
        CancelAuction,
        LowerReserve,
        BlockBidder,
        CloseAuction,
    )
}
"""Command type -> what reads its `data`; raises ValueError for what is not of its shape."""


def minor(text: Raw) -> int | str | None:
    """Minor units of a JSON number as it was written; None if absent; what is no amount of money stays text (B17)."""
    if text is ABSENT:
        return None
    said = bytes(text)
    if said.isdigit() and len(said) <= _DIGITS_MAX:
        return int(said) * 100
    if not said or said == b"null":
        return None
    whole, point, fraction = said.partition(b".")
    if point and whole.isdigit() and fraction.isdigit() and len(fraction) <= 2 and len(whole) <= _DIGITS_MAX:
        return int(whole) * 100 + int(fraction.ljust(2, b"0"))
    return said.decode("utf-8", "replace")


def milliseconds(at: datetime) -> int:
    """Milliseconds since 1970."""
    return (at - _EPOCH) // _MILLISECOND
