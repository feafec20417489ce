"""What is said about orders and payments: the commands to `payments` and the events it tells (specification, Payment Processing Flow).

The key of a command is the order's id, except where its docstring says that it is a person's. Who speaks stands in the headers.
"""

import uuid
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from schemas.auctions import Currency, Price
from schemas.envelope import Request, Time, Wire
from schemas.money import Money
from schemas.text import Line, Note

Status = Literal[
    "offered",
    "awaiting_payment",
    "paid",
    "shipped",
    "delivered",
    "completed",
    "cancelled",
    "unpaid",
    "refunded",
    "disputed",
    "lapsed",
]
"""Where an order stands; `offered` and `lapsed` (not taken in time) happen to second-chance offers only."""

Party = Literal["buyer", "seller", "platform"]
ProviderId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{3,255}$")]
"""An id of the provider's, such as `pi_...`."""
RefundReason = Literal["requested_by_buyer", "not_as_described", "not_received", "out_of_stock", "duplicate", "other"]
CaseReason = Literal["not_received", "not_as_described", "damaged", "other"]

_WINNER = 0


def order_id_of(auction_id: UUID, offer_number: int = _WINNER) -> UUID:
    """The id of an auction's nth order: 0 is the winner's, 1 and up are second-chance offers."""
    return uuid.uuid5(auction_id, f"order:{offer_number}")


def payment_id_of(order_id: UUID) -> UUID:
    """The id of an order's payment; an order has one live intent."""
    return uuid.uuid5(order_id, "payment")


# What people send.


class PostalAddress(Request):
    """Where a thing travels to, and whom the carrier may call."""

    name: Line
    line1: Line
    line2: Line | None = None
    city: Line
    region: Line | None = None
    postal_code: Line
    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
    phone: Line | None = None


class CreateIntentRequest(Request):
    """POST /payments/create-intent: the winner wants to pay exactly what the order says."""

    auction_id: UUID
    amount: Price
    currency: Currency
    shipping_info: PostalAddress


class CreateIntent(Wire):
    """The command of a create-intent; `shippingSealed` is the PostalAddress as JSON (schemas.sealed.OrderSeal, field `shipping`)."""

    amount: Money
    currency: str
    shipping_sealed: str


class GiveAddress(Wire):
    """PUT /orders/{id}/address: where it goes, of who pays without being asked for it; sealed as in CreateIntent."""

    shipping_sealed: str


class ChargeSavedMethod(Request):
    """POST /orders/{id}/pay: charge a saved payment method now, without the buyer's presence; the default one if none is named."""

    payment_method_id: ProviderId | None = None


class CancelOrder(Request):
    """POST /orders/{id}/cancel, before payment: by the seller or an admin."""

    reason: Annotated[Note, StringConstraints(min_length=1)]


class LiftStrike(Request):
    """POST /orders/{id}/lift-strike, of an unpaid order: by its seller, who forgives, or an admin."""

    reason: Annotated[Note, StringConstraints(min_length=1)]


class ShipOrderRequest(Request):
    """POST /orders/{id}/ship."""

    carrier: Line | None = None
    tracking_number: Line | None = None


class ShipOrder(Wire):
    """The command of a shipping; the tracking number leads to an address (schemas.sealed.OrderSeal, field `tracking`)."""

    carrier: str | None = None
    tracking_sealed: str | None = None


class ConfirmDelivery(Request):
    """POST /orders/{id}/confirm-delivery: the buyer has it."""


class RateOrder(Request):
    """POST /orders/{id}/rate: each side once, from delivery on; the text is public."""

    stars: int = Field(ge=1, le=5, strict=True)
    comment: Note | None = None


class DisputeOrder(Request):
    """POST /orders/{id}/dispute: the buyer says that something is wrong; the payout waits until it is settled."""

    reason: CaseReason
    detail: Note | None = None


class CloseCase(Request):
    """POST /orders/{id}/dispute/close: the buyer withdraws, or an admin decides for a side."""

    in_favour_of: Literal["buyer", "seller"] = "seller"


class RefundOrder(Request):
    """POST /payments/{id}/refund: by the seller or an admin; without an amount all that is left."""

    amount: Price | None = None
    reason: RefundReason = "other"


class OfferSecondChance(Request):
    """POST /orders/{id}/second-chance: the seller offers the thing to the next bidder at his highest bid."""

    days: Literal[1, 3, 5, 7] = 3


