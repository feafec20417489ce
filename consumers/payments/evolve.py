"""How what happened changes an order."""

from typing import Any
from uuid import UUID

from msgspec.structs import replace

from consumers.payments.moves import moved
from consumers.payments.order import Dispute, Kept, Order, Payout, Refund, Reversal, Told, ms
from schemas import payments as said
from schemas.envelope import Wire
from schemas.payments import Status


def evolve(order: Order | None, told: Told, at_ms: int) -> Order:
    """The order after an event; raises IllegalMove, or TypeError for an event that cannot happen to it."""
    event = told.event
    if isinstance(event, said.OrderCreated | said.SecondChanceOffered):
        return _opened(event)
    if order is None:
        raise TypeError(f"{type(event).__name__} cannot happen to no order")
    order = replace(order, sequence=order.sequence + 1)
    for branch in (_payment_after, _fulfilment_after, _money_back_after, _payout_after):
        after = branch(order, event, told.kept, at_ms)
        if after is not None:
            return after
    raise TypeError(f"{type(event).__name__} cannot happen to an order")


def _opened(event: said.OrderCreated | said.SecondChanceOffered) -> Order:
    offered = isinstance(event, said.SecondChanceOffered)
    due = event.expires_at if isinstance(event, said.SecondChanceOffered) else event.pay_by
    return Order(
        id=event.order_id,
        sequence=1,
        auction_id=event.auction_id,
        offer_number=event.offer_number,
        buyer_id=event.buyer_id,
        seller_id=event.seller_id,
        title=event.title,
        currency=event.currency,
        hammer=event.hammer_price,
        shipping=event.shipping_cost,
        tax=event.tax,
        amount=event.amount,
        commission=event.commission,
        proceeds=event.proceeds,
        terms=event.terms.model_dump(mode="json", by_alias=True),
        status="offered" if offered else "awaiting_payment",
        created_ms=ms(event.created_at),
        due_ms=ms(due),
    )


def _payment_after(order: Order, event: Wire, kept: Kept, at_ms: int) -> Order | None:
    match event:
        case said.OfferAccepted():
            return replace(order, status=moved(order.status, "awaiting_payment"), due_ms=ms(event.pay_by))
        case said.OfferLapsed():
            return replace(order, status=moved(order.status, "lapsed"))
        case said.PaymentStarted():
            dropped = order.dropped if order.intent_id is None else (*order.dropped, order.intent_id)
            return replace(
                order,
                payment="creating",
                intent_id=None,
                dropped=dropped,
                decline_code=None,
                decline_message=None,
            )
        case said.ShippingAddressGiven():
            return replace(order, shipping_sealed=kept["shipping"])
        case said.PaymentChanged():
            return replace(order, payment=event.status, intent_id=event.intent_id)
        case said.PaymentDeclined():
            return replace(
                order,
                declined_charge=kept.get("charge"),
                decline_code=event.code,
                decline_message=event.message,
            )
        case said.PaymentStopping():
            return replace(order, stopping=(event.by, event.reason))
        case said.PaymentReminded():
            return replace(order, reminders=event.number)
        case said.PaymentActionRequired():
            return order
        case said.SecondChanceMade():
            return replace(order, offered_on=True)
        case said.OrderPaid():
            return replace(
                order,
                status=moved(order.status, "paid"),
                stopping=None,
                charge_id=event.charge_id,
                captured=event.amount,
                provider_fee=event.provider_fee,
                paid_ms=at_ms,
                decline_code=None,
                decline_message=None,
            )
        case said.ProviderFeeKnown():
            return replace(order, provider_fee=event.provider_fee)
        case said.OrderUnpaid():
            return replace(order, status=moved(order.status, "unpaid"), stopping=None, problem="unpaid")
        case said.StrikeLifted():
            return replace(order, strike_lifted=True)
        case said.OrderCancelled():
            return replace(order, status=moved(order.status, "cancelled"), stopping=None, problem=event.reason)
        case _:
            return None


