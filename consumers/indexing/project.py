"""From events to documents. No clock, no I/O.

A state is made of parts, each of which remembers the sequence of the event that last wrote it; an event writes a part only if
it is newer. So events that come twice, late or in any order leave the same state, and the sum of the sequences grows with
each change and is the same for the same events: it is the document's external version.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import replace

from consumers.indexing import said
from schemas.envelope import parse_time
from schemas.money import parse_minor
from schemas.search_text import fold as folded

SUGGESTED_WORDS_MAX: Final = 6
"""So many words of a title a suggestion may begin with."""
LIVE_WEIGHT, SCHEDULED_WEIGHT, BIDS_COUNTED_MAX = 100, 50, 900

Standing = Literal["active", "suspended", "erased"]


class Auction(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of an auction; amounts in minor units, times as events write them."""

    created_seq: int = 0
    currency: str = "USD"
    created_at: str | None = None

    offered_seq: int = 0
    seller_id: str | None = None
    title: str = ""
    description: str = ""
    category: str | None = None
    tags: list[str] = []
    video_id: str | None = None
    starting_price: int = 0
    buy_now_price: int | None = None
    start_time: str | None = None
    draft: bool = True

    end_seq: int = 0
    end_time: str | None = None

    price_seq: int = 0
    price: int | None = None

    bids_seq: int = 0
    bid_count: int = 0

    reserve_seq: int = 0
    reserve_met: bool | None = None
    """None without a reserve."""

    over_seq: int = 0
    over: Literal["ended", "cancelled"] | None = None
    outcome: str | None = None
    final_price: int | None = None

    @property
    def version(self) -> int:
        """Grows with each change."""
        return self.created_seq + self.offered_seq + self.end_seq + self.price_seq + self.bids_seq + (
            self.reserve_seq + self.over_seq
        )  # fmt: skip

    @property
    def seq(self) -> int:
        """The last event that changed it."""
        return max(self.offered_seq, self.end_seq, self.bids_seq, self.reserve_seq, self.price_seq, self.over_seq)


