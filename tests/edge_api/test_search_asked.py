"""What may be asked of the search: bad questions are a 422 that names the field; the words of good ones are never syntax."""

import hashlib
import json
from typing import Any
from uuid import UUID

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_api import search_cursor, search_query, search_words
from edge_api.problems import Problem
from edge_api.search_asked import AuctionsAsked, PeopleAsked
from edge_api.search_cursor import Place
from schemas.activity import without_persons
from tests.edge_api.doorway import MINA, Doorway, new_id

pytestmark = pytest.mark.quick

AT_MS = 1_795_000_000_000
BYTES_MAX = 400_000
"""The largest question that the index is asked, whatever was typed."""

BAD: tuple[tuple[str, dict[str, Any]], ...] = (
    ("q", {"q": "x" * 10_240}),
    ("q", {"q": "x" * 201}),
    ("q", {"q": "lens\x00"}),
    ("q", {"q": "lens\n; drop"}),
    ("q", {"q": ""}),
    ("q", {"q": "   "}),
    ("q", {"q": "\u200b\u202e"}),
    ("category", {"category": ["x"] * 21}),
    ("category", {"category": [str(number) for number in range(1_000)]}),
    ("category", {"category": "x" * 101}),
    ("tag", {"tag": ["x"] * 21}),
    ("tag", {"tag": ""}),
    ("seller", {"seller": "nobody"}),
    ("seller", {"seller": [str(UUID(int=number)) for number in range(1, 22)]}),
    ("status", {"status": "draft"}),
    ("status", {"status": "*"}),
    ("minPrice", {"minPrice": "-1"}),
    ("minPrice", {"minPrice": "1e5"}),
    ("minPrice", {"minPrice": "NaN"}),
    ("maxPrice", {"maxPrice": "1.005"}),
    ("maxPrice", {"maxPrice": "99999999999"}),
    ("endsBefore", {"endsBefore": "tomorrow"}),
    ("endsBefore", {"endsBefore": "1800000000"}),
    ("endsBefore", {"endsBefore": "0001-01-01T00:00:00+14:00"}),
    ("endsBefore", {"endsBefore": "9999-12-31T23:59:59-14:00"}),
    ("sort", {"sort": "_script"}),
    ("sort", {"sort": "price_asc,_doc"}),
    ("facets", {"facets": "all of them"}),
    ("limit", {"q": "lens", "limit": "0"}),
    ("limit", {"q": "lens", "limit": "1000000"}),
    ("cursor", {"q": "lens", "cursor": "x" * 3_000}),
    ("cursor", {"q": "lens", "cursor": "!!!"}),
    ("cursor", {"q": "lens", "cursor": "aGVsbG8"}),
    ("cursor", {"q": "lens", "cursor": "ü"}),
    ("from", {"q": "lens", "from": "10000"}),
    ("minprice", {"q": "lens", "minprice": "5"}),
    ("query", {"query": '{"match_all":{}}'}),
)


@pytest.mark.parametrize(("field", "asked"), BAD, ids=lambda one: str(one)[:40])
async def test_a_bad_question_is_refused_and_the_field_named(
    field: str, asked: dict[str, Any], nobody: httpx.AsyncClient, doorway: Doorway
) -> None:
    answer = await nobody.get("/auctions", params=asked)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request"), answer.text[:300]
    assert {error["field"].partition(".")[0] for error in answer.json()["errors"]} == {field}
    assert not doorway.edge.activity.waiting


@pytest.mark.parametrize("path", ["/users/search", "/search/suggest"])
async def test_people_and_completions_need_words(path: str, nobody: httpx.AsyncClient) -> None:
    for asked in (
        {},
        {"q": ""},
        {"q": "x" * 201},
        {"q": "a\x00"},
        {"q": "a", "limit": "500"},
        {"q": "a", "field": "b"},
    ):
        answer = await nobody.get(path, params=asked)
        assert answer.status_code == 422, asked


async def test_without_the_index_only_the_search_is_away(nobody: httpx.AsyncClient, doorway: Doorway) -> None:
    doorway.edge.views["auction_view"] = []

    for path in (
        "/auctions?q=lens",
        "/auctions?minPrice=5",
        "/auctions?sort=newest",
        "/users/search?q=a",
        "/search/suggest?q=a",
    ):
        answer = await nobody.get(path)
        assert (answer.status_code, answer.json()["code"]) == (503, "service_unavailable"), path
        assert answer.headers["Retry-After"]
    for path in (
        "/auctions",
        "/auctions?status=ended&category=cameras&tag=lens&limit=5",
        f"/auctions?seller={MINA}",
        "/time",
    ):
        assert (await nobody.get(path)).status_code == 200, path
    await doorway.edge.search.close()


