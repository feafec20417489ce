"""One good example of every event that indexing reads, with memorable people."""

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from consumers.indexing import said
from consumers.indexing.project import Auction, Person, fold_auction, fold_person
from schemas.envelope import parse_time

MINA = "11111111-1111-4111-8111-111111111111"
LEICA = "22222222-2222-4222-8222-222222222222"
CREATED = "2026-11-01T09:59:58.000Z"
START = "2026-11-01T10:00:00.000Z"
END = "2026-11-08T10:00:00.000Z"
LATER_END = "2026-11-08T10:05:00.000Z"
NOON = parse_time("2026-11-01T12:00:00.000Z")

Told = tuple[int, Any]
"""An event with its sequence."""


def listing(**changes: Any) -> dict[str, Any]:
    """What Mina offers."""
    return {
        "seller_id": MINA,
        "title": "Leica M3 Café edition",
        "starting_price": Decimal("100.00"),
        "category": "Cameras",
        "start_time": START,
        "end_time": END,
        "description": "Double stroke, 1954.",
        "tags": ["camera", "rangefinder"],
    } | changes


def created(**changes: Any) -> said.AuctionCreated:
    """The auction stands."""
    return said.AuctionCreated(**listing(**changes))


def updated(**changes: Any) -> said.AuctionUpdated:
    """The listing changed."""
    return said.AuctionUpdated(**listing(**changes))


def bid(amount: str, count: int, *, winning: bool = True, reserve_met: bool | None = None) -> said.BidPlaced:
    """A bid stands."""
    return said.BidPlaced(amount=Decimal(amount), is_winning=winning, bid_count=count, reserve_met=reserve_met)


def ended(outcome: str = "sold", price: str | None = "150.00") -> said.AuctionEnded:
    """The hammer fell."""
    return said.AuctionEnded(outcome=outcome, final_price=None if price is None else Decimal(price))


def registered(name: str = "mina") -> said.UserRegistered:
    """A new account."""
    return said.UserRegistered(username=name, roles=["buyer"], created_at=CREATED)


def in_order(*events: Any) -> list[Told]:
    """Events with the sequences 1, 2, 3 ..."""
    return list(zip(itertools.count(1), events, strict=False))


def auction(told: Sequence[Told]) -> Auction:
    """What is known after these."""
    state = Auction()
    for seq, event in told:
        state = fold_auction(state, event, seq, lambda: CREATED)
    return state


def person(told: Sequence[Told]) -> Person:
    """What is known after these."""
    state = Person()
    for seq, event in told:
        state = fold_person(state, event, seq)
    return state
