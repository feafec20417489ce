"""Searching people, what a text may become, and what was opened: /users/search and /search/*."""

import time
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from edge_api import people_views, search_cursor, search_query, search_told, search_words
from edge_api.asked import json_response
from edge_api.edge import Edge, edge_of
from edge_api.problems import invalid
from edge_api.routing import MaybeSignedIn, router, says
from edge_api.search_asked import PeopleAsked, SuggestAsked
from edge_api.search_cursor import Place
from edge_api.search_index import Found
from edge_api.shapes import Completions, Done, PeopleFound
from schemas.activity import Click, SearchPerformed
from schemas.envelope import new_command_id, time_ms

routes = router("search")

SEARCH_AGE_S_MAX = 86_400
CLOCKS_DIFFER_S = 60


@routes.get(
    "/users/search",
    **says("Search people", PeopleFound, signed_in=None, refuses=("invalid_request", "cursor_expired")),
)
async def people(request: Request, _: MaybeSignedIn, asked: Annotated[PeopleAsked, Query()]) -> Response:
    """By username: the same, one that begins so, or nearly so; nobody who is suspended or has left."""
    edge = edge_of(request)
    place = search_cursor.read(asked, asked.cursor, edge.keyed, time_ms())
    found, here = await _page_of_people(edge, asked, place)
    hits = found["hits"]["hits"]
    profiles = await people_views.profiles(edge, [UUID(hit["_id"]) for hit in hits[: asked.limit]])
    search_id = new_command_id()
    search_told.performed(request, _told(request, asked, here, search_id, found["took"]))
    return json_response(
        {
            "items": [profiles[UUID(hit["_id"])] for hit in hits[: asked.limit] if UUID(hit["_id"]) in profiles],
            "nextCursor": search_cursor.write(here, asked, edge.keyed) if len(hits) > asked.limit else None,
            "total": here.total,
            "totalIsExact": here.is_exact,
            "searchId": str(search_id),
            "tookMs": found["took"],
        }
    )


async def _page_of_people(edge: Edge, asked: PeopleAsked, place: Place | None) -> tuple[Found, Place]:
    words = search_words.words_of(asked.q)
    body = search_query.people(words, limit=asked.limit, after=place and place.after)
    if place is not None:
        found = await edge.search.next(place.pit, body)
        return found, search_cursor.later(place, found, asked.limit)
    found = await edge.search.first("users", body)
    return found, search_cursor.earliest(found, asked.limit, time_ms())


def _told(request: Request, asked: PeopleAsked, here: Place, search_id: UUID, took: int) -> SearchPerformed:
    return SearchPerformed(
        search_id=search_id,
        searcher_id=search_told.searcher_of(request),
        kind="users",
        query=asked.q,
        sort="relevance",
        page=here.page,
        count=here.total,
        count_is_exact=here.is_exact,
        took=took,
    )


@routes.get(
    "/search/suggest",
    **says("What a text may become", Completions, signed_in=None, refuses=("invalid_request",)),
)
async def suggest(request: Request, _: MaybeSignedIn, asked: Annotated[SuggestAsked, Query()]) -> Response:
    """While typing: titles of auctions that can be bid on and names of people that begin so; misspelt beginnings, too."""
    if not search_words.words_of(asked.q):
        return json_response({"items": []})
    index = edge_of(request).search
    found = await index.ask("auctions,users", search_query.suggestions(asked.q, limit=asked.limit))
    return json_response({"items": _completions(found, await index.hidden.people())[: asked.limit]})


def _completions(found: Found, hidden: frozenset[str]) -> list[dict[str, Any]]:
    """What begins as it was typed before what nearly does; no text twice. Completions know no filter, so it is here."""
    options = [
        option["_source"]
        for name in ("begun", "nearly")
        for entry in found["suggest"][name]
        for option in entry["options"]
        if not {option["_source"]["id"], option["_source"].get("seller", {}).get("id")} & hidden
    ]
    by_text: dict[str, dict[str, Any]] = {}
    for source in options:
        kind, text = ("auction", source["title"]) if "title" in source else ("user", source["username"])
        by_text.setdefault(text, {"text": text, "kind": kind, "id": source["id"]})
    return list(by_text.values())


@routes.post(
    "/search/clicks",
    **says("Tell what was opened", Done, body=True, signed_in=None, refuses=("invalid_request",)),
)
async def click(request: Request, _: MaybeSignedIn, body: Click) -> Response:
    """Of a search of the last day: makes the order better for everybody. Told twice, it counts once."""
    if not _is_recent(body.search_id):
        raise invalid("searchId", "is not a search of the last day", code="search_id")
    search_told.clicked(request, body)
    return json_response({"code": "noted"})


def _is_recent(search_id: UUID) -> bool:
    """Whether an id was made lately: its first 48 bits are the time (UUIDv7, RFC 9562)."""
    age_s = time.time() - (search_id.int >> 80) / 1000
    return search_id.version == 7 and -CLOCKS_DIFFER_S < age_s < SEARCH_AGE_S_MAX
