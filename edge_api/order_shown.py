"""An order as one of its sides sees it: fees and payouts are the seller's business, declined cards the buyer's."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from msgspec import Raw

from edge_api import payment_views
from edge_api.auction_shown import money
from edge_api.edge import Edge
from edge_api.order_sides import OF_NOBODY, OF_THE_BUYER, OF_THE_SELLER
from edge_api.people_views import sellers, time_text
from edge_api.tokens import Caller

ELSEWHERE = frozenset({"orderId", "auctionId", "buyerId", "sellerId", "title", "paymentId"})
"""Stands in the order itself."""
INSIDE = frozenset(
    {"intentId", "chargeId", "transferId", "providerRefundId", "providerReversalId", "providerFee", "offeredTo"}
)
"""Names of the provider's, and who comes next: not for the sides of an order."""
FEES = frozenset({"commission", "proceeds", "terms"})
SELLERS_AMOUNTS = {"fees": "fee", "proceeds": "proceeds", "payout": "payout"}


def may_see(row: asyncpg.Record, caller: Caller) -> bool:
    """Whether somebody is a side of an order, or an admin."""
    return caller.actor.is_admin or caller.user_id in (row["buyer_id"], row["seller_id"])


def role_of(row: asyncpg.Record, caller: Caller) -> str:
    """As which side somebody sees an order; an admin sees what the seller sees."""
    return "buyer" if row["buyer_id"] == caller.user_id else "seller"


async def shown(edge: Edge, rows: Sequence[asyncpg.Record], caller: Caller) -> list[dict[str, Any]]:
    """Orders in their order."""
    cards = await sellers(edge, [row[side] for row in rows for side in ("buyer_id", "seller_id")])
    keys = await payment_views.wrapped_keys(edge, [row["buyer_id"] for row in rows]) if rows else {}
    return [_order(edge, row, cards, keys, caller) for row in rows]


def _order(
    edge: Edge,
    row: asyncpg.Record,
    cards: Mapping[UUID, dict[str, Any]],
    keys: Mapping[UUID, str],
    caller: Caller,
) -> dict[str, Any]:
    role = role_of(row, caller)
    key = keys.get(row["buyer_id"])
    # A seller has no use for an address before the money is there.
    may_ship = role == "buyer" or row["paid_at"] is not None
    address = payment_views.opened(edge, row, "shipping", key) if may_ship else None
    found = {
        "id": str(row["order_id"]),
        "auctionId": str(row["auction_id"]),
        "title": row["title"],
        "role": role,
        "offerNumber": row["offer"],
        "status": row["state"],
        "buyer": cards[row["buyer_id"]],
        "seller": cards[row["seller_id"]],
        "price": money(row["price_minor"]),
        "shippingCost": money(row["shipping_minor"]),
        "tax": money(row["tax_minor"]),
        "total": money(row["total_minor"]),
        "refunded": money(row["refunded_minor"]),
        "currency": row["currency"],
        "paymentId": row["payment_id"] and str(row["payment_id"]),
        "shippingAddress": None if address is None else Raw(address.encode()),
        "carrier": row["carrier"],
        "trackingNumber": payment_views.opened(edge, row, "tracking", key),
        "problem": row["problem"],
        "createdAt": _time(row["created_at"]),
        "payBy": _time(row["pay_by"]),
        "offerExpiresAt": _time(row["offer_expires_at"]),
        "paidAt": _time(row["paid_at"]),
        "shippedAt": _time(row["shipped_at"]),
        "deliveredAt": _time(row["delivered_at"]),
        "completedAt": _time(row["completed_at"]),
        "ratings": {"byBuyer": row["buyer_stars"], "bySeller": row["seller_stars"]},
        "seq": row["sequence"],
    }
    if role == "seller":
        found |= {name: money(row[f"{column}_minor"]) for name, column in SELLERS_AMOUNTS.items()}
    return found


def history(rows: Sequence[asyncpg.Record], *, seller: bool) -> list[dict[str, Any]]:
    """What happened to an order, as far as it is a side's business; numbers keep their place, so gaps may show."""
    hidden = OF_NOBODY | (OF_THE_BUYER if seller else OF_THE_SELLER)
    left_out = ELSEWHERE | INSIDE | (frozenset() if seller else FEES)
    return [
        {
            "seq": row["sequence"],
            "event": row["event_type"],
            "at": time_text(row["at"]),
            "by": row["by"],
            "data": {name: value for name, value in _fields(row["data"]).items() if name not in left_out},
        }
        for row in rows
        if row["event_type"] not in hidden
    ]


def _fields(said: str | bytes) -> dict[str, Raw]:
    """A JSON object whose values stay as they were written, so that amounts stay exact."""
    return msgspec.json.decode(said, type=dict[str, Raw])


def raw(said: str | bytes) -> Raw:
    """A stored JSON text, as it is."""
    return Raw(said.encode() if isinstance(said, str) else said)


def _time(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)
