"""Bidding, the hot path: from the request to the command without a detour; history and retraction beside it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edge_api import auction_views, paging
from edge_api.asked import json_response
from edge_api.asking import ask, sender_of
from edge_api.auth import From
from edge_api.bodies import read, written
from edge_api.edge import Edge, edge_of
from edge_api.lean import LeanRoute
from edge_api.problems import Problem, invalid
from edge_api.routing import LIMIT, PREFIX, AuctionId, Cursor, Limit, MaybeSignedIn, SignedIn, router, says, signed_in
from edge_api.shapes import BidAnswer, Bids, Standing
from edge_api.tokens import Caller
from schemas.auctions import PlaceBid, RetractBid, RetractBidCommand

routes = router("bids")

SEQUENCE_MAX = 2**62

BID_REFUSALS = (
    "auction_not_found",
    "auction_cancelled",
    "auction_ended",
    "auction_draft",
    "auction_not_started",
    "own_auction",
    "bidder_blocked",
    "too_many_strikes",
    "not_allowed",
    "account_suspended",
    "invalid_amount",
    "amount_above_maximum",
    "currency_mismatch",
    "below_start_price",
    "below_minimum",
    "not_above_own_maximum",
    "confirmation_required",
    "bidding_limit_exceeded",
)


async def place(request: Request) -> Response:
    """A plain bid (`amount`), an automatic one up to a hidden maximum (`maxAmount`), or both (RULES.md section 5)."""
    signed_in(request)
    auction_id = auction_of(request)
    sender = sender_of(request)
    body = read(PlaceBid, await request.body())
    return await ask(request, sender, "PlaceBid", auction_id, written(body))


def auction_of(request: Request) -> UUID:
    """The auction of the path; raises Problem 422."""
    try:
        return UUID(request.path_params["auction_id"])
    except ValueError:
        raise invalid("auction_id", "must be a UUID", code="uuid") from None


routes.routes.append(
    LeanRoute(
        f"{PREFIX}/auctions/{{auction_id}}/bids",
        place,
        methods=["POST"],
        tags=["bids"],
        body=PlaceBid,
        **says("Bid", BidAnswer, status=201, body=True, command=True, refuses=BID_REFUSALS),
    )
)


@routes.get(
    "/auctions/{auction_id}/bids",
    **says("Bids of an auction", Bids, signed_in=None, refuses=("auction_not_found",)),
)
async def history(
    request: Request, auction_id: AuctionId, caller: MaybeSignedIn, limit: Limit = LIMIT, cursor: Cursor = None
) -> Response:
    """The public history, the latest first: bidders under their pseudonyms, never a maximum; what went is marked `retracted`."""
    edge = edge_of(request)
    before = paging.read_number(cursor)
    found = await auction_views.history(
        edge, auction_id, before=SEQUENCE_MAX if before is None else before, limit=limit + 1
    )
    if not found and await _is_unknown(edge, auction_id):
        raise Problem("auction_not_found", "There is no such auction.")
    gone = await auction_views.withdrawals(edge, auction_id) if found else []
    items = [_shown(edge, auction_id, bid, caller, gone) for bid in found]
    return json_response(paging.page(found, limit, items, lambda bid: paging.write_number(bid["sequence"])))


async def _is_unknown(edge: Edge, auction_id: UUID) -> bool:
    row = await auction_views.one(edge, auction_id)
    return row is None or row["status"] == "draft"


def _shown(
    edge: Edge,
    auction_id: UUID,
    bid: dict[str, Any],
    caller: Caller | None,
    gone: Sequence[auction_views.Withdrawal],
) -> dict[str, Any]:
    bidder: str = msgspec.json.decode(bid["bidderId"])
    told = {
        "id": bid["bidId"],
        "auctionId": str(auction_id),
        "bidderId": edge.pseudonym(auction_id, bidder),
        "amount": bid["amount"],
        "isWinning": bid["isWinning"],
        "automatic": bid["automatic"],
        "retracted": any(one.takes(bid) for one in gone),
        "placedAt": bid["placedAt"],
        "yours": caller is not None and bidder == str(caller.user_id),
        "seq": bid["sequence"],
    }
    return {**told, "message": bid["message"]} if "message" in bid else told


@routes.delete(
    "/auctions/{auction_id}/bids/{bid_id}",
    **says(
        "Take back a bid",
        Standing,
        body=True,
        command=True,
        refuses=(
            "auction_not_found",
            "auction_cancelled",
            "auction_ended",
            "auction_draft",
            "auction_not_started",
            "not_allowed",
            "nothing_to_retract",
            "reason_required",
            "too_late_to_retract",
            "account_suspended",
        ),
    ),
)
async def retract(
    request: Request, auction_id: AuctionId, bid_id: UUID, _: SignedIn, body: RetractBid, sender: From
) -> Response:
    """More than 12 hours before the end all bids of the caller go, later only the latest one within its hour (X2)."""
    command = RetractBidCommand(bid_id=bid_id, reason=body.reason)
    return await ask(request, sender, "RetractBid", auction_id, written(command))
