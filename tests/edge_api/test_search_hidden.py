"""Who is suspended or has left is left out of every search at once, with all that they sell: here nothing is ever written anew."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from compose.settings import Settings
from consumers.indexing import said
from consumers.indexing.writer import HIDDEN_FOR_S, LEASE_S
from edge_api import search_cursor, search_hidden
from edge_api.search_hidden import Hidden, without
from schemas.envelope import print_time, time_ms
from tests.consumers.indexing.builders import created, registered
from tests.consumers.indexing.shelf import Shelf, opened
from tests.edge_api.doorway import MINA, Doorway
from tests.edge_api.real import running
from tests.edge_api.test_search_http import strange_word

MANY = 5_000
DAY_MS = 86_400_000


@pytest.fixture
async def shelf(stack: Settings) -> AsyncIterator[Shelf]:
    """What a worker knows, without a worker that writes."""
    async with opened(stack) as made:
        yield made
        await made.clear()


@pytest.fixture
async def client(stack: Settings, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an edge that asks this worker's view with each search."""
    monkeypatch.setattr(search_hidden, "KNOWN_S", 0.0)
    async with running(stack) as real, real.client() as made:
        real.edge.search.hidden = Hidden(shelf.db.fetch)
        yield made


async def offer(shelf: Shelf, seller: UUID, title: str, count: int) -> None:
    """Have so many auctions written and searchable."""
    end = print_time(time_ms() + DAY_MS)
    offers = [
        (shelf.new_id(), (1, created(seller_id=str(seller), title=f"{title} {number}", end_time=end)))
        for number in range(count)
    ]
    await shelf.tell("auctions", offers)
    writer = shelf.writer()
    while await writer.flush(shelf.db):
        pass
    await shelf.index.client.indices.refresh(index="auctions,users")


class Seen:
    """Everything that a search shows of a word and of a name."""

    def __init__(self, client: httpx.AsyncClient, word: str, name: str) -> None:
        self._client, self._word, self._name = client, word, name

    async def get(self, path: str, **asked: Any) -> dict[str, Any]:
        """An answer, which must be a good one."""
        answer = await self._client.get(path, params=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def numbers(self) -> dict[str, int]:
        """How many are found, counted by seller and category, completed, and left to help with."""
        found = await self.get("/auctions", q=self._word)
        helped = (await self.get("/auctions", q=self._word, category="none"))["suggestion"]
        return {
            "found": found["total"],
            "sellers": sum(one["count"] for one in found["facets"]["seller"]),
            "categories": sum(one["count"] for one in found["facets"]["category"]),
            "people": (await self.get("/users/search", q=self._name))["total"],
            "titles": len((await self.get("/search/suggest", q=self._word))["items"]),
            "names": len((await self.get("/search/suggest", q=self._name))["items"]),
            "helped": helped["total"] if helped else 0,
        }


@pytest.mark.stack
async def test_a_hidden_sellers_thousands_are_left_out_before_one_of_them_is_written_anew(
    shelf: Shelf, client: httpx.AsyncClient
) -> None:
    mina, ben, word = shelf.new_id(), shelf.new_id(), strange_word()
    name = strange_word()
    await shelf.tell("users", [(mina, (1, registered(name))), (ben, (1, registered(strange_word())))])
    await offer(shelf, ben, word, 2)
    await offer(shelf, mina, word, MANY)
    seen = Seen(client, word, name)
    everything = {"found": MANY + 2, "sellers": MANY + 2, "categories": MANY + 2, "helped": MANY + 2}
    everything |= {"people": 1, "titles": 8, "names": 1}
    assert await seen.numbers() == everything
    page = await seen.get("/auctions", q=word, sort="newest", limit=3)

    await shelf.tell_person(mina, (2, said.UserSuspended()))

    two = dict.fromkeys(("found", "sellers", "categories", "helped", "titles"), 2)
    assert await seen.numbers() == two | {"people": 0, "names": 0}
    # Pages go on in a moment of before, without them.
    later = await seen.get("/auctions", q=word, sort="newest", limit=3, cursor=page["nextCursor"])
    assert later["nextCursor"] is None

    await shelf.tell_person(mina, (3, said.UserReinstated()))
    assert await seen.numbers() == everything
    await shelf.tell_person(mina, (4, said.UserErased()))
    assert (await seen.numbers())["found"] == 2

    # What is written behind that makes nobody wait: it becomes due over time.
    await shelf.writer().flush(shelf.db)
    spread = await shelf.db.fetchval("SELECT max(at) - min(at) FROM due WHERE kind = 'auctions' AND at IS NOT NULL")
    assert spread.total_seconds() > 1


BODY: dict[str, Any] = {"query": {"match_all": {}}, "size": 1}


@pytest.mark.quick
def test_a_question_stays_as_it_is_while_nobody_is_hidden() -> None:
    assert without(BODY, []) is BODY
    assert without({"suggest": {}}, ["a"])["query"] == {
        "bool": {"must_not": [{"terms": {"id": ["a"]}}, {"terms": {"seller.id": ["a"]}}]}
    }
    assert without(BODY, ["a"])["query"]["bool"]["must"] == [{"match_all": {}}]


@pytest.mark.quick
async def test_who_is_hidden_is_asked_once_for_all_searches_of_a_moment() -> None:
    asked: list[str] = []

    async def rows(sql: str) -> list[dict[str, UUID]]:
        asked.append(sql)
        return [{"user_id": MINA}]

    hidden = Hidden(rows)

    assert [await hidden.people() for _ in range(3)] == [{str(MINA)}] * 3
    assert len(asked) == 1


@pytest.mark.quick
async def test_every_question_of_the_edge_leaves_them_out(doorway: Doorway, monkeypatch: pytest.MonkeyPatch) -> None:
    doorway.edge.views["indexing.hidden_view"] = [{"user_id": MINA}]
    search, asked = doorway.edge.search, list[Any]()

    async def note(_method: str, path: str, body: Any = None) -> dict[str, str]:
        if "/_pit" in path:
            return {"id": "pit"}
        asked.append(body)
        raise TimeoutError

    monkeypatch.setattr(search, "_say", note)
    for question in (search.first("auctions", BODY), search.next("pit", BODY), search.ask("users", BODY)):
        with pytest.raises(Exception, match="not available"):
            await question

    gone = [{"terms": {name: [str(MINA)]}} for name in ("id", "seller.id")]
    assert [body["query"] for body in asked] == [{"bool": {"must": [BODY["query"]], "must_not": gone}}] * 3
    await search.close()


@pytest.mark.quick
def test_the_pages_of_a_search_end_before_those_who_were_hidden_meanwhile_are_forgotten() -> None:
    assert search_cursor.AGE_MS_MAX / 1000 + LEASE_S < HIDDEN_FOR_S
