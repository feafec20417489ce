"""What indexing reads of events: only what the index needs; the rest is passed over."""

from decimal import Decimal
from typing import Any, Final

import msgspec

from consumers.runtime import ReadAs


class _Said(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """The data of an event, as far as it counts here."""


class AuctionUpdated(_Said, frozen=True):
    """The whole listing as it is now."""

    seller_id: str
    title: str
    starting_price: Decimal
    category: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    description: str = ""
    tags: list[str] = []
    video_id: str | None = None
    has_reserve: bool = False
    buy_now_price: Decimal | None = None
    draft: bool = False


class AuctionCreated(AuctionUpdated, frozen=True):
    """The listing, and what never changes."""

    currency: str = "USD"


class BidPlaced(_Said, frozen=True):
    """A bid stands."""

    amount: Decimal
    is_winning: bool
    bid_count: int
    reserve_met: bool | None = None


class PriceRecomputed(_Said, frozen=True):
    """Price and number of bids after bids went."""

    bid_count: int
    price: Decimal | None = None
    reserve_met: bool | None = None


class AuctionExtended(_Said, frozen=True):
    """The end moved."""

    end_time: str


class ReserveLowered(_Said, frozen=True):
    """The reserve was lowered or removed."""

    reserve_met: bool | None = None


class AuctionEnded(_Said, frozen=True):
    """The hammer fell."""

    outcome: str
    final_price: Decimal | None = None


class AuctionCancelled(_Said, frozen=True):
    """It will not be sold."""


class UserRegistered(_Said, frozen=True):
    """A new account."""

    username: str
    roles: list[str]
    created_at: str


class ProfileUpdated(_Said, frozen=True):
    """Another name."""

    username: str


class RoleGranted(_Said, frozen=True):
    """All roles as they are now."""

    roles: list[str]


class UserSuspended(_Said, frozen=True):
    """Not to be seen until reinstated."""


class UserReinstated(_Said, frozen=True):
    """To be seen again."""


class UserErased(_Said, frozen=True):
    """Gone."""


AUCTION_EVENTS: Final = (
    AuctionCreated,
    AuctionUpdated,
    BidPlaced,
    PriceRecomputed,
    AuctionExtended,
    ReserveLowered,
    AuctionEnded,
    AuctionCancelled,
)
USER_EVENTS: Final = (UserRegistered, ProfileUpdated, RoleGranted, UserSuspended, UserReinstated, UserErased)


def readers(events: tuple[type[msgspec.Struct], ...]) -> dict[str, Any]:
    """Event type -> what reads its `data`."""
    return {event.__name__: ReadAs(event, refuses_nul=False) for event in events}


class _Envelope(msgspec.Struct, gc=False):
    timestamp: str


_timestamp = msgspec.json.Decoder(_Envelope)


def told_at(value: bytes) -> str:
    """The time in an event's envelope: unlike the record's, it is the same each time the event is told."""
    return _timestamp.decode(value).timestamp
