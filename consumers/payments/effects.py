"""What is to be done outside for what happened: events become errands, errands become jobs of the same transaction.

A job that makes something at the provider has the id of what it makes, which the provider repeats in its metadata.
"""

import uuid
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from consumers.payments.decide import wakes_at
from consumers.payments.order import Order, Told
from consumers.runtime import Job
from schemas import payments as said
from schemas.envelope import print_time

PAY = "pay"
"""Somebody waits for it."""
MOVE = "move"
"""Money goes back or on to the seller, an intent is withdrawn."""
LOOK = "look"
"""The provider is asked how something stands."""
TELL = "tell"
"""We tell ourselves something, when its time has come."""


class Errand(msgspec.Struct, frozen=True, tag=True):
    """One thing to be done; the payload of a job."""


class MakeIntent(Errand, frozen=True):
    """Make an order's intent and leave its client secret; with `method`, charge that at once."""

    order_id: UUID
    method: str | None = None


class WithdrawIntent(Errand, frozen=True):
    """See to it that an intent is never paid."""

    order_id: UUID
    intent_id: str


class GiveBack(Errand, frozen=True):
    """Refund the buyer."""

    order_id: UUID
    amount: int


class PayOut(Errand, frozen=True):
    """Transfer to the seller; the first payout comes out of the charge itself."""

    order_id: UUID
    amount: int
    first: bool


class TakeBack(Errand, frozen=True):
    """Reverse a transfer, or some of it."""

    order_id: UUID
    transfer_id: str
    amount: int


class LookAtOrder(Errand, frozen=True):
    """Ask how an order's intent, its refunds and one dispute stand; the order is known, or is that of the intent or charge."""

    order_id: UUID | None = None
    intent_id: str | None = None
    charge_id: str | None = None
    dispute_id: str | None = None


class LookAtAccount(Errand, frozen=True):
    """Ask how a seller's account stands."""

    account_id: str
    user_id: UUID | None = None


class LookAtSetup(Errand, frozen=True):
    """Ask which payment method was saved."""

    setup_id: str
    user_id: UUID


class Onboard(Errand, frozen=True):
    """Open a seller's account where there is none, and leave the link to its onboarding."""

    user_id: UUID
    country: str


class BeginSetup(Errand, frozen=True):
    """Begin to save a payment method, and leave the client secret."""

    user_id: UUID


class ForgetMethod(Errand, frozen=True):
    """Have the provider forget a payment method."""

    method: str


class ForgetCustomer(Errand, frozen=True):
    """Have the provider forget a buyer and all his payment methods."""

    customer_id: str


class ForgetPerson(Errand, frozen=True):
    """A person left."""

    user_id: UUID


class OpenOffer(Errand, frozen=True):
    """Open the next bidder's order."""

    order_id: UUID
    offer_number: int
    buyer_id: UUID
    amount: int
    days: int


class OpenSold(Errand, frozen=True):
    """Open the orders of auctions that sold."""

    auction_ids: tuple[UUID, ...]


class Wake(Errand, frozen=True):
    """An order's time has come."""

    order_id: UUID
    wake_at: str


class Release(Errand, frozen=True):
    """A seller can be paid now: wake what waited for it. `again` a little later, for what was just being decided."""

    user_id: UUID
    again: bool = False


class Bill(Errand, frozen=True):
    """Write the invoices of a paid order."""

    order_id: UUID


AnyErrand = (
    MakeIntent
    | WithdrawIntent
    | GiveBack
    | PayOut
    | TakeBack
    | LookAtOrder
    | LookAtAccount
    | LookAtSetup
    | Onboard
    | BeginSetup
    | ForgetMethod
    | ForgetCustomer
    | ForgetPerson
    | OpenOffer
    | OpenSold
    | Wake
    | Release
    | Bill
)

_encode = msgspec.json.Encoder().encode
read_errand = msgspec.json.Decoder(AnyErrand).decode

RELEASE_AGAIN_S = 20.0
"""Longer than a transaction may last that read the seller's standing before it changed."""


