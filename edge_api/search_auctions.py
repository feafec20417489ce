"""GET /auctions as a search: the index finds and orders, what is shown of each auction is read where it is decided."""

import asyncio
from typing import Any
from uuid import UUID

import structlog
from starlette.requests import Request
from starlette.responses import Response

from edge_api import (
    auction_views,
    search_cursor,
    search_facets,
    search_highlights,
    search_query,
    search_told,
    search_words,
)
from edge_api.asked import json_response
from edge_api.auction_shown import shown
from edge_api.edge import Edge, edge_of
from edge_api.problems import Problem
from edge_api.search_asked import AuctionsAsked
from edge_api.search_cursor import Place
from edge_api.search_index import Found
from edge_api.tokens import Caller
from schemas.activity import SearchPerformed
from schemas.envelope import new_command_id, time_ms

HELP_S = 1.0

log = structlog.get_logger("search")


async def searched(request: Request, asked: AuctionsAsked, caller: Caller | None) -> Response:
    """A page of what was found; raises Problem 422 for a bad cursor, 410 for an old one, 503 while the index is away."""
    edge = edge_of(request)
    place = search_cursor.read(asked, asked.cursor, edge.keyed, time_ms())
    at_ms = time_ms() if place is None else place.at_ms
    found, here = await _page(edge, asked, place, at_ms)
    hits = found["hits"]["hits"]
    items = _highlighted(await _items(edge, hits[: asked.limit], caller), asked)
    suggestion = await _help(edge, asked, at_ms) if here.total == 0 and asked.q else None
    search_id = new_command_id()
    _tell(request, asked, here, search_id, found["took"], suggestion)
    return json_response(
        {
            "items": items,
            "nextCursor": search_cursor.write(here, asked, edge.keyed) if len(hits) > asked.limit else None,
            "total": here.total,
            "totalIsExact": here.is_exact,
            "facets": search_facets.read(found["aggregations"], at_ms) if asked.counts else None,
            "suggestion": suggestion,
            "searchId": str(search_id),
            "tookMs": found["took"],
        }
    )


async def _page(edge: Edge, asked: AuctionsAsked, place: Place | None, at_ms: int) -> tuple[Found, Place]:
    """What the index found, and the place where this page ends."""
    stems = await edge.search.has_stems()
    body = search_query.auctions(asked, at_ms, after=place and place.after, stems=stems)
    if place is not None:
        found = await edge.search.next(place.pit, body)
        return found, search_cursor.later(place, found, asked.limit)
    found = await edge.search.first("auctions", body)
    return found, search_cursor.earliest(found, asked.limit, at_ms)


async def _items(edge: Edge, hits: list[Any], caller: Caller | None) -> list[dict[str, Any]]:
    """The auctions in the order of the hits; the index may be a moment behind, so none is shown that is not there."""
    if not hits:
        return []
    rows = await auction_views.some(edge, [UUID(hit["_id"]) for hit in hits])
    there = [rows[UUID(hit["_id"])] for hit in hits if UUID(hit["_id"]) in rows]
    return await shown(edge, there, caller)


def _highlighted(items: list[dict[str, Any]], asked: AuctionsAsked) -> list[dict[str, Any]]:
    words = search_words.words_of(asked.q or "")
    if not words or not asked.highlights:
        return items
    return [
        {
            **item,
            "highlights": {
                "title": search_highlights.title(item["title"], words),
                "description": search_highlights.fragment(item["description"], words),
            },
        }
        for item in items
    ]


async def _help(edge: Edge, asked: AuctionsAsked, at_ms: int) -> dict[str, Any] | None:
    """A suggestion, if there is one soon: that nothing was found is an answer without it, too."""
    try:
        async with asyncio.timeout(HELP_S):
            return await _suggestion(edge, asked, at_ms)
    except (Problem, TimeoutError) as error:
        log.info("no suggestion in time", reason=repr(error))
        return None


async def _suggestion(edge: Edge, asked: AuctionsAsked, at_ms: int) -> dict[str, Any] | None:
    """What would find something: the same words without the filters, or nearer or fewer words."""
    words = search_words.words_of(asked.q or "")
    if not words:
        return None
    better = search_query.better_words(words, await edge.search.ask("auctions", search_query.corrections(words)))
    for text, narrowed in (
        (asked.q, asked.without_filters),
        (" ".join(better), asked),
        (" ".join(better), asked.without_filters),
    ):
        if text and (total := await _count(edge, narrowed, text, at_ms)):
            return {"q": text, "withoutFilters": narrowed is not asked, "total": total}
    return None


async def _count(edge: Edge, asked: AuctionsAsked, text: str, at_ms: int) -> int:
    body = search_query.count(asked.model_copy(update={"q": text}), at_ms)
    total: int = (await edge.search.ask("auctions", body))["hits"]["total"]["value"]
    return total


def _tell(
    request: Request, asked: AuctionsAsked, here: Place, search_id: UUID, took: int, suggestion: dict[str, Any] | None
) -> None:
    search_told.performed(
        request,
        SearchPerformed(
            search_id=search_id,
            searcher_id=search_told.searcher_of(request),
            kind="auctions",
            query=asked.q or "",
            filters=search_told.filters_of(asked),
            sort=asked.order,
            page=here.page,
            count=here.total,
            count_is_exact=here.is_exact,
            took=took,
            suggested=suggestion and suggestion["q"],
        ),
    )
