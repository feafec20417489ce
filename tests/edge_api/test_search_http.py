"""Searching over HTTP, on the whole running stack: what people write is found, at once, in order, and page by page."""

import json
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import httpx
import pytest

from compose.settings import Settings
from edge_api.shapes import AuctionsFound, Completions, PeopleFound
from producers.operator import grant_role
from producers.person import PASSWORD, Person
from schemas.activity import SearchPerformed, SearchResultClicked
from tests.conftest import NewPeople
from tests.edge_api.waiting import found
from tests.journeys.records import ends, records
from topics.catalog import ACTIVITY_EVENTS

pytestmark = pytest.mark.stack

VANISHES_WITHIN_S = 2.0
ROUNDS = 3
"""So many times at most it is tried whether it is in time: another process may just have had the machine."""

ANSWERED_WITHIN_S = 5.0


def strange_word() -> str:
    """A word that nobody else writes, and that is near to none."""
    return "".join(random.choices("bcdfghjklmnpqrstvwxz", k=14))


async def offer(seller: Person, title: str, **more: Any) -> dict[str, Any]:
    return await seller.post("/auctions", {"title": title, "startingPrice": 100.0, "duration": 600, **more})


async def search(http: httpx.AsyncClient, **asked: Any) -> dict[str, Any]:
    answer = await http.get("/auctions", params=asked)
    assert answer.status_code == 200, answer.text
    AuctionsFound.model_validate(answer.json())
    return dict(answer.json())


def ids(found: dict[str, Any]) -> list[str]:
    return [item["id"] for item in found["items"]]


async def once(
    http: httpx.AsyncClient, so: Callable[[dict[str, Any]], object], **asked: Any
) -> tuple[dict[str, Any], float]:
    """The first answer of which it is so, and how long that took, seconds."""
    began = time.monotonic()

    async def look() -> dict[str, Any] | None:
        answer = await search(http, **asked)
        return answer if so(answer) else None

    return await found(look), time.monotonic() - began


async def test_a_new_auction_is_found_by_a_misspelt_word_and_followed_to_its_end(
    people: NewPeople, http: httpx.AsyncClient
) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    word = strange_word()
    lens = await offer(
        mina, f"Schöner {word.title()} Heliar, 1938", description=f"A <b>{word}</b> of glass.", duration=86_400
    )
    misspelt = word[:5] + word[6] + word[5] + word[7:]

    first, _ = await once(http, lambda answer: ids(answer) == [lens["id"]], q=misspelt)

    [item] = first["items"]
    assert (first["total"], first["totalIsExact"], first["nextCursor"]) == (1, True, None)
    assert item["highlights"] == {
        "title": f"Schöner <em>{word.title()}</em> Heliar, 1938",
        "description": f"A &lt;b&gt;<em>{word}</em>&lt;/b&gt; of glass.",
    }
    assert {name: item[name] for name in ("title", "seller", "status", "currentBid")} == {
        **{name: lens[name] for name in ("title", "seller", "status")},
        "currentBid": 0,
    }
    assert ids(await search(http, q=f"schoner {word[:6]}")) == [lens["id"]]

    await anna.bid(lens["id"], amount=250.0)
    after, _ = await once(http, ids, q=word, minPrice="250.00")
    assert after["items"][0]["currentBid"] == 250.0
    assert ids(await search(http, q=word, maxPrice="249.99")) == []

    other = await offer(mina, f"{word} heliar, 1938 too")
    await once(http, lambda answer: len(ids(answer)) == 2, q=word)
    await mina.post(f"/auctions/{lens['id']}/end", {"mode": "sell_to_high_bidder"})
    over, _ = await once(http, ids, q=word, status="ended")
    assert ids(over) == [lens["id"]]
    assert ids(await search(http, q=word)) == [other["id"], lens["id"]]
    assert ids(await search(http, q=word, sort="ending")) == [other["id"]]


class Shelf(NamedTuple):
    """Seven auctions of two sellers, findable by one word."""

    word: str
    sellers: list[Person]
    made: list[dict[str, Any]]


