"""What a decision needs to know beyond the order, found beforehand, and what it says."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from consumers.payments.evolve import evolve
from consumers.payments.order import Order, Told
from schemas.envelope import Actor, Outcome, Wire
from schemas.money import print_minor
from schemas.payments import Party


@dataclass(frozen=True, slots=True)
class Bidder:
    """The next bidder who was not offered the thing yet, at his highest bid, and the number that his order would have."""

    id: UUID
    amount: int
    offer_number: int


@dataclass(frozen=True, slots=True)
class Facts:
    """What others have become: looked up for the whole batch."""

    seller_paid: bool = False
    """Whether the seller's account takes transfers."""
    seller_owes: int = 0
    """What earlier reversals did not bring back, in the order's currency."""
    saved_method: str | None = None
    """The buyer's saved method that would be charged, of those that he has (`methods`)."""
    methods: frozenset[str] = frozenset()
    automatic: bool = False
    """Whether the buyer agreed to be charged when he wins."""
    next_bidder: Bidder | None = None
    sold_or_offered: bool = False
    """Whether another order of the auction stands."""


NOTHING_KNOWN = Facts()


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, who speaks, when, and what is known."""

    body: Wire
    actor: Actor
    at_ms: int
    facts: Facts = NOTHING_KNOWN


@dataclass(frozen=True, slots=True)
class Decided:
    """The answer to a command, and what happened by it."""

    outcome: Outcome
    code: str
    answer: dict[str, Any] = field(default_factory=dict)
    told: tuple[Told, ...] = ()


def accepted(code: str, *told: Told | Wire, **answer: Any) -> Decided:
    """It is done."""
    return Decided("accepted", code, answer, tuple(one if isinstance(one, Told) else Told(one) for one in told))


def refused(code: str, **answer: Any) -> Decided:
    """It is not done, for the reason that `code` names."""
    return Decided("refused", code, answer)


def nothing(code: str, **answer: Any) -> Decided:
    """It is so already, or comes too late to matter."""
    return Decided("no_op", code, answer)


def of(order: Order) -> dict[str, Any]:
    """What every event of an order says."""
    return {
        "order_id": order.id,
        "auction_id": order.auction_id,
        "buyer_id": order.buyer_id,
        "seller_id": order.seller_id,
        "title": order.title,
    }


def after(order: Order | None, told: tuple[Told, ...], at_ms: int) -> Order:
    """The order after events, the first of which may have opened it."""
    for one in told:
        order = evolve(order, one, at_ms)
    assert order is not None
    return order


def money(minor: int) -> float:
    """An amount for an answer: the shortest text of it has at most two decimals."""
    return float(print_minor(minor))


def party_of(order: Order, actor: Actor) -> Party | None:
    """As what somebody speaks about an order; an admin acts as the platform, except in orders of his own."""
    if actor.is_system:
        return "platform"
    if actor.id == str(order.buyer_id):
        return "buyer"
    if actor.id == str(order.seller_id):
        return "seller"
    return "platform" if actor.is_admin else None
