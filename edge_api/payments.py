"""Paying and being paid: /payments/*. The edge sends commands and opens what is meant for the caller's eyes; it decides nothing."""

from typing import Annotated
from uuid import UUID

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

from edge_api import payment_views
from edge_api.asked import json_response
from edge_api.asking import ask
from edge_api.auction_shown import money
from edge_api.auth import From
from edge_api.bodies import written
from edge_api.edge import Edge, edge_of
from edge_api.order_shapes import (
    AutomaticPayment,
    IntentAnswer,
    OnboardingLink,
    OrderDone,
    Payment,
    PaymentMethods,
    PayoutAccount,
    SetupAnswer,
)
from edge_api.people_views import time_text
from edge_api.problems import Problem
from edge_api.routing import SignedIn, need, router, says
from edge_api.shapes import Done
from edge_api.tokens import Caller
from schemas.envelope import time_ms
from schemas.money import Minor
from schemas.payments import (
    CreateIntent,
    CreateIntentRequest,
    PostalAddress,
    RefundOrder,
    RemovePaymentMethod,
    SavePaymentMethod,
    SetAutomaticPayment,
    StartOnboarding,
    order_id_of,
)

routes = router("payments")

PaymentId = Annotated[UUID, Path(description="The payment's id.")]
MethodId = Annotated[str, Path(pattern="^[A-Za-z0-9_]{3,255}$", description="The saved method's id.")]

PAYING = (
    "order_not_found",
    "not_the_buyer",
    "wrong_amount",
    "currency_mismatch",
    "currency_not_supported",
    "already_paid",
    "not_payable",
    "pay_window_over",
    "payment_refused",
)


@routes.post(
    "/payments/create-intent",
    **says("Pay for an order", IntentAnswer, body=True, command=True, refuses=(*PAYING, "user_not_found")),
)
async def create_intent(request: Request, caller: SignedIn, body: CreateIntentRequest, sender: From) -> Response:
    """For the winner only, for the exact total of the order; asked again, the same payment and the same secret."""
    edge = edge_of(request)
    order = await payment_views.order_to_pay(edge, body.auction_id, caller.user_id)
    order_id = order_id_of(body.auction_id) if order is None else order["order_id"]
    sealed = await sealed_address(edge, body.shipping_info, caller, order_id)
    command = CreateIntent(amount=Minor(body.amount), currency=body.currency, shipping_sealed=sealed)
    # A seal is another one each time: the fingerprint covers a keyed hash of what was said.
    return await ask(request, sender, "CreateIntent", order_id, written(command), asked_for=edge.keyed(written(body)))


async def sealed_address(edge: Edge, address: PostalAddress, caller: Caller, order_id: UUID) -> str:
    """An address as it travels and lies; raises Problem when the caller has left."""
    wrapped = await payment_views.wrapped_key(edge, caller.user_id)
    if wrapped is None:
        raise Problem("user_not_found", "There is no such user.")
    return edge.order_seal.seal(
        written(address).decode(),
        wrapped_key=wrapped,
        user_id=str(caller.user_id),
        order_id=str(order_id),
        field="shipping",
        at_s=time_ms() // 1000,
    )


@routes.get("/payments/methods", **says("Saved payment methods", PaymentMethods))
async def methods(request: Request, caller: SignedIn) -> Response:
    """The caller's cards at Stripe, and whether they agreed to be charged at once."""
    edge = edge_of(request)
    items = await payment_views.methods(edge, caller.user_id)
    return json_response({"items": items, "automatic": await payment_views.pays_automatically(edge, caller.user_id)})


@routes.post(
    "/payments/methods",
    **says("Save a payment method", SetupAnswer, command=True, refuses=("payment_refused",)),
)
async def save_method(request: Request, caller: SignedIn, sender: From) -> Response:
    """Begins to keep a card for later: confirm the secret with Stripe.js; the method then appears in the list."""
    return await ask(request, sender, "SavePaymentMethod", caller.user_id, written(SavePaymentMethod()))


