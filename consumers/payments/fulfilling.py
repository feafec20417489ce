"""How a paid order travels: shipped by the seller, received by the buyer, rated by both."""

from consumers.payments.facts import Asked, Decided, accepted, nothing, of, party_of, refused
from consumers.payments.order import Order, Told, instant
from schemas import payments as said
from schemas.money import Minor

BEFORE_PAID = frozenset({"offered", "awaiting_payment", "cancelled", "unpaid", "lapsed"})


def give_address(order: Order, asked: Asked, command: said.GiveAddress) -> Decided:
    """The buyer says where it goes, or another place, until it is on its way."""
    if party_of(order, asked.actor) != "buyer":
        return refused("not_the_buyer")
    if order.status not in ("awaiting_payment", "paid"):
        return refused("wrong_state", state=order.status)
    given = Told(said.ShippingAddressGiven(**of(order)), {"shipping": command.shipping_sealed})
    return accepted("address_given", given, state=order.status)


def ship(order: Order, asked: Asked, command: said.ShipOrder) -> Decided:
    """On its way; said again it corrects carrier and tracking number, not the time."""
    if party_of(order, asked.actor) != "seller":
        return refused("not_the_seller")
    if order.status not in ("paid", "shipped") or order.refunding == order.captured:
        return refused("wrong_state", state=order.status)
    if order.shipping_sealed is None:
        return refused("address_missing")
    same = (order.carrier, order.tracking_sealed) == (command.carrier, command.tracking_sealed)
    if order.status == "shipped" and same:
        return nothing("already_shipped")
    kept = {} if command.tracking_sealed is None else {"tracking": command.tracking_sealed}
    shipped_ms = asked.at_ms if order.shipped_ms is None else order.shipped_ms
    shipped = said.OrderShipped(**of(order), carrier=command.carrier, shipped_at=instant(shipped_ms))
    return accepted("shipped", Told(shipped, kept))


def confirm_delivery(order: Order, asked: Asked, _command: said.ConfirmDelivery) -> Decided:
    """The buyer has it; if he had complained, that is settled by it."""
    if party_of(order, asked.actor) != "buyer":
        return refused("not_the_buyer")
    if order.status in ("delivered", "completed"):
        return nothing("already_delivered")
    delivered = said.OrderDelivered(**of(order), by="buyer", delivered_at=instant(asked.at_ms))
    if order.status == "shipped":
        return accepted("delivered", delivered)
    case = order.open_dispute
    if order.status == "disputed" and case is not None and case.kind == "case" and order.before_dispute == "shipped":
        closed = said.DisputeClosed(
            **of(order), dispute_id=case.id, kind="case", won=True, amount=Minor(case.amount), currency=order.currency
        )
        return accepted("delivered", closed, delivered)
    return refused("wrong_state", state=order.status)


def arrived(order: Order, at_ms: int) -> list[Told]:
    """The time after which a shipped thing counts as delivered is over."""
    if at_ms < arrives_ms(order):
        return []
    return [Told(said.OrderDelivered(**of(order), by="time", delivered_at=instant(at_ms)))]


def arrives_ms(order: Order) -> int:
    """When a shipped thing counts as delivered."""
    assert order.shipped_ms is not None
    return int(order.shipped_ms + order.terms["completeAfterS"] * 1000)


def rate(order: Order, asked: Asked, command: said.RateOrder) -> Decided:
    """Each side about the other, once, when the thing has arrived, paid out or not (0001-rated-from-delivery-on.md)."""
    party = party_of(order, asked.actor)
    if party not in ("buyer", "seller"):
        return refused("not_a_party")
    if order.status not in ("delivered", "completed"):
        return refused("not_completed", state=order.status)
    if (order.buyer_stars if party == "buyer" else order.seller_stars) is not None:
        return refused("already_rated")
    rater, rated = (order.buyer_id, order.seller_id) if party == "buyer" else (order.seller_id, order.buyer_id)
    return accepted(
        "rated",
        said.OrderRated(
            **of(order),
            rater_id=rater,
            rated_id=rated,
            rated_as="seller" if party == "buyer" else "buyer",
            stars=command.stars,
            comment=command.comment,
        ),
    )
