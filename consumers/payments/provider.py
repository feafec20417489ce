"""What Stripe told us, in our own shapes: amounts in hundredths, currencies in capitals, times in seconds since 1970."""

from dataclasses import dataclass, field
from typing import Any, Literal

from consumers.payments.declines import Decline

IntentStatus = Literal[
    "requires_payment_method",
    "requires_confirmation",
    "requires_action",
    "processing",
    "requires_capture",
    "canceled",
    "succeeded",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A PaymentIntent. `received_minor` is what was paid."""

    id: str
    status: IntentStatus
    amount_minor: int
    received_minor: int
    currency: str
    client_secret: str = field(repr=False)
    charge_id: str | None
    customer_id: str | None
    payment_method_id: str | None
    decline: Decline | None
    metadata: dict[str, str]
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer:
    """A buyer as Stripe knows him."""

    id: str
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """A SetupIntent: a card is being kept for later."""

    id: str
    status: str
    client_secret: str = field(repr=False)
    payment_method_id: str | None
    decline: Decline | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A kept payment method, as much as may be shown to its owner."""

    id: str
    brand: str
    last4: str
    expires_month: int
    expires_year: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Money that was taken; `fee_minor` is Stripe's own fee, None until its balance transaction stands."""

    id: str
    intent_id: str | None
    amount_minor: int
    captured_minor: int
    refunded_minor: int
    currency: str
    fee_minor: int | None
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Refund:
    """Money given back, or on its way; `status` is pending, requires_action, succeeded, failed or canceled."""

    id: str
    intent_id: str | None
    charge_id: str | None
    amount_minor: int
    currency: str
    status: str
    failure: str | None
    metadata: dict[str, str]
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A seller's account at Stripe. It is paid when `payouts_enabled` and `transfers_active`."""

    id: str
    charges_enabled: bool
    payouts_enabled: bool
    transfers_active: bool
    details_submitted: bool
    currently_due: tuple[str, ...]
    country: str
    metadata: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A page of Stripe's for one person, once."""

    url: str = field(repr=False)
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Money moved to a seller's account."""

    id: str
    account_id: str
    amount_minor: int
    reversed_minor: int
    currency: str
    source_charge_id: str | None
    metadata: dict[str, str]
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversal:
    """Money taken back from a seller's account."""

    id: str
    transfer_id: str
    amount_minor: int
    currency: str
    metadata: dict[str, str]
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispute:
    """A payer's complaint at his bank. `status`: needs_response, under_review, won, lost, warning_needs_response,
    warning_under_review, warning_closed, prevented. `withdrawn_minor` is what Stripe holds of ours (the disputed amount) now,
    `fee_minor` what it keeps for its work."""

    id: str
    charge_id: str
    intent_id: str | None
    amount_minor: int
    currency: str
    status: str
    reason: str
    withdrawn_minor: int
    fee_minor: int
    evidence_due_at: int | None
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A row of the platform's account at Stripe: `net_minor` = `amount_minor` - `fee_minor`; `source_id` is what moved it.

    `type`: charge, payment, refund, payment_refund, refund_failure, transfer, transfer_refund, adjustment (disputes), payout,
    stripe_fee and others.
    """

    id: str
    type: str
    amount_minor: int
    fee_minor: int
    net_minor: int
    currency: str
    source_id: str | None
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened at Stripe; `body` is the object as it was then, as Stripe words it."""

    id: str
    type: str
    created_at: int
    livemode: bool
    account: str | None
    body: dict[str, Any]
