"""What stands in the indices `auctions` and `users`: their fields, how text is taken apart, and what a server must know for it.

Both are aliases that leave out hidden documents (of suspended and erased people), so that no query can forget to. Fields are
strict: a field that is not listed here is refused. Text stands twice: as it was written, for people and highlights, and
below `search` folded (`schemas.search_text.fold`), for finding. What asks folds its words the same way.
"""

from collections.abc import Collection
from typing import Any, Final, Literal

Kind = Literal["auctions", "users"]
"""Name of an alias; the index behind it is `<kind>-<time of its making>`."""

KINDS: Final[tuple[Kind, ...]] = ("auctions", "users")

REFRESH_MS: Final = 500
"""How often what was written becomes searchable."""

FILTERS: Final[dict[Kind, dict[str, Any]]] = {kind: {"term": {"hidden": False}} for kind in KINDS}
"""What the aliases let through."""

ANALYSIS_MODULE: Final = "analysis-common"
"""The server's module with stemmers and n-grams; the full image has it, the smallest distribution has not."""

_KEYWORD: Final = {"type": "keyword", "ignore_above": 1024}
_DATE: Final = {"type": "date", "format": "strict_date_time"}
_MONEY: Final = {"type": "long"}
_SHOWN: Final = {"type": "text", "analyzer": "words", "index_options": "offsets"}
"""As people wrote it: matched for highlights."""


def _found(*, prefixes: bool = False, phrases: bool = False, stemmed: bool = False) -> dict[str, Any]:
    """A folded text; `prefixes` makes beginnings of words cheap, `phrases` words in their order."""
    field: dict[str, Any] = {"type": "text", "analyzer": "words"}
    if prefixes:
        field["index_prefixes"] = {"min_chars": 1, "max_chars": 10}
    if phrases:
        field["index_phrases"] = True
        field["fields"] = {"pairs": {"type": "text", "analyzer": "pairs"}}
    if stemmed:
        field.setdefault("fields", {})["stems"] = {"type": "text", "analyzer": "stems"}
    return field


def _auctions(*, rich: bool) -> dict[str, Any]:
    return {
        "id": _KEYWORD,
        "hidden": {"type": "boolean"},
        "seq": {"type": "long", "index": False},
        "title": _SHOWN,
        "description": _SHOWN,
        "tags": _KEYWORD,
        "category": _KEYWORD,
        "seller": {"properties": {"id": _KEYWORD, "username": _KEYWORD}},
        "videoId": _KEYWORD,
        "currency": _KEYWORD,
        "startingPriceMinor": _MONEY,
        "priceMinor": _MONEY,
        "buyNowPriceMinor": _MONEY,
        "finalPriceMinor": _MONEY,
        "bidCount": {"type": "integer"},
        "hasReserve": {"type": "boolean"},
        "reserveMet": {"type": "boolean"},
        "status": _KEYWORD,
        "outcome": _KEYWORD,
        "createdAt": _DATE,
        "startTime": _DATE,
        "endTime": _DATE,
        "search": {
            "properties": {
                "title": _found(prefixes=True, phrases=True, stemmed=rich),
                "description": _found(stemmed=rich),
                "tags": _found(prefixes=True, stemmed=rich),
                "category": _found(),
                "seller": _found(prefixes=True),
            }
        },
        "suggest": {"type": "completion", "analyzer": "words", "max_input_length": 60},
    }


def _users(*, rich: bool) -> dict[str, Any]:  # noqa: ARG001 - names have no stems; every kind is asked alike
    return {
        "id": _KEYWORD,
        "hidden": {"type": "boolean"},
        "seq": {"type": "long", "index": False},
        "username": _KEYWORD,
        "roles": _KEYWORD,
        "createdAt": _DATE,
        "search": {"properties": {"username": _found(prefixes=True)}},
        "suggest": {"type": "completion", "analyzer": "words", "max_input_length": 60},
    }


_FIELDS: Final = {"auctions": _auctions, "users": _users}


def _analysis(*, rich: bool) -> dict[str, Any]:
    analyzers: dict[str, Any] = {
        "words": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase"]},
        "pairs": {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "pairs"]},
    }
    filters: dict[str, Any] = {
        "pairs": {"type": "shingle", "min_shingle_size": 2, "max_shingle_size": 2, "output_unigrams": True}
    }
    if rich:
        filters["english_stems"] = {"type": "stemmer", "language": "english"}
        analyzers["stems"] = {"type": "custom", "tokenizer": "standard", "filter": ["lowercase", "english_stems"]}
    return {"analyzer": analyzers, "filter": filters}


def body(kind: Kind, *, plugins: Collection[str], shards: int = 1, replicas: int = 0) -> dict[str, Any]:
    """Settings and mappings of a new index of a kind, for a server with these modules and plugins (`_nodes/plugins`)."""
    rich = ANALYSIS_MODULE in plugins
    return {
        "settings": {
            "number_of_shards": shards,
            "number_of_replicas": replicas,
            "refresh_interval": f"{REFRESH_MS}ms",
            "analysis": _analysis(rich=rich),
        },
        "mappings": {"dynamic": "strict", "_meta": {"stems": rich}, "properties": _FIELDS[kind](rich=rich)},
    }
