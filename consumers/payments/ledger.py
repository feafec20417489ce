"""The double-entry ledger: what each event of an order moves between our accounts, every entry summing to zero.

Accounts (a plus is a debit): `provider` what the provider holds for us; `seller` what we owe a seller (minus) or he owes us
(plus); `commission` our fees; `tax` tax to be handed on; `provider_fees` what the provider costs; `contested` what card
holders' banks took while they decide. Amounts in hundredths of the entry's currency.
"""

import uuid
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple
from uuid import UUID

from consumers.payments.fees import share_of
from consumers.payments.order import Order, Told
from schemas import payments as said

Account = Literal["provider", "seller", "commission", "tax", "provider_fees", "contested"]
ACCOUNTS: Final[tuple[Account, ...]] = ("provider", "seller", "commission", "tax", "provider_fees", "contested")


class Posting(NamedTuple):
    """One side of an entry; `owner` is the seller of account `seller`."""

    account: Account
    amount: int
    owner: UUID | None = None


class Entry(NamedTuple):
    """One movement; `ref` is what the provider calls it, by which both books are compared."""

    id: UUID
    kind: str
    order_id: UUID
    currency: str
    ref: str | None
    postings: tuple[Posting, ...]


def entries_of(before: Order | None, after: Order, told: Told, event_id: UUID) -> Iterator[Entry]:
    """What an event moves; `before` and `after` are the order around it."""
    for kind, ref, postings in _movements(before, after, told):
        some = tuple(one for one in postings if one.amount)
        if some:
            yield Entry(uuid.uuid5(event_id, kind), kind, after.id, after.currency, ref, some)


Movement = tuple[str, str | None, tuple[Posting, ...]]


def _movements(before: Order | None, after: Order, told: Told) -> Iterator[Movement]:
    match told.event:
        case said.OrderPaid() as event:
            yield "payment", event.charge_id, _payment(after)
            yield "provider_fee", event.charge_id, _fee(event.provider_fee or 0)
        case said.ProviderFeeKnown() as event:
            yield "provider_fee", after.charge_id, _fee(event.provider_fee)
        case said.PayoutSent() as event:
            yield "payout", event.transfer_id, _to_seller(after, event.amount)
        case said.PayoutReversed() as event:
            yield "reversal", event.provider_reversal_id, _to_seller(after, -event.amount)
        case said.DisputeOpened(kind="card") as event:
            yield "dispute", event.dispute_id, _between("provider", "contested", event.amount)
            yield "dispute_fee", event.dispute_id, _fee(event.fee)
        case said.DisputeClosed(kind="card", won=True) as event:
            yield "dispute_won", event.dispute_id, _between("contested", "provider", event.amount)
        case said.DisputeClosed(kind="card") as event:
            yield "dispute_lost", event.dispute_id, _returned(before, after, "contested")
        case said.OrderRefunded() as event:
            yield "refund", event.provider_refund_id, _returned(before, after, "provider")
        case said.RefundFailed() as event:
            ref = next(one.provider_id for one in after.refunds if one.id == event.refund_id)
            yield "refund_failed", ref, _returned(before, after, "provider")


def _payment(order: Order) -> tuple[Posting, ...]:
    return (
        Posting("provider", order.captured),
        Posting("seller", -order.proceeds, order.seller_id),
        Posting("commission", -order.commission),
        Posting("tax", -order.tax),
    )


def _fee(amount: int) -> tuple[Posting, ...]:
    return _between("provider", "provider_fees", amount)


def _between(source: Account, target: Account, amount: int) -> tuple[Posting, ...]:
    return Posting(source, -amount), Posting(target, amount)


def _to_seller(order: Order, amount: int) -> tuple[Posting, ...]:
    return Posting("provider", -amount), Posting("seller", amount, order.seller_id)


def realised(order: Order) -> int:
    """What is finally back with the buyer: refunds that are done, card disputes that are lost."""
    lost = sum(one.amount for one in order.disputes if one.kind == "card" and one.status == "lost")
    return min(order.captured, order.refunded + lost)


def _returned(before: Order | None, after: Order, source: Account) -> tuple[Posting, ...]:
    """Seller, tax and commission bear their parts, by the running total, so that all is even when all went back."""
    assert before is not None
    was, now = realised(before), realised(after)
    seller, tax = (
        share_of(now, captured=after.captured, whole=whole) - share_of(was, captured=after.captured, whole=whole)
        for whole in (after.proceeds, after.tax)
    )
    return (
        Posting(source, was - now),
        Posting("seller", seller, after.seller_id),
        Posting("tax", tax),
        Posting("commission", now - was - seller - tax),
    )