@routes.delete(
    "/payments/methods/{method_id}",
    **says("Forget a payment method", Done, command=True, refuses=("method_not_found",)),
)
async def remove_method(request: Request, method_id: MethodId, caller: SignedIn, sender: From) -> Response:
    """The card is forgotten here and at Stripe."""
    command = RemovePaymentMethod(payment_method_id=method_id)
    return await ask(request, sender, "RemovePaymentMethod", caller.user_id, written(command))


@routes.put(
    "/payments/automatic",
    **says("Agree to be charged at once", AutomaticPayment, body=True, command=True, refuses=("method_not_found",)),
)
async def automatic(request: Request, caller: SignedIn, body: SetAutomaticPayment, sender: From) -> Response:
    """The caller's consent that what they win is charged to their default method without being asked again."""
    return await ask(request, sender, "SetAutomaticPayment", caller.user_id, written(body))


@routes.post(
    "/payments/connect/onboard",
    **says(
        "Be paid out",
        OnboardingLink,
        body=True,
        command=True,
        refuses=("not_allowed", "payment_refused", "country_not_supported"),
    ),
)
async def onboard(request: Request, caller: SignedIn, sender: From, body: StartOnboarding | None = None) -> Response:
    """A link to Stripe's pages for sellers; what was sold meanwhile is paid out once Stripe is content."""
    need(caller, "create_auctions")
    return await ask(request, sender, "StartOnboarding", caller.user_id, written(body or StartOnboarding()))


@routes.get("/payments/connect/status", **says("Whether payouts are possible", PayoutAccount))
async def connect_status(request: Request, caller: SignedIn) -> Response:
    """The caller's account at Stripe, as Stripe last described it."""
    row = await payment_views.seller_account(edge_of(request), caller.user_id)
    if row is None:
        return json_response(
            {
                "status": "none",
                "detailsSubmitted": False,
                "chargesEnabled": False,
                "payoutsEnabled": False,
                "requirements": [],
            }
        )
    return json_response(
        {
            "status": row["status"],
            "detailsSubmitted": row["details_submitted"],
            "chargesEnabled": row["charges_enabled"],
            "payoutsEnabled": row["payouts_enabled"],
            "requirements": payment_views.listed(row["requirements"]),
        }
    )


@routes.get("/payments/{payment_id}", **says("One payment", Payment, refuses=("payment_not_found",)))
async def payment(request: Request, payment_id: PaymentId, caller: SignedIn) -> Response:
    """For its buyer and its seller."""
    row = await payment_views.payment(edge_of(request), payment_id)
    if row is None or caller.user_id not in (row["buyer_id"], row["seller_id"]):
        raise _no_payment()
    is_buyer = caller.user_id == row["buyer_id"]
    return json_response(
        {
            "paymentId": str(row["payment_id"]),
            "orderId": str(row["order_id"]),
            "amount": money(row["amount_minor"]),
            "currency": row["currency"],
            "status": row["status"],
            "refunded": money(row["refunded_minor"]),
            # Why a card was declined is its holder's business.
            "failureCode": row["failure_code"] if is_buyer else None,
            "failureMessage": row["failure_message"] if is_buyer else None,
            "createdAt": time_text(row["created_at"]),
        }
    )


@routes.post(
    "/payments/{payment_id}/refund",
    **says(
        "Give money back",
        OrderDone,
        body=True,
        command=True,
        refuses=(
            "payment_not_found",
            "order_not_found",
            "not_the_seller",
            "wrong_state",
            "refund_too_large",
            "nothing_to_refund",
        ),
    ),
)
async def refund(
    request: Request, payment_id: PaymentId, caller: SignedIn, sender: From, body: RefundOrder | None = None
) -> Response:
    """By the seller or an admin: all that is left, or a part; what the seller was paid for it is taken back."""
    row = await payment_views.payment(edge_of(request), payment_id)
    if row is None or not (caller.actor.is_admin or caller.user_id in (row["buyer_id"], row["seller_id"])):
        raise _no_payment()
    return await ask(request, sender, "RefundOrder", row["order_id"], written(body or RefundOrder()))


def _no_payment() -> Problem:
    return Problem("payment_not_found", "There is no such payment of yours.")
