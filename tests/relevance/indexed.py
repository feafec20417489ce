"""The catalogue in an index of its own, as the worker would have written it from the events of its lots."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any
from uuid import uuid4

from elasticsearch import AsyncElasticsearch
from elasticsearch.helpers import async_bulk

from consumers.indexing import mapping, said
from consumers.indexing.project import Auction, Person, auction_document, fold_auction, fold_person
from schemas.envelope import print_time
from tests.relevance.catalogue import NOW_MS, Lot


async def body_for(client: AsyncElasticsearch) -> dict[str, Any]:
    """The index as the worker makes it for this server."""
    nodes = (await client.nodes.info(metric="plugins"))["nodes"].values()
    plugins = [part["name"] for node in nodes for kind in ("modules", "plugins") for part in node[kind]]
    return mapping.body("auctions", plugins=plugins)


def richer_body() -> dict[str, Any]:
    """The index as the worker makes it for a server with stemmers; they leave words as they are, so that any server has them."""
    body = mapping.body("auctions", plugins=[mapping.ANALYSIS_MODULE])
    body["settings"]["analysis"]["filter"]["english_stems"] = {"type": "stop", "stopwords": "_none_"}
    return body


@asynccontextmanager
async def index_of(client: AsyncElasticsearch, lots: list[Lot], body: dict[str, Any]) -> AsyncIterator[str]:
    """Name of an index that holds the lots, as long as the block lasts."""
    name = f"auctions-relevance-{uuid4().hex[:8]}"
    await client.indices.create(index=name, settings=body["settings"], mappings=body["mappings"])
    try:
        await async_bulk(client, ({"_index": name, "_id": str(lot.id), "_source": document(lot)} for lot in lots))
        await client.indices.refresh(index=name)
        yield name
    finally:
        await client.indices.delete(index=name)


def document(lot: Lot) -> dict[str, Any]:
    """The document of a lot."""
    seller = fold_person(Person(), said.UserRegistered(lot.seller, ["seller"], print_time(lot.created_ms)), 1)
    auction = Auction()
    for seq, event in enumerate(_events(lot), start=1):
        auction = fold_auction(auction, event, seq, lambda: print_time(lot.created_ms))
    shown = auction_document(str(lot.id), auction, seller, now_ms=NOW_MS)
    assert shown is not None
    assert shown.fields["status"] == lot.status
    return shown.fields


def _events(lot: Lot) -> list[object]:
    starts = NOW_MS + 1 if lot.status == "scheduled" else lot.created_ms
    created = said.AuctionCreated(
        seller_id=lot.seller,
        title=lot.title,
        starting_price=Decimal(1),
        category=lot.category,
        start_time=print_time(starts),
        end_time=print_time(lot.ends_ms),
        description=lot.description,
        tags=list(lot.tags),
    )
    price = Decimal(lot.price_minor) / 100
    bids = [said.BidPlaced(price, is_winning=True, bid_count=lot.bids)] if lot.bids else []
    sold = "sold" if lot.bids else "no_bids"
    over = [said.AuctionEnded(sold, price if lot.bids else None)] if lot.status == "ended" else []
    return [created, *bids, *over]
