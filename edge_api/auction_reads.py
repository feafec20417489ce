"""Looking at auctions: lists, one auction, and what is the caller's own."""

from typing import Annotated
from uuid import UUID

import asyncpg
from fastapi import Header, Query
from starlette.requests import Request
from starlette.responses import Response

from edge_api import auction_views, paging, people_views
from edge_api.asked import json_response
from edge_api.auction_shown import shown
from edge_api.auction_views import Filters
from edge_api.edge import Edge, edge_of
from edge_api.problems import Problem
from edge_api.routing import LIMIT, AuctionId, Cursor, Limit, MaybeSignedIn, SignedIn, router, says
from edge_api.search_asked import AuctionsAsked
from edge_api.search_auctions import searched
from edge_api.shapes import Auction, Auctions, AuctionsFound, BidsOn, WatchedAuctions
from edge_api.tokens import Caller

routes = router("auctions")

REVALIDATE = "private, no-cache"
"""A copy may be kept, but is shown only after the ETag was asked about."""


@routes.get(
    "/auctions",
    **says(
        "Auctions: a list, or a search", AuctionsFound, signed_in=None, refuses=("invalid_request", "cursor_expired")
    ),
)
async def listed(request: Request, caller: MaybeSignedIn, asked: Annotated[AuctionsAsked, Query()]) -> Response:
    """Without words, prices, times, an order or facets a list: live ones by default, the next to end first; of those over
    the latest first. Else a search, see `q`.
    """
    if asked.is_search:
        return await searched(request, asked, caller)
    edge = edge_of(request)
    rows = await auction_views.listed(edge, _filters(asked), paging.read_place(asked.cursor), asked.limit + 1)
    items = await shown(edge, rows[: asked.limit], caller)
    return json_response(
        paging.page(rows, asked.limit, items, lambda row: paging.write_place(row["ends_at"], row["id"]))
    )


def _filters(asked: AuctionsAsked) -> Filters:
    return Filters(
        next(iter(asked.status), "live"),
        next(iter(asked.seller), None),
        next(iter(asked.category), None),
        next(iter(asked.tag), None),
    )


@routes.get(
    "/auctions/{auction_id}",
    **says(
        "One auction",
        Auction,
        signed_in=None,
        refuses=("auction_not_found",),
        also={304: "Nothing changed since the ETag of If-None-Match."},
    ),
)
async def one(
    request: Request,
    auction_id: AuctionId,
    caller: MaybeSignedIn,
    if_none_match: Annotated[str | None, Header(description="ETag of the copy at hand.")] = None,
) -> Response:
    """With the server's clock; a draft is shown to its seller only."""
    edge = edge_of(request)
    row = await auction_views.one(edge, auction_id)
    if row is None or not _may_see(row, caller):
        raise Problem("auction_not_found", "There is no such auction.")
    [found] = await shown(edge, [row], caller)
    etag = f'W/"{found["seq"]}-{found["status"]}-{"" if caller is None else caller.user_id.hex[:8]}"'
    headers = {"ETag": etag, "Cache-Control": REVALIDATE, "Vary": "Authorization"}
    if if_none_match is not None and etag in (part.strip() for part in if_none_match.split(",")):
        return Response(status_code=304, headers=headers)
    return json_response(found, headers=headers)


def _may_see(row: asyncpg.Record, caller: Caller | None) -> bool:
    return row["status"] != "draft" or (caller is not None and row["seller_id"] == caller.user_id)


@routes.get("/users/me/auctions", **says("Own auctions", Auctions))
async def offered(request: Request, caller: SignedIn, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """All that the caller offered, drafts included, the latest first."""
    edge = edge_of(request)
    rows = await auction_views.offered(edge, caller.user_id, paging.read_place(cursor), limit + 1)
    items = await shown(edge, rows[:limit], caller)
    return json_response(paging.page(rows, limit, items, lambda row: paging.write_place(row["created_at"], row["id"])))


@routes.get("/users/me/bids", **says("Auctions the caller bids on", BidsOn))
async def bid_on(request: Request, caller: SignedIn, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """The latest bid first (to the minute)."""
    edge = edge_of(request)
    rows = await auction_views.bid_on(edge, caller.user_id, paging.read_place(cursor), limit + 1)
    auctions = await _by_id(edge, [row["auction_id"] for row in rows[:limit]], caller)
    items = [
        {
            "auction": auctions[row["auction_id"]],
            "lastBidAt": people_views.time_text(row["last_bid_at"]),
            "isLeading": row["is_leading"],
        }
        for row in rows[:limit]
    ]
    return json_response(
        paging.page(rows, limit, items, lambda row: paging.write_place(row["last_bid_at"], row["auction_id"]))
    )


@routes.get("/users/me/watching", **says("Watched auctions", WatchedAuctions))
async def watching(request: Request, caller: SignedIn, limit: Limit = LIMIT, cursor: Cursor = None) -> Response:
    """The latest first; one that does not exist any more, or never did, is left out."""
    edge = edge_of(request)
    rows = await people_views.watched(edge, caller.user_id, before=paging.read_place(cursor), limit=limit + 1)
    auctions = await _by_id(edge, [row["auction_id"] for row in rows[:limit]], caller)
    items = [
        {"auction": auctions[row["auction_id"]], "watchedAt": people_views.time_text(row["watched_at"])}
        for row in rows[:limit]
        if row["auction_id"] in auctions
    ]
    return json_response(
        paging.page(rows, limit, items, lambda row: paging.write_place(row["watched_at"], row["auction_id"]))
    )


async def _by_id(edge: Edge, auction_ids: list[UUID], caller: Caller) -> dict[UUID, object]:
    rows = [row for row in (await auction_views.some(edge, auction_ids)).values() if _may_see(row, caller)]
    return dict(zip((row["id"] for row in rows), await shown(edge, rows, caller), strict=True))
