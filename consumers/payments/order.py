"""What an order is between two commands, and how what happened changes it. Amounts in hundredths, times in ms since 1970."""

from typing import Any, Final, Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from consumers.payments.moves import moved
from schemas import payments as said
from schemas.envelope import Wire
from schemas.payments import Status

DAY_MS: Final = 86_400_000


class Refund(msgspec.Struct, frozen=True):
    """Money on its way back to the buyer, or back with him."""

    id: UUID
    amount: int
    status: Literal["started", "done", "failed"]
    provider_id: str | None = None


class Dispute(msgspec.Struct, frozen=True):
    """The buyer (`case`) or his bank (`card`) contests the order."""

    id: str
    kind: Literal["case", "card"]
    amount: int
    status: Literal["open", "won", "lost"]


class Payout(msgspec.Struct, frozen=True):
    """Money for the seller; `reversed` came back, `reversing` is on its way back, `owing` did not come back."""

    id: UUID
    amount: int
    status: Literal["started", "sent", "failed"]
    recovered: int = 0
    transfer_id: str | None = None
    reversed: int = 0
    owing: int = 0


class Reversal(msgspec.Struct, frozen=True):
    """A payout, or some of it, being taken back."""

    id: UUID
    transfer_id: str
    amount: int
    status: Literal["started", "done", "failed"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One order, whole."""

    id: UUID
    sequence: int
    auction_id: UUID
    offer_number: int
    buyer_id: UUID
    seller_id: UUID
    title: str
    currency: str
    hammer: int
    shipping: int
    tax: int
    amount: int
    commission: int
    proceeds: int
    terms: dict[str, Any]
    """The schedule as OrderCreated told it."""
    status: Status
    created_ms: int
    due_ms: int
    """Until when it is to be paid, or the offer taken."""
    reminders: int = 0

    payment: str = "none"
    """The provider's word for its intent; `none`, `creating` and `failed` are ours."""
    intent_id: str | None = None
    declined_charge: str | None = None
    decline_code: str | None = None
    decline_message: str | None = None
    stopping: tuple[str, str] | None = None
    """Who ends the order and why, while its intent is being withdrawn."""
    charge_id: str | None = None
    captured: int = 0
    provider_fee: int | None = None
    paid_ms: int | None = None

    shipping_sealed: str | None = None
    carrier: str | None = None
    tracking_sealed: str | None = None
    shipped_ms: int | None = None
    delivered_ms: int | None = None
    completed_ms: int | None = None
    buyer_stars: int | None = None
    """What the buyer gave the seller."""
    seller_stars: int | None = None
    problem: str | None = None
    offered_on: bool = False
    """Whether the thing was offered to the next bidder."""

    refunds: tuple[Refund, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    before_dispute: Status | None = None
    payouts: tuple[Payout, ...] = ()
    reversals: tuple[Reversal, ...] = ()
    held: str | None = None
    """Why the payout waits."""
    retry_ms: int | None = None

    @property
    def payment_id(self) -> UUID:
        """Its payment."""
        return said.payment_id_of(self.id)

    @property
    def refunded(self) -> int:
        """What is back with the buyer."""
        return sum(one.amount for one in self.refunds if one.status == "done")

    @property
    def refunding(self) -> int:
        """What is on its way back."""
        return sum(one.amount for one in self.refunds if one.status == "started")

    @property
    def contested(self) -> int:
        """What the buyer's bank took back or holds."""
        return sum(one.amount for one in self.disputes if one.kind == "card" and one.status != "won")

    @property
    def refundable(self) -> int:
        """What may still be refunded: never above what was captured minus what went back already."""
        return max(0, self.captured - self.refunded - self.refunding - self.contested)

    @property
    def open_dispute(self) -> Dispute | None:
        """The dispute that is not over."""
        return next((one for one in self.disputes if one.status == "open"), None)


Kept = dict[str, str]
"""What an event keeps to itself, sealed: needed to fold the order again, told to nobody."""


class Told(msgspec.Struct, frozen=True):
    """An event as it is told, and what it keeps to itself."""

    event: Wire
    kept: Kept = {}


def ms(at: Any) -> int:
    """A time of a message in milliseconds since 1970."""
    return int(at.timestamp() * 1000 + 0.5)


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
            return replace(order, payment="creating", intent_id=None, decline_code=None, decline_message=None)
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
