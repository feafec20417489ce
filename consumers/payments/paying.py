"""How an order is opened and paid: the intent, and what the provider says of it."""

from typing import Any

from consumers.payments.ending import ended, stop
from consumers.payments.facts import Asked, Decided, accepted, money, nothing, of, party_of, refused
from consumers.payments.fees import split
from consumers.payments.order import Order, Told, instant
from consumers.payments.units import NotPayable, to_stripe
from schemas import payments as said
from schemas.money import Minor
from schemas.payments import order_id_of, payment_id_of

FINAL = frozenset({"succeeded", "canceled"})
DAY_S = 86_400
PAID_ALREADY = frozenset({"paid", "shipped", "delivered", "completed", "disputed", "refunded"})


def open_order(order: Order | None, asked: Asked, command: said.OpenOrder) -> Decided:
    """One order per sold auction, and one per offer; a card that may be charged is charged at once."""
    if not asked.actor.is_system:
        return refused("forbidden")
    if order is not None:
        return nothing("already_open")
    sale = _sale(command, asked.at_ms)
    if command.offer_days is not None:
        expires = instant(asked.at_ms + command.offer_days * DAY_S * 1000)
        return accepted("offered", said.SecondChanceOffered(**sale, expires_at=expires))
    pay_by = instant(asked.at_ms + command.terms.pay_window_s * 1000)
    created = said.OrderCreated(**sale, pay_by=pay_by)
    method = asked.facts.saved_method
    if not asked.facts.automatic or method is None or not payable(created.amount, created.currency):
        return accepted("opened", created)
    return accepted("opened", created, Told(_charged(created), {"method": method}))


def _sale(command: said.OpenOrder, at_ms: int) -> dict[str, Any]:
    shared = split(
        hammer=command.hammer_price, shipping=command.shipping_cost, currency=command.currency, terms=command.terms
    )
    return {
        "order_id": order_id_of(command.auction_id, command.offer_number),
        "auction_id": command.auction_id,
        "buyer_id": command.buyer_id,
        "seller_id": command.seller_id,
        "title": command.title,
        "offer_number": command.offer_number,
        "hammer_price": Minor(command.hammer_price),
        "shipping_cost": Minor(command.shipping_cost),
        "tax": Minor(shared.tax),
        "amount": Minor(shared.amount),
        "currency": command.currency,
        "commission": Minor(shared.commission),
        "proceeds": Minor(shared.proceeds),
        "terms": command.terms,
        "created_at": instant(at_ms),
    }


def _charged(created: said.OrderCreated) -> said.PaymentStarted:
    return said.PaymentStarted(
        order_id=created.order_id,
        auction_id=created.auction_id,
        buyer_id=created.buyer_id,
        seller_id=created.seller_id,
        title=created.title,
        payment_id=payment_id_of(created.order_id),
        amount=Minor(created.amount),
        currency=created.currency,
        off_session=True,
    )


def payable(amount: int, currency: str) -> bool:
    """Whether the provider can take exactly this amount."""
    try:
        return to_stripe(amount, currency) > 0
    except NotPayable:
        return False


def create_intent(order: Order, asked: Asked, command: said.CreateIntent) -> Decided:
    """The winner, and nobody else, may pay exactly what the order says; asked again, the answer is the same."""
    if refusal := _not_payable(order, asked):
        return refusal
    if command.currency != order.currency:
        return refused("currency_mismatch", currency=order.currency)
    if command.amount != order.amount:
        return refused("wrong_amount", amount=money(order.amount), currency=order.currency)
    if not payable(order.amount, order.currency):
        return refused("currency_not_supported", currency=order.currency)
    address = Told(said.ShippingAddressGiven(**of(order)), {"shipping": command.shipping_sealed})
    if order.payment in ("none", "failed", "canceled"):
        return accepted("payment_started", address, start(order), **payment_answer(order, "creating"))
    return accepted("payment_under_way", address, **payment_answer(order, order.payment))


def charge_saved(order: Order, asked: Asked, command: said.ChargeSavedMethod) -> Decided:
    """Charge a saved method; where an intent stands already, that one is to be paid."""
    if refusal := _not_payable(order, asked):
        return refusal
    method = command.payment_method_id or asked.facts.saved_method
    if method is None or method not in asked.facts.methods:
        return refused("method_not_found")
    if order.payment not in ("none", "failed", "canceled"):
        return refused("wrong_state", state=order.status, payment=order.payment)
    if not payable(order.amount, order.currency):
        return refused("currency_not_supported", currency=order.currency)
    started = Told(start(order, off_session=True), {"method": method})
    return accepted("payment_started", started, **payment_answer(order, "creating"))


