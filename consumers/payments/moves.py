"""Every legal move of an order, in one table; any other is refused."""

from typing import Final

from schemas.payments import Status

MOVES: Final[dict[Status, frozenset[Status]]] = {
    "offered": frozenset({"awaiting_payment", "lapsed"}),
    "awaiting_payment": frozenset({"paid", "cancelled", "unpaid"}),
    "paid": frozenset({"shipped", "refunded", "disputed"}),
    "shipped": frozenset({"delivered", "refunded", "disputed"}),
    "delivered": frozenset({"completed", "refunded", "disputed"}),
    "completed": frozenset({"refunded", "disputed"}),
    # A dispute that is over leads back to where it began, or to the refund.
    "disputed": frozenset({"paid", "shipped", "delivered", "completed", "refunded"}),
    "refunded": frozenset(),
    "cancelled": frozenset(),
    "unpaid": frozenset(),
    "lapsed": frozenset(),
}

CAPTURED: Final[frozenset[Status]] = frozenset({"paid", "shipped", "delivered", "completed", "disputed", "refunded"})
"""Where the buyer's money was taken."""


class IllegalMove(Exception):
    """A bug: nothing decided may lead from one state to the other."""


def may(now: Status, to: Status) -> bool:
    """Whether an order may go from one state to another."""
    return to in MOVES[now]


def moved(now: Status, to: Status) -> Status:
    """The state after a move; raises IllegalMove."""
    if not may(now, to):
        raise IllegalMove(f"{now} -> {to}")
    return to
