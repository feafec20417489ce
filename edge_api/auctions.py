"""Offering and changing auctions: the writes of /auctions except bids."""

from starlette.requests import Request
from starlette.responses import Response

from edge_api import auction_views
from edge_api.asking import ask
from edge_api.auth import From
from edge_api.bodies import written
from edge_api.edge import edge_of
from edge_api.routing import AuctionId, SignedIn, need, router, says
from edge_api.shapes import Auction, Done, Standing
from schemas import users
from schemas.auctions import (
    BlockBidder,
    BuyNow,
    CancelAuction,
    CreateAuction,
    EndAuction,
    LowerReserve,
    PublishAuction,
    UpdateAuction,
)

routes = router("auctions")

FILM = ("video_not_found", "video_not_ready", "not_video_owner")
OVER = ("auction_not_found", "auction_cancelled", "auction_ended", "not_allowed", "account_suspended", "auction_draft")


@routes.post(
    "/auctions",
    **says(
        "Offer something",
        Auction,
        status=201,
        body=True,
        command=True,
        refuses=("not_allowed", "invalid_config", "invalid_amount", "account_suspended", *FILM),
    ),
)
async def create(request: Request, caller: SignedIn, body: CreateAuction, sender: From) -> Response:
    """Opens an auction, now, later (`startTime`) or as a draft. Needs role seller."""
    need(caller, "create_auctions")
    return await ask(request, sender, "CreateAuction", sender.new_id("auction"), written(body))


@routes.put(
    "/auctions/{auction_id}",
    **says(
        "Change the offer",
        Auction,
        body=True,
        command=True,
        refuses=(*OVER, "has_bids", "auction_started", "invalid_config", *FILM),
    ),
)
async def update(request: Request, auction_id: AuctionId, _: SignedIn, body: UpdateAuction, sender: From) -> Response:
    """Before the first bid; what is absent stays."""
    return await ask(request, sender, "UpdateAuction", auction_id, written(body))


@routes.post(
    "/auctions/{auction_id}/publish",
    **says("Publish a draft", Auction, body=True, command=True, refuses=(*OVER, "invalid_config", *FILM)),
)
async def publish(
    request: Request, auction_id: AuctionId, _: SignedIn, sender: From, body: PublishAuction | None = None
) -> Response:
    """The draft is scheduled or live from now on."""
    return await ask(request, sender, "PublishAuction", auction_id, written(body or PublishAuction()))


@routes.post(
    "/auctions/{auction_id}/cancel",
    **says(
        "Cancel an auction",
        Standing,
        body=True,
        command=True,
        refuses=(*OVER, "reason_required", "seller_cancelled_bids_recently"),
    ),
)
async def cancel(request: Request, auction_id: AuctionId, _: SignedIn, body: CancelAuction, sender: From) -> Response:
    """By its seller while no bid stands, or by an admin (rule X7)."""
    return await ask(request, sender, "CancelAuction", auction_id, written(body))


@routes.post(
    "/auctions/{auction_id}/end",
    **says(
        "End early",
        Standing,
        body=True,
        command=True,
        refuses=(
            *OVER,
            "auction_not_started",
            "reason_required",
            "seller_cancelled_bids_recently",
            "has_qualifying_bid",
            "no_qualifying_bid",
        ),
    ),
)
async def end(request: Request, auction_id: AuctionId, _: SignedIn, body: EndAuction, sender: From) -> Response:
    """The seller sells to the high bidder now, or ends without a sale (rule X5)."""
    return await ask(request, sender, "EndAuction", auction_id, written(body))


@routes.post(
    "/auctions/{auction_id}/buy-now",
    **says(
        "Buy at once",
        Standing,
        body=True,
        command=True,
        refuses=(
            *OVER,
            "auction_not_started",
            "own_auction",
            "bidder_blocked",
            "too_many_strikes",
            "buy_now_unavailable",
            "currency_mismatch",
            "bidding_limit_exceeded",
        ),
    ),
)
async def buy_now(
    request: Request, auction_id: AuctionId, _: SignedIn, sender: From, body: BuyNow | None = None
) -> Response:
    """Ends the auction: sold to the caller at the Buy It Now price (rule N3)."""
    return await ask(request, sender, "BuyNow", auction_id, written(body or BuyNow()))


@routes.put(
    "/auctions/{auction_id}/reserve",
    **says(
        "Lower the reserve",
        Standing,
        body=True,
        command=True,
        refuses=(*OVER, "too_late_to_lower", "reserve_already_met", "invalid_reserve"),
    ),
)
async def lower_reserve(
    request: Request, auction_id: AuctionId, _: SignedIn, body: LowerReserve, sender: From
) -> Response:
    """At least 12 hours before the end; 0 removes it (rule R5)."""
    return await ask(request, sender, "LowerReserve", auction_id, written(body))


@routes.post(
    "/auctions/{auction_id}/blocked",
    **says("Block a bidder", Standing, body=True, command=True, refuses=OVER),
)
async def block(request: Request, auction_id: AuctionId, _: SignedIn, body: BlockBidder, sender: From) -> Response:
    """Who is blocked neither bids nor buys any more; `bidderId` as the auction's pages show it (rule X8)."""
    bidder = await auction_views.bidder_behind(edge_of(request), auction_id, body.bidder_id)
    meant = body.model_copy(update={"bidder_id": bidder})
    return await ask(request, sender, "BlockBidder", auction_id, written(meant))


@routes.post("/auctions/{auction_id}/watch", **says("Watch an auction", Done, command=True, refuses=("not_found",)))
async def watch(request: Request, auction_id: AuctionId, caller: SignedIn, sender: From) -> Response:
    """Keeps it in the caller's list of watched auctions."""
    command = users.WatchAuction(user_id=caller.user_id, auction_id=auction_id)
    return await ask(request, sender, "WatchAuction", caller.user_id, written(command))


@routes.delete("/auctions/{auction_id}/watch", **says("Watch no longer", Done, command=True, refuses=("not_found",)))
async def unwatch(request: Request, auction_id: AuctionId, caller: SignedIn, sender: From) -> Response:
    """The opposite of watching."""
    command = users.UnwatchAuction(user_id=caller.user_id, auction_id=auction_id)
    return await ask(request, sender, "UnwatchAuction", caller.user_id, written(command))
