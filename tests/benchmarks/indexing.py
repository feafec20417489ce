"""P13: from event to searchable, beside the client's bulk helper alone with the same documents; rebuild; a hot auction; memory."""

import argparse
import asyncio
import contextlib
import sys
import time
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
from elasticsearch import Elasticsearch, helpers

from consumers.indexing import store
from consumers.indexing.gateway import Index
from consumers.indexing.mapping import REFRESH_MS
from consumers.indexing.rebuild import rebuild
from consumers.indexing.writer import document_of
from schemas.envelope import Actor, time_ms
from tests.benchmarks import drain, protocol
from tests.benchmarks.market import OFFER, SELLER, Asked, Prefill, bids, opening
from tests.benchmarks.protocol import Report, percentile, ratios, sides
from tests.benchmarks.stack import Bench, bench, until
from tests.benchmarks.usage import cpu_of, rss_mb, spent

WORKER = "indexing-1"
CHUNK = 1_000
FRESH_OVER_REFRESH_MS_MAX = 300
BIDS_PER_S = 200
WARM_S = 3
"""For so long freshness is not counted: the worker that decides has just been started."""
PEER_INDEX = "peer-1"

WAITING = "SELECT count(*) FROM indexing.due WHERE at IS NOT NULL"
KNOWN = "SELECT count(*) FROM indexing.document WHERE kind = 'auctions'"
WRITTEN = "SELECT count(*) FROM indexing.due WHERE written_at IS NOT NULL"
LEARNT = "SELECT coalesce(sum(next_offset), 0) FROM indexing.offsets WHERE topic = 'auction-events'"
FORGET = "TRUNCATE indexing.document, indexing.due, indexing.offsets, indexing.filling, indexing.replayed"


