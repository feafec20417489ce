"""Holds what payments knows of one order against what the provider knows of it."""

from typing import Any

import msgspec

from consumers.payments.order import Order
from consumers.payments.paying_out import out, owed
from tests.consumers.payments.till import Sale, Till

ORDER = "SELECT state FROM payments.orders WHERE id = $1"


async def disagreements(till: Till, sale: Sale) -> list[str]:
    """What the two do not agree on, or what is still under way; empty when all is well."""
    order = msgspec.json.decode(await till.db.fetchval(ORDER, sale.order_id), type=Order)
    theirs = await _theirs(till, sale)
    return [*_under_way(order), *_differing(order, theirs), *await _books(till, sale, theirs)]


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


async def _theirs(till: Till, sale: Sale) -> Theirs:
    mine = str(sale.order_id)
    objects: dict[str, list[dict[str, Any]]] = {
        kind: [one for one in await till.objects(kind) if one["metadata"].get("order_id") == mine]
        for kind in ("payment_intent", "charge", "refund", "transfer", "transfer_reversal")
    }
    charges = {one["id"] for one in objects["charge"]}
    objects["dispute"] = [one for one in await till.objects("dispute") if one["charge"] in charges]
    ids = {one["id"] for kind in objects.values() for one in kind}
    objects["balance_transaction"] = [one for one in await till.objects("balance_transaction") if one["source"] in ids]
    return Theirs(**objects)


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


def _differing(order: Order, theirs: Theirs) -> list[str]:
    paid = sum(one.amount - one.reversed for one in order.payouts if one.status == "sent")
    pairs = {
        "captured": (order.captured, theirs.captured),
        "refunded": (order.refunded, theirs.refunded),
        "paid out": (paid, theirs.transferred),
        "intents": (min(1, len(theirs.intents)), len(theirs.intents)),
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


async def _books(till: Till, sale: Sale, theirs: Theirs) -> list[str]:
    balances = await till.ledger(sale.order_id)
    net = sum(one["net"] for one in theirs.movements)
    found = [f"the ledger's sum is {sum(balances.values())}"] if sum(balances.values()) else []
    if balances.get("provider", 0) != net:
        found.append(f"the provider's book: ours {balances.get('provider', 0)}, theirs {net}")
    return found
