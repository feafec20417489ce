"""Refunds: money back to the payer, never more than was captured minus what went back before."""

from compose.sandboxes.stripe import cards
from compose.sandboxes.stripe.attempts import shown
from compose.sandboxes.stripe.currencies import words
from compose.sandboxes.stripe.parameters import changed_metadata
from compose.sandboxes.stripe.problems import Problem, missing
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, World, token


def create(world: World, call: Call) -> Body:
    """POST /v1/refunds"""
    given = call.params
    charge = _charge(world, given)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = given.get("amount", left)
    _judge(charge, amount, left, given)
    waits = cards.card_of(charge["_card"]).refund_waits
    made = world.add("refund", "re", _body(charge, amount, given, "pending" if waits else "succeeded"))
    row = world.move("refund", -amount, charge["currency"], source=made["id"], description="REFUND FOR CHARGE")
    made["balance_transaction"] = row["id"]
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount"]
    world.tell("refund.created", world.store.change(made), call)
    world.tell(
        "charge.refunded",
        world.store.change(charge),
        call,
        before={"amount_refunded": charge["amount_refunded"] - amount},
    )
    answer = shown(made)
    if cards.card_of(charge["_card"]).refund_fails:
        settle(world, made, "failed")
    return answer


def _charge(world: World, given: Body) -> Body:
    if "charge" in given:
        return world.need("charge", given["charge"], param="charge")
    if "payment_intent" not in given:
        raise missing("charge")
    intent = world.need("payment_intent", given["payment_intent"], param="payment_intent")
    charge = world.store.get("charge", intent["latest_charge"] or "")
    if charge is None or charge["status"] != "succeeded":
        raise Problem(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.", param="payment_intent"
        )
    return charge


def _judge(charge: Body, amount: int, left: int, given: Body) -> None:
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise Problem(f"Charge {charge['id']} has not been captured; cancel its PaymentIntent instead.", param="charge")
    if charge["refunded"] or left == 0:
        raise Problem(f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded")
    if charge["disputed"]:
        raise Problem(f"Charge {charge['id']} has been charged back; cannot issue a refund.", code="charge_disputed")
    if amount < 1:
        raise Problem(
            "This value must be greater than or equal to 1.", code="parameter_invalid_integer", param="amount"
        )
    if amount > left:
        of = charge["currency"]
        raise Problem(
            f"Refund amount ({words(amount, of)}) is greater than unrefunded amount on charge ({words(left, of)})",
            param="amount",
        )
    if given.get("reverse_transfer"):
        raise Problem(f"Charge {charge['id']} does not have an associated transfer.", param="reverse_transfer")


def _body(charge: Body, amount: int, given: Body, status: str) -> Body:
    return {
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "currency": charge["currency"],
        "customer": charge["customer"],
        "destination_details": {"card": {"reference": token(16), "reference_status": "available", "reference_type": "acquirer_reference_number", "type": "refund"}, "type": "card"},
        "failure_balance_transaction": None,
        "metadata": changed_metadata({}, given.get("metadata", {})),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "pending_reason": "processing" if status == "pending" else None,
        "reason": given.get("reason"),
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": status,
        "transfer_reversal": None,
    }  # fmt: skip


def settle(world: World, refund: Body, status: str) -> Body:
    """What becomes of a refund: a failed one's money comes back. Raises Problem when that is settled."""
    if refund["status"] == status or refund["status"] in ("failed", "canceled"):
        raise Problem(f"This refund is {refund['status']}.")
    was = refund["status"]
    refund |= {"status": status, "pending_reason": None}
    if status == "failed":
        charge = world.need("charge", refund["charge"])
        row = world.move(
            "refund_failure", refund["amount"], refund["currency"], source=refund["id"], description="REFUND FAILURE"
        )
        refund |= {"failure_reason": "expired_or_canceled_card", "failure_balance_transaction": row["id"]}
        charge["amount_refunded"] -= refund["amount"]
        charge["refunded"] = False
        world.store.change(charge)
        world.tell("refund.failed", refund, None, before={"status": was})
    world.store.change(refund)
    world.tell("refund.updated", refund, None, before={"status": was})
    world.tell("charge.refund.updated", refund, None, before={"status": was})
    return refund


def update(world: World, call: Call) -> Body:
    """POST /v1/refunds/{id}"""
    found = world.need("refund", call.path["id"], in_path=True)
    if "metadata" in call.params:
        found["metadata"] = changed_metadata(found["metadata"], call.params["metadata"])
    world.tell("refund.updated", world.store.change(found), call)
    return found
