"""Disputes: a payer complains at his bank, the money is taken back, and the bank decides."""

from typing import Any, Literal

from compose.sandboxes.stripe.parameters import changed_metadata
from compose.sandboxes.stripe.problems import Problem
from compose.sandboxes.stripe.store import Body
from compose.sandboxes.stripe.world import Call, World

FEE = 1_500
"""What Stripe asks for each dispute, and keeps: 15 dollars."""
EVIDENCE_S = 9 * 86_400

_EVIDENCE = (
    "access_activity_log", "billing_address", "cancellation_policy", "cancellation_policy_disclosure",
    "cancellation_rebuttal", "customer_communication", "customer_email_address", "customer_name",
    "customer_purchase_ip", "customer_signature", "duplicate_charge_documentation", "duplicate_charge_explanation",
    "duplicate_charge_id", "product_description", "receipt", "refund_policy", "refund_policy_disclosure",
    "refund_refusal_explanation", "service_date", "service_documentation", "shipping_address", "shipping_carrier",
    "shipping_date", "shipping_documentation", "shipping_tracking_number", "uncategorized_file", "uncategorized_text",
)  # fmt: skip


def open_for(world: World, charge: Body, kind: Literal["fraudulent", "product_not_received", "inquiry"]) -> Body:
    """A payer disputes what is left of a charge; an inquiry takes no money yet."""
    inquiry = kind == "inquiry"
    made = world.add(
        "dispute",
        "du",
        {
            "amount": charge["amount_captured"] - charge["amount_refunded"],
            "balance_transactions": [],
            "charge": charge["id"],
            "currency": charge["currency"],
            "enhanced_eligibility_types": [],
            "evidence": dict.fromkeys(_EVIDENCE) | {"enhanced_evidence": {}},
            "evidence_details": {
                "due_by": world.now() + EVIDENCE_S,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": None,
            },
            "is_charge_refundable": inquiry,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "payment_method_details": {
                "card": {
                    "brand": charge["payment_method_details"]["card"]["brand"],
                    "case_type": "inquiry" if inquiry else "chargeback",
                    "network": "visa",
                    "network_reason_code": "10",
                },
                "type": "card",
            },
            "reason": "fraudulent" if inquiry else kind,
            "status": "warning_needs_response" if inquiry else "needs_response",
        },
    )
    charge["disputed"] = True
    world.store.change(charge)
    world.tell("charge.dispute.created", made, None)
    if not inquiry:
        _book(world, made, -made["amount"], FEE)
        world.tell("charge.dispute.funds_withdrawn", made, None)
    return made


def _book(world: World, dispute: Body, amount: int, fee: int) -> None:
    row = world.move("adjustment", amount, dispute["currency"], fee=fee, source=dispute["id"], description="Chargeback")
    dispute["balance_transactions"].append(row)
    world.store.change(dispute)


def settle(world: World, dispute: Body, outcome: Literal["won", "lost"]) -> Body:
    """The bank decides; a won dispute's money comes back, Stripe's fee does not."""
    if dispute["status"] in ("won", "lost", "warning_closed"):
        raise Problem(f"This dispute is already closed with a status of {dispute['status']}.")
    was = dispute["status"]
    dispute["status"] = "warning_closed" if was.startswith("warning") and outcome == "won" else outcome
    if outcome == "won" and dispute["balance_transactions"]:
        _book(world, dispute, dispute["amount"], 0)
        world.tell("charge.dispute.funds_reinstated", dispute, None)
    if outcome == "lost" and not dispute["balance_transactions"]:
        _book(world, dispute, -dispute["amount"], FEE)
        world.tell("charge.dispute.funds_withdrawn", dispute, None)
    world.tell("charge.dispute.closed", world.store.change(dispute), None, before={"status": was})
    return dispute


def update(world: World, call: Call) -> Body:
    """POST /v1/disputes/{id}: evidence; as at Stripe the texts `winning_evidence` and `losing_evidence` decide at once."""
    found = world.need("dispute", call.path["id"], in_path=True)
    if found["status"] not in ("needs_response", "warning_needs_response"):
        raise Problem("This dispute is already closed.")
    evidence: dict[str, Any] = call.params.get("evidence") or {}
    found["evidence"] |= evidence
    if "metadata" in call.params:
        found["metadata"] = changed_metadata(found["metadata"], call.params["metadata"])
    if evidence:
        found["evidence_details"]["has_evidence"] = True
    if call.params.get("submit", True) and evidence:
        found["evidence_details"]["submission_count"] += 1
        found["status"] = found["status"].replace("needs_response", "under_review")
    world.tell("charge.dispute.updated", world.store.change(found), call)
    text = found["evidence"]["uncategorized_text"]
    if text in ("winning_evidence", "losing_evidence") and found["status"].endswith("under_review"):
        settle(world, found, "won" if text == "winning_evidence" else "lost")
    return found


def close(world: World, call: Call) -> Body:
    """POST /v1/disputes/{id}/close: we accept that it is lost."""
    return settle(world, world.need("dispute", call.path["id"], in_path=True), "lost")
