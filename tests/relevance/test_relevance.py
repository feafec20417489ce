"""What people type finds what they want, and finds it first: 75 queries on 2,000 auctions, the mean of nDCG@10 at least 0.9."""

from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import pytest
from elasticsearch import AsyncElasticsearch
from rich.console import Console
from rich.table import Table

from compose.settings import Settings
from edge_api import search_query
from edge_api.search_asked import AuctionsAsked
from tests.relevance.catalogue import NOW_MS, SIZE, Lot, catalogue, like
from tests.relevance.indexed import body_for, index_of, richer_body
from tests.relevance.ndcg import DEPTH, ndcg
from tests.relevance.wanted import WANTED, Wanted

pytestmark = pytest.mark.stack

MEAN_MIN = 0.9
WORST_MIN = 0.5
BEST, GOOD = 3, 1


class Answered(NamedTuple):
    """What a query brought."""

    wanted: Wanted
    lots: list[Lot]
    score: float


class Shop:
    """The catalogue, findable."""

    def __init__(self, client: AsyncElasticsearch, index: str, lots: list[Lot]) -> None:
        self._client = client
        self._index = index
        self.lots = lots
        self._by_id = {str(lot.id): lot for lot in lots}

    async def finds(self, **asked: object) -> list[Lot]:
        """The lots of the first page."""
        [found] = await self._first_pages([asked])
        return found

    async def answers(self, all_wanted: Sequence[Wanted]) -> list[Answered]:
        """What queries bring, and how good that is."""
        pages = await self._first_pages([{"q": wanted.query} for wanted in all_wanted])
        return [self._judged(wanted, found) for wanted, found in zip(all_wanted, pages, strict=True)]

    def _judged(self, wanted: Wanted, found: list[Lot]) -> Answered:
        gains = {lot.id: GOOD for lot in like(self.lots, **wanted.good)} if wanted.good else {}
        gains |= {lot.id: BEST for lot in like(self.lots, **wanted.best)}
        return Answered(wanted, found, ndcg([gains.get(lot.id, 0) for lot in found], list(gains.values())))

    async def _first_pages(self, asked: Sequence[dict[str, object]]) -> list[list[Lot]]:
        """All of them by one request: the server answers some at once."""
        questions = [AuctionsAsked.model_validate({"limit": DEPTH, "facets": False, **one}) for one in asked]
        searches = [part for one in questions for part in ({}, search_query.auctions(one, NOW_MS))]
        found = await self._client.msearch(index=self._index, searches=searches)
        return [
            [self._by_id[hit["_id"]] for hit in answer["hits"]["hits"]][: question.limit]
            for question, answer in zip(questions, found["responses"], strict=True)
        ]


@pytest.fixture(scope="module")
async def shop(stack: Settings) -> AsyncIterator[Shop]:
    lots = catalogue()
    async with (
        AsyncElasticsearch(stack.elasticsearch_url.get_secret_value(), request_timeout=30) as client,
        index_of(client, lots, await body_for(client)) as index,
    ):
        yield Shop(client, index, lots)


@pytest.fixture(scope="module")
async def answers(shop: Shop) -> list[Answered]:
    return await shop.answers(WANTED)


def test_what_is_wanted_comes_first(shop: Shop, answers: list[Answered]) -> None:
    mean = sum(answer.score for answer in answers) / len(answers)
    show(answers, mean)

    assert len(shop.lots) == SIZE
    assert len(WANTED) >= 60
    assert mean >= MEAN_MIN
    assert min(answer.score for answer in answers) >= WORST_MIN


def test_the_very_first_is_what_was_asked_for(shop: Shop, answers: list[Answered]) -> None:
    wrong = [
        (answer.wanted.query, answer.lots[0].title if answer.lots else None)
        for answer in answers
        if not answer.lots or answer.lots[0] not in list(like(shop.lots, **answer.wanted.best))
    ]

    assert wrong == []


@pytest.mark.parametrize(("query", "maker"), [("nikon", "Nikon"), ("voigtlander", "Voigtländer"), ("rolex", "Rolex")])
async def test_what_ended_is_found_below_all_of_its_kind_that_can_be_bid_on(shop: Shop, query: str, maker: str) -> None:
    found = [
        lot for lot in await shop.finds(q=query, limit=100) if lot.facts["maker"] == maker and not lot.facts["part"]
    ]

    over = [lot.status == "ended" for lot in found]
    assert len(found) == len(list(like(shop.lots, maker=maker, part="")))
    assert any(over)
    assert over == sorted(over)


async def test_only_what_ended_can_be_asked_for(shop: Shop) -> None:
    assert {lot.status for lot in await shop.finds(q="guitar", status=["ended"])} == {"ended"}


async def test_of_two_alike_the_one_that_ends_sooner_comes_first(shop: Shop) -> None:
    found = await shop.finds(q="lens cap")
    same = [lot for lot in found if lot.status == "live" and lot.title == found[0].title]

    assert [lot.ends_ms for lot in same] == sorted(lot.ends_ms for lot in same)


@pytest.mark.parametrize(
    ("order", "by"),
    [
        ("newest", lambda lot: -lot.created_ms),
        ("ending", lambda lot: lot.ends_ms),
        ("price_asc", lambda lot: lot.price_minor if lot.bids else 100),
        ("price_desc", lambda lot: -(lot.price_minor if lot.bids else 100)),
        ("bids", lambda lot: -lot.bids),
    ],
)
async def test_an_order_holds(shop: Shop, order: str, by: object) -> None:
    assert callable(by)
    found = await shop.finds(category=["guitars"], sort=order)

    ranks = [by(lot) for lot in shop.lots if lot.category == "guitars" and lot.status == "live"]
    assert [by(lot) for lot in found] == sorted(ranks)[:DEPTH]


async def test_an_index_that_knows_stems_is_asked_for_them(stack: Settings) -> None:
    lots = list(like(catalogue(), category="knives"))
    question = search_query.auctions(AuctionsAsked(q="opinel knife", limit=50), NOW_MS, stems=True)

    async with (
        AsyncElasticsearch(stack.elasticsearch_url.get_secret_value()) as client,
        index_of(client, lots, richer_body()) as index,
    ):
        found = await client.search(index=index, body=question)

    opinels = {str(lot.id) for lot in like(lots, maker="Opinel", part="")}
    assert {hit["_id"] for hit in found["hits"]["hits"]} >= opinels
    assert "search.title.stems" in str(question)


def show(answers: list[Answered], mean: float) -> None:
    """Print the score, and the queries that are furthest from it."""
    table = Table(
        "query", "nDCG@10", "found first", title=f"{len(answers)} queries, {SIZE} auctions: mean nDCG@10 {mean:.3f}"
    )
    for answer in sorted(answers, key=lambda one: one.score)[:10]:
        table.add_row(answer.wanted.query, f"{answer.score:.2f}", answer.lots[0].title if answer.lots else "nothing")
    Console(width=120).print(table)
