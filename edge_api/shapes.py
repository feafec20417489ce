"""What the edge answers with, for OpenAPI and for the tests that hold answers against it (specification, data flows)."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from schemas.auctions import Closing, ShippingInfo
from schemas.envelope import Time, Wire
from schemas.money import Money
from schemas.users import Role


class ProblemField(Wire):
    """What is wrong with one field."""

    field: str
    code: str
    detail: str


class ProblemDetails(Wire):
    """An error (RFC 9457); members that belong to a code stand beside these (`minimum`, `currency`, `retryAfterS`)."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    request_id: str
    errors: list[ProblemField]


class PendingCommand(Wire):
    """Not decided yet; ask again at `statusUrl`."""

    command_id: UUID
    status: Literal["pending"]
    status_url: str


class CommandOutcome(Wire):
    """What became of a command; `answer` as the first call would have had it. A refusal is told as its problem."""

    command_id: UUID
    status: Literal["pending", "accepted"]
    status_url: str | None = None
    answer: dict[str, Any] | None = None


class Done(Wire):
    """It is so now; `code` says what happened (`followed`, `already_following`)."""

    code: str


class Registered(Wire):
    """A new account, not yet confirmed."""

    id: UUID
    email: str
    username: str
    full_name: str
    is_verified: bool
    created_at: Time


class SessionUser(Wire):
    """Who logged in."""

    id: UUID
    username: str
    roles: list[Role]
    is_verified: bool


class Session(Wire):
    """Tokens of a session; `expiresIn` in seconds is the access token's."""

    access_token: str
    refresh_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    user: SessionUser


class Renewed(Wire):
    """What changed killed the old access token: another one for the same session."""

    access_token: str
    token_type: Literal["Bearer"]
    expires_in: int
    code: str
    roles: list[Role]


class Profile(Wire):
    """What everyone may see of a person."""

    id: UUID
    username: str
    avatar_url: str | None
    seller_rating: float | None
    rating_count: int
    follower_count: int
    roles: list[Role]
    created_at: Time


class OwnProfile(Profile):
    """What only the person sees."""

    email: str
    full_name: str
    strikes: int = Field(
        description="Items won and left unpaid within a year; a seller may refuse bids because of them."
    )
    is_verified: bool
    status: Literal["active", "suspended"]


class ProfileChanged(Wire):
    """The profile as it is now."""

    id: UUID
    username: str
    code: str


class Follower(Wire):
    """Somebody who follows a seller."""

    id: UUID
    username: str
    followed_at: Time


class Followers(Wire):
    """A page of followers, the latest first."""

    items: list[Follower]
    next_cursor: str | None


class SellerCard(Wire):
    """A seller as an auction shows them."""

    id: UUID
    username: str | None = None
    avatar_url: str | None = None
    seller_rating: float | None = None


class Auction(Wire):
    """An auction; bidders appear under pseudonyms of this auction. `yourBidderId`, `youLead`, `youSell` for a caller."""

    id: UUID
    title: str
    description: str
    category: str | None
    tags: list[str]
    video_id: UUID | None
    shipping_info: ShippingInfo
    currency: str
    starting_price: Money
    current_bid: Money
    minimum_next_bid: Money
    bid_count: int
    leader_id: UUID | None = None
    has_reserve: bool
    reserve_met: bool | None
    buy_now_price: Money | None
    status: Literal["draft", "scheduled", "live", "ended", "cancelled"]
    outcome: Literal["sold", "sold_buy_now", "reserve_not_met", "no_bids", "cancelled"] | None
    winner_id: UUID | None = None
    final_price: Money | None = None
    start_time: Time | None
    end_time: Time | None
    created_at: Time
    seller: SellerCard
    closing: Closing
    increments: str
    max_buyer_strikes: int | None = Field(
        None,
        description="Who left more items unpaid within a year (`strikes` in GET /users/me) may not bid; null: anybody.",
    )
    pay_window: int | None = Field(None, description="How long the winner may take to pay, seconds; null: as always.")
    seq: int = Field(description="Sequence of the auction's last event.")
    public_seq: int = Field(description="Sequence of its last public event: `lastSeq` of the WebSocket.")
    server_time: Time | None = None
    your_bidder_id: UUID | None = None
    you_lead: bool | None = None
    you_sell: bool | None = None


class Auctions(Wire):
    """A page of auctions."""

    items: list[Auction]
    next_cursor: str | None