def _fulfilment_after(order: Order, event: Wire, kept: Kept, at_ms: int) -> Order | None:
    match event:
        case said.OrderShipped():
            again = order.status == "shipped"
            return replace(
                order,
                status="shipped" if again else moved(order.status, "shipped"),
                shipped_ms=order.shipped_ms if again else at_ms,
                carrier=event.carrier,
                tracking_sealed=kept.get("tracking"),
            )
        case said.OrderDelivered():
            return replace(order, status=moved(order.status, "delivered"), delivered_ms=at_ms)
        case said.OrderCompleted():
            return replace(order, status=moved(order.status, "completed"), completed_ms=at_ms)
        case said.OrderRated(rated_as="seller"):
            return replace(order, buyer_stars=event.stars)
        case said.OrderRated():
            return replace(order, seller_stars=event.stars)
        case _:
            return None


def _money_back_after(order: Order, event: Wire, _kept: Kept, _at_ms: int) -> Order | None:
    match event:
        case said.RefundStarted():
            return replace(order, refunds=(*order.refunds, Refund(event.refund_id, event.amount, "started")))
        case said.OrderRefunded():
            done = Refund(event.refund_id, event.amount, "done", event.provider_refund_id)
            order = replace(order, refunds=_with(order.refunds, done))
            if event.whole and order.status != "refunded":
                return replace(order, status=moved(order.status, "refunded"), before_dispute=None)
            return order
        case said.RefundFailed():
            failed = next(one for one in order.refunds if one.id == event.refund_id)
            return replace(order, refunds=_with(order.refunds, replace(failed, status="failed")))
        case said.DisputeOpened():
            opened = Dispute(event.dispute_id, event.kind, event.amount, "open")
            before = order.before_dispute or order.status
            status = order.status if order.status in ("disputed", "refunded") else moved(order.status, "disputed")
            return replace(order, disputes=_with(order.disputes, opened), status=status, before_dispute=before)
        case said.DisputeClosed():
            closed = Dispute(event.dispute_id, event.kind, event.amount, "won" if event.won else "lost")
            return _closed(replace(order, disputes=_with(order.disputes, closed)))
        case _:
            return None


def _closed(order: Order) -> Order:
    if order.status != "disputed" or order.open_dispute is not None:
        return order
    gone = order.refunded + order.contested
    back: Status = "refunded" if gone >= order.captured else order.before_dispute or "paid"
    return replace(order, status=moved("disputed", back), before_dispute=None)


def _payout_after(order: Order, event: Wire, _kept: Kept, at_ms: int) -> Order | None:
    match event:
        case said.PayoutHeld():
            return replace(order, held=event.reason)
        case said.PayoutStarted():
            started = Payout(event.payout_id, event.amount, "started", event.recovered)
            return replace(order, payouts=_with(order.payouts, started), held=None)
        case said.PayoutSent():
            sent = replace(_payout(order, event.payout_id), status="sent", transfer_id=event.transfer_id)
            return replace(order, payouts=_with(order.payouts, sent))
        case said.PayoutFailed():
            failed = replace(_payout(order, event.payout_id), status="failed")
            return replace(order, payouts=_with(order.payouts, failed), held=event.code, retry_ms=at_ms)
        case said.ReversalStarted():
            started_back = Reversal(event.reversal_id, event.transfer_id, event.amount, "started")
            return replace(order, reversals=_with(order.reversals, started_back))
        case said.PayoutReversed():
            return _taken_back(order, event.reversal_id, came=True)
        case said.ReversalFailed():
            return _taken_back(order, event.reversal_id, came=False)
        case _:
            return None


def _taken_back(order: Order, reversal_id: UUID, *, came: bool) -> Order:
    back = next(one for one in order.reversals if one.id == reversal_id)
    paid = next(one for one in order.payouts if one.transfer_id == back.transfer_id)
    paid = (
        replace(paid, reversed=paid.reversed + back.amount) if came else replace(paid, owing=paid.owing + back.amount)
    )
    return replace(
        order,
        reversals=_with(order.reversals, replace(back, status="done" if came else "failed")),
        payouts=_with(order.payouts, paid),
    )


def _payout(order: Order, payout_id: UUID) -> Payout:
    return next(one for one in order.payouts if one.id == payout_id)


def _with(all_of_them: tuple[Any, ...], one: Any) -> tuple[Any, ...]:
    others = [one if had.id == one.id else had for had in all_of_them]
    return tuple(others) if any(had.id == one.id for had in all_of_them) else (*all_of_them, one)
