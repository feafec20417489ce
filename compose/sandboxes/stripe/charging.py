"""Charging a card: the charge that comes of it, and the money it moves."""

from compose.sandboxes.stripe import cards
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import PENDING_S, Call, World

FEE_BPS = 290
FEE_FIXED = 30
"""Stripe's own price of a card payment: 2.9 % and 30 cents."""


def fee_of(amount: int) -> int:
    """What Stripe keeps of a charge, half a cent rounded up."""
    return (amount * FEE_BPS + 5_000) // 10_000 + FEE_FIXED


def charge(world: World, intent: Body, method: Body, call: Call | None) -> Body:
    """Charge a card for a payment intent; a refused one is a charge too, with what went wrong in it."""
    card = cards.card_of(method["_card"])
    captured = intent["capture_method"] != "manual"
    made = world.add("charge", "ch", _body(intent, method, card))
    if card.refusal is not None:
        made |= {
            "failure_code": card.refusal.code,
            "failure_message": card.refusal.message,
            "outcome": _outcome("issuer_declined", card.refusal.decline_code or card.refusal.code),
            "paid": False,
            "captured": False,
            "amount_captured": 0,
            "status": "failed",
        }
        world.tell("charge.failed", world.store.change(made), call)
        return made
    if captured:
        book(world, made)
        world.tell("charge.succeeded", made, call)
    else:
        made |= {"captured": False, "amount_captured": 0}
        world.tell("charge.succeeded", world.store.change(made), call)
    return made


def book(world: World, made: Body) -> None:
    """Move the money of a captured charge onto the platform's balance."""
    at_once = cards.card_of(made["_card"]).available_at_once
    row = world.move(
        "charge",
        made["amount_captured"],
        made["currency"],
        fee=fee_of(made["amount_captured"]),
        source=made["id"],
        available_on=world.now() + (0 if at_once else PENDING_S),
        description=made["description"],
    )
    made["balance_transaction"] = row["id"]
    world.store.change(made)


def _outcome(network: str, reason: str | None) -> Body:
    good = network == "approved_by_network"
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "approved_by_network" if good else "declined_by_network",
        "reason": reason,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "Payment complete."
        if good
        else "The bank did not return any further details with this decline.",
        "type": "authorized" if good else "issuer_declined",
    }


def _body(intent: Body, method: Body, card: cards.TestCard) -> Body:
    return {
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "application": None,
        "application_fee": None,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": method["billing_details"],
        "calculated_statement_descriptor": "MARKETPLACE",
        "captured": True,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "fraud_details": {},
        "metadata": dict(intent["metadata"]),
        "on_behalf_of": None,
        "outcome": _outcome("approved_by_network", None),
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            "card": {
                name: method["card"][name] for name in ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
            } | {"amount_authorized": intent["amount"], "installments": None, "mandate": None, "network": card.brand, "three_d_secure": None},
            "type": "card",
        },
        "radar_options": {},
        "receipt_email": intent["receipt_email"],
        "receipt_number": None,
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "shipping": intent["shipping"],
        "source": None,
        "source_transfer": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": None,
        "status": "succeeded",
        "transfer": None,
        "transfer_data": None,
        "transfer_group": intent["transfer_group"],
        "_card": method["_card"],
    }  # fmt: skip
