"""How an order ends that is not paid: its pay window, its cancellation, and the strike on the buyer."""

from typing import Any

from consumers.payments.facts import Asked, Decided, accepted, nothing, of, party_of, refused
from consumers.payments.order import Order, Told, instant
from schemas import payments as said
from schemas.money import Minor

REMINDED_AT = (1 / 2, 7 / 8)
"""Parts of the pay window after which the buyer is reminded."""


def remind_or_end(order: Order, at_ms: int) -> list[Told]:
    """What the pay window's time brings: a reminder, or its end."""
    if order.stopping is not None:
        return []
    if at_ms >= order.due_ms:
        return [end(order, by="time", reason="unpaid", at_ms=at_ms)]
    if order.reminders < len(REMINDED_AT) and at_ms >= reminder_ms(order):
        reminded = said.PaymentReminded(
            **of(order),
            number=order.reminders + 1,
            pay_by=instant(order.due_ms),
            amount=Minor(order.amount),
            currency=order.currency,
        )
        return [Told(reminded)]
    return []


def reminder_ms(order: Order) -> int:
    """When the next reminder is due."""
    begun = order.due_ms - order.terms["payWindowS"] * 1000
    return int(begun + REMINDED_AT[order.reminders] * (order.due_ms - begun))


def cancel(order: Order, asked: Asked, command: said.CancelOrder) -> Decided:
    """The seller or the platform calls it off before it is paid; later a refund is the way."""
    party = party_of(order, asked.actor)
    if party not in ("seller", "platform"):
        return refused("not_the_seller")
    if order.status == "cancelled":
        return nothing("already_cancelled")
    if order.status != "awaiting_payment" or order.stopping is not None:
        return refused("wrong_state", state=order.status)
    told = end(order, by=party, reason=command.reason, at_ms=asked.at_ms)
    return accepted("cancelling" if isinstance(told.event, said.PaymentStopping) else "cancelled", told)


def lift_strike(order: Order, asked: Asked, command: said.LiftStrike) -> Decided:
    """The seller forgives, or the platform decides: the unpaid order is not held against its buyer any more."""
    party = party_of(order, asked.actor)
    if party not in ("seller", "platform"):
        return refused("not_the_seller")
    if order.status != "unpaid":
        return refused("wrong_state", state=order.status)
    if order.strike_lifted:
        return nothing("already_lifted")
    return accepted("lifted", said.StrikeLifted(**of(order), by=party, reason=command.reason))


def end(order: Order, *, by: str, reason: str, at_ms: int) -> Told:
    """End an order that is not paid: at once where there is no intent, else when it is withdrawn."""
    if order.payment in ("none", "failed", "canceled"):
        return ended(order, by=by, reason=reason, at_ms=at_ms)
    return stop(order, by=by, reason=reason)


def ended(order: Order, *, by: str, reason: str, at_ms: int) -> Told:
    """The order ends without payment: `by` time it is unpaid, by a person cancelled."""
    if by == "time":
        return Told(
            said.OrderUnpaid(**of(order), amount=Minor(order.amount), currency=order.currency, unpaid_at=instant(at_ms))
        )
    return Told(said.OrderCancelled(**of(order), by=by, reason=reason))


def stop(order: Order, *, by: Any, reason: str, intent_id: str | None = None) -> Told:
    """Have the intent withdrawn before the order ends, so that nobody pays for nothing."""
    return Told(
        said.PaymentStopping(
            **of(order),
            payment_id=order.payment_id,
            intent_id=intent_id or order.intent_id,
            by=by,
            reason=reason,
        )
    )