async def fill(http: httpx.AsyncClient, mina: Person, ben: Person) -> Shelf:
    """Offer the seven, and wait until all are found."""
    word = strange_word()
    goods = [
        (mina, "cameras", ["analog", "chrome"], 10.0, 600),
        (mina, "cameras", ["analog"], 40.0, 7_200),
        (mina, "lenses", ["chrome"], 60.0, 90_000),
        (ben, "lenses", ["analog", "chrome"], 90.0, 500_000),
        (ben, "lenses", [], 200.0, 3_000),
        (ben, "books", ["paper"], 700.0, 4_000),
        (ben, "books", ["paper"], 1_500.0, 5_000),
    ]
    made = [
        await offer(seller, f"{word} number {n}", category=category, tags=tags, startingPrice=price, duration=duration)
        for n, (seller, category, tags, price, duration) in enumerate(goods)
    ]
    await once(http, lambda answer: answer["total"] == len(goods), q=word)
    return Shelf(word, [mina, ben], made)


@pytest.fixture(scope="module")
async def shelf(stack: Settings) -> AsyncIterator[Shelf]:
    """A shelf that nobody changes."""
    async with httpx.AsyncClient(base_url=f"{str(stack.public_url).rstrip('/')}/api/v1", timeout=30) as client:
        sellers = [Person(client, f"{name}-{strange_word()}") for name in ("mina", "ben")]
        for seller in sellers:
            await seller.register()
            await seller.verify(stack)
            await seller.log_in()
            await seller.post("/users/me/seller")
            await seller.log_in()
        yield await fill(client, *sellers)


def counts(facet: list[dict[str, Any]]) -> dict[str, int]:
    return {value["value"]: value["count"] for value in facet}


async def test_a_search_is_narrowed_counted_and_ordered(shelf: Shelf, http: httpx.AsyncClient) -> None:
    word, [mina, ben], made = shelf

    async def numbers(**asked: Any) -> list[int]:
        return [int(item["title"][-1]) for item in (await search(http, q=word, **asked))["items"]]

    everything = (await search(http, q=word))["facets"]
    assert counts(everything["category"]) == {"cameras": 2, "lenses": 3, "books": 2}
    assert counts(everything["tag"]) == {"analog": 3, "chrome": 3, "paper": 2}
    assert counts(everything["seller"]) == {mina.user_id: 3, ben.user_id: 4}
    assert {seller["username"] for seller in everything["seller"]} == {mina.username, ben.username}
    assert counts(everything["ending"]) == {"1h": 2, "1d": 5, "3d": 6, "7d": 7}
    assert [(price["minPrice"], price["maxPrice"], price["count"]) for price in everything["price"]] == [
        (10.0, 49.99, 2),
        (50.0, 99.99, 2),
        (100.0, 499.99, 1),
        (500.0, 999.99, 1),
        (1000.0, None, 1),
    ]
    # What is chosen in a facet does not shrink that facet, but all others.
    chosen = (await search(http, q=word, category="lenses"))["facets"]
    assert counts(chosen["category"]) == {"cameras": 2, "lenses": 3, "books": 2}
    assert counts(chosen["seller"]) == {mina.user_id: 1, ben.user_id: 2}

    assert sorted(await numbers(category=["cameras", "books"])) == [0, 1, 5, 6]
    assert sorted(await numbers(tag=["analog", "chrome"])) == [0, 3]
    assert sorted(await numbers(seller=mina.user_id)) == [0, 1, 2]
    assert sorted(await numbers(minPrice="40", maxPrice="200.00")) == [1, 2, 3, 4]
    assert sorted(await numbers(endsBefore=everything["ending"][1]["endsBefore"])) == [0, 1, 4, 5, 6]
    assert await numbers(sort="ending") == [0, 4, 5, 6, 1, 2, 3]
    assert await numbers(sort="newest") == [6, 5, 4, 3, 2, 1, 0]
    assert await numbers(sort="price_asc") == [0, 1, 2, 3, 4, 5, 6]
    assert await numbers(sort="price_desc", limit=2) == [6, 5]
    without_words = await search(http, seller=[mina.user_id, ben.user_id], sort="price_asc")
    assert ids(without_words) == [auction["id"] for auction in made]