async def test_a_click_is_told_once_and_only_of_a_search_of_today(anna: httpx.AsyncClient, doorway: Doorway) -> None:
    click = {"searchId": str(new_id()), "resultId": str(MINA), "position": 3}

    answers = [await anna.post("/search/clicks", json=click) for _ in range(2)]
    old = await anna.post("/search/clicks", json=click | {"searchId": "018f3f6e-7a3b-7c11-9f52-3d2a8b7c1e10"})

    assert [answer.json() for answer in answers] == [{"code": "noted"}] * 2
    assert (old.status_code, old.json()["errors"][0]["field"]) == (422, "searchId")
    one, again = (json.loads(told.value) for told in doorway.edge.activity._waiting)
    assert one["eventId"] == again["eventId"]
    assert one["data"].keys() == {"searchId", "searcherId", "resultId", "position"}


OPERATORS = {"query_string", "simple_query_string", "regexp", "wildcard", "script", "script_score", "more_like_this"}


def keys_of(part: object) -> set[str]:
    if isinstance(part, dict):
        return set(part) | {key for value in part.values() for key in keys_of(value)}
    return {key for value in part for key in keys_of(value)} if isinstance(part, list) else set()


HARMLESS = keys_of(search_query.auctions(AuctionsAsked(q="leica m3 lens"), AT_MS))


@given(st.text(min_size=1, max_size=200))
@settings(max_examples=300, deadline=None)
def test_no_text_changes_the_form_of_the_question(typed: str) -> None:
    words = search_words.words_of(typed)
    if not words:
        return
    asked = keys_of(search_words.auctions(words)) | keys_of(search_words.people(words))

    assert asked <= HARMLESS | keys_of(search_words.people(["anna"]))
    assert not asked & OPERATORS


@pytest.mark.parametrize(
    "typed",
    [
        "* " * 100,
        "a " * 100,
        "*" * 200,
        "a1" * 100,
        "1 a " * 50,
        "AND OR NOT ( " * 15,
        "(" * 200,
        "a~9999 " * 25,
        "[a-z]{1,9999}" * 15,
        "ab\u0301" * 66,
        "茶" * 200,
        "🎸" * 200,
        '{"match_all":{}} ' * 11,
        "title:x^1000 " * 15,
    ],
)
def test_a_bomb_makes_no_large_question(typed: str) -> None:
    asked = AuctionsAsked(q=typed[:200])

    assert len(search_words.words_of(typed)) <= search_words.WORDS_MAX
    assert len(json.dumps(search_query.auctions(asked, AT_MS, stems=True))) < BYTES_MAX


def test_signs_that_nobody_sees_are_left_out_of_a_query() -> None:
    assert AuctionsAsked(q=" ca\u200bme\u202era\ufeff ").q == "camera"


def test_a_cursor_is_good_for_its_own_question_only() -> None:
    asked = AuctionsAsked(q="lens", status=["live"])
    place = Place("pit", [1.5, "id"], AT_MS, 1, 40, is_exact=True)
    good = search_cursor.write(place, asked, _key)
    assert good is not None
    others_key = search_cursor.write(place, asked, lambda data: _key(b"other" + data))
    assert others_key is not None
    assert search_cursor.read(asked, good, _key, AT_MS) == place
    assert search_cursor.read(asked.model_copy(update={"limit": 5, "highlights": False}), good, _key, AT_MS) == place
    forged = good[:-6] + ("A" if good[-6] != "A" else "B") + good[-5:]
    for other, text in (
        (AuctionsAsked(q="camera", status=["live"]), good),
        (AuctionsAsked(q="lens"), good),
        (AuctionsAsked(q="lens", status=["live"], sort="newest"), good),
        (PeopleAsked(q="lens"), good),
        (asked, forged),
        (asked, others_key),
        (asked, ""),
    ):
        with pytest.raises(Problem) as refusal:
            search_cursor.read(other, text, _key, AT_MS)
        assert refusal.value.errors[0].field == "cursor"


def _key(data: bytes) -> bytes:
    return hashlib.sha256(b"secret" + data).digest()


def test_there_is_a_last_page() -> None:
    place = Place("pit", [], AT_MS, search_cursor.PAGES_MAX, 1, is_exact=True)

    assert search_cursor.write(place, AuctionsAsked(q="lens"), _key) is None


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Leica M3 from 1954", "leica m3 from 1954"),
        ("lens of anna.smith@example.org please", "lens of … please"),
        ("call +43 660 123 4567 now", "call … now"),
        ("card 4242-4242-4242-4242", "card …"),
        ("x" * 150, "x" * 100),
    ],
)
def test_what_may_name_a_person_is_not_kept(typed: str, kept: str) -> None:
    assert without_persons(typed) == kept


async def test_one_who_searches_has_another_name_each_day(doorway: Doorway) -> None:
    today, tomorrow = AT_MS, AT_MS + 86_400_000

    assert doorway.edge.searcher(MINA, today) == doorway.edge.searcher(MINA, today + 1)
    assert doorway.edge.searcher(MINA, today) != doorway.edge.searcher(MINA, tomorrow)
    assert doorway.edge.searcher(MINA, today) != MINA
