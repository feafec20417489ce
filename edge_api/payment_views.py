"""What the edge reads about orders and payments: the views of payments, and the seals that it may open."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from edge_api.edge import Edge
from schemas.sealed import CannotOpen

TO_PAY = """
    SELECT order_id, state, total_minor, currency
      FROM payments.order_view WHERE auction_id = $1 AND buyer_id = $2 ORDER BY offer DESC LIMIT 1
"""


async def order_to_pay(edge: Edge, auction_id: UUID, buyer_id: UUID) -> asyncpg.Record | None:
    """The latest order of an auction that is this person's to pay."""
    return await edge.row(TO_PAY, auction_id, buyer_id)


LATEST = """
    SELECT state FROM payments.order_view WHERE auction_id = $1 ORDER BY offer DESC LIMIT 1
"""


async def latest_state(edge: Edge, auction_id: UUID) -> str | None:
    """Where the latest order of an auction stands; None when there is none."""
    row = await edge.row(LATEST, auction_id)
    return None if row is None else str(row["state"])


COLUMNS = """
    order_id, auction_id, offer, seller_id, buyer_id, title, state, price_minor, shipping_minor, tax_minor, total_minor,
    fee_minor, proceeds_minor, payout_minor, refunded_minor, currency, payment_id, shipping_sealed, carrier, tracking_sealed, created_at,
    pay_by, offer_expires_at, paid_at, shipped_at, delivered_at, completed_at, problem, buyer_stars, seller_stars, sequence
"""

ONE = f"SELECT {COLUMNS} FROM payments.order_view WHERE order_id = $1"  # noqa: S608  column names of ours


async def order(edge: Edge, order_id: UUID) -> asyncpg.Record | None:
    """One order, whoever asks."""
    return await edge.row(ONE, order_id)


LISTED = f"""
    SELECT {COLUMNS} FROM payments.order_view
     WHERE (buyer_id = $1 OR seller_id = $1) AND ($2::text IS NULL OR ($2 = 'buyer') = (buyer_id = $1))
       AND ($3::text IS NULL OR state = $3) AND ($4::timestamptz IS NULL OR (created_at, order_id) < ($4, $5))
     ORDER BY created_at DESC, order_id DESC LIMIT $6
"""  # noqa: S608


async def orders(
    edge: Edge,
    user_id: UUID,
    *,
    role: str | None,
    state: str | None,
    before: tuple[datetime, UUID] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """What somebody bought and sold, the latest first; only as one `role` or in one `state` where these are given."""
    at, last = before or (None, None)
    return await edge.rows(LISTED, user_id, role, state, at, last, limit)


HISTORY = """
    SELECT sequence, event_type, at, by, data FROM payments.order_history_view WHERE order_id = $1 ORDER BY sequence
"""


async def history(edge: Edge, order_id: UUID) -> list[asyncpg.Record]:
    """All that happened to an order, in its order."""
    return await edge.rows(HISTORY, order_id)


PAYMENT = """
    SELECT payment_id, order_id, buyer_id, seller_id, amount_minor, currency, status, refunded_minor,
           failure_code, failure_message, created_at
      FROM payments.payment_view WHERE payment_id = $1
"""


async def payment(edge: Edge, payment_id: UUID) -> asyncpg.Record | None:
    """One payment, whoever asks."""
    return await edge.row(PAYMENT, payment_id)


GIVEN = """
    SELECT id, kind, sealed, failure_code, failure_message, expires_at FROM payments.secret_view WHERE id = $1
"""


async def secret(edge: Edge, secret_id: UUID) -> asyncpg.Record | None:
    """What the provider gave for one person's eyes, sealed, or why it did not; None while it is on its way."""
    return await edge.row(GIVEN, secret_id)


def opened_secret(edge: Edge, row: asyncpg.Record) -> str:
    """The secret of such a row; raises CannotOpen."""
    return edge.seal.open(row["sealed"], message_id=str(row["id"]), field=row["kind"])


METHODS = """
    SELECT method_id, brand, last4, exp_month, exp_year, is_default
      FROM payments.payment_method_view WHERE user_id = $1 ORDER BY is_default DESC, method_id
"""


async def methods(edge: Edge, user_id: UUID) -> list[dict[str, Any]]:
    """Saved payment methods, the one that is charged by default first."""
    return [
        {
            "id": row["method_id"],
            "brand": row["brand"],
            "last4": row["last4"],
            "expMonth": row["exp_month"],
            "expYear": row["exp_year"],
            "isDefault": row["is_default"],
        }
        for row in await edge.rows(METHODS, user_id)
    ]


AUTO_PAY = "SELECT enabled FROM payments.auto_pay_view WHERE user_id = $1"


async def pays_automatically(edge: Edge, user_id: UUID) -> bool:
    """Whether somebody agreed to be charged for what they win without being asked again."""
    row = await edge.row(AUTO_PAY, user_id)
    return row is not None and bool(row["enabled"])


SELLER_ACCOUNT = """
    SELECT status, details_submitted, charges_enabled, payouts_enabled, requirements
      FROM payments.payout_account_view WHERE seller_id = $1
"""


async def seller_account(edge: Edge, user_id: UUID) -> asyncpg.Record | None:
    """The seller's account at the provider; None before onboarding began."""
    return await edge.row(SELLER_ACCOUNT, user_id)


INVOICE = "SELECT number, document, pdf FROM payments.invoice_view WHERE order_id = $1 AND party = $2"


async def invoice(edge: Edge, order_id: UUID, party: str) -> asyncpg.Record | None:
    """The invoice of one side of an order; None until it is paid."""
    return await edge.row(INVOICE, order_id, party)


KEY = "SELECT wrapped_key FROM accounts.keyring WHERE user_id = $1"
KEYS = "SELECT user_id, wrapped_key FROM accounts.keyring WHERE user_id = ANY($1)"


async def wrapped_key(edge: Edge, user_id: UUID) -> str | None:
    """A person's own key, wrapped; None when they left."""
    row = await edge.row(KEY, user_id)
    return None if row is None else str(row["wrapped_key"])


async def wrapped_keys(edge: Edge, user_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The keys of several people; those who left have none."""
    return {row["user_id"]: row["wrapped_key"] for row in await edge.rows(KEYS, list(set(user_ids)))}


def opened(edge: Edge, row: asyncpg.Record, field: str, wrapped: str | None) -> str | None:
    """What an order holds under its buyer's seal (`shipping`, `tracking`); None when there is nothing, or the buyer left."""
    sealed = row[f"{field}_sealed"]
    if sealed is None or wrapped is None:
        return None
    try:
        return edge.order_seal.open(
            sealed, wrapped_key=wrapped, user_id=str(row["buyer_id"]), order_id=str(row["order_id"]), field=field
        )
    except CannotOpen:
        return None


def listed(said: Any) -> list[str]:
    """A JSON list of words, as PostgreSQL's driver hands it over."""
    found: list[str] = msgspec.json.decode(said) if isinstance(said, str | bytes) else list(said or [])
    return found