async def test_pages_show_each_once_while_the_market_goes_on(people: NewPeople, http: httpx.AsyncClient) -> None:
    mina, ben, anna = await people("mina", "ben", "anna", sellers=2)
    word, _, made = await fill(http, mina, ben)

    page = await search(http, q=word, sort="price_asc", limit=2)
    seen, cursors = ids(page), [page["nextCursor"]]
    # The first, already shown, becomes the dearest; the dearest is cancelled; another comes.
    await anna.bid(made[0]["id"], amount=3_000.0)
    await offer(mina, f"{word} number 8", startingPrice=5.0)
    await once(http, lambda answer: ids(answer)[-1] == made[0]["id"] and answer["total"] == 8, q=word, sort="price_asc")
    while page["nextCursor"]:
        page = await search(http, q=word, sort="price_asc", limit=2, cursor=page["nextCursor"])
        seen += ids(page)
        cursors.append(page["nextCursor"])
        assert page["total"] == 7

    assert seen == [auction["id"] for auction in made]
    assert cursors[-1] is None
    for asked in ({"q": "else"}, {"q": word}, {"q": word, "sort": "price_asc", "category": "books"}):
        answer = await http.get("/auctions", params={**asked, "cursor": cursors[0]})
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "cursor")


async def test_when_nothing_is_found_what_would_be_is_told(shelf: Shelf, http: httpx.AsyncClient) -> None:
    word, _, _ = shelf
    wrong_start = "a" + word[1:]

    for asked, suggestion in (
        ({"q": wrong_start}, {"q": word, "withoutFilters": False, "total": 7}),
        ({"q": f"{word} {strange_word()}"}, {"q": word, "withoutFilters": False, "total": 7}),
        ({"q": word, "category": "cars"}, {"q": word, "withoutFilters": True, "total": 7}),
        ({"q": strange_word()}, None),
        ({"q": "!!! ???"}, None),
    ):
        answer = await search(http, **asked)
        assert (answer["items"], answer["suggestion"]) == ([], suggestion), asked


async def test_people_and_titles_are_completed(shelf: Shelf, http: httpx.AsyncClient) -> None:
    word, [mina, _], made = shelf

    async def suggested(text: str) -> list[str]:
        answer = (await http.get("/search/suggest", params={"q": text})).json()
        Completions.model_validate(answer)
        return [one["text"] for one in answer["items"]]

    assert set(await suggested(word[:9])) == {auction["title"] for auction in made}
    assert set(await suggested(word[:7] + word[8] + word[7] + word[9:11])) == {auction["title"] for auction in made}
    assert await suggested(mina.username[:-1].upper()) == [mina.username]
    answer = (await http.get("/users/search", params={"q": mina.username})).json()
    PeopleFound.model_validate(answer)
    assert answer["items"][0]["id"] == mina.user_id
    assert "email" not in str(answer)


async def test_who_is_suspended_or_gone_is_not_found_nor_what_they_sell(
    people: NewPeople, http: httpx.AsyncClient, stack: Settings
) -> None:
    ada, mina = await people("ada", "mina", sellers=2)
    await grant_role(stack, ada.username, "admin")
    await ada.log_in()
    word = strange_word()
    await offer(mina, f"{word} lens")
    await once(http, ids, q=word)

    async def is_found() -> bool:
        answer = await http.get("/users/search", params={"q": mina.username})
        return mina.user_id in [person["id"] for person in answer.json()["items"]]

    took = VANISHES_WITHIN_S
    for _ in range(ROUNDS):
        await ada.post(f"/users/{mina.user_id}/suspend", {"reason": "sold what was not there"})
        _, seconds = await once(http, lambda answer: not ids(answer), q=word)
        took = min(took, seconds)
        await until_so(is_found, so=False)
        assert (await http.get("/search/suggest", params={"q": word})).json()["items"] == []
        await ada.post(f"/users/{mina.user_id}/reinstate", {"reason": "it was there"})
        await once(http, ids, q=word)
        await until_so(is_found, so=True)
        if took < VANISHES_WITHIN_S:
            break
    assert took < VANISHES_WITHIN_S

    await mina.log_in()
    await mina.request("DELETE", "/users/me", {"password": PASSWORD})
    await once(http, lambda answer: not ids(answer), q=word)
    await until_so(is_found, so=False)


