"""Who has what, by the stand-in's own books: every movement has two sides, and all sides together are nothing."""

from collections import Counter

from compose.sandboxes.stripe.store import PLATFORM, Body
from compose.sandboxes.stripe.world import World

_BETWEEN = frozenset({"transfer", "transfer_refund"})
"""Movements whose other side is a seller's account, which has a row of its own."""


def books(world: World) -> Body:
    """By currency: `platform`, each seller's account, `payers` (below zero: they paid), `stripe` (fees); `sum` is 0.

    `rows` are all movements of the platform and the sellers, oldest first.
    """
    sums: dict[str, Counter[str]] = {}
    rows = []
    for row in reversed(list(world.store.newest("balance_transaction"))):
        owner = world.store.owner(row["id"])
        of = sums.setdefault(row["currency"], Counter())
        of[owner] += row["net"]
        of["stripe"] += row["fee"]
        if row["type"] in _BETWEEN or owner != PLATFORM:
            of["under_way"] -= row["amount"]
        else:
            of["payers"] -= row["amount"]
        rows.append(
            {name: row[name] for name in ("id", "type", "amount", "fee", "net", "currency", "source", "created")}
            | {"owner": owner}
        )
    totals = {currency: dict(of) | {"sum": sum(of.values())} for currency, of in sums.items()}
    return {"totals": totals, "rows": rows}