class Market:
    """The stack with so many auctions told, and ways to have them indexed."""

    def __init__(self, one: Bench, report: Report, elastic: Elasticsearch) -> None:
        self.one, self.report, self.elastic = one, report, elastic
        self.count: int = report.options.auctions

    async def open_auctions(self) -> None:
        """Have bids open them, in turn on all partitions, each with words of its own."""
        partitions = self.one.settings.partitions
        await self.one.only("bids-1")
        async with Prefill(self.one.settings) as prefill:
            for partition in range(partitions):
                share = range(partition, self.count, partitions)
                await prefill.put(partition, (opened(number) for number in share))
        async with self.one.owner() as db:
            await until(lambda: _is(db, "SELECT count(*) FROM bids.auction", self.count), within_s=120, every_s=0.2)
        await self.one.stop("bids-1")

    async def forget(self) -> None:
        """No index, nothing learnt; the worker stands still."""
        await self.one.only()
        async with self.one.owner() as db:
            await db.execute(FORGET)
            await db.execute("CHECKPOINT")
        for name in self.elastic.indices.get(index="auctions-*,users-*", allow_no_indices=True):
            self.elastic.indices.delete(index=name)

    async def ours(self) -> dict[str, float]:
        """Events on the topic to documents in the index, by the worker."""
        await self.forget()
        names = ("postgres", "elasticsearch", "kafka")
        async with self.one.owner() as db:
            await asyncio.to_thread(self.one.supervisor.start, WORKER)
            await until(lambda: _more(db, LEARNT, 0), within_s=30, every_s=0.005)
            began, pids = time.perf_counter(), {name: self.one.pid(name) for name in (*names, WORKER)}
            cpu = cpu_of(pids)
            await until(lambda: _more(db, WRITTEN, self.count // 2), within_s=300, every_s=0.05)
            rss_half = rss_mb(pids[WORKER])
            await until(lambda: _more(db, KNOWN, self.count - 1), within_s=300, every_s=0.05)
            await until(lambda: _is(db, WAITING, 0), within_s=300, every_s=0.02)
            seconds = time.perf_counter() - began
        used = spent(cpu, cpu_of(pids))
        self.elastic.indices.refresh(index="auctions")
        stand = self.elastic.count(index="auctions")["count"]
        if stand != self.count:
            self.report.violations.append(f"{stand} documents of {self.count}")
        us = {f"{name}_us": 1e6 * value / self.count for name, value in used.items()}
        return {"per_s": self.count / seconds, "rss_mb": rss_mb(pids[WORKER]), "rss_half_mb": rss_half, **us}

    async def documents(self) -> list[dict[str, Any]]:
        """The same documents as actions of the helper."""
        pool = await asyncpg.create_pool(
            self.one.settings.database_url("cli"), min_size=1, server_settings={"search_path": "indexing"}
        )
        async with pool:
            made: list[dict[str, Any]] = []
            last = UUID(int=0)
            while ids := await store.ids_after(pool, "auctions", last, CHUNK):
                last = ids[-1]
                for facts in await store.read(pool, ["auctions"] * len(ids), ids):
                    shown = document_of(facts, now_ms=time_ms())
                    assert shown is not None
                    made.append({"_id": str(facts.id), "_version": shown.version, "_source": shown.fields})
        return made

    async def peer(self, documents: list[dict[str, Any]]) -> float:
        """The helper alone, documents a second."""
        await self.one.only()
        index = Index(self.one.settings.elasticsearch_url.get_secret_value())
        with contextlib.suppress(Exception):
            self.elastic.indices.delete(index=PEER_INDEX)
        await index.make("auctions", PEER_INDEX)
        await index.close()
        actions = [{"_index": PEER_INDEX, "_version_type": "external", **one} for one in documents]
        began = time.perf_counter()
        await asyncio.to_thread(helpers.bulk, self.elastic, actions, chunk_size=CHUNK)
        per_s = len(actions) / (time.perf_counter() - began)
        self.elastic.indices.delete(index=PEER_INDEX)
        return per_s


def opened(number: int) -> Asked:
    """An auction with a title, a description and tags of an ordinary length."""
    words = [WORDS[number * step % len(WORDS)] for step in (1, 3, 5, 7, 11, 13)]
    offer = OFFER | {
        "title": f"{' '.join(words[:4])} {number}",
        "description": f"{' '.join(words)}. " * 6,
        "tags": words[:3],
        "category": words[5],
    }
    return Asked("CreateAuction", uuid4(), Actor(str(SELLER), ("seller",)), msgspec.json.encode(offer))


WORDS = [
    "vintage",
    "leica",
    "rangefinder",
    "camera",
    "brass",
    "lens",
    "walnut",
    "chair",
    "oak",
    "table",
    "silver",
    "watch",
    "chronograph",
    "leather",
    "bag",
    "boots",
    "denim",
    "jacket",
    "guitar",
    "amplifier",
    "vinyl",
    "record",
    "first",
    "edition",
    "novel",
    "signed",
    "poster",
    "porcelain",
    "vase",
    "bronze",
    "figure",
    "carpet",
    "lamp",
    "telescope",
    "bicycle",
    "frame",
    "skateboard",
    "trading",
    "card",
    "sealed",
    "box",
    "console",
    "cartridge",
]


async def _is(db: asyncpg.Connection, query: str, value: int) -> bool:
    return bool(await db.fetchval(query) == value)


async def _more(db: asyncpg.Connection, query: str, value: int) -> bool:
    return bool(await db.fetchval(query) > value)


async def throughput(market: Market) -> None:
    """Ours and the helper by turns; then a rebuild of the same."""
    report = market.report
    told = [await market.ours()]  # once before: the helper needs the documents
    documents = await market.documents()
    per_s: dict[str, list[float]] = {"ours": [], "peer": []}
    for number in range(report.options.rounds):
        for side in sides(number):
            if side == "ours":
                told.append(await market.ours())
                report.keep("ours", told[-1])
                per_s["ours"].append(told[-1]["per_s"])
            else:
                per_s["peer"].append(await market.peer(documents))
                report.keep("peer", per_s["peer"][-1])
        report.say(f"round {number}: ours {per_s['ours'][-1]:.0f}/s, helper {per_s['peer'][-1]:.0f}/s")
    asked = ratios(per_s["ours"], per_s["peer"])
    report.figure("P13", f"{market.count} events to documents, over the bulk helper alone", asked, at_least=0.9)
    report.figure("P13", "events to documents", per_s["ours"], unit="/s")
    report.figure("P13", "bulk helper alone, same documents", per_s["peer"], unit="/s")
    report.figure("P13", "memory of the worker after them", [one["rss_mb"] for one in told], unit="MB")
    grown = [one["rss_mb"] / one["rss_half_mb"] for one in told]
    report.figure("P13", "memory after all of them over memory after half", grown, at_most=1.05)
    await rebuilt(market, per_s["peer"])


async def rebuilt(market: Market, peer: list[float]) -> None:
    """`marketplace index rebuild auctions`, its two long phases apart."""
    stamps: dict[str, list[float]] = {}

    def progress(what: str, _done: int, _total: int) -> None:
        stamps.setdefault(what, []).append(time.perf_counter())

    began = time.perf_counter()
    await rebuild(market.one.settings, ["auctions"], progress=progress, report=market.report.say)
    whole = market.count / (time.perf_counter() - began)
    replayed = market.count / (stamps["auctions: events replayed"][-1] - began)
    filled = market.count / (stamps["auctions: documents written"][-1] - stamps["auctions: events replayed"][-1])
    report = market.report
    report.figure("P13", "rebuild: documents written, over the bulk helper alone", [filled / max(peer)])
    report.figure("P13", "rebuild: events replayed", [replayed], unit="/s")
    report.figure("P13", "rebuild: documents written", [filled], unit="/s")
    report.figure("P13", "rebuild with comparison, all in all", [whole], unit="/s")


async def freshness(market: Market) -> None:
    """New auctions at an even pace: from the command on its way to the search that finds each, once the workers are warm."""
    one, report = market.one, market.report
    await one.only("bids-1", WORKER)
    ids = [uuid4() for _ in range(int((WARM_S + report.options.seconds) * report.options.per_s))]
    put_at: dict[str, float] = {}
    found_at: dict[str, float] = {}

    async def look() -> None:
        while len(found_at) < len(ids):
            waiting = [key for key in put_at if key not in found_at][:1_000]
            if waiting:
                hits = await asyncio.to_thread(_found, market.elastic, waiting)
                now = time.perf_counter()
                found_at.update(dict.fromkeys(hits, now))
            await asyncio.sleep(0.005)

    async with Prefill(one.settings) as prefill:
        looking = asyncio.create_task(look())
        begin = time.perf_counter()
        for number, auction in enumerate(ids):
            await asyncio.sleep(max(0.0, begin + number / report.options.per_s - time.perf_counter()))
            put_at[str(auction)] = time.perf_counter()
            await prefill.put(number % one.settings.partitions, [opening(auction)])
        async with asyncio.timeout(60):
            await looking
    all_ms = [1000 * (found_at[key] - at) for key, at in put_at.items()]
    ms = all_ms[int(WARM_S * report.options.per_s) :]
    report.keep("fresh_all_ms", [round(value) for value in all_ms])
    report.keep("fresh_ms", {"p50": percentile(ms, 0.5), "p99": percentile(ms, 0.99), "max": max(ms)})
    report.figure("P13", "command to searchable, p50", [percentile(ms, 0.5)], unit="ms")
    over = percentile(ms, 0.99) - REFRESH_MS
    report.figure(
        "P13",
        f"command to searchable, p99, over the refresh interval of {REFRESH_MS} ms",
        [over],
        unit="ms",
        at_most=FRESH_OVER_REFRESH_MS_MAX,
    )


def _found(elastic: Elasticsearch, ids: list[str]) -> list[str]:
    said = elastic.search(index="auctions", query={"terms": {"id": ids}}, size=len(ids), source=False)
    return [hit["_id"] for hit in said["hits"]["hits"]]


async def hot(market: Market) -> None:
    """One auction with many bids a second: how often its document is written."""
    one, report = market.one, market.report
    auction = uuid4()
    async with Prefill(one.settings) as prefill:
        await prefill.put(drain.PARTITION, [opening(auction)])
        await asyncio.sleep(1.5)
        before = _written(market.elastic)
        begin = time.perf_counter()
        count = int(report.options.seconds * BIDS_PER_S)
        for number, bid in enumerate(bids([auction], count)):
            await asyncio.sleep(max(0.0, begin + number / BIDS_PER_S - time.perf_counter()))
            await prefill.put(drain.PARTITION, [bid])
        seconds = time.perf_counter() - begin
        await asyncio.sleep(1.5)
    writes = _written(market.elastic) - before
    windows = seconds * 1000 / one.settings.index_window_ms
    report.keep("hot", {"bids": count, "seconds": seconds, "writes": writes})
    report.figure(
        "P13", f"writes per window of an auction with {BIDS_PER_S} bids a second", [writes / windows], at_most=1.1
    )


def _written(elastic: Elasticsearch) -> int:
    total: int = elastic.indices.stats(index="auctions", metric="indexing")["_all"]["total"]["indexing"]["index_total"]
    return total


async def run(report: Report) -> None:
    """Everything, on one stack."""
    async with bench(keep=report.options.keep) as one:
        elastic = Elasticsearch(one.settings.elasticsearch_url.get_secret_value(), request_timeout=60)
        market = Market(one, report, elastic)
        await market.open_auctions()
        await throughput(market)
        await freshness(market)
        await hot(market)
        elastic.close()


def main(asked: argparse.Namespace) -> int:
    """Measure and tell."""
    return protocol.measure("indexing", asked, run)


if __name__ == "__main__":
    sys.exit(
        main(
            protocol.options(
                "indexing",
                __doc__,
                rounds=3,
                seconds=8,
                auctions=(20_000, "auctions to index"),
                per_s=(20, "new auctions a second while freshness is measured"),
            )
        )
    )
