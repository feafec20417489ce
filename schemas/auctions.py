"""What is said about auctions: the commands to `bids` and the events it tells (RULES.md; specification, event definitions)."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from schemas.auction_terms import DURATION_S_MAX, DURATION_S_MIN
from schemas.auction_terms import PRIVATE_EVENTS as PRIVATE_EVENTS
from schemas.envelope import Request, Time, Wire
from schemas.money import Money
from schemas.text import Description, Line, Note, Tag, Title

Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
Price = Annotated[Money, Field(description="Amount in major units with at most two decimals; above zero.")]
Seconds = Annotated[int, Field(strict=True)]
TableName = Literal["EBAY-US", "EBAY-UK", "WHATNOT-US", "FLAT-1"]
CloseReason = Annotated[Note, StringConstraints(min_length=1)]
STREAM_TIME_MS_MAX = 86_400_000
RetractionReason = Literal["wrong_amount", "description_changed"]


class ShippingInfo(Request):
    """How the sold thing travels."""

    method: Line | None = None
    cost: Money | None = None
    ships_from: Line | None = None
    ships_to: list[Line] = Field(default_factory=list, max_length=50)
    handling_days: int | None = Field(None, ge=0, le=60, strict=True)


class Closing(Request):
    """How the auction ends (rules C1-C4); windows and extensions in seconds."""

    mode: Literal["hard", "soft", "counter_bid", "sudden_death"] = "hard"
    window: Seconds | None = Field(None, ge=1, le=3_600)
    extension: Seconds | None = Field(None, ge=1, le=3_600)
    extend: Literal["reset", "add"] | None = None
    counter_bid_time: Seconds | None = Field(None, ge=1, le=3_600)
    max_extensions: int | None = Field(None, ge=0, le=10_000, strict=True)
    hard_stop: Time | None = None

    @model_validator(mode="after")
    def _fields_fit_the_mode(self) -> "Closing":
        if self.mode == "soft" and self.window is None:
            raise PydanticCustomError("closing", "soft closing needs `window`")
        if self.mode == "counter_bid" and self.counter_bid_time is None:
            raise PydanticCustomError("closing", "counter_bid closing needs `counterBidTime`")
        return self


class BuyNowTerms(Request):
    """The Buy It Now price and what a bid that reaches it means (rules N1, N5)."""

    price: Price
    max_policy: Literal["ordinary", "buys"] = "ordinary"
    min_percent: int = Field(130, ge=100, le=1_000, strict=True)


class CreateAuction(Request):
    """POST /auctions: what a seller offers. `duration` in seconds, 60 to 2 592 000 (30 days)."""

    title: Title
    description: Description = ""
    video_id: UUID | None = None
    starting_price: Price
    duration: Seconds = Field(ge=DURATION_S_MIN, le=DURATION_S_MAX)
    shipping_info: ShippingInfo = Field(default_factory=ShippingInfo)
    tags: list[Tag] = Field(default_factory=list, max_length=20)
    category: Line | None = None
    currency: Currency = "USD"
    reserve_price: Price | None = None
    reserve_policy: Literal["hold", "jump"] = "hold"
    reserve_lowering: bool = True
    buy_now_price: Price | None = None
    buy_now_policy: Literal["ordinary", "buys"] = "ordinary"
    start_time: Time | None = None
    closing: Closing = Field(default_factory=Closing)
    increments: TableName | None = None
    retraction: bool = True
    seller_may_stop: bool = True
    confirm_factor: int | None = Field(None, ge=2, le=1_000, strict=True)
    max_buyer_strikes: int | None = Field(
        None, ge=0, le=100, strict=True, description="Buyers with more unpaid items within a year may not bid."
    )
    pay_window: Seconds | None = Field(
        None, ge=5, le=2_592_000, description="How long the winner may take to pay, seconds; four days without it."
    )
    blocked: list[UUID] = Field(default_factory=list, max_length=1_000)
    draft: bool = False


class RelistAuction(Request):
    """POST /auctions/{id}/relist: what did not sell, or was not paid, again; what is absent is as it was.

    A reserve is a secret, which is not kept for this: say it again, or null for none. Null also takes a Buy It Now price,
    a filter of strikes or a start time away.
    """

    starting_price: Price | None = None
    duration: Seconds | None = Field(None, ge=DURATION_S_MIN, le=DURATION_S_MAX)
    reserve_price: Price | None = None
    buy_now_price: Price | None = None
    start_time: Time | None = None
    max_buyer_strikes: int | None = Field(None, ge=0, le=100, strict=True)


class UpdateAuction(Request):
    """PUT /auctions/{id}, before the first bid; what is absent stays."""

    title: Title | None = None
    description: Description | None = None
    video_id: UUID | None = None
    shipping_info: ShippingInfo | None = None
    tags: list[Tag] | None = Field(None, max_length=20)
    category: Line | None = None
    starting_price: Price | None = None
    reserve_price: Price | None = None
    buy_now_price: Price | None = None
    duration: Seconds | None = Field(None, ge=DURATION_S_MIN, le=DURATION_S_MAX)


class PublishAuction(Request):
    """POST /auctions/{id}/publish: a draft becomes scheduled or live."""

    start_time: Time | None = None


class PlaceBid(Request):
    """POST /auctions/{id}/bids: `amount` states a price, `maxAmount` a hidden maximum, both may be given (RULES.md section 5)."""

    amount: Price | None = None
    max_amount: Price | None = None
    currency: Currency | None = None
    confirmed: bool = False
    message: Note | None = None
    stream_time_ms: int | None = Field(None, ge=0, le=STREAM_TIME_MS_MAX, strict=True)
    """Where in the film the bidder was, in ms, for the replay."""

    @model_validator(mode="after")
    def _an_amount_is_given(self) -> "PlaceBid":
        if self.amount is None and self.max_amount is None:
            raise PydanticCustomError("missing", "`amount` or `maxAmount` is required")
        return self


class BuyNow(Request):
    """POST /auctions/{id}/buy-now."""

    currency: Currency | None = None


class RetractBid(Request):
    """DELETE /auctions/{id}/bids/{bidId}: rule X2 says which bids go."""

    reason: RetractionReason


class RetractBidCommand(RetractBid):
    """The command of a retraction; `bidId` is the bid that its bidder pointed at."""

    bid_id: UUID


class EndAuction(Request):
    """POST /auctions/{id}/end: the seller ends early (rule X5)."""

    mode: Literal["sell_to_high_bidder", "cancel"]
    reason: CloseReason | None = None


class CancelAuction(Request):
    """POST /auctions/{id}/cancel (rule X7)."""

    reason: CloseReason


class LowerReserve(Request):
    """PUT /auctions/{id}/reserve: 0 removes the reserve (rule R5)."""

    reserve_price: Money


class BlockBidder(Request):
    """POST /auctions/{id}/blocked: `bidderId` is the pseudonym of the auction's pages or a user's id (rule X8)."""

    bidder_id: UUID
    cancel_bids: bool = False


class CloseAuction(Wire):
    """The clock says that the time of an auction is up (rule C6)."""

    end_time: Time


class AuctionCreated(Wire):
    """An auction stands; the fields after `endTime` are additions to the specification's."""

    auction_id: UUID
    seller_id: UUID
    title: str
    starting_price: Money
    category: str | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    description: str = ""
    tags: list[str] = Field(default_factory=list)
    video_id: UUID | None = None
    shipping_info: dict[str, object] = Field(default_factory=dict)
    currency: str = "USD"
    has_reserve: bool = False
    buy_now_price: Money | None = None
    closing: dict[str, object] = Field(default_factory=dict)
    max_buyer_strikes: int | None = None
    pay_window_s: int | None = None
    draft: bool = False


