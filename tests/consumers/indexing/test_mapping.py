"""Both shapes of the indices on the real server: the plain one as it is, the rich one with a stand-in for the stemmer it lacks."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from elasticsearch import AsyncElasticsearch, BadRequestError

from compose.settings import Settings
from consumers.indexing.mapping import ANALYSIS_MODULE, body
from consumers.indexing.project import auction_document
from schemas.search_text import fold
from tests.consumers.indexing.builders import LEICA, NOON, auction, created, in_order

pytestmark = pytest.mark.stack


@pytest.fixture
async def elastic(stack: Settings) -> AsyncIterator[AsyncElasticsearch]:
    """The stack's Elasticsearch."""
    async with AsyncElasticsearch(stack.elasticsearch_url.get_secret_value()) as client:
        yield client


@pytest.fixture
async def name(elastic: AsyncElasticsearch) -> AsyncIterator[str]:
    """An index of the test's own."""
    chosen = f"shape-{uuid4().hex[:8]}"
    yield chosen
    await elastic.options(ignore_status=404).indices.delete(index=chosen)


async def filled(elastic: AsyncElasticsearch, name: str, shape: dict[str, Any], **changes: Any) -> None:
    """Make the index and put one auction into it."""
    shown = auction_document(LEICA, auction(in_order(created(**changes))), None, now_ms=NOON)
    assert shown is not None
    await elastic.indices.create(index=name, **shape)
    await elastic.index(index=name, id=LEICA, document=shown.fields, refresh=True)


async def finds(elastic: AsyncElasticsearch, name: str, **query: Any) -> bool:
    said = await elastic.search(index=name, query=query)
    return bool(said["hits"]["hits"])


async def test_words_are_found_by_their_beginnings_by_typing_errors_and_in_their_order(
    elastic: AsyncElasticsearch, name: str
) -> None:
    await filled(elastic, name, body("auctions", plugins=()))

    assert await finds(elastic, name, match_bool_prefix={"search.title": "leica edi"})
    assert await finds(elastic, name, match={"search.title": {"query": "lieca", "fuzziness": "AUTO"}})
    assert await finds(elastic, name, match_phrase={"search.title": "leica m3"})
    assert not await finds(elastic, name, match_phrase={"search.title": "m3 leica"})
    completed = await elastic.search(
        index=name, suggest={"it": {"prefix": "m3", "completion": {"field": "suggest", "skip_duplicates": True}}}
    )
    assert [one["text"] for one in completed["suggest"]["it"][0]["options"]] == ["m3 cafe edition"]


@pytest.mark.parametrize(
    ("title", "asked"),
    [
        ("Café Müller", "CAFE muller"),
        ("ライカ カメラ 東京", "東京"),
        ("كاميرا شَمْس", "شمس"),
        ("מצלמה שָׁלוֹם", "שלום"),
        ("Vintage 📷 lot", "📷"),
        ("Фотоаппарат Ёлка", "елка"),
    ],
)
async def test_any_script_is_found_as_people_type_it(
    elastic: AsyncElasticsearch, name: str, title: str, asked: str
) -> None:
    await filled(elastic, name, body("auctions", plugins=()), title=title)

    assert await finds(elastic, name, match={"search.title": {"query": fold(asked), "operator": "and"}})


async def test_the_rich_shape_is_refused_by_a_server_without_its_module_and_else_taken(
    elastic: AsyncElasticsearch, name: str
) -> None:
    rich = body("auctions", plugins=(ANALYSIS_MODULE,))
    said = await elastic.nodes.info(metric="plugins", filter_path="nodes.*.modules.name")
    has_it = all(ANALYSIS_MODULE in str(node) for node in said["nodes"].values())
    if not has_it:
        with pytest.raises(BadRequestError):
            await elastic.indices.create(index=name, **rich)
        rich["settings"]["analysis"]["filter"]["english_stems"] = {"type": "stop"}

    await filled(elastic, name, rich, title="The cameras")

    assert await finds(elastic, name, match={"search.title.stems": "cameras"})


async def test_a_field_that_nobody_named_is_refused(elastic: AsyncElasticsearch, name: str) -> None:
    await filled(elastic, name, body("auctions", plugins=()))

    with pytest.raises(BadRequestError, match="strict_dynamic_mapping_exception"):
        await elastic.index(index=name, document={"id": LEICA, "hidden": False, "surprise": 1})
