"""Stripe's answers and events, read into our own shapes; what a version of its API leaves out is absent there, too."""

from collections.abc import Mapping
from typing import Any

import stripe

from consumers.payments.declines import Decline, decline
from consumers.payments.provider import (
    Account,
    Card,
    Charge,
    Customer,
    Dispute,
    Event,
    Intent,
    Movement,
    Refund,
    Reversal,
    Setup,
    Transfer,
)
from consumers.payments.units import from_stripe


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
