"""What is told about looking around, for analytics: `activity-events`, written by the edge, decided by nobody.

What people type may say who they are. So a search is told under a name for the searcher that changes every day and that
nobody can turn back, e-mail addresses and long numbers are cut out of its text, and the topic is kept for 90 days only.
"""

import re
from typing import Literal
from uuid import UUID

from pydantic import Field

from schemas.envelope import Request, Time, Wire
from schemas.money import Money

QUERY_LENGTH_MAX = 100
"""More of a query's text is not kept, characters."""

CUT_OUT = "…"
_TELLING = re.compile(r"\S*@\S*|\+?\d(?:[\s().\-/]?\d){6,}")
"""E-mail addresses and anything at hand that could be a telephone, card or account number (seven digits and more)."""


class SearchFilters(Wire):
    """What a search was narrowed to; ids of sellers are public."""

    category: list[str] = Field(default_factory=list)
    tag: list[str] = Field(default_factory=list)
    seller: list[UUID] = Field(default_factory=list)
    status: list[str] = Field(default_factory=list)
    min_price: Money | None = None
    max_price: Money | None = None
    ends_before: Time | None = None


class Click(Request):
    """POST /search/clicks: the caller opened what a search had found."""

    search_id: UUID
    result_id: UUID
    position: int = Field(ge=1, le=100_000, strict=True, description="Its place, from 1, counted over all pages.")


class SearchPerformed(Wire):
    """Somebody searched; `searcherId` is a name for one person on one day, `took` the index's own time in milliseconds."""

    search_id: UUID
    searcher_id: UUID
    kind: Literal["auctions", "users"]
    query: str
    filters: SearchFilters = Field(default_factory=SearchFilters)
    sort: str
    page: int = Field(1, ge=1)
    count: int = Field(ge=0, description="How many were found; `countIsExact` says whether it was counted to the end.")
    count_is_exact: bool = True
    took: int = Field(ge=0, description="Milliseconds in the index.")
    suggested: str | None = None


class SearchResultClicked(Wire):
    """Somebody opened what a search had found; `position` counts from 1 over all pages."""

    search_id: UUID
    searcher_id: UUID
    result_id: UUID
    position: int = Field(ge=1)


def without_persons(query: str) -> str:
    """The text of a query as it may be kept: what could name or reach a person cut out, bounded, lower case."""
    return _TELLING.sub(CUT_OUT, query).lower()[:QUERY_LENGTH_MAX]
