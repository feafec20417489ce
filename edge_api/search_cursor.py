"""Where a page of a search ended: signed, and good for the same question only, so that nobody can ask by a made-up cursor."""

import base64
import binascii
import hmac
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from edge_api.problems import Problem, invalid
from edge_api.search_asked import Asked
from edge_api.search_index import Found, expired
from schemas.envelope import canonical

SIGNATURE = 16
PAGES_MAX = 500
AGE_MS_MAX = 1_800_000
"""A search is not paged through for longer: its moment holds what the index has long let go, and whom it has hidden since."""

Key = Callable[[bytes], bytes]
"""A keyed hash."""


class Place(NamedTuple):
    """The end of a page: which moment of the index, behind which sort values, and what the first page found."""

    pit: str
    after: list[Any]
    at_ms: int
    page: int
    total: int
    is_exact: bool


def earliest(found: Found, limit: int, at_ms: int) -> Place:
    """Where the first page ended; it alone counts what was found."""
    total = found["hits"]["total"]
    is_exact = total["relation"] == "eq" and not found["timed_out"]
    return Place(found["pit_id"], _last(found, limit), at_ms, 1, total["value"], is_exact)


def later(place: Place, found: Found, limit: int) -> Place:
    """Where the page behind a place ended."""
    return place._replace(pit=found["pit_id"], after=_last(found, limit), page=place.page + 1)


def _last(found: Found, limit: int) -> list[Any]:
    shown = found["hits"]["hits"][:limit]
    return list(shown[-1]["sort"]) if shown else []


def write(place: Place, asked: Asked, key: Key) -> str | None:
    """The cursor of the next page; None behind the last page that is shown."""
    if place.page >= PAGES_MAX:
        return None
    content = msgspec.json.encode(place)
    return base64.urlsafe_b64encode(_signature(content, asked, key) + content).rstrip(b"=").decode()


def read(asked: Asked, cursor: str | None, key: Key, now_ms: int) -> Place | None:
    """The place that a cursor names, None without one; raises Problem 422 for what is none, 410 for an old one."""
    if cursor is None:
        return None
    try:
        signed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _no_cursor() from None
    content = signed[SIGNATURE:]
    if not hmac.compare_digest(signed[:SIGNATURE], _signature(content, asked, key)):
        raise _no_cursor()
    place = msgspec.json.decode(content, type=Place)
    if now_ms - place.at_ms > AGE_MS_MAX:
        raise expired()
    return place


def _signature(content: bytes, asked: Asked, key: Key) -> bytes:
    # How much is shown of each page may change between pages; what is looked for may not.
    question = asked.model_dump(mode="json", exclude={"cursor", "limit", "facets", "highlights"})
    return key(b"cursor\0" + type(asked).__name__.encode() + canonical(question) + b"\0" + content)[:SIGNATURE]


def _no_cursor() -> Problem:
    return invalid("cursor", "is not a cursor of this search", code="cursor")
