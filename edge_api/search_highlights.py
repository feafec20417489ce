"""Where the words of a query stand in a text that was found, as HTML that is safe to show: all escaped, the words in `<em>`.

Made here and not by the index: there, the misspelt and unaccented words of a query would be looked up again for every text,
which costs several times the search itself.
"""

import html
import re
from functools import lru_cache

from schemas.search_text import fold

LOOKED_AT_MAX = 2_000
"""So much of a text is looked at, characters."""

FRAGMENT = 140
_WORD = re.compile(r"[^\W_]+|[\U0001F000-\U0001FAFF\u2600-\u27BF]")
_JOINED = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts without spaces between words: there a word may begin anywhere."""

Place = tuple[int, int]


def title(text: str, words: list[str]) -> str | None:
    """The whole text with the words marked; None when none of them stands there."""
    places = _places(text, words)
    return _marked(text, places, 0, len(text)) if places else None


def fragment(text: str, words: list[str]) -> str | None:
    """The part of a long text where the first of the words stands, cut at spaces; None when none of them does."""
    looked_at = text[:LOOKED_AT_MAX]
    places = _places(looked_at, words)
    if not places:
        return None
    start = max(0, places[0][0] - FRAGMENT // 3)
    start = text.rfind(" ", 0, start) + 1 if start else 0
    end = start + FRAGMENT if start + FRAGMENT < len(text) else len(text)
    end = max(text.rfind(" ", start, end) if end < len(text) else end, places[0][1])
    return _marked(text, [place for place in places if place[1] <= end], start, end)


def _marked(text: str, places: list[Place], start: int, end: int) -> str:
    parts, at = [], start
    for begin, stop in places:
        parts += [html.escape(text[at:begin]), "<em>", html.escape(text[begin:stop]), "</em>"]
        at = stop
    return "".join([*parts, html.escape(text[at:end])])


def _places(text: str, words: list[str]) -> list[Place]:
    """Where the words stand, in their order, none over another."""
    found: list[Place] = [place for word in words if _JOINED.search(word) for place in _anywhere(text, word)]
    parts = frozenset(part for word in words for part in _WORD.findall(word))
    found += [one.span() for one in _WORD.finditer(text) if _is_one_of(one.group(), parts, words[-1])]
    apart: list[Place] = []
    for place in sorted(found):
        if not apart or place[0] >= apart[-1][1]:
            apart.append(place)
    return apart


def _anywhere(text: str, word: str) -> list[Place]:
    return [match.span() for match in re.finditer(re.escape(word), text, re.IGNORECASE)]


@lru_cache(maxsize=16_384)
def _is_one_of(written: str, words: frozenset[str], unfinished: str) -> bool:
    """Whether a written word is one of a query's, begins with its last one, or is nearly one."""
    folded = fold(written)
    if folded in words or (len(unfinished) > 1 and folded.startswith(unfinished)):
        return True
    return any(_is_near(folded, word) for word in words)


def _is_near(written: str, word: str) -> bool:
    """Within the distance that the search allows (fuzziness AUTO: one change from 3 letters on, two from 6), first letter kept."""
    allowed = 0 if len(word) < 3 or word.isdigit() else 1 if len(word) < 6 else 2
    if not allowed or abs(len(written) - len(word)) > allowed or written[:1] != word[:1]:
        return False
    return _distance(written, word) <= allowed


def _distance(one: str, other: str) -> int:
    """Changes between two words: letters put in, left out, replaced, or two neighbours exchanged (Damerau)."""
    before, row = list[int](), list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