class Highlights(Wire):
    """Where the words stand, as HTML that is safe to show: all escaped, the words in `<em>`."""

    title: str | None = None
    description: str | None = None


class AuctionFound(Auction):
    """An auction of a list or a search."""

    highlights: Highlights | None = None


class FacetValue(Wire):
    """A value that narrows the search, and how many would be left."""

    value: str
    count: int


class FacetSeller(FacetValue):
    """A seller; `value` is the id."""

    username: str | None


class FacetPrice(Wire):
    """A range of prices, both ends included; `maxPrice` is null for the last."""

    min_price: Money
    max_price: Money | None
    count: int


class FacetEnding(FacetValue):
    """What ends within `1h`, `1d`, `3d`, `7d`: before `endsBefore`."""

    ends_before: Time


class Facets(Wire):
    """Counts of what was found; each facet is counted as if it were not chosen itself (tags: as chosen)."""

    category: list[FacetValue]
    tag: list[FacetValue]
    status: list[FacetValue]
    seller: list[FacetSeller]
    price: list[FacetPrice]
    ending: list[FacetEnding]


class Suggestion(Wire):
    """What would be found when nothing was: other words, or the same without the filters."""

    q: str
    without_filters: bool
    total: int


class AuctionsFound(Wire):
    """A page of auctions; what stands below `nextCursor` is there when the index was searched."""

    items: list[AuctionFound]
    next_cursor: str | None
    total: int | None = Field(None, description="How many were found, or more than that: see `totalIsExact`.")
    total_is_exact: bool | None = None
    facets: Facets | None = None
    suggestion: Suggestion | None = None
    search_id: UUID | None = Field(None, description="Tell it to POST /search/clicks.")
    took_ms: int | None = Field(None, description="Time in the index, milliseconds.")


class PeopleFound(Wire):
    """A page of people, the nearest name first."""

    items: list[Profile]
    next_cursor: str | None
    total: int
    total_is_exact: bool
    search_id: UUID
    took_ms: int


class Completion(Wire):
    """What the text may become: the title of an auction, or a person's name."""

    text: str
    kind: Literal["auction", "user"]
    id: UUID


class Completions(Wire):
    """The likeliest first."""

    items: list[Completion]


class BidOn(Wire):
    """An auction that the caller bids on."""

    auction: Auction
    last_bid_at: Time
    is_leading: bool


class BidsOn(Wire):
    """A page of auctions that the caller bids on, the latest bid first."""

    items: list[BidOn]
    next_cursor: str | None


class Watched(Wire):
    """An auction that the caller watches."""

    auction: Auction
    watched_at: Time


class WatchedAuctions(Wire):
    """A page of watched auctions, the latest first."""

    items: list[Watched]
    next_cursor: str | None


class BidAnswer(Wire):
    """A bid that stands; `code` is `leading`, `outbid` or `maximum_raised` (rule K1)."""

    id: UUID
    auction_id: UUID
    bidder_id: UUID
    amount: Money
    max_amount: Money | None = None
    placed_at: Time
    is_winning: bool
    minimum_next_bid: Money
    end_time: Time
    code: str
    current_bid: Money
    currency: str
    seq: int


class Bid(Wire):
    """A bid in the public history."""

    id: UUID
    auction_id: UUID
    bidder_id: UUID
    amount: Money
    is_winning: bool
    automatic: bool
    retracted: bool
    placed_at: Time
    message: str | None = None
    yours: bool
    seq: int


class Bids(Wire):
    """A page of bids, the latest first."""

    items: list[Bid]
    next_cursor: str | None


class Standing(Wire):
    """Where an auction stands after a command."""

    auction_id: UUID
    code: str
    status: str
    outcome: str | None
    current_bid: Money
    bid_count: int
    minimum_next_bid: Money
    has_reserve: bool
    reserve_met: bool | None
    end_time: Time | None
    winner_id: UUID | None
    final_price: Money | None
    currency: str
    seq: int


class Stream(Wire):
    """Where a film can be played until `expiresAt`; `qualities` are the rungs there are, lowest first."""

    url: str
    expires_at: Time
    qualities: list[str]
    poster_url: str | None
    storyboard_url: str | None


class ServerTime(Wire):
    """The clock by which bids are judged, give or take a network."""

    server_time: Time


class LiveTicket(Wire):
    """Connect to `{url}?ticket={ticket}` once, before `expiresAt`."""

    url: str
    ticket: str
    expires_at: Time
