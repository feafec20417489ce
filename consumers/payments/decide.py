"""What an order does with a command. No clock, no random, no database, no broker, no provider."""

from collections.abc import Callable
from typing import Any, Final

from consumers.payments import ending, fulfilling, offering, paying, paying_out, returning
from consumers.payments.facts import Asked, Decided, accepted, after, nothing, of, refused
from consumers.payments.order import Order, Told, ms
from schemas import payments as said
from schemas.envelope import Wire

Branch = Callable[[Order, Asked, Any], Decided]

BRANCHES: Final[dict[type[Wire], Branch]] = {
    said.CreateIntent: paying.create_intent,
    said.ChargeSavedMethod: paying.charge_saved,
    said.CancelOrder: ending.cancel,
    said.LiftStrike: ending.lift_strike,
    said.RecordIntent: paying.record_intent,
    said.GiveAddress: fulfilling.give_address,
    said.ShipOrder: fulfilling.ship,
    said.ConfirmDelivery: fulfilling.confirm_delivery,
    said.RateOrder: fulfilling.rate,
    said.RefundOrder: returning.refund,
    said.RecordRefund: returning.record_refund,
    said.DisputeOrder: returning.complain,
    said.CloseCase: returning.close_case,
    said.RecordDispute: returning.record_dispute,
    said.RecordTransfer: paying_out.record_transfer,
    said.RecordReversal: paying_out.record_reversal,
    said.OfferSecondChance: offering.make_offer,
    said.AcceptOffer: offering.take_offer,
    said.DeclineOffer: offering.decline_offer,
}
"""What each command about an order is judged by; opening and waking stand below."""


def decide(order: Order | None, asked: Asked) -> Decided:
    """The answer to a command, what happens by it, and what follows for the payout."""
    first = _judge(order, asked)
    if first.outcome == "refused":
        return first
    if order is None and not first.told:
        return first
    told = first.told
    now = after(order, told, asked.at_ms)
    while more := _follows(now, asked):
        told += more
        now = after(now, more, asked.at_ms)
    outcome = "accepted" if told else first.outcome
    return Decided(outcome, first.code, {"orderId": str(now.id), "status": now.status, **first.answer}, told)


def _judge(order: Order | None, asked: Asked) -> Decided:
    match asked.body:
        case said.OpenOrder() as command:
            return paying.open_order(order, asked, command)
        case _ if order is None:
            return refused("order_not_found")
        case said.WakeOrder() as command:
            return _wake(order, asked, command)
        case command:
            return BRANCHES[type(command)](order, asked, command)


def _follows(order: Order, asked: Asked) -> tuple[Told, ...]:
    return tuple(returning.settled_by_refund(order) or paying_out.settle(order, asked.facts, asked.at_ms))


def _wake(order: Order, asked: Asked, command: said.WakeOrder) -> Decided:
    """What the time brings that the order waited for; woken too late or twice it finds nothing to do."""
    if not asked.actor.is_system:
        return refused("forbidden")
    # Whoever wakes read the database's clock, which the broker's may lag behind.
    at_ms = max(asked.at_ms, ms(command.wake_at))
    told = _due(order, at_ms)
    return accepted("awake", *told) if told else nothing("nothing_due")


def _due(order: Order, at_ms: int) -> list[Told]:
    match order.status:
        case "offered" if at_ms >= order.due_ms:
            return [Told(said.OfferLapsed(**of(order), declined=False))]
        case "awaiting_payment":
            return ending.remind_or_end(order, at_ms)
        case "shipped":
            return fulfilling.arrived(order, at_ms)
        case _:
            return []


def wakes_at(order: Order) -> int | None:
    """When an order is to be woken next, ms since 1970; None when it waits for no time."""
    match order.status:
        case "offered":
            return order.due_ms
        case "awaiting_payment" if order.stopping is None:
            if order.reminders < len(ending.REMINDED_AT):
                return ending.reminder_ms(order)
            return order.due_ms
        case "shipped":
            return fulfilling.arrives_ms(order)
        case "delivered" | "completed" if order.retry_ms is not None:
            return order.retry_ms + paying_out.RETRY_MS
        case _:
            return None