async def until_so(look: Callable[[], Awaitable[bool]], *, so: bool) -> None:
    """Wait until a look says so."""

    async def seen() -> bool | None:
        return True if await look() is so else None

    await found(seen)


BOMBS = (
    *("*", "?", "*" * 200, "a*" * 100, "~" * 50, "title:*", "title:/.*/", "/.{1,9999}/", "lens~9999", "(" * 200),
    *('"' * 199, "\\" * 200, "AND OR NOT", "_exists_:id", '{"match_all":{}}', "1 OR 1=1", "'; DROP TABLE auctions;--"),
    *("a " * 100, "aaa " * 50, "ab1" * 66, "1 a " * 50, "a" * 200, "茶" * 200, "🎸" * 200, "e\u0301" * 100, "ﷺ" * 200),
    *(
        "\ud7ff",
        "\U0010ffff" * 3,
        "%00",
        "${jndi:ldap://x}",
        "<script>alert(1)</script>",
        "İ" * 200,
        "\u3000lens\u3000",
    ),
)


async def test_whatever_is_typed_is_answered_soon(http: httpx.AsyncClient) -> None:
    wrong = []
    for bomb in BOMBS:
        for path in ("/auctions", "/users/search", "/search/suggest"):
            answer = await http.get(path, params={"q": bomb})
            if answer.status_code not in (200, 422) or answer.elapsed.total_seconds() > ANSWERED_WITHIN_S:
                wrong.append(f"{path} {bomb[:20]!r}: {answer.status_code} after {answer.elapsed} {answer.text[:200]}")

    assert not wrong
    for everything in ("*", "title:*", "_exists_:id", '{"match_all":{}}'):
        assert (await search(http, q=everything))["total"] == (await search(http, q=everything, facets="false"))[
            "total"
        ]
    assert (await search(http, q="***"))["total"] == 0


async def test_every_search_and_click_is_told_without_who_and_without_what_names_them(
    people: NewPeople, http: httpx.AsyncClient, stack: Settings
) -> None:
    [anna] = await people("anna")
    before = await ends(stack.kafka_bootstrap, ACTIVITY_EVENTS.name)
    word = strange_word()
    asked = {"q": f"{word} of {anna.email} +43 660 1234567", "category": "lenses", "maxPrice": "90.50", "limit": "5"}

    answer = await anna.get(f"/auctions?{httpx.QueryParams(asked)}")
    people_answer = await anna.get(f"/users/search?q={word}")
    await anna.post("/search/clicks", {"searchId": answer["searchId"], "resultId": anna.user_id, "position": 2})
    told = await found(lambda: _three(stack, before, word, answer["searchId"]))

    by_type = {(value["eventType"], value["data"].get("kind")): value for _, value in told}
    of_auctions = SearchPerformed.model_validate(by_type["SearchPerformed", "auctions"]["data"])
    of_people = SearchPerformed.model_validate(by_type["SearchPerformed", "users"]["data"])
    click = SearchResultClicked.model_validate(by_type["SearchResultClicked", None]["data"])
    assert (str(of_auctions.search_id), str(of_people.search_id)) == (answer["searchId"], people_answer["searchId"])
    assert (of_auctions.query, of_auctions.count, of_auctions.sort) == (f"{word} of … …", 0, "relevance")
    assert (of_auctions.filters.category, of_auctions.filters.max_price) == (["lenses"], 9_050)
    assert (click.search_id, click.position) == (of_auctions.search_id, 2)
    assert of_auctions.searcher_id == of_people.searcher_id == click.searcher_id
    keys = {record.key for record, _ in told}
    assert keys == {str(click.searcher_id).encode()}
    bytes_of_searches = b"".join(record.value for record, value in told if "Clicked" not in value["eventType"])
    for secret in (anna.user_id, anna.email, "+43", "1234567"):
        assert secret.encode() not in bytes_of_searches


async def _three(stack: Settings, before: Any, word: str, search_id: str) -> list[tuple[Any, dict[str, Any]]] | None:
    some = [record async for record in records(stack.kafka_bootstrap, [ACTIVITY_EVENTS.name], before)]
    ours = [
        (record, json.loads(record.value))
        for record in some
        if word.encode() in record.value or search_id.encode() in record.value
    ]
    return ours if len(ours) == 3 else None