class AcceptOffer(Request):
    """POST /orders/{id}/accept: the next bidder takes the second-chance offer."""


class DeclineOffer(Request):
    """POST /orders/{id}/decline: the next bidder does not take it."""


class StartOnboarding(Request):
    """POST /payments/connect/onboard; key: the seller's id. The worker leaves the link in `payments.secret_view`, id = commandId."""

    country: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")] = "US"


class SavePaymentMethod(Request):
    """POST /payments/methods; key: the buyer's id. The worker leaves the setup's client secret in `payments.secret_view`, id = commandId."""


class RemovePaymentMethod(Request):
    """DELETE /payments/methods/{id}; key: the buyer's id."""

    payment_method_id: ProviderId


class SetAutomaticPayment(Request):
    """PUT /payments/automatic; key: the buyer's id. Whether what he wins is charged at once to his default method (consent)."""

    enabled: bool


# What our own processes say.


class Terms(Wire):
    """The schedule that an order is opened under and keeps: basis points of the price, of what is paid, a fixed part, tax."""

    version: str
    hammer_bps: int
    payment_bps: int
    payment_fixed: Money
    tax_bps: int
    pay_window_s: int
    complete_after_s: int
    """So long after shipping an order counts as delivered."""


class OpenOrder(Wire):
    """An auction sold, or its next bidder is offered the thing."""

    auction_id: UUID
    offer_number: int
    buyer_id: UUID
    seller_id: UUID
    title: str
    hammer_price: Money
    shipping_cost: Money
    currency: str
    terms: Terms
    offer_days: int | None = None
    """Days that a second-chance offer stands; None for the winner's order."""


class WakeOrder(Wire):
    """The time that an order waited for has come; late or repeated it does nothing."""

    wake_at: Time


class RecordProviderEvent(Wire):
    """A verified webhook or an event found by listing; commandId = `provider_event_command_id`.

    The key is the order of the object's metadata, else the person's, else `provider_key_of(objectId)`.
    """

    provider_event_id: str
    provider_type: str
    object_type: str | None = None
    object_id: str | None = None
    created: Time
    account: str | None = None
    livemode: bool = False
    order_id: UUID | None = None
    user_id: UUID | None = None
    payment_intent_id: str | None = None
    charge_id: str | None = None


_PROVIDER = UUID("0c5a3a2e-4d8c-5a57-9c1b-3b7c1f2a9e10")


def provider_event_command_id(provider_event_id: str) -> UUID:
    """The id of the command that tells a provider's event: the same however often and whichever way it is heard of."""
    return uuid.uuid5(_PROVIDER, f"event:{provider_event_id}")


def provider_key_of(object_id: str) -> UUID:
    """The key for what is about no order and no person of ours."""
    return uuid.uuid5(_PROVIDER, f"object:{object_id}")


class RecordIntent(Wire):
    """What the provider says of an order's intent, or that it will never make one (`failure`)."""

    intent_id: str | None = None
    status: str
    """The provider's word: requires_payment_method, requires_action, processing, succeeded, canceled; `failed` without an intent."""
    received: Money = 0
    charge_id: str | None = None
    provider_fee: Money | None = None
    decline_code: str | None = None
    decline_message: str | None = None
    livemode: bool = False


class RecordRefund(Wire):
    """What the provider says of a refund; `refundId` is ours, absent when it was made at the provider's dashboard."""

    refund_id: UUID | None = None
    provider_refund_id: str | None = None
    amount: Money
    status: Literal["pending", "succeeded", "failed", "canceled"]
    failure: str | None = None


class RecordDispute(Wire):
    """What the provider says of a card holder's dispute."""

    dispute_id: str
    amount: Money
    fee: Money = 0
    status: str
    """The provider's word: warning_*, needs_response, under_review, won, lost."""
    reason: str | None = None
    respond_by: Time | None = None


class RecordTransfer(Wire):
    """What became of a payout to the seller; `payoutId` is ours."""

    payout_id: UUID
    transfer_id: str | None = None
    failure: str | None = None


class RecordReversal(Wire):
    """What became of taking a payout back; `reversalId` is ours."""

    reversal_id: UUID
    provider_reversal_id: str | None = None
    failure: str | None = None


