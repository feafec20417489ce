"""What somebody typed, as a query of Elasticsearch: words are matched, never obeyed.

The text becomes values of `match` queries and nothing else, so there is no syntax in it: no operator, no wildcard, no
regular expression, no field name. How many words, how far a misspelling goes and how many terms it may mean are bounded here.
"""

import re
from typing import Any

from schemas.search_text import fold

Query = dict[str, Any]

FUZZINESS = "AUTO:4,8"
"""Words of four letters and more may have one change, of eight and more two: in shorter ones too many are near."""

WORD_LENGTH_MAX = 30
"""Longer words, and texts without spaces, are looked for as they are only."""

WORDS_MAX = 16
"""More words of a query are not looked at."""

EXPANSIONS_MAX = 40
"""So many terms at most are tried for a misspelt or unfinished word."""

AUCTION_FIELDS = ("title^6", "tags^3", "category^2", "seller^2", "description^0.4")
LOOSE_FIELDS = ("title^6", "tags^3")
"""Where a word may be misspelt: descriptions are long enough that some word in them is near to any."""

PREFIX_FIELDS = ("title^6", "tags^3", "seller^2")
STEM_FIELDS = ("title.stems^6", "tags.stems^3", "description.stems^0.4")

MISSPELT = 0.35
UNFINISHED = 0.5
STEMMED = 0.8
JOINED = 0.9
IN_ORDER = 3.0
FOR_SOMETHING = 0.4
"""What is *for* a Leica is not a Leica: its worth, beside the thing itself."""

STOP_WORDS = frozenset(
    {
        *("a", "an", "and", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"),
        *("das", "der", "die", "ein", "eine", "fur", "im", "mit", "und", "von", "zu"),
        *("de", "des", "du", "et", "la", "le", "les", "pour", "un", "une", "con", "del", "el", "los", "para", "y"),
    }
)
"""Words that need not be there."""

FOR_WORDS = ("for", "fur", "pour", "para")
FOR_SLOP = 3
TITLE = "search.title"

_SPLIT = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
_TRIM = re.compile(r"^[^\w\U0001F000-\U0001FAFF\u2600-\u27BF]+|[^\w\U0001F000-\U0001FAFF\u2600-\u27BF]+$")


def words_of(text: str) -> list[str]:
    """The folded words of a text, without the signs around them; at most WORDS_MAX."""
    return [word for part in fold(text).split() if (word := _TRIM.sub("", part))][:WORDS_MAX]


def auctions(words: list[str], *, stems: bool = False) -> Query:
    """Auctions that have the words, misspelt too, the last perhaps unfinished; the nearest first."""
    needed = [word for word in words if word not in STOP_WORDS] or words
    order = [_phrase("title", " ".join(words), boost=IN_ORDER, slop=1)] if len(words) > 1 else []
    found = {"bool": {"must": [_enough(_units(needed, stems=stems))], "should": order}}
    return {"boosting": {"positive": found, "negative": _belongs_to(needed), "negative_boost": FOR_SOMETHING}}


def one(word: str) -> Query:
    """Auctions that have this one word, misspelt too."""
    return _word(word)


def _belongs_to(words: list[str]) -> Query:
    """Titles such as `Strap for Leica M3` where the words stand after the `for` only."""
    preposition = _any([{"span_term": {TITLE: word}} for word in FOR_WORDS])
    named = _any([{"span_term": {TITLE: word}} for word in words])
    begun: Query = {"prefix": {TITLE: {"value": words[-1], "rewrite": f"top_terms_{EXPANSIONS_MAX}"}}}
    whose = _any([named, *map(_misspelt, words[:2]), {"span_multi": {"match": begun}}])
    return {"bool": {"must": [_after(preposition, whose)], "must_not": [_after(named, preposition)]}}


def _misspelt(word: str) -> Query:
    near = {"value": word, "fuzziness": FUZZINESS, "prefix_length": 1, "max_expansions": EXPANSIONS_MAX}
    return {"span_multi": {"match": {"fuzzy": {TITLE: near}}}}


def _any(spans: list[Query]) -> Query:
    return {"span_or": {"clauses": spans}}


def _after(first: Query, second: Query) -> Query:
    return {"span_near": {"clauses": [first, second], "slop": FOR_SLOP, "in_order": True}}


def people(words: list[str]) -> Query:
    """People whose username has the words, or nearly so; an exact name first."""
    text = " ".join(words)
    return {
        "dis_max": {
            "queries": [
                _phrase("username", text, boost=4.0),
                {"match_phrase_prefix": {"search.username": {"query": text, "boost": 2.0, "max_expansions": 40}}},
                {"match": {"search.username": _near(text, boost=0.5)}},
            ]
        }
    }


def _enough(units: list[Query]) -> Query:
    """Of one or two words both; of three to five all but one, of more three quarters."""
    return {"bool": {"should": units, "minimum_should_match": "2<-1 5<75%"}}


def _units(words: list[str], *, stems: bool) -> list[Query]:
    """One clause per word; `c 64` may be written `C64`, so a word and the number after it are one clause."""
    units: list[Query] = []
    left = list(words)
    while left:
        word = left.pop(0)
        clause = _word(word, last=not left, stems=stems)
        if left and word.isdigit() != left[0].isdigit():
            following = left.pop(0)
            both = {"bool": {"must": [clause, _word(following, last=not left, stems=stems)]}}
            clause = {"dis_max": {"queries": [both, _exact(word + following, 2 * JOINED)]}}
        units.append(clause)
    return units


def _word(word: str, *, last: bool = False, stems: bool = False) -> Query:
    ways = [_exact(word, 1.0)]
    if 3 < len(word) <= WORD_LENGTH_MAX and not word.isdigit():
        ways.append({"multi_match": {**_near(word, boost=MISSPELT), "fields": _named(LOOSE_FIELDS)}})
    if last and len(word) > 1:
        ways.append(
            {
                "multi_match": {
                    "query": word,
                    "type": "phrase_prefix",
                    "fields": _named(PREFIX_FIELDS),
                    "boost": UNFINISHED,
                    "max_expansions": EXPANSIONS_MAX,
                }
            }
        )
    if stems:
        ways.append(
            {
                "multi_match": {
                    "query": word,
                    "type": "best_fields",
                    "operator": "and",
                    "fields": _named(STEM_FIELDS),
                    "boost": STEMMED,
                }
            }
        )
    if len(word) <= WORD_LENGTH_MAX and (apart := _SPLIT.sub(" ", word)) != word:
        ways.append(_exact(apart, JOINED))
    return {"dis_max": {"queries": ways}}


def _exact(text: str, boost: float) -> Query:
    """The text as it is; what the analyzer takes apart (`500c/m`, 茶碗) must stand together."""
    return {"multi_match": {"query": text, "type": "phrase", "fields": _named(AUCTION_FIELDS), "boost": boost}}


def _near(text: str, *, boost: float) -> Query:
    return {
        "query": text,
        "operator": "and",
        "fuzziness": FUZZINESS,
        "prefix_length": 1,
        "max_expansions": EXPANSIONS_MAX,
        "boost": boost,
    }


def _phrase(field: str, text: str, *, boost: float = 1.0, slop: int = 0) -> Query:
    return {"match_phrase": {f"search.{field}": {"query": text, "slop": slop, "boost": boost}}}


def _named(fields: tuple[str, ...]) -> list[str]:
    return [f"search.{field}" for field in fields]
