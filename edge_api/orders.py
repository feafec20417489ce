"""Orders: what was bought and sold, and what each side does about it. Commands go to payments, which decides."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from edge_api import order_shown, paging, payment_views
from edge_api.asked import json_response
from edge_api.asking import Sender, ask
from edge_api.auth import From
from edge_api.bodies import written
from edge_api.edge import edge_of
from edge_api.order_shapes import Invoice, Order, OrderDone, Orders
from edge_api.payments import sealed_address
from edge_api.problems import Problem
from edge_api.routing import LIMIT, Cursor, Limit, SignedIn, router, says
from edge_api.tokens import Caller
from schemas.envelope import Wire, time_ms
from schemas.payments import (
    AcceptOffer,
    CancelOrder,
    ChargeSavedMethod,
    CloseCase,
    ConfirmDelivery,
    DeclineOffer,
    DisputeOrder,
    GiveAddress,
    LiftStrike,
    OfferSecondChance,
    PostalAddress,
    RateOrder,
    ShipOrder,
    ShipOrderRequest,
    Status,
)

routes = router("orders")

OrderId = Annotated[UUID, Path(description="The order's id.")]
Role = Annotated[Literal["buyer", "seller"] | None, Query(description="Only what the caller bought, or sold.")]
InStatus = Annotated[Status | None, Query(description="Only orders that stand there.")]

ANY = ("order_not_found", "wrong_state")


@routes.get("/orders", **says("Own orders", Orders))
async def listed(
    request: Request,
    caller: SignedIn,
    role: Role = None,
    status: InStatus = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response:
    """What the caller bought and sold, the latest first."""
    return await _page(request, caller, role, status, limit, cursor)


@routes.get("/users/me/orders", **says("Own orders, too", Orders))
async def mine(
    request: Request,
    caller: SignedIn,
    role: Role = None,
    status: InStatus = None,
    limit: Limit = LIMIT,
    cursor: Cursor = None,
) -> Response:
    """The same list as `/orders`."""
    return await _page(request, caller, role, status, limit, cursor)


async def _page(
    request: Request, caller: Caller, role: str | None, status: str | None, limit: int, cursor: str | None
) -> Response:
    edge = edge_of(request)
    rows = await payment_views.orders(
        edge, caller.user_id, role=role, state=status, before=paging.read_place(cursor), limit=limit + 1
    )
    items = await order_shown.shown(edge, rows[:limit], caller)
    return json_response(
        paging.page(rows, limit, items, lambda row: paging.write_place(row["created_at"], row["order_id"]))
    )


@routes.get("/orders/{order_id}", **says("One order", Order, refuses=("order_not_found",)))
async def one(request: Request, order_id: OrderId, caller: SignedIn) -> Response:
    """For its buyer, its seller and admins, with its whole history."""
    edge = edge_of(request)
    row = await payment_views.order(edge, order_id)
    if row is None or not order_shown.may_see(row, caller):
        raise _no_order()
    [found] = await order_shown.shown(edge, [row], caller)
    past = await payment_views.history(edge, order_id)
    return json_response({**found, "history": order_shown.history(past, seller=found["role"] == "seller")})


@routes.get(
    "/orders/{order_id}/invoice",
    **says("The invoice of the caller's side", Invoice, refuses=("order_not_found", "no_invoice")),
)
async def invoice(
    request: Request,
    order_id: OrderId,
    caller: SignedIn,
    format: Annotated[Literal["json", "pdf"], Query(description="As data or as a document.")] = "json",  # noqa: A002
) -> Response:
    """Of a paid order: the buyer's invoice for the thing, the seller's for our fees."""
    edge = edge_of(request)
    row = await payment_views.order(edge, order_id)
    if row is None or not order_shown.may_see(row, caller):
        raise _no_order()
    found = await payment_views.invoice(edge, order_id, order_shown.role_of(row, caller))
    if found is None:
        raise Problem("no_invoice", "There is no invoice before the order is paid.")
    if format == "pdf":
        name = f'attachment; filename="{found["number"]}.pdf"'
        return Response(found["pdf"], headers={"Content-Disposition": name}, media_type="application/pdf")
    return json_response({"number": found["number"], "document": order_shown.raw(found["document"])})


@routes.post(
    "/orders/{order_id}/pay",
    **says(
        "Charge a saved method",
        OrderDone,
        body=True,
        command=True,
        refuses=(
            *ANY,
            "not_the_buyer",
            "method_not_found",
            "already_paid",
            "not_payable",
            "pay_window_over",
        ),
    ),
)
async def pay(
    request: Request, order_id: OrderId, _: SignedIn, sender: From, body: ChargeSavedMethod | None = None
) -> Response:
    """Charges the caller's saved card now; what came of it stands in the order and its payment a moment later."""
    return await _ask(request, sender, order_id, body or ChargeSavedMethod())


@routes.put(
    "/orders/{order_id}/address",
    **says("Where it goes", OrderDone, body=True, command=True, refuses=(*ANY, "not_the_buyer", "user_not_found")),
)
async def address(request: Request, order_id: OrderId, caller: SignedIn, body: PostalAddress, sender: From) -> Response:
    """By the buyer, until it is on its way; whoever pays with create-intent has said it there."""
    edge = edge_of(request)
    command = GiveAddress(shipping_sealed=await sealed_address(edge, body, caller, order_id))
    return await ask(request, sender, "GiveAddress", order_id, written(command), asked_for=edge.keyed(written(body)))