class RecordAccount(Wire):
    """What the provider says of a seller's account; key: the seller's id. Older observations change nothing."""

    account_id: str
    observed_at: Time
    details_submitted: bool
    charges_enabled: bool
    payouts_enabled: bool
    requirements: list[str] = Field(default_factory=list)


class RecordPayer(Wire):
    """The provider's customer of a buyer, and a method he saved; key: the buyer's id."""

    customer_id: str
    payment_method_id: str | None = None
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None


class ForgetPayer(Wire):
    """A person left: nothing of his is kept at the provider to be charged; key: the person's id."""


# What happened.


class _OfOrder(Wire):
    """What every event of an order says, so that a reader needs no memory of its own."""

    order_id: UUID
    auction_id: UUID
    buyer_id: UUID
    seller_id: UUID
    title: str


class OrderCreated(_OfOrder):
    """An order stands, exactly one per sold auction (specification, AuctionEnded -> CreateOrder); `payBy` is the pay window's end."""

    offer_number: int
    hammer_price: Money
    shipping_cost: Money
    tax: Money
    amount: Money
    """What the buyer pays."""
    currency: str
    commission: Money
    proceeds: Money
    """What the seller gets."""
    terms: Terms
    pay_by: Time | None = None
    created_at: Time


class SecondChanceOffered(_OfOrder):
    """The next bidder may have it at his highest bid until `expiresAt`; `buyerId` is who is offered. On the new order."""

    offer_number: int
    hammer_price: Money
    shipping_cost: Money
    tax: Money
    amount: Money
    currency: str
    commission: Money
    proceeds: Money
    terms: Terms
    expires_at: Time
    created_at: Time


class SecondChanceMade(_OfOrder):
    """The seller let the thing be offered to the next bidder; on the order that was not paid."""

    offer_order_id: UUID
    offer_number: int
    offered_to: UUID
    hammer_price: Money
    days: int


class OfferAccepted(_OfOrder):
    """The offer became an order to be paid."""

    pay_by: Time


class OfferLapsed(_OfOrder):
    """The offer was declined or ran out."""

    declined: bool


class PaymentStarted(_OfOrder):
    """The buyer asked to pay, or his consent let us (`offSession`)."""

    payment_id: UUID
    amount: Money
    currency: str
    off_session: bool = False


class PaymentDeclined(_OfOrder):
    """The provider or the bank said no; `message` in words for the buyer, who may try another way."""

    payment_id: UUID
    code: str
    message: str
    off_session: bool = False


class PaymentActionRequired(_OfOrder):
    """The bank wants the buyer to confirm (3-D Secure)."""

    payment_id: UUID
    off_session: bool = False


class PaymentChanged(_OfOrder):
    """The intent at the provider is in another state; `status` is the provider's word, or `failed` when there is none."""

    payment_id: UUID
    status: str
    intent_id: str | None = None


class PaymentStopping(_OfOrder):
    """The intent is being withdrawn, so that nothing is paid for an order that ends; what is paid meanwhile counts."""

    payment_id: UUID
    intent_id: str | None = None
    by: Literal["buyer", "seller", "platform", "time"]
    reason: str


class ShippingAddressGiven(_OfOrder):
    """The buyer said where the thing travels to; the address stays between buyer and seller."""


class PaymentReminded(_OfOrder):
    """It is time to remind the buyer; `number` counts from 1."""

    number: int
    pay_by: Time
    amount: Money
    currency: str


class OrderPaid(_OfOrder):
    """The money is captured."""

    payment_id: UUID
    amount: Money
    currency: str
    charge_id: str | None = None
    provider_fee: Money | None = None
    paid_at: Time


class ProviderFeeKnown(_OfOrder):
    """What the provider kept of the payment, when it was not known at once."""

    payment_id: UUID
    provider_fee: Money
    currency: str


class OrderUnpaid(_OfOrder):
    """The pay window ended: a strike on the buyer."""

    amount: Money
    currency: str
    unpaid_at: Time


class StrikeLifted(_OfOrder):
    """The unpaid order is not held against its buyer any more."""

    by: Party
    reason: str


class OrderCancelled(_OfOrder):
    """Called off before payment."""

    by: Party
    reason: str


class OrderShipped(_OfOrder):
    """On its way, or its tracking number is another now; that stays between buyer and seller."""

    carrier: str | None = None
    shipped_at: Time


