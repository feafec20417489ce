"""Holds what payments knows of one order against what the provider knows of it."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec

from consumers.payments.order import Order
from consumers.payments.paying_out import out, owed
from tests.consumers.payments.till import Sale, Till

ORDER = "SELECT state FROM payments.orders WHERE id = $1"

Objects = Callable[[str], Awaitable[list[dict[str, Any]]]]
"""The provider's newest objects of a kind."""


async def disagreements(till: Till, sale: Sale) -> list[str]:
    """What the two do not agree on, or what is still under way; empty when all is well."""
    order = msgspec.json.decode(await till.db.fetchval(ORDER, sale.order_id), type=Order)
    theirs = await theirs_of(till.objects, sale.order_id)
    return differences(order, theirs, await till.ledger(sale.order_id))


class Theirs:
    """The provider's objects of one order."""

    def __init__(self, **objects: list[dict[str, Any]]) -> None:
        self.intents = objects["payment_intent"]
        self.charges = [one for one in objects["charge"] if one["status"] == "succeeded"]
        self.refunds = objects["refund"]
        self.transfers = objects["transfer"]
        self.disputes = objects["dispute"]
        self.movements = objects["balance_transaction"]

    @property
    def captured(self) -> int:
        return sum(one["amount_captured"] for one in self.charges)

    @property
    def refunded(self) -> int:
        return sum(one["amount"] for one in self.refunds if one["status"] == "succeeded")

    @property
    def transferred(self) -> int:
        return sum(one["amount"] - one["amount_reversed"] for one in self.transfers)


async def theirs_of(objects_of: Objects, order_id: UUID) -> Theirs:
    mine = str(order_id)
    objects: dict[str, list[dict[str, Any]]] = {
        kind: [one for one in await objects_of(kind) if one["metadata"].get("order_id") == mine]
        for kind in ("payment_intent", "charge", "refund", "transfer", "transfer_reversal")
    }
    charges = {one["id"] for one in objects["charge"]}
    objects["dispute"] = [one for one in await objects_of("dispute") if one["charge"] in charges]
    ids = {one["id"] for kind in objects.values() for one in kind}
    objects["balance_transaction"] = [one for one in await objects_of("balance_transaction") if one["source"] in ids]
    return Theirs(**objects)


def differences(order: Order, theirs: Theirs, balances: dict[str, int]) -> list[str]:
    """Of one order: what is under way, and what its state, its ledger (balance of each account) and the provider do not agree on."""
    under_way = _under_way(order)
    found = [*under_way, *_differing(order, theirs), *_books(theirs, balances)]
    if not under_way and _is_even(order) and balances.get("seller", 0):
        found.append(f"the seller's account stands at {balances['seller']}")
    return found


def _under_way(order: Order) -> list[str]:
    found = [f"refund {one.id} is under way" for one in order.refunds if one.status == "started"]
    found += [f"payout {one.id} is under way" for one in order.payouts if one.status == "started"]
    found += [f"reversal {one.id} is under way" for one in order.reversals if one.status == "started"]
    if order.stopping is not None:
        found.append("its intent is being withdrawn")
    if order.payment == "creating":
        found.append("its intent is being made")
    if order.status == "completed" and owed(order) != out(order) and order.held is None:
        found.append(f"complete, but {owed(order)} is owed and {out(order)} is out")
    return found


def _is_even(order: Order) -> bool:
    """Whether seller and platform should be quits: nothing held, contested or kept that was to come back."""
    is_over = order.status in ("completed", "refunded")
    contested = order.open_dispute is not None
    return is_over and not contested and order.held is None and not any(one.owing for one in order.payouts)


def _differing(order: Order, theirs: Theirs) -> list[str]:
    paid = sum(one.amount - one.reversed for one in order.payouts if one.status == "sent")
    present = [one["status"] for one in theirs.intents if one["id"] == order.intent_id]
    pairs: dict[str, tuple[object, object]] = {
        "captured": (order.captured, theirs.captured),
        "refunded": (order.refunded, theirs.refunded),
        "paid out": (paid, theirs.transferred),
        "intents": (min(1, len(theirs.intents)), len(theirs.intents)),
        "its intent": ([order.payment] if order.intent_id else [], present),
        "lost disputes": (
            sum(one.kind == "card" and one.status == "lost" for one in order.disputes),
            sum(one["status"] == "lost" for one in theirs.disputes),
        ),
        "open disputes": (
            sum(one.kind == "card" and one.status == "open" for one in order.disputes),
            sum(one["status"] in ("needs_response", "under_review") for one in theirs.disputes),
        ),
    }
    found = [f"{name}: ours {ours}, theirs {other}" for name, (ours, other) in pairs.items() if ours != other]
    if order.status in ("unpaid", "cancelled") and any(one["status"] != "canceled" for one in theirs.intents):
        found.append("an ended order could still be paid")
    return found


def _books(theirs: Theirs, balances: dict[str, int]) -> list[str]:
    net = sum(one["net"] for one in theirs.movements)
    found = [f"the ledger's sum is {sum(balances.values())}"] if sum(balances.values()) else []
    if balances.get("provider", 0) != net:
        found.append(f"the provider's book: ours {balances.get('provider', 0)}, theirs {net}")
    return found
