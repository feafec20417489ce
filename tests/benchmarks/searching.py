"""A search over HTTP beside the bare client with the same query, at 10^3, 10^4, ... documents: p50, p99, CPU of the edge.

Ours is more than the query: admission, the auctions read from Postgres and Redis, highlights, JSON, an event for analytics.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg
from elasticsearch import AsyncElasticsearch

from consumers.indexing import mapping
from edge_api import search_query
from edge_api.search_asked import AuctionsAsked
from schemas.envelope import print_time, time_ms
from tests.benchmarks import drain, protocol
from tests.benchmarks.market import Prefill, opening
from tests.benchmarks.protocol import Report, percentile, ratios, sides
from tests.benchmarks.stack import Bench, bench, until
from tests.benchmarks.usage import cpu_s
from tests.relevance.catalogue import catalogue
from tests.relevance.indexed import document
from tests.relevance.wanted import WANTED

INDEX = "auctions-1"
SMALLEST = 1_000
CHUNK = 5_000
ROWS_AT_ONCE = 50_000
QUERIES = [wanted.query for wanted in WANTED]


class Catalogue:
    """Auctions in Postgres and in the index, more and more of them; the texts come again every 2,000."""

    def __init__(self, one: Bench, elastic: AsyncElasticsearch) -> None:
        self.one, self.elastic, self.count = one, elastic, 0
        self._documents = [document(lot) for lot in catalogue()]
        self._rest = [json.dumps(_without(one, "id", "endTime")).encode()[1:] for one in self._documents]
        self._dice = random.Random(1)

    async def begin(self) -> None:
        """An empty index behind the alias, and one real auction in Postgres to copy."""
        await self.one.only("bids-1", "accounts-1")
        self._pattern = uuid4()
        async with Prefill(self.one.settings) as prefill:
            await prefill.put(drain.PARTITION, [opening(self._pattern)])
        async with self.one.owner() as db:
            await until(lambda: db.fetchval("SELECT count(*) FROM bids.auction"), within_s=60)
        for name in await self.elastic.indices.get(index="auctions-*,users-*", allow_no_indices=True):
            await self.elastic.indices.delete(index=name)
        for kind, index in (("auctions", INDEX), ("users", "users-1")):
            body = mapping.body(kind, plugins=())  # type: ignore[arg-type]
            await self.elastic.indices.create(index=index, settings=body["settings"], mappings=body["mappings"])
            await self.elastic.indices.put_alias(index=index, name=kind)
        await self.one.only("edge")

    async def grow(self, count: int) -> None:
        """Have so many auctions."""
        ids = [UUID(int=number, version=4) for number in range(self.count, count)]
        async with self.one.owner() as db:
            for start in range(0, len(ids), ROWS_AT_ONCE):
                await self._rows(db, ids[start : start + ROWS_AT_ONCE])
            await db.execute("ANALYZE bids.auction, bids.listing")
        await self.elastic.indices.put_settings(index=INDEX, settings={"refresh_interval": "-1"})
        for start in range(0, len(ids), CHUNK):
            lines = [line for auction in ids[start : start + CHUNK] for line in self._lines(auction)]
            said = await self.elastic.bulk(operations=lines, filter_path="errors")  # type: ignore[arg-type]  # bytes go as they are
            if said["errors"]:
                raise RuntimeError("the index did not take all documents")
        await self.elastic.indices.put_settings(index=INDEX, settings={"refresh_interval": f"{mapping.REFRESH_MS}ms"})
        await self.elastic.indices.refresh(index=INDEX)
        self.count = count
        await self.one.checkpoint()

    def _text(self, auction: UUID) -> dict[str, Any]:
        return self._documents[auction.int % len(self._documents)]

    def _lines(self, auction: UUID) -> tuple[bytes, bytes]:
        """As the bulk API wants it: a text of the catalogue with an id and an end of its own."""
        ends = print_time(time_ms() + self._dice.randrange(3_600_000, 2_000_000_000))
        rest = self._rest[auction.int % len(self._rest)]
        return (
            b'{"index":{"_index":"%b","_id":"%b"}}' % (INDEX.encode(), str(auction).encode()),
            b'{"id":"%b","endTime":"%b",%b' % (str(auction).encode(), ends.encode(), rest),
        )

    async def _rows(self, db: asyncpg.Connection, ids: list[UUID]) -> None:
        """The same auctions in Postgres: the pattern's rows with other ids, texts and ends."""
        ends = datetime.now(UTC) + timedelta(days=7)
        for table, key in (("auction", "id"), ("listing", "auction_id")):
            [pattern] = await db.fetch(f"SELECT * FROM bids.{table} WHERE {key} = $1", self._pattern)
            others: list[dict[str, Any]] = [
                {key: one, "ends_at": ends, **{name: self._text(one)[name] for name in ("title", "description")}}
                for one in ids
            ]
            rows = [tuple(other.get(name, value) for name, value in pattern.items()) for other in others]
            await db.copy_records_to_table(table, schema_name="bids", columns=list(pattern.keys()), records=rows)


