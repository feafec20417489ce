"""Who was suspended or erased just now: every question leaves them and what they sell out, whatever the index still holds.

The index hides their documents one after the other, which takes its time with thousands of them. Whom it has not hidden for long,
its worker names in a view (`indexing.hidden_view`), in the transaction that learns of it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any

KNOWN_S = 0.25
"""How long it is not read anew."""

HIDDEN = "SELECT user_id FROM indexing.hidden_view"

Rows = Callable[[str], Awaitable[Sequence[Any]]]


class Hidden:
    """The people whom searches leave out, as one process of the edge knows them."""

    def __init__(self, rows: Rows) -> None:
        """Take what reads views."""
        self._rows = rows
        self._people: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    async def people(self) -> frozenset[str]:
        """Their ids, not older than KNOWN_S; raises what `rows` raises."""
        async with self._reading:
            now = time.monotonic()
            if now - self._read_at > KNOWN_S:
                self._people = frozenset(str(row["user_id"]) for row in await self._rows(HIDDEN))
                self._read_at = now
        return self._people


def without(body: dict[str, Any], people: Collection[str]) -> dict[str, Any]:
    """A question that leaves these people and what they sell out; scores stay as they are."""
    if not people:
        return body
    gone = sorted(people)
    asked = {"must": [body["query"]]} if "query" in body else {}
    return {**body, "query": {"bool": {**asked, "must_not": [{"terms": {name: gone}} for name in ("id", "seller.id")]}}}