class Person(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is known of a person; of an erased one nothing but that."""

    registered_seq: int = 0
    created_at: str | None = None

    name_seq: int = 0
    username: str = ""

    roles_seq: int = 0
    roles: list[str] = []

    standing_seq: int = 0
    standing: Standing = "active"

    @property
    def version(self) -> int:
        """Grows with each change."""
        return self.registered_seq + self.name_seq + self.roles_seq + self.standing_seq

    @property
    def seq(self) -> int:
        """The last event that changed it."""
        return max(self.registered_seq, self.name_seq, self.roles_seq, self.standing_seq)


def fold_auction(auction: Auction, event: Any, seq: int, at: Callable[[], str]) -> Auction:
    """The auction after an event; `at` tells when it was told, for the one event that needs it."""
    changes: dict[str, Any] = {}

    def write(part: str, **fields: Any) -> None:
        if seq > getattr(auction, f"{part}_seq"):
            changes.update(fields, **{f"{part}_seq": seq})

    match event:
        case said.BidPlaced():
            if event.is_winning:
                write("price", price=_minor(event.amount))
            write("bids", bid_count=event.bid_count)
            write("reserve", reserve_met=event.reserve_met)
        case said.PriceRecomputed():
            write("price", price=_minor(event.price))
            write("bids", bid_count=event.bid_count)
            write("reserve", reserve_met=event.reserve_met)
        case said.AuctionUpdated():
            if isinstance(event, said.AuctionCreated):
                write("created", currency=event.currency, created_at=at())
            write("offered", **_offered(event))
            write("end", end_time=event.end_time)
            write("reserve", reserve_met=False if event.has_reserve else None)
        case said.AuctionExtended():
            write("end", end_time=event.end_time)
        case said.ReserveLowered():
            write("reserve", reserve_met=event.reserve_met)
        case said.AuctionEnded():
            over = "cancelled" if event.outcome == "cancelled" else "ended"
            write("over", over=over, outcome=event.outcome, final_price=_minor(event.final_price))
        case said.AuctionCancelled():
            write("over", over="cancelled", outcome="cancelled", final_price=None)
    return replace(auction, **changes) if changes else auction


def _offered(event: said.AuctionUpdated) -> dict[str, Any]:
    return {
        "seller_id": event.seller_id,
        "title": event.title,
        "description": event.description,
        "category": event.category,
        "tags": event.tags,
        "video_id": event.video_id,
        "starting_price": _minor(event.starting_price),
        "buy_now_price": _minor(event.buy_now_price),
        "start_time": event.start_time,
        "draft": event.draft,
    }


def _minor(amount: Decimal | None) -> int | None:
    return None if amount is None else parse_minor(amount)


def fold_person(person: Person, event: Any, seq: int) -> Person:
    """The person after an event."""
    changes: dict[str, Any] = {}

    def write(part: str, **fields: Any) -> None:
        if seq > getattr(person, f"{part}_seq"):
            changes.update(fields, **{f"{part}_seq": seq})

    match event:
        case said.UserRegistered():
            write("registered", created_at=event.created_at)
            write("name", username=event.username)
            write("roles", roles=event.roles)
        case said.ProfileUpdated():
            write("name", username=event.username)
        case said.RoleGranted():
            write("roles", roles=event.roles)
        case said.UserSuspended():
            write("standing", standing="suspended")
        case said.UserReinstated():
            write("standing", standing="active")
        case said.UserErased():
            write("standing", standing="erased")
    after = replace(person, **changes) if changes else person
    if after.standing == "erased":
        # A name that comes late, after the person went, must not stay either.
        return replace(after, username="", roles=[], created_at=None)
    return after


def hides(person: Person | None) -> bool:
    """Whether the person and what they sell is not to be found."""
    return person is not None and person.standing != "active"


class Shown(msgspec.Struct, frozen=True):
    """A document as it is to stand in an index; `changes_at` is when time alone changes it, in ms since 1970."""

    version: int
    fields: dict[str, Any]
    changes_at: int | None = None


def auction_document(auction_id: str, auction: Auction, seller: Person | None, *, now_ms: int) -> Shown | None:
    """The document of an auction; None while it is not public (a draft, or its beginning not heard of yet)."""
    if auction.draft:
        return None
    start_ms = None if auction.start_time is None else parse_time(auction.start_time)
    waits = start_ms is not None and start_ms > now_ms
    # The first half-step is the start, which no event tells.
    version = 2 * (auction.version + (0 if seller is None else seller.version)) + (0 if waits else 1)
    if hides(seller):
        return Shown(version, {"id": auction_id, "hidden": True})
    status = auction.over or ("scheduled" if waits else "live")
    fields = _without_nothing(
        {
            "id": auction_id,
            "hidden": False,
            "seq": auction.seq,
            "title": auction.title,
            "description": auction.description,
            "tags": auction.tags,
            "category": auction.category,
            "seller": _without_nothing({"id": auction.seller_id, "username": seller and seller.username}),
            "videoId": auction.video_id,
            "currency": auction.currency,
            "startingPriceMinor": auction.starting_price,
            "priceMinor": _price(auction),
            "buyNowPriceMinor": auction.buy_now_price,
            "finalPriceMinor": auction.final_price,
            "bidCount": auction.bid_count,
            "hasReserve": auction.reserve_met is not None,
            "reserveMet": auction.reserve_met,
            "status": status,
            "outcome": auction.outcome,
            "createdAt": auction.created_at,
            "startTime": auction.start_time,
            "endTime": auction.end_time,
            "search": _found(auction, seller),
            "suggest": _suggested(auction, status),
        }
    )
    return Shown(version, fields, start_ms if status == "scheduled" else None)


def _price(auction: Auction) -> int:
    """What one pays now: after a purchase its price, before the first bid the starting price."""
    if auction.final_price is not None:
        return auction.final_price
    return auction.starting_price if auction.price is None else auction.price


def _found(auction: Auction, seller: Person | None) -> dict[str, Any]:
    return _without_nothing(
        {
            "title": folded(auction.title),
            "description": folded(auction.description) or None,
            "tags": [folded(tag) for tag in auction.tags] or None,
            "category": None if auction.category is None else folded(auction.category),
            "seller": None if seller is None else folded(seller.username),
        }
    )


def _suggested(auction: Auction, status: str) -> dict[str, Any] | None:
    if status not in ("live", "scheduled"):
        return None
    words = folded(auction.title).split()
    beginnings = [" ".join(words[place:]) for place in range(min(len(words), SUGGESTED_WORDS_MAX))]
    bids = min(auction.bid_count, BIDS_COUNTED_MAX)
    weight = LIVE_WEIGHT + bids if status == "live" else SCHEDULED_WEIGHT
    return {"input": beginnings, "weight": weight} if beginnings else None


def person_document(user_id: str, person: Person) -> Shown | None:
    """The document of a person; None before their registration was heard of."""
    if hides(person):
        return Shown(person.version, {"id": user_id, "hidden": True})
    if not person.username:
        return None
    name = folded(person.username)
    fields = {
        "id": user_id,
        "hidden": False,
        "seq": person.seq,
        "username": person.username,
        "roles": person.roles,
        "createdAt": person.created_at,
        "search": {"username": name},
        "suggest": {"input": [name], "weight": 2 if "seller" in person.roles else 1},
    }
    return Shown(person.version, _without_nothing(fields))


def _without_nothing(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
