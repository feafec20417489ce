"""POST /auctions/{id}/relist: what did not sell, or was sold and not paid, is offered again as a new auction."""

from decimal import Decimal
from typing import Any, get_args

import asyncpg
import msgspec
from starlette.requests import Request
from starlette.responses import Response

from edge_api import auction_views, payment_views
from edge_api.asking import ask
from edge_api.auth import From
from edge_api.bodies import written
from edge_api.edge import edge_of
from edge_api.problems import Problem
from edge_api.routing import AuctionId, SignedIn, need, router, says
from edge_api.shapes import Auction
from schemas.auctions import CreateAuction, RelistAuction, TableName
from schemas.money import loads, print_minor

routes = router("auctions")

FREE_AGAIN = frozenset({"unpaid", "cancelled", "lapsed", "refunded"})
"""Orders after which the seller still has the thing, or has it back."""
MAY_GO = frozenset({"reservePrice", "buyNowPrice", "startTime", "maxBuyerStrikes"})
"""What null takes away; any other null means: as it was."""


@routes.post(
    "/auctions/{auction_id}/relist",
    **says(
        "Offer it again",
        Auction,
        status=201,
        body=True,
        command=True,
        refuses=("auction_not_found", "not_allowed", "relist_impossible", "reserve_not_said", "invalid_config"),
    ),
)
async def relist(
    request: Request, auction_id: AuctionId, caller: SignedIn, sender: From, body: RelistAuction | None = None
) -> Response:
    """A new auction with the listing of an old one of the caller's; what the body says is changed in it."""
    need(caller, "create_auctions")
    edge = edge_of(request)
    row = await auction_views.to_relist(edge, auction_id)
    if row is None or row["seller_id"] != caller.user_id:
        raise Problem("auction_not_found", "There is no such auction of yours.")
    is_sold = row["outcome"] in ("sold", "sold_buy_now")
    if row["status"] not in ("ended", "cancelled") or (
        is_sold and await payment_views.latest_state(edge, auction_id) not in FREE_AGAIN
    ):
        raise Problem("relist_impossible", "The auction is not over, or somebody may still have bought it.")
    said = body or RelistAuction()
    if row["has_reserve"] and "reserve_price" not in said.model_fields_set:
        # Bids keep it to themselves, and nothing may be sold below it only because it was not said again.
        raise Problem("reserve_not_said", "It had a reserve, which is a secret: say it again, or null for none.")
    offer = CreateAuction.model_validate(_offer(row) | _said(said))
    return await ask(request, sender, "CreateAuction", sender.new_id("auction"), written(offer))


def _offer(row: asyncpg.Record) -> dict[str, Any]:
    """The listing as it would be sent to POST /auctions."""
    return {
        "title": row["title"],
        "description": row["description"],
        "videoId": row["video_id"],
        "startingPrice": Decimal(print_minor(row["starting_price_minor"])),
        "buyNowPrice": _price(row["listed_buy_now_minor"]),
        "duration": row["duration_s"],
        "shippingInfo": loads(row["shipping_info"].encode()),
        "tags": list(row["tags"]),
        "category": row["category"],
        "currency": row["currency"],
        "closing": {name: value for name, value in msgspec.json.decode(row["closing"]).items() if name != "hardStop"},
        "increments": row["increments"] if row["increments"] in get_args(TableName) else None,
        "maxBuyerStrikes": row["max_buyer_strikes"],
        "payWindow": row["pay_window_s"],
    }


def _price(minor: int | None) -> Decimal | None:
    return None if minor is None else Decimal(print_minor(minor))


def _said(body: RelistAuction) -> dict[str, Any]:
    said = {
        name: value
        for name, value in body.model_dump(by_alias=True, exclude_unset=True).items()
        if value is not None or name in MAY_GO
    }
    prices = {"startingPrice", "reservePrice", "buyNowPrice"} & said.keys()
    return said | {name: _price(said[name]) for name in prices}
