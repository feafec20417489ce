"""Second-chance offers: what was not paid goes to the next bidder at his highest bid."""

from consumers.payments.facts import Asked, Bidder, Decided, accepted, money, nothing, of, party_of, refused
from consumers.payments.order import Order, instant
from consumers.payments.paying import payment_answer
from schemas import payments as said
from schemas.money import Minor
from schemas.payments import order_id_of


def make_offer(order: Order, asked: Asked, command: said.OfferSecondChance) -> Decided:
    """The seller offers the thing to the next bidder at his highest bid; each person once per item."""
    if party_of(order, asked.actor) != "seller":
        return refused("not_the_seller")
    if order.status not in ("unpaid", "cancelled", "lapsed"):
        return refused("wrong_state", state=order.status)
    if order.offered_on or asked.facts.sold_or_offered:
        return refused("already_offered")
    bidder = asked.facts.next_bidder
    if bidder is None:
        return refused("no_next_bidder")
    made = _made(order, bidder, command.days)
    return accepted("offered", made, orderId=str(made.offer_order_id), amount=money(bidder.amount), days=command.days)


def _made(order: Order, bidder: Bidder, days: int) -> said.SecondChanceMade:
    return said.SecondChanceMade(
        **of(order),
        offer_order_id=order_id_of(order.auction_id, bidder.offer_number),
        offer_number=bidder.offer_number,
        offered_to=bidder.id,
        hammer_price=Minor(bidder.amount),
        days=days,
    )


def take_offer(order: Order, asked: Asked, _command: said.AcceptOffer) -> Decided:
    """The next bidder takes it: from now on it is an order like any other."""
    if refusal := _not_offered(order, asked):
        return refusal
    if order.status == "awaiting_payment":
        return nothing("already_accepted", **payment_answer(order, order.payment))
    pay_by = instant(asked.at_ms + order.terms["payWindowS"] * 1000)
    return accepted("accepted", said.OfferAccepted(**of(order), pay_by=pay_by), orderId=str(order.id))


def decline_offer(order: Order, asked: Asked, _command: said.DeclineOffer) -> Decided:
    """The next bidder does not want it."""
    if refusal := _not_offered(order, asked):
        return refusal
    if order.status == "awaiting_payment":
        return refused("wrong_state", state=order.status)
    return accepted("declined", said.OfferLapsed(**of(order), declined=True))


def _not_offered(order: Order, asked: Asked) -> Decided | None:
    if party_of(order, asked.actor) != "buyer":
        return refused("not_the_buyer")
    if order.status == "lapsed" or (order.status == "offered" and asked.at_ms >= order.due_ms):
        return refused("offer_expired")
    if order.status not in ("offered", "awaiting_payment") or not order.offer_number:
        return refused("wrong_state", state=order.status)
    return None
