"""The timeline of a finished auction: its bids at their moments of the film, for a replay."""

from datetime import datetime
from typing import Any

import asyncpg
import msgspec
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from edge_api import auction_views, film_views
from edge_api.auction_shown import money
from edge_api.edge import Edge, edge_of
from edge_api.people_views import time_text
from edge_api.problems import Problem
from edge_api.routing import AuctionId, router, says
from edge_api.timeline import Moment, moment_s, webvtt

routes = router("auctions")

BIDS_MAX = 10_000
"""The latest of so many bids; a replay of more would show nothing that can be read."""

SEQUENCE_MAX = 2**62
MEDIA_TYPE = "text/vtt"
EXAMPLE = (
    "WEBVTT\n\n6\n00:00:12.500 --> 00:00:30.000\n"
    '{"event":"bid_placed","seq":6,"bidderId":"b7b1c1de-3c4f-8a12-9d5e-7f6a5b4c3d2e","amount":150.00,"isWinning":true,'
    '"automatic":false,"placedAt":"2026-03-01T18:20:11.482Z"}\n'
)

ABOUT = says(
    "A finished auction in step with its film",
    BaseModel,
    signed_in=None,
    refuses=("auction_not_found", "auction_not_ended", "auction_cancelled"),
)
ABOUT["responses"][200] = {
    "description": "A WebVTT metadata track: each cue's text is a JSON object.",
    "content": {MEDIA_TYPE: {"schema": {"type": "string"}, "examples": {"example": {"value": EXAMPLE}}}},
}


@routes.get("/auctions/{auction_id}/timeline", **ABOUT)
async def timeline(request: Request, auction_id: AuctionId) -> Response:
    """Each bid at its moment of the film (what the bidder saw, else the time since the auction's start), then the hammer."""
    edge = edge_of(request)
    row = await auction_views.one(edge, auction_id)
    if row is None or row["status"] == "draft":
        raise Problem("auction_not_found", "There is no such auction.")
    if row["status"] == "cancelled":
        raise Problem("auction_cancelled", "The auction was cancelled.")
    if row["status"] != "ended":
        raise Problem("auction_not_ended", "The timeline is told when the auction is over.")
    film_s = await _length_s(edge, row)
    bids = await auction_views.history(edge, auction_id, before=SEQUENCE_MAX, limit=BIDS_MAX)
    moments = [_of_bid(edge, row, bid, film_s) for bid in reversed(bids)]
    text = webvtt([*moments, _of_end(edge, row, film_s)], film_s)
    return Response(text, headers={"Cache-Control": "public, max-age=60"}, media_type=MEDIA_TYPE)


async def _length_s(edge: Edge, row: asyncpg.Record) -> float | None:
    film = None if row["video_id"] is None else await film_views.film(edge, row["video_id"])
    return None if film is None or film.manifest is None else film.manifest.duration_s


def _of_bid(edge: Edge, row: asyncpg.Record, bid: dict[str, Any], film_s: float | None) -> Moment:
    said = {name: msgspec.json.decode(bid[name]) for name in ("bidderId", "isWinning", "automatic", "placedAt")}
    seen_s = msgspec.json.decode(bid["streamTimeMs"]) / 1000 if "streamTimeMs" in bid else None
    since_s = (datetime.fromisoformat(said["placedAt"]) - row["starts_at"]).total_seconds()
    told = {
        "event": "bid_placed",
        "seq": bid["sequence"],
        **said,
        "bidderId": edge.pseudonym(row["id"], said["bidderId"]),
        "amount": bid["amount"],
        "currency": row["currency"],
    }
    return Moment(moment_s(seen_s, since_s, film_s), str(bid["sequence"]), told)


def _of_end(edge: Edge, row: asyncpg.Record, film_s: float | None) -> Moment:
    since_s = (row["ends_at"] - row["starts_at"]).total_seconds()
    told = {
        "event": "auction_ended",
        "outcome": row["outcome"],
        "winnerId": None if row["winner_id"] is None else edge.pseudonym(row["id"], row["winner_id"]),
        "finalPrice": money(row["final_price_minor"]),
        "currency": row["currency"],
        "endedAt": time_text(row["ends_at"]),
    }
    return Moment(moment_s(None, since_s, film_s), "end", told)