class AuctionUpdated(Wire):
    """The seller changed the listing before the first bid; all fields as they are now."""

    auction_id: UUID
    seller_id: UUID
    title: str
    starting_price: Money
    category: str | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    description: str = ""
    tags: list[str] = Field(default_factory=list)
    video_id: UUID | None = None
    shipping_info: dict[str, object] = Field(default_factory=dict)
    has_reserve: bool = False
    buy_now_price: Money | None = None
    max_buyer_strikes: int | None = None
    pay_window_s: int | None = None
    draft: bool = False


class BidPlaced(Wire):
    """A bid stands at `amount`; `automatic` means placed by the system under an existing maximum (RULES.md section 10)."""

    auction_id: UUID
    bid_id: UUID
    bidder_id: UUID
    amount: Money
    previous_amount: Money | None = None
    is_winning: bool
    placed_at: Time
    automatic: bool = False
    outbid_bidder_id: UUID | None = None
    minimum_next_bid: Money
    bid_count: int
    reserve_met: bool | None = None
    message: str | None = None
    stream_time_ms: int | None = None


class MaximumRaised(Wire):
    """The leader raised the hidden maximum; for the bidder alone (rule E11)."""

    auction_id: UUID
    bidder_id: UUID


class BidRefused(Wire):
    """A bid or purchase was refused; for the bidder alone (rules E5, E11)."""

    auction_id: UUID
    bidder_id: UUID
    reason: str
    minimum: Money | None = None


class AuctionExtended(Wire):
    """A late bid moved the end (rule E4)."""

    auction_id: UUID
    end_time: Time
    extensions: int


class AuctionEnded(Wire):
    """The auction is over, once; `winnerId` and `finalPrice` only when it sold (rules C8, E6)."""

    auction_id: UUID
    winner_id: UUID | None = None
    seller_id: UUID
    final_price: Money | None = None
    total_bids: int
    ended_at: Time
    outcome: Literal["sold", "sold_buy_now", "reserve_not_met", "no_bids", "cancelled"]
    currency: str = "USD"


class AuctionCancelled(Wire):
    """The seller or the platform cancelled; `AuctionEnded` follows (rule E8)."""

    auction_id: UUID
    by: Literal["seller", "platform"]
    reason: str


class BidRetracted(Wire):
    """Bids went, by their bidder or cancelled; `PriceRecomputed` follows (rule E7).

    With the bids of `bid_ids` go those that the system placed for them: the bidder's automatic ones after
    `since_sequence`, the event of the first bid that went.
    """

    auction_id: UUID
    bidder_id: UUID
    by: Literal["bidder", "seller", "platform"]
    reason: str
    bids: int
    bid_ids: list[UUID] | None = None
    since_sequence: int | None = None


class PriceRecomputed(Wire):
    """Price and leader after bids went; null without bids (rule E7)."""

    auction_id: UUID
    leader_id: UUID | None = None
    price: Money | None = None
    bid_count: int
    minimum_next_bid: Money
    reserve_met: bool | None = None


class ReserveLowered(Wire):
    """The seller lowered or removed the reserve (rule E9)."""

    auction_id: UUID
    has_reserve: bool
    reserve_met: bool | None = None


class BidderBlocked(Wire):
    """The seller or the platform blocked a bidder; for these two alone (rules E9, E11)."""

    auction_id: UUID
    bidder_id: UUID
