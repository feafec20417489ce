"""Pages of a list: `?limit=&cursor=` -> `{items, nextCursor}`; a cursor names the last item that was shown."""

import base64
import binascii
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from edge_api.problems import Problem, invalid

LIMIT_DEFAULT = 20
LIMIT_MAX = 100
CURSOR_LENGTH_MAX = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Item = TypeVar("Item")
Place = tuple[datetime, UUID]


def page(found: Sequence[Item], limit: int, shown: Sequence[Any], cursor_of: Callable[[Item], str]) -> dict[str, Any]:
    """A page of a list of which one item more than `limit` was asked for."""
    more = len(found) > limit
    return {"items": list(shown[:limit]), "nextCursor": cursor_of(found[limit - 1]) if more else None}


def write_place(at: datetime, identity: UUID) -> str:
    """The cursor of an item that is ordered by time and id."""
    return _pack(f"{(at - _EPOCH) // _MICROSECOND}.{identity}")


def read_place(cursor: str | None) -> Place | None:
    """Time and id of a cursor, exactly; raises Problem 422."""
    if cursor is None:
        return None
    at, _, identity = _unpack(cursor).partition(".")
    try:
        return _EPOCH + int(at) * _MICROSECOND, UUID(identity)
    except (ValueError, OverflowError):
        raise _no_cursor() from None


def write_number(number: int) -> str:
    """The cursor of an item that is ordered by one number."""
    return _pack(str(number))


def read_number(cursor: str | None) -> int | None:
    """The number of a cursor; raises Problem 422."""
    if cursor is None:
        return None
    text = _unpack(cursor)
    if not text.isdecimal() or len(text) > 18:
        raise _no_cursor()
    return int(text)


def _pack(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def _unpack(cursor: str) -> str:
    try:
        if len(cursor) > CURSOR_LENGTH_MAX:
            raise _no_cursor()
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        raise _no_cursor() from None


def _no_cursor() -> Problem:
    return invalid("cursor", "is not a cursor of this list", code="cursor")
