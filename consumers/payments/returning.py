"""How money goes back: refunds by seller or platform, the buyer's complaints, his bank's disputes."""

import uuid
from uuid import UUID

from consumers.payments.facts import Asked, Decided, accepted, money, nothing, of, party_of, refused
from consumers.payments.order import Dispute, Order, Refund, Told
from schemas import payments as said
from schemas.money import Minor
from schemas.payments import Party

MOVES_NO_MONEY = ("warning_needs_response", "warning_under_review", "warning_closed", "prevented")
"""States of an enquiry: the bank asks, nothing is taken back."""


def refund(order: Order, asked: Asked, command: said.RefundOrder) -> Decided:
    """Give back all or some: never above what was captured minus what went back already."""
    party = party_of(order, asked.actor)
    if party not in ("seller", "platform"):
        return refused("not_the_seller")
    if not order.captured:
        return refused("nothing_to_refund", state=order.status)
    if any(one.kind == "card" and one.status == "open" for one in order.disputes):
        return refused("wrong_state", state=order.status)
    if not order.refundable:
        return refused("nothing_to_refund", state=order.status)
    amount = order.refundable if command.amount is None else command.amount
    if not 0 < amount <= order.refundable:
        return refused("refund_too_large", refundable=money(order.refundable), currency=order.currency)
    started = _started(order, amount, by=party, reason=command.reason)
    return accepted(
        "refund_started", started, refundId=str(started.refund_id), amount=money(amount), currency=order.currency
    )


def _started(order: Order, amount: int, *, by: Party, reason: str) -> said.RefundStarted:
    return said.RefundStarted(
        **of(order),
        refund_id=uuid.uuid5(order.id, f"refund:{len(order.refunds)}"),
        amount=Minor(amount),
        currency=order.currency,
        by=by,
        reason=reason,
    )


def record_refund(order: Order, asked: Asked, command: said.RecordRefund) -> Decided:
    """What the provider says of a refund, ours or one made at its dashboard."""
    if not asked.actor.is_system:
        return refused("forbidden")
    known = _known(order, command)
    if command.status in ("failed", "canceled"):
        if known is None or known.status == "failed":
            return nothing("known")
        return accepted("refund_failed", _failed(order, known, command.failure or command.status))
    if command.status == "pending" or (known is not None and known.status == "done"):
        return nothing("known")
    if order.refunded + command.amount > order.captured:
        # The provider gives back no more than it took: this is another payment's, and the daily comparison shows it.
        return refused("refund_too_large", refundable=money(order.refundable), currency=order.currency)
    return accepted("refunded", _done(order, known, command))


def _known(order: Order, command: said.RecordRefund) -> Refund | None:
    for one in order.refunds:
        if one.id == command.refund_id:
            return one
        if one.provider_id is not None and one.provider_id == command.provider_refund_id:
            return one
    return None


def _done(order: Order, known: Refund | None, command: said.RecordRefund) -> said.OrderRefunded:
    total = order.refunded + command.amount
    return said.OrderRefunded(
        **of(order),
        refund_id=known.id if known else _foreign(order, command),
        provider_refund_id=command.provider_refund_id,
        amount=Minor(command.amount),
        refunded_total=Minor(total),
        currency=order.currency,
        whole=total + order.contested >= order.captured,
    )


def _foreign(order: Order, command: said.RecordRefund) -> UUID:
    return command.refund_id or uuid.uuid5(order.id, f"refund:{command.provider_refund_id}")


def _failed(order: Order, known: Refund, code: str) -> said.RefundFailed:
    return said.RefundFailed(
        **of(order), refund_id=known.id, amount=Minor(known.amount), currency=order.currency, code=code
    )


def complain(order: Order, asked: Asked, command: said.DisputeOrder) -> Decided:
    """The buyer says that something is wrong: the payout waits until it is settled."""
    if party_of(order, asked.actor) != "buyer":
        return refused("not_the_buyer")
    if order.open_dispute is not None:
        return nothing("already_disputed", disputeId=order.open_dispute.id)
    if order.status not in ("paid", "shipped", "delivered", "completed"):
        return refused("wrong_state", state=order.status)
    dispute_id = f"case-{sum(one.kind == 'case' for one in order.disputes) + 1}"
    opened = said.DisputeOpened(
        **of(order),
        dispute_id=dispute_id,
        kind="case",
        reason=command.reason,
        amount=Minor(order.captured - order.refunded),
        currency=order.currency,
    )
    return accepted("disputed", opened, disputeId=dispute_id)


def close_case(order: Order, asked: Asked, command: said.CloseCase) -> Decided:
    """The buyer takes it back, or the platform decides; for the buyer that means a refund of all that is left."""
    party = party_of(order, asked.actor)
    if party not in ("buyer", "platform"):
        return refused("not_the_buyer")
    case = order.open_dispute
    if case is None or case.kind != "case":
        return refused("not_disputed", state=order.status)
    if command.in_favour_of == "buyer" and party != "platform":
        return refused("not_allowed")
    won = command.in_favour_of == "seller"
    told = [Told(_over(order, case, won=won))]
    if not won and order.refundable:
        told.append(Told(_started(order, order.refundable, by="platform", reason="not_as_described")))
    return accepted("case_closed", *told)


def settled_by_refund(order: Order) -> list[Told]:
    """A complaint about an order whose money is all back is over."""
    case = order.open_dispute
    if case is None or case.kind != "case" or order.refunded + order.contested < order.captured:
        return []
    return [Told(_over(order, case, won=False))]


def _over(order: Order, dispute: Dispute, *, won: bool) -> said.DisputeClosed:
    return said.DisputeClosed(
        **of(order),
        dispute_id=dispute.id,
        kind=dispute.kind,
        won=won,
        amount=Minor(dispute.amount),
        currency=order.currency,
    )


def record_dispute(order: Order, asked: Asked, command: said.RecordDispute) -> Decided:
    """What the provider says of a card holder's dispute: what is over stays over, in whatever order it is heard."""
    if not asked.actor.is_system:
        return refused("forbidden")
    if command.status in MOVES_NO_MONEY or not order.captured:
        return nothing("no_money_moved")
    known = next((one for one in order.disputes if one.id == command.dispute_id), None)
    if known is not None and known.status != "open":
        return nothing("known")
    opened = [] if known is not None else [Told(_opened(order, command))]
    if command.status not in ("won", "lost"):
        return accepted("disputed", *opened) if opened else nothing("known")
    dispute = known or Dispute(command.dispute_id, "card", command.amount, "open")
    return accepted("dispute_closed", *opened, Told(_over(order, dispute, won=command.status == "won")))


def _opened(order: Order, command: said.RecordDispute) -> said.DisputeOpened:
    return said.DisputeOpened(
        **of(order),
        dispute_id=command.dispute_id,
        kind="card",
        reason=command.reason,
        amount=Minor(command.amount),
        fee=Minor(command.fee),
        currency=order.currency,
        respond_by=command.respond_by,
    )