def job(id_: UUID, kind: str, errand: Errand, *, delay_s: float = 0, **origin: Any) -> Job:
    """The job of an errand."""
    return Job(id=id_, kind=kind, payload=_encode(errand), delay_s=delay_s, **origin)


def jobs_of(told: Told, *, event_id: UUID, command_id: UUID, **origin: Any) -> Iterator[Job]:
    """The jobs that an event calls for: the same ones, by their ids, each time it is decided."""
    for id_, kind, errand, delay_s in _errands(told, event_id, command_id):
        yield job(id_, kind, errand, delay_s=delay_s, **origin)


def _errands(told: Told, event_id: UUID, command_id: UUID) -> Iterator[tuple[UUID, str, Errand, float]]:
    match told.event:
        case said.PaymentStarted() as event:
            yield event_id, PAY, MakeIntent(event.order_id, told.kept.get("method")), 0
        case said.PaymentStopping(intent_id=str() as intent_id) as event:
            yield event_id, MOVE, WithdrawIntent(event.order_id, intent_id), 0
        case said.RefundStarted() as event:
            yield event.refund_id, MOVE, GiveBack(event.order_id, event.amount), 0
        case said.PayoutStarted() as event if event.amount:
            yield event.payout_id, MOVE, PayOut(event.order_id, event.amount, event.number == 0), 0
        case said.ReversalStarted() as event:
            yield event.reversal_id, MOVE, TakeBack(event.order_id, event.transfer_id, event.amount), 0
        case said.OrderPaid() as event:
            yield event_id, TELL, Bill(event.order_id), 0
        case said.SecondChanceMade() as event:
            offer = OpenOffer(event.order_id, event.offer_number, event.offered_to, event.hammer_price, event.days)
            yield event_id, TELL, offer, 0
        case said.OnboardingStarted() as event:
            yield command_id, PAY, Onboard(event.user_id, event.country), 0
        case said.PaymentMethodAsked() as event:
            yield command_id, PAY, BeginSetup(event.user_id), 0
        case said.PaymentMethodRemoved() as event:
            yield event_id, MOVE, ForgetMethod(event.payment_method_id), 0
        case said.PayerForgotten() if "customer" in told.kept:
            yield event_id, MOVE, ForgetCustomer(told.kept["customer"]), 0
        case said.SellerAccountChanged(payouts_enabled=True) as event:
            yield event_id, TELL, Release(event.user_id), 0
            yield uuid.uuid5(event_id, "again"), TELL, Release(event.user_id, again=True), RELEASE_AGAIN_S


def wake_job(order: Order, before: Order | None, at_ms: int) -> Iterator[Job]:
    """The job that wakes an order, where it waits for another time than before."""
    wake_ms = wakes_at(order)
    if wake_ms is None or (before is not None and wakes_at(before) == wake_ms and before.status == order.status):
        return
    text = print_time(wake_ms)
    delay_s = max(0.0, (wake_ms - at_ms) / 1000)
    yield job(uuid.uuid5(order.id, f"wake:{order.status}:{text}"), TELL, Wake(order.id, text), delay_s=delay_s)


def look_for(event: said.RecordProviderEvent, command_id: UUID) -> Iterator[Job]:
    """The job that a provider's event calls for; none for what is of no interest."""
    errand = _look_for(event)
    if errand is not None:
        yield job(uuid.uuid5(command_id, LOOK), LOOK, errand)


def _look_for(event: said.RecordProviderEvent) -> Errand | None:
    object_id = event.object_id
    if object_id is None:
        return None
    match event.object_type:
        case "payment_intent":
            return LookAtOrder(event.order_id, object_id)
        case "charge":
            return LookAtOrder(event.order_id, event.payment_intent_id, object_id)
        case "refund":
            return LookAtOrder(event.order_id, event.payment_intent_id, event.charge_id)
        case "dispute":
            return LookAtOrder(event.order_id, event.payment_intent_id, event.charge_id, object_id)
        case "account":
            return LookAtAccount(object_id, event.user_id)
        case "setup_intent" if event.provider_type == "setup_intent.succeeded" and event.user_id is not None:
            return LookAtSetup(object_id, event.user_id)
        case _:
            return None
