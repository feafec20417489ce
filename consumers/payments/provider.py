"""What Stripe told us, in our own shapes: amounts in hundredths, currencies in capitals, times in seconds since 1970."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import stripe

from consumers.payments.declines import Decline, decline
from consumers.payments.units import from_stripe

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


def plain(thing: stripe.StripeObject) -> dict[str, Any]:
    """An SDK object as plain dictionaries: what a version of the API leaves out is absent, not an error."""
    return thing.to_dict(recursive=True)


def id_of(thing: str | Mapping[str, Any] | None) -> str | None:
    """The id of a reference, expanded or not."""
    return thing if thing is None or isinstance(thing, str) else str(thing["id"])


def intent(body: Mapping[str, Any]) -> Intent:
    """Read a PaymentIntent."""
    currency = body["currency"].upper()
    return Intent(
        id=body["id"],
        status=body["status"],
        amount_minor=from_stripe(body["amount"], currency),
        received_minor=from_stripe(body["amount_received"], currency),
        currency=currency,
        client_secret=body["client_secret"] or "",
        charge_id=id_of(body.get("latest_charge")),
        customer_id=id_of(body.get("customer")),
        payment_method_id=id_of(body.get("payment_method")),
        decline=_decline(body.get("last_payment_error")),
        metadata=dict(body["metadata"]),
        created_at=body["created"],
    )


def customer(body: Mapping[str, Any]) -> Customer:
    """Read a Customer."""
    return Customer(id=body["id"], metadata=dict(body.get("metadata") or {}))


def setup(body: Mapping[str, Any]) -> Setup:
    """Read a SetupIntent."""
    return Setup(
        id=body["id"],
        status=body["status"],
        client_secret=body["client_secret"] or "",
        payment_method_id=id_of(body.get("payment_method")),
        decline=_decline(body.get("last_setup_error")),
    )


def _decline(error: Mapping[str, Any] | None) -> Decline | None:
    return None if error is None else decline(error.get("code"), error.get("decline_code"))


def card(body: Mapping[str, Any]) -> Card:
    """Read a PaymentMethod of type card."""
    of = body["card"]
    return Card(
        id=body["id"], brand=of["brand"], last4=of["last4"], expires_month=of["exp_month"], expires_year=of["exp_year"]
    )


def charge(body: Mapping[str, Any]) -> Charge:
    """Read a Charge; its balance transaction must be expanded for the fee."""
    currency = body["currency"].upper()
    booked = body.get("balance_transaction")
    return Charge(
        id=body["id"],
        intent_id=id_of(body.get("payment_intent")),
        amount_minor=from_stripe(body["amount"], currency),
        captured_minor=from_stripe(body["amount_captured"], currency),
        refunded_minor=from_stripe(body["amount_refunded"], currency),
        currency=currency,
        fee_minor=from_stripe(booked["fee"], booked["currency"]) if isinstance(booked, Mapping) else None,
        created_at=body["created"],
    )


def refund(body: Mapping[str, Any]) -> Refund:
    """Read a Refund."""
    currency = body["currency"].upper()
    return Refund(
        id=body["id"],
        intent_id=id_of(body.get("payment_intent")),
        charge_id=id_of(body.get("charge")),
        amount_minor=from_stripe(body["amount"], currency),
        currency=currency,
        status=body["status"] or "pending",
        failure=body.get("failure_reason"),
        metadata=dict(body["metadata"] or {}),
        created_at=body["created"],
    )


def account(body: Mapping[str, Any]) -> Account:
    """Read an Account."""
    needs = body.get("requirements") or {}
    return Account(
        id=body["id"],
        charges_enabled=body["charges_enabled"],
        payouts_enabled=body["payouts_enabled"],
        transfers_active=(body.get("capabilities") or {}).get("transfers") == "active",
        details_submitted=body["details_submitted"],
        currently_due=tuple(needs.get("currently_due") or ()),
        country=body["country"],
        metadata=dict(body.get("metadata") or {}),
    )


def transfer(body: Mapping[str, Any]) -> Transfer:
    """Read a Transfer."""
    currency = body["currency"].upper()
    return Transfer(
        id=body["id"],
        account_id=id_of(body["destination"]) or "",
        amount_minor=from_stripe(body["amount"], currency),
        reversed_minor=from_stripe(body["amount_reversed"], currency),
        currency=currency,
        source_charge_id=id_of(body.get("source_transaction")),
        metadata=dict(body["metadata"]),
        created_at=body["created"],
    )


def reversal(body: Mapping[str, Any]) -> Reversal:
    """Read a TransferReversal."""
    currency = body["currency"].upper()
    return Reversal(
        id=body["id"],
        transfer_id=id_of(body["transfer"]) or "",
        amount_minor=from_stripe(body["amount"], currency),
        currency=currency,
        metadata=dict(body["metadata"] or {}),
        created_at=body["created"],
    )


def dispute(body: Mapping[str, Any]) -> Dispute:
    """Read a Dispute with its balance transactions, of which a won one has two that cancel out."""
    currency = body["currency"].upper()
    rows = body.get("balance_transactions") or []
    return Dispute(
        id=body["id"],
        charge_id=id_of(body["charge"]) or "",
        intent_id=id_of(body.get("payment_intent")),
        amount_minor=from_stripe(body["amount"], currency),
        currency=currency,
        status=body["status"],
        reason=body["reason"],
        withdrawn_minor=-sum(from_stripe(row["amount"], row["currency"]) for row in rows),
        fee_minor=sum(from_stripe(row["fee"], row["currency"]) for row in rows),
        evidence_due_at=(body.get("evidence_details") or {}).get("due_by"),
        created_at=body["created"],
    )


def movement(body: Mapping[str, Any]) -> Movement:
    """Read a BalanceTransaction."""
    currency = body["currency"].upper()
    return Movement(
        id=body["id"],
        type=body["type"],
        amount_minor=from_stripe(body["amount"], currency),
        fee_minor=from_stripe(body["fee"], currency),
        net_minor=from_stripe(body["net"], currency),
        currency=currency,
        source_id=id_of(body.get("source")),
        created_at=body["created"],
    )


def event(body: Mapping[str, Any]) -> Event:
    """Read an Event, from the API or from a webhook's body."""
    return Event(
        id=body["id"],
        type=body["type"],
        created_at=body["created"],
        livemode=body["livemode"],
        account=body.get("account"),
        body=body["data"]["object"],
    )
