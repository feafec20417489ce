"""Questions to the index: from what was asked to the body of a request to Elasticsearch. Pure: no clock, no server."""

from typing import Any

from edge_api import search_facets, search_words
from edge_api.search_asked import AuctionsAsked, Sort
from edge_api.search_words import Query
from schemas.envelope import print_time

Body = dict[str, Any]

COUNTED_MAX = 10_000
"""What is found is counted up to here; then the answer says "more than"."""

TIMEOUT = "2s"
"""After so long the index answers with what it has found so far."""

SOON = "4d"
SOON_WORTH = 0.25
"""How much more an auction is worth that ends now, beside one that ends long after; half of it at SOON."""

OVER_WORTH = 0.25
"""What ended stays findable, but ranks below all that can still be bid on."""

ORDERS: dict[Sort, list[Any]] = {
    "relevance": [{"_score": "desc"}],
    "ending": [{"endTime": {"order": "asc", "missing": "_last", "format": "epoch_millis"}}],
    "newest": [{"createdAt": {"order": "desc", "format": "epoch_millis"}}],
    "price_asc": [{"priceMinor": "asc"}],
    "price_desc": [{"priceMinor": "desc"}],
    "bids": [{"bidCount": "desc"}],
}
LATEST_FIRST: list[Any] = [{"endTime": {"order": "desc", "missing": "_last", "format": "epoch_millis"}}]
TIE: dict[str, str] = {"id": "asc"}
"""Two of one rank stand in the order of their ids on every page."""


def ranked(words: list[str], at_ms: int, *, stems: bool = False) -> Query:
    """Auctions with the words, by how well they fit, how soon they end, and whether they are over."""
    ending = {"endTime": {"origin": print_time(at_ms), "scale": SOON, "decay": 0.5}}
    scored = {
        "function_score": {
            "query": search_words.auctions(words, stems=stems),
            "functions": [
                {"weight": 1.0},
                {"filter": {"term": {"status": "live"}}, "exp": ending, "weight": SOON_WORTH},
            ],
            "score_mode": "sum",
            "boost_mode": "multiply",
        }
    }
    over = {"terms": {"status": ["ended", "cancelled"]}}
    return {"boosting": {"positive": scored, "negative": over, "negative_boost": OVER_WORTH}}


def auctions(asked: AuctionsAsked, at_ms: int, *, after: list[Any] | None = None, stems: bool = False) -> Body:
    """The request for a page of auctions; `after` is where the page before ended, `at_ms` when the first one was made."""
    words = search_words.words_of(asked.q) if asked.q else []
    chosen = _chosen(asked)
    by_facet = asked.counts and any(chosen.values())
    fixed = _fixed(asked)
    narrowed = fixed if by_facet else [*fixed, *_all(chosen)]
    found: Query = {"bool": {"filter": narrowed}}
    if asked.q:
        found["bool"]["must"] = [ranked(words, at_ms, stems=stems) if words else {"match_none": {}}]
    return {
        "query": found,
        **({"post_filter": {"bool": {"filter": _all(chosen)}}} if by_facet else {}),
        "sort": [*_order(asked), TIE],
        "size": asked.limit + 1,  # One more shows whether there is a next page.
        "_source": False,
        "track_total_hits": COUNTED_MAX if after is None else False,
        **({"search_after": after} if after else {}),
        **({"aggs": search_facets.counted(chosen, at_ms)} if asked.counts else {}),
        "timeout": TIMEOUT,
    }


def _order(asked: AuctionsAsked) -> list[Any]:
    if asked.order == "ending" and set(asked.statuses) <= {"ended", "cancelled"}:
        return LATEST_FIRST
    return ORDERS[asked.order]


def _chosen(asked: AuctionsAsked) -> search_facets.Chosen:
    """Filters that are facets too: a facet is counted as if its own filter were not set."""
    return {
        "status": [{"terms": {"status": asked.statuses}}],
        "category": [{"terms": {"category": asked.category}}] if asked.category else [],
        "seller": [{"terms": {"seller.id": [str(one) for one in asked.seller]}}] if asked.seller else [],
        "price": _price(asked),
        "ending": _ending(asked),
    }


def _fixed(asked: AuctionsAsked) -> list[Query]:
    """Tags narrow: each more of them leaves less, and what is counted is what is left."""
    return [{"term": {"tags": tag}} for tag in asked.tag]


def _price(asked: AuctionsAsked) -> list[Query]:
    bounds = {name: value for name, value in (("gte", asked.min_price), ("lte", asked.max_price)) if value is not None}
    return [{"range": {"priceMinor": bounds}}] if bounds else []


def _ending(asked: AuctionsAsked) -> list[Query]:
    if asked.ends_before is None:
        return []
    before = print_time(int(asked.ends_before.timestamp() * 1000))
    return [{"range": {"endTime": {"lt": before}}}]


def _all(chosen: search_facets.Chosen) -> list[Query]:
    return [condition for conditions in chosen.values() for condition in conditions]


def people(words: list[str], *, limit: int, after: list[Any] | None = None) -> Body:
    """The request for a page of people."""
    return {
        "query": search_words.people(words),
        "sort": [{"_score": "desc"}, TIE],
        "size": limit + 1,
        "_source": False,
        "track_total_hits": COUNTED_MAX if after is None else False,
        **({"search_after": after} if after else {}),
        "timeout": TIMEOUT,
    }


def suggestions(text: str, *, limit: int) -> Body:
    """The request for what the text may become: titles and usernames that begin so, misspelt too."""
    folded = " ".join(search_words.words_of(text))
    near = {"fuzziness": "AUTO", "prefix_length": 1, "unicode_aware": True}
    return {
        "size": 0,
        "_source": ["id", "title", "username", "seller.id"],
        "suggest": {
            name: {
                "prefix": folded,
                "completion": {"field": "suggest", "size": limit * 3, "skip_duplicates": True, **more},
            }
            for name, more in (("begun", {}), ("nearly", {"fuzzy": near}))
        },
        "timeout": TIMEOUT,
    }


def corrections(words: list[str]) -> Body:
    """The request for better words, when nothing was found: how often each is found alone, and the nearest that is written."""
    alone = {str(place): search_words.one(word) for place, word in enumerate(words)}
    nearest = {
        "field": "search.title",
        "suggest_mode": "missing",
        "max_edits": 2,
        "prefix_length": 0,
        "min_word_length": 3,
        "size": 1,
    }
    return {
        "size": 0,
        "aggs": {"alone": {"filters": {"filters": alone}}},
        "suggest": {str(place): {"text": word, "term": nearest} for place, word in enumerate(words)},
        "timeout": TIMEOUT,
    }


def better_words(words: list[str], found: dict[str, Any]) -> list[str]:
    """The words that are found, those that are not replaced by the nearest that is, or left out; else the rarest alone."""
    counts = [found["aggregations"]["alone"]["buckets"][str(place)]["doc_count"] for place in range(len(words))]
    better = []
    for place, word in enumerate(words):
        options = [one for entry in found["suggest"][str(place)] for one in entry["options"]]
        if counts[place]:
            better.append(word)
        elif options:
            better.append(options[0]["text"])
    if better != words:
        return better
    return [min(zip(counts, words, strict=True))[1]]


def count(asked: AuctionsAsked, at_ms: int) -> Body:
    """The request that only counts."""
    body = auctions(asked.model_copy(update={"facets": False, "limit": 1}), at_ms)
    return {**body, "size": 0, "sort": ["_doc"]}
