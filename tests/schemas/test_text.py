"""Names and titles hold nothing that deceives a reader."""

import pytest
from pydantic import TypeAdapter, ValidationError

from schemas.text import Description, Email, Password, Title, Username

pytestmark = pytest.mark.quick


@pytest.mark.parametrize(
    "bad", ["\x00", "a\nb", "a\x1bb", "gpj.\u202eexe", "\u200b", "\u2066x", "", "   ", "x" * 201, "\ufeffx", "\ue000"]
)
def test_a_title_with_control_bidi_or_invisible_characters_is_refused(bad: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Title).validate_python(bad)


def test_a_title_is_normalised_so_that_equal_looking_titles_are_equal() -> None:
    assert TypeAdapter(Title).validate_python("  Cafe\u0301 ") == "Café"


def test_a_description_keeps_its_lines() -> None:
    assert TypeAdapter(Description).validate_python("one\r\ntwo\tthree") == "one\ntwo\tthree"


@pytest.mark.parametrize("bad", ["ab", "-anna", "anna-", "an na", "änna", "a" * 31, "anna@home"])
def test_a_username_that_others_could_not_type_is_refused(bad: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Username).validate_python(bad)


@pytest.mark.parametrize("bad", ["short", "aaaaaaaaaaaa", "password123", "x" * 201])
def test_a_weak_password_is_refused(bad: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Password).validate_python(bad)


@pytest.mark.parametrize("bad", ["anna", "anna@", "@home.org", "anna@home.org\nBcc: x@y.org", "a" * 250 + "@home.org"])
def test_an_address_that_is_none_is_refused(bad: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(Email).validate_python(bad)
