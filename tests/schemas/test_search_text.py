"""Folding: what people mean as the same word is written the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.search_text import fold

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("CAFÉ", "cafe"),
        ("cafe\u0301", "cafe"),
        ("Straße", "strasse"),
        ("STRASSE", "strasse"),
        ("Łódź", "lodz"),
        ("Ærøskøbing", "aeroskobing"),
        ("Ｃａｍｅｒａ", "camera"),
        ("ﬁne", "fine"),
        ("İstanbul", "istanbul"),
        ("Ёлка", "елка"),
        ("شَمْس", "شمس"),
        ("שָׁלוֹם", "שלום"),
        ("❤\ufe0f", "❤"),
        ("👍🏽", "👍🏽"),
    ],
)
def test_case_accents_and_forms_do_not_part_words(written: str, meant: str) -> None:
    assert fold(written) == meant


@pytest.mark.parametrize(("one", "other"), [("か", "が"), ("は", "ぱ"), ("한", "하"), ("कि", "की")])
def test_marks_that_make_another_letter_stay(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_half_width_and_full_width_kana_are_the_same() -> None:
    assert fold("ｶﾒﾗ") == fold("カメラ")


@settings(deadline=None)
@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)