@routes.post(
    "/orders/{order_id}/ship",
    **says("It is on its way", OrderDone, body=True, command=True, refuses=(*ANY, "not_the_seller", "address_missing")),
)
async def ship(
    request: Request, order_id: OrderId, caller: SignedIn, sender: From, body: ShipOrderRequest | None = None
) -> Response:
    """By the seller, once it is paid."""
    said = body or ShipOrderRequest()
    edge = edge_of(request)
    sealed = None
    if said.tracking_number is not None:
        row = await payment_views.order(edge, order_id)
        if row is None or not order_shown.may_see(row, caller):
            raise _no_order()
        buyer = row["buyer_id"]
        wrapped = await payment_views.wrapped_key(edge, buyer)
        # Of a buyer who left nothing more is kept, the parcel's number neither.
        sealed = wrapped and edge.order_seal.seal(
            said.tracking_number,
            wrapped_key=wrapped,
            user_id=str(buyer),
            order_id=str(order_id),
            field="tracking",
            at_s=time_ms() // 1000,
        )
    command = ShipOrder(carrier=said.carrier, tracking_sealed=sealed)
    return await ask(request, sender, "ShipOrder", order_id, written(command), asked_for=edge.keyed(written(said)))


@routes.post(
    "/orders/{order_id}/confirm-delivery",
    **says("It has arrived", OrderDone, command=True, refuses=(*ANY, "not_the_buyer")),
)
async def confirm_delivery(request: Request, order_id: OrderId, _: SignedIn, sender: From) -> Response:
    """By the buyer; the seller is paid out."""
    return await _ask(request, sender, order_id, ConfirmDelivery())


@routes.post(
    "/orders/{order_id}/rate",
    **says(
        "Rate the other side",
        OrderDone,
        body=True,
        command=True,
        refuses=(*ANY, "not_a_party", "not_completed", "already_rated"),
    ),
)
async def rate(request: Request, order_id: OrderId, _: SignedIn, body: RateOrder, sender: From) -> Response:
    """Each side once, from delivery on; the stars are public."""
    return await _ask(request, sender, order_id, body)


@routes.post(
    "/orders/{order_id}/dispute",
    **says(
        "Something is wrong",
        OrderDone,
        body=True,
        command=True,
        refuses=(*ANY, "not_the_buyer", "already_disputed", "too_late_to_dispute"),
    ),
)
async def dispute(request: Request, order_id: OrderId, _: SignedIn, body: DisputeOrder, sender: From) -> Response:
    """By the buyer; the payout waits until it is settled by a refund or by closing it."""
    return await _ask(request, sender, order_id, body)


@routes.post(
    "/orders/{order_id}/dispute/close",
    **says(
        "It is settled",
        OrderDone,
        body=True,
        command=True,
        refuses=(*ANY, "not_the_buyer", "not_allowed", "not_disputed"),
    ),
)
async def close_dispute(
    request: Request, order_id: OrderId, _: SignedIn, sender: From, body: CloseCase | None = None
) -> Response:
    """The buyer withdraws, or an admin decides for a side."""
    return await _ask(request, sender, order_id, body or CloseCase())


@routes.post(
    "/orders/{order_id}/cancel",
    **says("Call an order off", OrderDone, body=True, command=True, refuses=(*ANY, "not_the_seller", "already_paid")),
)
async def cancel(request: Request, order_id: OrderId, _: SignedIn, body: CancelOrder, sender: From) -> Response:
    """By the seller or an admin, before it is paid."""
    return await _ask(request, sender, order_id, body)


@routes.post(
    "/orders/{order_id}/lift-strike",
    **says("Do not hold it against the buyer", OrderDone, body=True, command=True, refuses=(*ANY, "not_the_seller")),
)
async def lift_strike(request: Request, order_id: OrderId, _: SignedIn, body: LiftStrike, sender: From) -> Response:
    """By the seller of an unpaid order, or an admin: it counts no more among the buyer's strikes."""
    return await _ask(request, sender, order_id, body)


@routes.post(
    "/orders/{order_id}/second-chance",
    **says(
        "Offer it to the next bidder",
        OrderDone,
        body=True,
        command=True,
        refuses=(*ANY, "not_the_seller", "no_next_bidder", "already_offered"),
    ),
)
async def second_chance(
    request: Request, order_id: OrderId, _: SignedIn, sender: From, body: OfferSecondChance | None = None
) -> Response:
    """By the seller of an order that was not paid: at the next bidder's highest bid, for 1, 3, 5 or 7 days."""
    return await _ask(request, sender, order_id, body or OfferSecondChance())


@routes.post(
    "/orders/{order_id}/accept",
    **says("Take a second-chance offer", OrderDone, command=True, refuses=(*ANY, "not_the_buyer", "offer_expired")),
)
async def accept(request: Request, order_id: OrderId, _: SignedIn, sender: From) -> Response:
    """By the one it was offered to; the order is then to be paid like any other."""
    return await _ask(request, sender, order_id, AcceptOffer())


@routes.post(
    "/orders/{order_id}/decline",
    **says("Leave a second-chance offer", OrderDone, command=True, refuses=(*ANY, "not_the_buyer", "offer_expired")),
)
async def decline(request: Request, order_id: OrderId, _: SignedIn, sender: From) -> Response:
    """By the one it was offered to."""
    return await _ask(request, sender, order_id, DeclineOffer())


async def _ask(request: Request, sender: Sender, order_id: UUID, command: Wire) -> Response:
    return await ask(request, sender, type(command).__name__, order_id, written(command))


def _no_order() -> Problem:
    return Problem("order_not_found", "There is no such order of yours.")
