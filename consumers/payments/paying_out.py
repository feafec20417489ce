"""What the seller is owed, and how it gets to him or comes back: one rule, applied after whatever happened to an order.

The seller is owed his proceeds, less the same part of them as went back to the buyer (refunds and card disputes, also while
they are under way). Is more out than owed, some is taken back; is less out and the thing delivered, the rest is paid.
"""

import uuid
from typing import Final

from consumers.payments.facts import Asked, Decided, Facts, accepted, nothing, of, refused
from consumers.payments.fees import share_of
from consumers.payments.order import Order, Payout, Told, instant
from schemas import payments as said
from schemas.money import Minor

RETRY_MS: Final = 3_600_000
"""How long a payout waits that could not be sent, before it is tried again."""


def owed(order: Order) -> int:
    """What the seller should have of this order in the end, as things stand."""
    returned = min(order.captured, order.refunded + order.refunding + order.contested)
    return order.proceeds - share_of(returned, captured=order.captured, whole=order.proceeds)


def out(order: Order) -> int:
    """What the seller has of this order, or is about to have; what he kept although it was to come back is his debt."""
    gone = sum(one.amount + one.recovered for one in order.payouts if one.status != "failed")
    back = sum(one.reversed + one.owing for one in order.payouts)
    under_way = sum(one.amount for one in order.reversals if one.status == "started")
    return gone - back - under_way


def settle(order: Order, facts: Facts, at_ms: int) -> list[Told]:
    """What is to be paid out or taken back now, and whether the order is complete; empty when nothing is."""
    if not order.captured:
        return []
    missing = owed(order) - out(order)
    if missing < 0:
        return _take_back(order, -missing)
    if missing > 0:
        return _pay(order, missing, facts, at_ms)
    if order.status == "delivered" and not _under_way(order) and order.open_dispute is None:
        return [Told(said.OrderCompleted(**of(order), completed_at=instant(at_ms)))]
    return []


def _under_way(order: Order) -> bool:
    states = [one.status for one in order.payouts] + [one.status for one in order.reversals]
    return "started" in states or order.refunding > 0


def _take_back(order: Order, amount: int) -> list[Told]:
    """From one payout at a time; the next command of the order brings the rest."""
    paid = next((one for one in order.payouts if one.status == "sent" and _left(order, one) > 0), None)
    if paid is None or paid.transfer_id is None:
        return []
    reversal = said.ReversalStarted(
        **of(order),
        reversal_id=uuid.uuid5(order.id, f"reversal:{len(order.reversals)}"),
        transfer_id=paid.transfer_id,
        amount=Minor(min(amount, _left(order, paid))),
        currency=order.currency,
    )
    return [Told(reversal)]


def _left(order: Order, paid: Payout) -> int:
    under_way = sum(
        one.amount for one in order.reversals if one.status == "started" and one.transfer_id == paid.transfer_id
    )
    return paid.amount - paid.reversed - paid.owing - under_way


def _pay(order: Order, missing: int, facts: Facts, at_ms: int) -> list[Told]:
    if order.status not in ("delivered", "completed") or order.open_dispute is not None or order.refunding:
        return []
    if order.retry_ms is not None and at_ms < order.retry_ms + RETRY_MS:
        return []
    if not facts.seller_paid:
        held = said.PayoutHeld(**of(order), amount=Minor(missing), currency=order.currency, reason="not_onboarded")
        return [] if order.held == "not_onboarded" else [Told(held)]
    recovered = min(missing, facts.seller_owes)
    number = len(order.payouts)
    payout_id = uuid.uuid5(order.id, f"payout:{number}")
    started = said.PayoutStarted(
        **of(order),
        payout_id=payout_id,
        number=number,
        amount=Minor(missing - recovered),
        currency=order.currency,
        recovered=Minor(recovered),
    )
    if recovered < missing:
        return [Told(started)]
    sent = said.PayoutSent(**of(order), payout_id=payout_id, amount=Minor(0), currency=order.currency)
    return [Told(started), Told(sent)]


def record_transfer(order: Order, asked: Asked, command: said.RecordTransfer) -> Decided:
    """What became of a payout."""
    if not asked.actor.is_system:
        return refused("forbidden")
    payout = next((one for one in order.payouts if one.id == command.payout_id), None)
    if payout is None or payout.status != "started":
        return nothing("known")
    shared = {**of(order), "payout_id": payout.id, "amount": Minor(payout.amount), "currency": order.currency}
    if command.transfer_id is None:
        return accepted("payout_failed", said.PayoutFailed(**shared, code=command.failure or "unknown"))
    return accepted("payout_sent", said.PayoutSent(**shared, transfer_id=command.transfer_id))


def record_reversal(order: Order, asked: Asked, command: said.RecordReversal) -> Decided:
    """What became of taking a payout back."""
    if not asked.actor.is_system:
        return refused("forbidden")
    back = next((one for one in order.reversals if one.id == command.reversal_id), None)
    if back is None or back.status != "started":
        return nothing("known")
    shared = {**of(order), "reversal_id": back.id, "amount": Minor(back.amount), "currency": order.currency}
    if command.provider_reversal_id is None:
        return accepted("reversal_failed", said.ReversalFailed(**shared, code=command.failure or "unknown"))
    return accepted("reversed", said.PayoutReversed(**shared, provider_reversal_id=command.provider_reversal_id))
