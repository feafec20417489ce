"""Tells analytics what was searched for and what of it was opened (schemas.activity says what is left out)."""

from uuid import UUID

from starlette.requests import Request

from edge_api.edge import edge_of
from edge_api.search_asked import AuctionsAsked
from edge_api.visit import visit_of
from schemas.activity import Click, SearchFilters, SearchPerformed, SearchResultClicked, without_persons
from schemas.envelope import aggregate_of, time_ms


def searcher_of(request: Request) -> UUID:
    """The caller's name for today, of one without a login that of the address."""
    edge, visit = edge_of(request), visit_of(request)
    actor = edge.anonymous(visit.address) if visit.caller is None else visit.caller.actor
    return edge.searcher(actor.id, time_ms())


def filters_of(asked: AuctionsAsked) -> SearchFilters:
    """What a search was narrowed to."""
    # Amounts are minor units here already, which a model would read as major ones.
    return SearchFilters.model_construct(
        category=asked.category,
        tag=asked.tag,
        seller=asked.seller,
        status=list(asked.status),
        min_price=asked.min_price,
        max_price=asked.max_price,
        ends_before=asked.ends_before,
    )


def performed(request: Request, search: SearchPerformed) -> None:
    """Tell of a search; nobody waits for it."""
    kept = search.model_copy(update={"query": without_persons(search.query)})
    _tell(request, kept, aggregate=search.search_id)


def clicked(request: Request, click: Click) -> None:
    """Tell of a click; the same click told twice is one event."""
    told = SearchResultClicked(
        search_id=click.search_id,
        searcher_id=searcher_of(request),
        result_id=click.result_id,
        position=click.position,
    )
    _tell(request, told, aggregate=aggregate_of("click", f"{click.search_id}:{click.result_id}"))


def _tell(request: Request, what: SearchPerformed | SearchResultClicked, *, aggregate: UUID) -> None:
    visit = visit_of(request)
    edge_of(request).activity.tell(
        what,
        key=what.searcher_id,
        aggregate=aggregate,
        traceparent=visit.traceparent,
        correlation_id=visit.request_id,
    )
