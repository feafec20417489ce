"""What may be asked of the search, and its bounds; what is not in here cannot be asked."""

import unicodedata
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from edge_api.paging import LIMIT_DEFAULT, LIMIT_MAX
from schemas.envelope import Time
from schemas.money import Money, NumberText
from schemas.text import Line, Tag

QUERY_LENGTH_MAX = 200
CHOICES_MAX = 20
"""How many values one filter takes."""

CURSOR_LENGTH_MAX = 2_000

Status = Literal["live", "scheduled", "ended", "cancelled"]
Sort = Literal["relevance", "ending", "newest", "price_asc", "price_desc", "bids"]


def _typed(text: str) -> str:
    """What was typed or pasted: signs that nobody sees are left out; raises on control characters."""
    seen = "".join(one for one in unicodedata.normalize("NFC", text) if unicodedata.category(one) != "Cf").strip()
    for one in seen:
        if unicodedata.category(one) in {"Cc", "Cs"}:
            raise PydanticCustomError("character", "must not hold the character U+{code}", {"code": f"{ord(one):04X}"})
    if not seen:
        raise PydanticCustomError("empty", "must not be empty")
    return seen


def _amount(value: object) -> object:
    return NumberText(value) if isinstance(value, str) else Decimal(str(value))


def _near_now(at: datetime) -> datetime:
    if not 1970 < at.year < 9999:
        raise PydanticCustomError("time", "must be a time between 1971 and 9998")
    return at


Typed = Annotated[str, StringConstraints(max_length=QUERY_LENGTH_MAX), AfterValidator(_typed)]
"""Words to look for."""

Amount = Annotated[Money, BeforeValidator(_amount)]
Limit = Annotated[int, Field(ge=1, le=LIMIT_MAX, description="How many items at most.")]
Cursor = Annotated[
    str | None, Field(max_length=CURSOR_LENGTH_MAX, description="`nextCursor` of the page before; all else as before.")
]


class Asked(BaseModel):
    """Parameters of an address; one that is not listed is refused."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="forbid")


class AuctionsAsked(Asked):
    """GET /auctions: a list when only one status, seller, category or tag is named, else a search."""

    q: Typed | None = Field(None, description="Words; misspelt ones and the beginning of the last one are found, too.")
    status: list[Status] = Field(
        default_factory=list, max_length=4, description="Any of these. With `q` all but `cancelled`, else `live`."
    )
    seller: list[UUID] = Field(default_factory=list, max_length=CHOICES_MAX, description="Any of these sellers.")
    category: list[Line] = Field(default_factory=list, max_length=CHOICES_MAX, description="Any of these categories.")
    tag: list[Tag] = Field(default_factory=list, max_length=CHOICES_MAX, description="All of these tags.")
    min_price: Amount | None = Field(None, description="The current price is this or more, in whatever currency.")
    max_price: Amount | None = Field(None, description="The current price is this or less, in whatever currency.")
    ends_before: Annotated[Time, AfterValidator(_near_now)] | None = Field(None, description="Ends before this time.")
    sort: Sort | None = Field(
        None, description="With `q` by default `relevance`, else `ending`: the next to end first."
    )
    facets: bool | None = Field(
        None, description="Count what was found by category, tag, status, seller, price and end; on the first page."
    )
    highlights: bool = Field(default=True, description="Show where the words of `q` stand.")
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None

    @property
    def is_search(self) -> bool:
        """Whether it needs the index: all else is a list, which is read where auctions are decided."""
        choices = (self.status, self.seller, self.category, self.tag)
        more = (self.q, self.min_price, self.max_price, self.ends_before, self.sort, self.facets)
        return any(value is not None for value in more) or any(len(values) > 1 for values in choices)

    @property
    def order(self) -> Sort:
        """By what the answer is ordered."""
        return self.sort or ("relevance" if self.q else "ending")

    @property
    def statuses(self) -> list[Status]:
        """Which statuses are looked at: what ended is found by words, but is not ending soon."""
        if self.status:
            return self.status
        return ["live", "scheduled", "ended"] if self.q and self.order != "ending" else ["live"]

    @property
    def counts(self) -> bool:
        """Whether facets are counted."""
        return self.cursor is None if self.facets is None else self.facets

    @property
    def without_filters(self) -> "AuctionsAsked":
        """The same words, looked for everywhere."""
        return AuctionsAsked(q=self.q, sort=self.sort)


class PeopleAsked(Asked):
    """GET /users/search."""

    q: Typed = Field(description="A username, its beginning, or nearly it.")
    limit: Limit = LIMIT_DEFAULT
    cursor: Cursor = None


class SuggestAsked(Asked):
    """GET /search/suggest."""

    q: Typed = Field(description="What was typed so far.")
    limit: Annotated[int, Field(ge=1, le=20, description="How many suggestions at most.")] = 8