def _without(fields: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


class Searchers:
    """Both ways to ask, one question after the other."""

    def __init__(self, one: Bench, elastic: AsyncElasticsearch, http: aiohttp.ClientSession) -> None:
        self._elastic, self._http = elastic, http
        self._address = f"{str(one.settings.public_url).rstrip('/')}/api/v1/auctions"

    async def peer(self) -> list[float]:
        """Milliseconds of each question by the bare client."""
        took = []
        for query in QUERIES:
            body = search_query.auctions(AuctionsAsked(q=query, facets=False), time_ms())
            began = time.perf_counter()
            await self._elastic.search(index="auctions", body=body)
            took.append(1000 * (time.perf_counter() - began))
        return took

    async def ours(self, *, facets: bool = False) -> list[float]:
        """Milliseconds of each question over HTTP, to the end of its answer."""
        took = []
        for query in QUERIES:
            began = time.perf_counter()
            async with self._http.get(self._address, params={"q": query, "facets": str(facets).lower()}) as answer:
                found = json.loads(await answer.read())
            took.append(1000 * (time.perf_counter() - began))
            if answer.status != 200 or (found["total"] and not found["items"]):
                raise RuntimeError(f"{query}: {answer.status} {str(found)[:300]}")
        return took


async def measured(searchers: Searchers, report: Report, one: Bench, count: int) -> None:
    """All questions by turns at this size."""
    took: dict[str, list[list[float]]] = {"ours": [], "peer": []}
    await searchers.peer()
    await searchers.ours()
    spent = 0.0
    for number in range(report.options.rounds):
        for side in sides(number):
            before = cpu_s(one.pid("edge"))
            took[side].append(await (searchers.ours() if side == "ours" else searchers.peer()))
            spent += cpu_s(one.pid("edge")) - before if side == "ours" else 0.0
    with_facets = [await searchers.ours(facets=True) for _ in range(report.options.rounds)]
    report.keep(f"ms at {count}", took)
    for share, name in ((0.5, "p50"), (0.99, "p99")):
        at = {side: [percentile(ms, share) for ms in rounds] for side, rounds in took.items()}
        report.figure("search", f"{name} at {count:,} auctions, over the bare client", ratios(at["ours"], at["peer"]))
        report.figure("search", f"{name} at {count:,} auctions", at["ours"], unit="ms")
        report.figure("search", f"{name} at {count:,} auctions, bare client", at["peer"], unit="ms")
    report.figure("search", f"p50 with facets at {count:,}", [percentile(ms, 0.5) for ms in with_facets], unit="ms")
    searches = report.options.rounds * len(QUERIES)
    report.figure("search", f"CPU of the edge per search at {count:,}", [1000 * spent / searches], unit="ms")
    report.say(
        f"{count:,}: ours {percentile(took['ours'][0], 0.5):.1f} ms, bare {percentile(took['peer'][0], 0.5):.1f} ms"
    )


@asynccontextmanager
async def searching(one: Bench) -> AsyncIterator[tuple[Catalogue, Searchers]]:
    """The empty catalogue, and those who search it."""
    address = one.settings.elasticsearch_url.get_secret_value()
    async with AsyncElasticsearch(address, request_timeout=120) as elastic, aiohttp.ClientSession() as http:
        found = Catalogue(one, elastic)
        await found.begin()
        yield found, Searchers(one, elastic, http)


async def run(report: Report) -> None:
    """Sizes by powers of ten, up to the largest."""
    async with bench(keep=report.options.keep) as one, searching(one) as (found, searchers):
        count = SMALLEST
        while count <= report.options.largest:
            began = time.perf_counter()
            await found.grow(count)
            report.say(f"{count:,} auctions stand after {time.perf_counter() - began:.0f} s")
            await measured(searchers, report, one, count)
            count *= 10


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("searching", asked, run)


if __name__ == "__main__":
    sys.exit(
        main(
            protocol.options(
                "searching",
                __doc__,
                rounds=3,
                seconds=0,
                largest=(100_000, "auctions of the last size, a power of ten"),
            )
        )
    )
