"""Facets: how many were found by category, tag, status, seller, price and end, each as if it were not chosen itself."""

from typing import Any

from schemas.envelope import print_time

Chosen = dict[str, list[dict[str, Any]]]
"""Facet -> the conditions that choose from it."""

ALIKE = "alike"
"""Facets of which nothing is chosen are counted over the same auctions, so together."""

SIZES = {"category": 20, "tag": 30, "status": 4, "seller": 10}
FIELDS = {"category": "category", "tag": "tags", "status": "status", "seller": "seller.id"}
PRICES = ((0, 1_000), (1_000, 5_000), (5_000, 10_000), (10_000, 50_000), (50_000, 100_000), (100_000, None))
"""Bounds of the price facet, minor units."""

ENDINGS = {"1h": 3_600_000, "1d": 86_400_000, "3d": 259_200_000, "7d": 604_800_000}
"""Ends within so many milliseconds."""


def counted(chosen: Chosen, at_ms: int) -> dict[str, Any]:
    """The aggregations."""
    facets: dict[str, dict[str, Any]] = {
        **{name: {"terms": {"field": field, "size": SIZES[name]}} for name, field in FIELDS.items()},
        "price": {"range": {"field": "priceMinor", "ranges": [_bounds(low, high) for low, high in PRICES]}},
        "ending": {"filters": {"filters": {name: _ends_within(ms, at_ms) for name, ms in ENDINGS.items()}}},
    }
    facets["seller"]["aggs"] = {"name": {"terms": {"field": "seller.username", "size": 1}}}
    alike = {name: facet for name, facet in facets.items() if not chosen.get(name)}
    return {
        ALIKE: {"filter": _others(chosen), "aggs": alike},
        **{
            name: {"filter": _others(chosen, name), "aggs": {name: facet}}
            for name, facet in facets.items()
            if name not in alike
        },
    }


def _bounds(low: int, high: int | None) -> dict[str, int]:
    return {"from": low, **({} if high is None else {"to": high})}


def _ends_within(ms: int, at_ms: int) -> dict[str, Any]:
    ends = {"gte": print_time(at_ms), "lt": print_time(at_ms + ms)}
    return {"bool": {"filter": [{"term": {"status": "live"}}, {"range": {"endTime": ends}}]}}


def _others(chosen: Chosen, name: str | None = None) -> dict[str, Any]:
    conditions = [one for facet, conditions in chosen.items() if facet != name for one in conditions]
    return {"bool": {"filter": conditions}}


def read(found: dict[str, Any], at_ms: int) -> dict[str, Any]:
    """The facets of an answer, as clients see them."""
    buckets = {name: found[name if name in found else ALIKE][name]["buckets"] for name in (*FIELDS, "price", "ending")}
    return {
        **{name: [_term(bucket) for bucket in buckets[name]] for name in ("category", "tag", "status")},
        "seller": [_seller(bucket) for bucket in buckets["seller"]],
        "price": [_price(bucket) for bucket in buckets["price"] if bucket["doc_count"]],
        "ending": [
            {"value": name, "endsBefore": print_time(at_ms + ms), "count": buckets["ending"][name]["doc_count"]}
            for name, ms in ENDINGS.items()
        ],
    }


def _term(bucket: dict[str, Any]) -> dict[str, Any]:
    return {"value": bucket["key"], "count": bucket["doc_count"]}


def _seller(bucket: dict[str, Any]) -> dict[str, Any]:
    names = bucket["name"]["buckets"]
    return {**_term(bucket), "username": names[0]["key"] if names else None}


def _price(bucket: dict[str, Any]) -> dict[str, Any]:
    high = bucket.get("to")
    return {
        "minPrice": bucket["from"] / 100,
        "maxPrice": None if high is None else (high - 1) / 100,
        "count": bucket["doc_count"],
    }
