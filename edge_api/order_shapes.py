"""What the edge answers about orders and payments, for OpenAPI and for the tests that hold answers against it."""

from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from edge_api.shapes import SellerCard
from schemas.envelope import Time, Wire
from schemas.money import Money
from schemas.payments import PostalAddress, Status


class Received(Wire):
    """The event stands on the topic; Stripe need not send it again."""

    received: Literal[True]


class IntentAnswer(Wire):
    """What Stripe.js or the mobile SDK needs to let the buyer pay; asked again, the same (specification, Payment Processing Flow)."""

    payment_id: UUID
    client_secret: str
    amount: Money
    currency: str
    status: str = Field(
        description="Stripe's word: requires_payment_method, requires_action, processing, succeeded ..."
    )
    order_id: UUID


class Payment(Wire):
    """A payment as its buyer and its seller see it; `failureMessage` says in words for the buyer why a card was declined."""

    payment_id: UUID
    order_id: UUID
    amount: Money
    currency: str
    status: str
    refunded: Money
    failure_code: str | None
    failure_message: str | None
    created_at: Time


class OrderDone(Wire):
    """Where the order stands after a command; `code` says what happened."""

    code: str
    order_id: UUID
    status: Status


class OrderEvent(Wire):
    """Something that happened to an order; `data` holds what belongs to it (an amount, a reason, a carrier)."""

    seq: int
    event: str
    at: Time
    by: str | None
    data: dict[str, Any]


class Ratings(Wire):
    """Stars that each side gave the other."""

    by_buyer: int | None
    by_seller: int | None


class Order(Wire):
    """An order as one of its two sides sees it: amounts of the seller to the seller alone, `history` when one is asked for."""

    id: UUID
    auction_id: UUID
    title: str
    role: Literal["buyer", "seller"]
    offer_number: int = Field(description="0 is the winner's order, 1 and up are second-chance offers.")
    status: Status
    buyer: SellerCard
    seller: SellerCard
    price: Money
    shipping_cost: Money
    tax: Money
    total: Money
    refunded: Money
    currency: str
    payment_id: UUID | None
    fees: Money | None = Field(None, description="What we keep of it.")
    proceeds: Money | None = Field(None, description="What the seller gets for it.")
    payout: Money | None = Field(None, description="What of the proceeds was paid out so far.")
    shipping_address: PostalAddress | None
    carrier: str | None
    tracking_number: str | None
    problem: str | None
    created_at: Time
    pay_by: Time | None
    offer_expires_at: Time | None
    paid_at: Time | None
    shipped_at: Time | None
    delivered_at: Time | None
    completed_at: Time | None
    ratings: Ratings
    seq: int
    history: list[OrderEvent] | None = None


class Orders(Wire):
    """A page of orders, the latest first."""

    items: list[Order]
    next_cursor: str | None


class PaymentMethod(Wire):
    """A saved card, as much as may be shown."""

    id: str
    brand: str | None
    last4: str | None
    exp_month: int | None
    exp_year: int | None
    is_default: bool


class PaymentMethods(Wire):
    """Saved cards, and whether the caller agreed to be charged at once for what they win."""

    items: list[PaymentMethod]
    automatic: bool


class SetupAnswer(Wire):
    """What Stripe.js needs to keep a card for later; the card never passes through us."""

    client_secret: str


class AutomaticPayment(Wire):
    """The consent as it is now."""

    code: str
    enabled: bool


class OnboardingLink(Wire):
    """Stripe's own pages, where a seller says who they are and where money goes; the link serves once."""

    url: str
    expires_at: Time | None


class PayoutAccount(Wire):
    """Whether a seller can be paid out; `requirements` is what Stripe still wants to know."""

    status: Literal["none", "creating", "pending", "enabled", "restricted"]
    details_submitted: bool
    charges_enabled: bool
    payouts_enabled: bool
    requirements: list[str]


class Invoice(Wire):
    """The invoice of one side of an order; the same bytes whenever it is asked for. `?format=pdf` gives the document."""

    number: str
    document: dict[str, Any]