class OrderDelivered(_OfOrder):
    """The buyer has it, by his word or by the time that passed."""

    by: Literal["buyer", "time"]
    delivered_at: Time


class OrderCompleted(_OfOrder):
    """Delivered and paid out: nothing is open."""

    completed_at: Time


class OrderRated(_OfOrder):
    """One side's word about the other; `ratedId` is who is rated and as what."""

    rater_id: UUID
    rated_id: UUID
    rated_as: Literal["seller", "buyer"]
    stars: int
    comment: str | None = None


class RefundStarted(_OfOrder):
    """A refund is asked of the provider."""

    refund_id: UUID
    amount: Money
    currency: str
    by: Party
    reason: str


class OrderRefunded(_OfOrder):
    """Money went back to the buyer; `whole` when nothing is left of the payment."""

    refund_id: UUID
    provider_refund_id: str | None = None
    amount: Money
    refunded_total: Money
    currency: str
    whole: bool


class RefundFailed(_OfOrder):
    """The provider did not refund; `code` says why."""

    refund_id: UUID
    amount: Money
    currency: str
    code: str


class DisputeOpened(_OfOrder):
    """The buyer (`kind` case) or his bank (`kind` card) contests the order."""

    dispute_id: str
    kind: Literal["case", "card"]
    reason: str | None = None
    amount: Money
    fee: Money = 0
    currency: str
    respond_by: Time | None = None


class DisputeClosed(_OfOrder):
    """The dispute is over; `won` is as the seller sees it."""

    dispute_id: str
    kind: Literal["case", "card"]
    won: bool
    amount: Money
    currency: str


class PayoutHeld(_OfOrder):
    """The seller's money waits; `reason` says for what (`not_onboarded`, or the provider's code)."""

    amount: Money
    currency: str
    reason: str


class PayoutStarted(_OfOrder):
    """The transfer is asked of the provider; `recovered` of it settles what the seller owes from other orders."""

    payout_id: UUID
    number: int
    amount: Money
    currency: str
    recovered: Money = 0


class PayoutSent(_OfOrder):
    """The seller's money is on his account at the provider."""

    payout_id: UUID
    transfer_id: str | None = None
    amount: Money
    currency: str


class PayoutFailed(_OfOrder):
    """The provider did not transfer; it is tried again."""

    payout_id: UUID
    amount: Money
    currency: str
    code: str


class ReversalStarted(_OfOrder):
    """Some of a payout is taken back, for a refund or a dispute."""

    reversal_id: UUID
    transfer_id: str
    amount: Money
    currency: str


class PayoutReversed(_OfOrder):
    """It came back."""

    reversal_id: UUID
    provider_reversal_id: str | None = None
    amount: Money
    currency: str


class ReversalFailed(_OfOrder):
    """It did not come back: the seller owes it, and later payouts are cut by it."""

    reversal_id: UUID
    amount: Money
    currency: str
    code: str


class OnboardingStarted(Wire):
    """A seller asked to be paid out by the provider; aggregate: the seller's id."""

    user_id: UUID
    country: str


class SellerAccountChanged(Wire):
    """What a seller's account at the provider may do; aggregate: the seller's id."""

    user_id: UUID
    details_submitted: bool
    charges_enabled: bool
    payouts_enabled: bool
    requirements: list[str] = Field(default_factory=list)
    observed_at: Time


class PayerKnown(Wire):
    """The provider knows the buyer; aggregate: the buyer's id."""

    user_id: UUID


class PaymentMethodAsked(Wire):
    """A buyer began to save a payment method; aggregate: the buyer's id."""

    user_id: UUID


class PaymentMethodSaved(Wire):
    """A buyer's saved payment method; aggregate: the buyer's id. The provider keeps the card, we its last four digits."""

    user_id: UUID
    payment_method_id: str
    brand: str | None = None
    last4: str | None = None
    exp_month: int | None = None
    exp_year: int | None = None


class PaymentMethodRemoved(Wire):
    """A saved payment method is forgotten; aggregate: the buyer's id."""

    user_id: UUID
    payment_method_id: str


class PayerForgotten(Wire):
    """The provider's customer and saved methods of a person who left are deleted; aggregate: the person's id."""

    user_id: UUID


class AutomaticPaymentSet(Wire):
    """A buyer agreed, or no longer agrees, to be charged when he wins; aggregate: the buyer's id."""

    user_id: UUID
    enabled: bool
