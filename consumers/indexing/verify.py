"""Holds an index against the truth: what bids and accounts themselves say of every auction and person.

For `marketplace index verify` and the end of a rebuild. It knows nothing of how documents are made, so it finds what the making
gets wrong. Each difference is a line that names the document; none means that all agree.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
from elasticsearch import AsyncElasticsearch

from compose.settings import Settings
from consumers.indexing.gateway import Index
from consumers.indexing.mapping import FILTERS, KINDS, Kind
from schemas.envelope import parse_time

Report = Callable[[str], None]

PAGE: Final = 500
SETTLED_WITHIN_S: Final = 10.0

AUCTIONS: Final = """
    SELECT v.*, l.buy_now AS asked_buy_now, s.username, coalesce(s.erased OR s.suspended, false) AS hidden
      FROM bids.auction a
      JOIN bids.auction_view v ON v.id = a.id
      JOIN bids.listing l ON l.auction_id = a.id
      LEFT JOIN accounts.account s ON s.id = v.seller_id
     WHERE a.status NOT IN ('draft', 'discarded') AND {which}
     ORDER BY a.id LIMIT $2
"""

USERS: Final = """
    SELECT a.id, username, roles, created_ms, erased OR suspended AS hidden
      FROM accounts.account a WHERE {which} ORDER BY a.id LIMIT $2
"""

KNOWN: Final = {
    "auctions": "SELECT id FROM bids.auction WHERE status NOT IN ('draft', 'discarded') AND id = ANY($1)",
    "users": "SELECT id FROM accounts.account WHERE id = ANY($1)",
}

_TRUTH: Final = {"auctions": AUCTIONS, "users": USERS}


async def verify(
    settings: Settings,
    *,
    kinds: Iterable[Kind] = KINDS,
    index: str | None = None,
    report: Report = print,
    settled_within_s: float = SETTLED_WITHIN_S,
) -> int:
    """Compare whole indices with the truth and return how many differences there are; safe beside running workers.

    `index` is looked at instead of what the alias leads to (one kind only). What differs is looked at again for
    `settled_within_s`, since events may be on their way. Raises what PostgreSQL and Elasticsearch raise.
    """
    elastic = Index(settings.elasticsearch_url.get_secret_value())
    db = await asyncpg.connect(settings.database_url("cli"))
    try:
        found = 0
        for kind in kinds:
            name = index or await elastic.behind(kind)
            if name is None:
                report(f"{kind}: there is no index")
                found += 1
                continue
            found += await Comparison(db, elastic.client, kind, name, report, settled_within_s).run()
        return found
    finally:
        await db.close()
        await elastic.close()


class Comparison:
    """One kind in one index."""

    def __init__(
        self,
        db: asyncpg.Connection,
        client: AsyncElasticsearch,
        kind: Kind,
        index: str,
        report: Report,
        settled_within_s: float,
    ) -> None:
        """Take both sides, where differences go, and for how long a difference may be one in passing."""
        self._db = db
        self._client = client
        self._kind = kind
        self._index = index
        self._report = report
        self._settled_within_s = settled_within_s

    async def run(self) -> int:
        """Report every difference and return their number."""
        found = 0
        async for rows in self._pages():
            found += await self._compare(rows)
        async for ids in self._in_the_index():
            known = {row["id"] for row in await self._db.fetch(KNOWN[self._kind], ids)}
            for unknown in [one for one in ids if one not in known]:
                self._report(f"{self._kind} {unknown}: in the index, but there is no such thing")
                found += 1
        return found

    async def _pages(self) -> AsyncIterator[list[dict[str, Any]]]:
        last = UUID(int=0)
        while rows := await self._rows("a.id > $1", last):
            yield rows
            last = rows[-1]["id"]

    async def _rows(self, which: str, argument: object) -> list[dict[str, Any]]:
        return [dict(row) for row in await self._db.fetch(_TRUTH[self._kind].format(which=which), argument, PAGE)]

    async def _compare(self, rows: Sequence[Mapping[str, Any]]) -> int:
        deadline = asyncio.get_running_loop().time() + self._settled_within_s
        while True:
            shown = await self._documents([row["id"] for row in rows])
            wrong = {row["id"]: list(differences(self._kind, row, shown.get(row["id"]))) for row in rows}
            waiting = [key for key, what in wrong.items() if what]
            if not waiting or asyncio.get_running_loop().time() > deadline:
                break
            await asyncio.sleep(0.2)
            rows = await self._rows("a.id = ANY($1)", waiting)
        lines = [f"{self._kind} {key}: {what}" for key in waiting for what in wrong[key]]
        for line in lines:
            self._report(line)
        return len(lines)

    async def _documents(self, ids: Sequence[UUID]) -> dict[UUID, dict[str, Any]]:
        said = await self._client.mget(index=self._index, ids=[str(one) for one in ids])
        return {UUID(one["_id"]): one["_source"] for one in said["docs"] if one.get("found")}

    async def _in_the_index(self) -> AsyncIterator[list[UUID]]:
        await self._client.indices.refresh(index=self._index)
        last: list[str] | None = None
        while True:
            said = await self._client.search(
                index=self._index,
                query=FILTERS[self._kind],
                size=PAGE,
                sort=[{"id": "asc"}],
                source=False,
                search_after=last,
            )
            hits = said["hits"]["hits"]
            if not hits:
                return
            yield [UUID(hit["_id"]) for hit in hits]
            last = hits[-1]["sort"]


def differences(kind: Kind, row: Mapping[str, Any], document: Mapping[str, Any] | None) -> Iterable[str]:
    """How a document differs from what the owner's row says it should be."""
    if document is None:
        yield "is not in the index"
        return
    if document["hidden"] != row["hidden"]:
        yield f"hidden is {document['hidden']}, should be {row['hidden']}"
        return
    if row["hidden"]:
        if left := sorted(document.keys() - {"id", "hidden"}):
            yield f"is hidden, but still tells {', '.join(left)}"
        return
    expected = _auction(row) if kind == "auctions" else _person(row)
    for name, value in expected.items():
        stands = _comparable(name, document.get(name))
        if stands != value:
            yield f"{name} is {stands!r}, should be {value!r}"


def _auction(row: Mapping[str, Any]) -> dict[str, Any]:
    expected = {
        "title": row["title"],
        "description": row["description"],
        "tags": list(row["tags"]),
        "category": row["category"],
        "seller": {name: value for name, value in _seller(row).items() if value is not None},
        "videoId": row["video_id"] and str(row["video_id"]),
        "currency": row["currency"],
        "startingPriceMinor": row["starting_price_minor"],
        "priceMinor": row["starting_price_minor"] if row["price_minor"] is None else row["price_minor"],
        "buyNowPriceMinor": row["asked_buy_now"],
        "finalPriceMinor": row["final_price_minor"],
        "bidCount": row["bid_count"],
        "hasReserve": row["has_reserve"],
        "reserveMet": row["reserve_met"],
        "status": row["status"],
        "outcome": row["outcome"],
        "startTime": _ms(row["starts_at"]),
        "endTime": _ms(row["ends_at"]),
    }
    if row["outcome"] == "sold_buy_now":
        # The event of a purchase does not say that the reserve is met now.
        del expected["reserveMet"]
    return expected


def _seller(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": str(row["seller_id"]), "username": row["username"]}


def _person(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"username": row["username"], "roles": list(row["roles"]), "createdAt": row["created_ms"]}


def _comparable(name: str, value: Any) -> Any:
    return parse_time(value) if name.endswith(("Time", "At")) and value is not None else value


def _ms(at: Any) -> int | None:
    return None if at is None else round(at.timestamp() * 1000)
