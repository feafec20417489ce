"""Where the words of a query stand in what was found: marked, escaped, never more."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_api.search_highlights import FRAGMENT, fragment, title
from edge_api.search_words import words_of

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("text", "query", "shown"),
    [
        ("Leica M3, chrome", "leica m3", "<em>Leica</em> <em>M3</em>, chrome"),
        ("Voigtländer Heliar", "voigtlander", "<em>Voigtländer</em> Heliar"),
        ("Leica M3", "lecia", "<em>Leica</em> M3"),
        ("Stratocaster", "strato", "<em>Stratocaster</em>"),
        ("Straße in Łódź", "strasse lodz", "<em>Straße</em> in <em>Łódź</em>"),
        ("ライカM3カメラ", "ライカ", "<em>ライカ</em>M3カメラ"),
        ("🎸 ukulele", "🎸", "<em>🎸</em> ukulele"),
        ("<b>Lens</b> & co", "lens", "&lt;b&gt;<em>Lens</em>&lt;/b&gt; &amp; co"),
        ("Lamp", "camera", None),
        ("A 5", "6", None),
        ("ab", "ac", None),
    ],
)
def test_words_are_marked_in_a_title(text: str, query: str, shown: str | None) -> None:
    assert title(text, words_of(query)) == shown


def test_of_a_long_text_the_part_with_the_words_is_shown() -> None:
    text = "Nothing here. " * 60 + "The Summicron lens is clear. " + "Nothing there. " * 60

    shown = fragment(text, ["summicron"])

    assert shown is not None
    assert "<em>Summicron</em> lens is clear" in shown
    assert len(shown) <= FRAGMENT + 40


@given(st.text(max_size=300), st.text(min_size=1, max_size=40))
def test_what_is_shown_is_the_text_itself_and_safe(text: str, query: str) -> None:
    words = words_of(query) or ["x"]

    shown = title(text, words)
    part = fragment(text, words)

    if shown is not None:
        assert html.unescape(re.sub(r"</?em>", "", shown)) == text
    for made in (shown or "", part or ""):
        assert not re.search(r"<(?!/?em>)", made)