def start(order: Order, *, off_session: bool = False) -> said.PaymentStarted:
    """The intent is to be made."""
    return said.PaymentStarted(
        **of(order),
        payment_id=order.payment_id,
        amount=Minor(order.amount),
        currency=order.currency,
        off_session=off_session,
    )


def _not_payable(order: Order, asked: Asked) -> Decided | None:
    if party_of(order, asked.actor) != "buyer":
        return refused("not_the_buyer")
    if order.status in PAID_ALREADY:
        return refused("already_paid", state=order.status)
    if order.status == "unpaid" or order.stopping is not None:
        return refused("pay_window_over", state=order.status)
    if order.status != "awaiting_payment":
        return refused("not_payable", state=order.status)
    return refused("pay_window_over", state=order.status) if asked.at_ms >= order.due_ms else None


def payment_answer(order: Order, status: str) -> dict[str, Any]:
    return {
        "paymentId": str(order.payment_id),
        "orderId": str(order.id),
        "amount": money(order.amount),
        "currency": order.currency,
        "status": status,
    }


def record_intent(order: Order, asked: Asked, command: said.RecordIntent) -> Decided:
    """What the provider says of the intent now; older words about a payment that is over change nothing."""
    if not asked.actor.is_system:
        return refused("forbidden")
    if order.captured:
        return _fee(order, command)
    if command.status == "succeeded":
        return _succeeded(order, command, asked.at_ms)
    if order.status != "awaiting_payment" or order.payment == "succeeded":
        return nothing("payment_over")
    if command.intent_id in order.dropped or order.intent_id not in (None, command.intent_id):
        return nothing("another_intent")
    told: list[Told] = []
    if (command.status, command.intent_id) != (order.payment, order.intent_id):
        told.append(_changed(order, command))
    told += _declined(order, command)
    if command.status == "requires_action" and order.payment != "requires_action":
        told.append(Told(said.PaymentActionRequired(**of(order), payment_id=order.payment_id)))
    if order.stopping is not None:
        told += _stopped(order, command, asked.at_ms)
    return accepted("recorded", *told) if told else nothing("known")


def _succeeded(order: Order, command: said.RecordIntent, at_ms: int) -> Decided:
    if order.status != "awaiting_payment":
        return nothing("payment_over")
    if command.received != order.amount:
        # Somebody made an intent of his own in our name at the provider: it pays for nothing of ours.
        return refused("wrong_amount", amount=money(order.amount), currency=order.currency)
    paid = said.OrderPaid(
        **of(order),
        payment_id=order.payment_id,
        amount=Minor(command.received),
        currency=order.currency,
        charge_id=command.charge_id,
        provider_fee=None if command.provider_fee is None else Minor(command.provider_fee),
        paid_at=instant(at_ms),
    )
    return accepted("paid", _changed(order, command), paid)


def _changed(order: Order, command: said.RecordIntent) -> Told:
    return Told(
        said.PaymentChanged(
            **of(order), payment_id=order.payment_id, status=command.status, intent_id=command.intent_id
        )
    )


def _fee(order: Order, command: said.RecordIntent) -> Decided:
    if order.provider_fee is not None or command.provider_fee is None or command.charge_id != order.charge_id:
        return nothing("payment_over")
    return accepted(
        "fee_known",
        said.ProviderFeeKnown(
            **of(order), payment_id=order.payment_id, provider_fee=Minor(command.provider_fee), currency=order.currency
        ),
    )


def _declined(order: Order, command: said.RecordIntent) -> list[Told]:
    """Told once per attempt: the provider names the charge of each."""
    attempt = command.charge_id or command.decline_code
    if command.decline_code is None or attempt == order.declined_charge:
        return []
    declined = said.PaymentDeclined(
        **of(order),
        payment_id=order.payment_id,
        code=command.decline_code,
        message=command.decline_message or "",
    )
    return [Told(declined, {"charge": attempt or ""})]


def _stopped(order: Order, command: said.RecordIntent, at_ms: int) -> list[Told]:
    """The intent that was to be withdrawn is gone; or it can be withdrawn only now, having been made or tried meanwhile."""
    assert order.stopping is not None
    by, reason = order.stopping
    if command.status in ("canceled", "failed"):
        return [ended(order, by=by, reason=reason, at_ms=at_ms)]
    if command.status not in (order.payment, "processing"):
        return [stop(order, by=by, reason=reason, intent_id=command.intent_id)]
    return []
