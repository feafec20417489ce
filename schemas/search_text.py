"""How text is written for finding it: the same folding for what is indexed and for what is asked, on every server.

The smallest Elasticsearch knows no accent folding; done here, `café` finds `CAFE` whatever modules the server has.
"""

import re
import unicodedata
from typing import Final

_MARKS: Final = re.compile("[\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\ufe00-\ufe0f]")
"""Marks that readers leave out: accents of Latin, Greek and Cyrillic, vowel points of Hebrew and Arabic, forms of emoji.

Marks of other scripts make other letters (Japanese か and が, Hindi vowels) and stay.
"""

_LETTERS: Final = str.maketrans(
    {"ø": "o", "đ": "d", "ð": "d", "ł": "l", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th", "ħ": "h", "ŧ": "t"}
)
"""Letters that Unicode does not take apart, as people without their keyboard write them."""


def fold(text: str) -> str:
    """Lower case, without accents, compatible forms made plain: `Ｃａｆé ﬁne Straße` is `cafe fine strasse`."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return unicodedata.normalize("NFC", _MARKS.sub("", apart).translate(_LETTERS))
