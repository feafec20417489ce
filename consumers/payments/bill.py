"""What an order's buyer pays, as Stripe is asked for it."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from consumers.payments.units import to_stripe


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What an order's buyer pays: hundredths, ISO currency in capitals, and the ids that Stripe gives back with each event."""

    order_id: UUID
    auction_id: UUID
    user_id: UUID
    amount_minor: int
    currency: str
    customer_id: str


def transfer_group(order_id: UUID) -> str:
    """What ties an order's charge and transfers together at Stripe."""
    return f"order_{order_id}"


def as_asked(bill: Bill, key: UUID) -> dict[str, Any]:
    """The parameters that every PaymentIntent of ours has; where the parcel goes is not Stripe's business. Raises NotPayable."""
    return {
        "amount": to_stripe(bill.amount_minor, bill.currency),
        "currency": bill.currency.lower(),
        "customer": bill.customer_id,
        "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        "transfer_group": transfer_group(bill.order_id),
        "metadata": {"auction_id": str(bill.auction_id), "user_id": str(bill.user_id)} | marks(bill.order_id, key),
    }


def marks(order_id: UUID, key: UUID) -> dict[str, str]:
    """Metadata of whatever is made for an order by a job."""
    return {"order_id": str(order_id), "job_id": str(key)}
