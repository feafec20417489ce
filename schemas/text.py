"""Text that people send: normalised, bounded, and free of characters that deceive a reader."""

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, EmailStr, StringConstraints
from pydantic_core import PydanticCustomError

_DECEIVING = frozenset("\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff")
_LINE_CHARACTERS = frozenset("\n\t")


def one_line(text: str) -> str:
    """NFC-normalise and strip a single line; raises ValueError on control, bidi and invisible characters."""
    return _clean(text, allowed=frozenset())


def prose(text: str) -> str:
    """As `one_line`, for text of several lines: line feeds and tabs stay, CRLF becomes LF."""
    return _clean(text.replace("\r\n", "\n"), allowed=_LINE_CHARACTERS)


def _clean(text: str, *, allowed: frozenset[str]) -> str:
    normal = unicodedata.normalize("NFC", text).strip()
    for character in normal:
        if character in allowed:
            continue
        if character in _DECEIVING or unicodedata.category(character) in {"Cc", "Cs", "Cn", "Co"}:
            raise PydanticCustomError(
                "character", "must not hold the character U+{code}", {"code": f"{ord(character):04X}"}
            )
    return normal


def _not_empty(text: str) -> str:
    if not text:
        raise PydanticCustomError("empty", "must not be empty")
    return text


def _username(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{1,28})[A-Za-z0-9]", text) is None:
        raise PydanticCustomError(
            "username",
            "must be 3 to 30 letters, digits, dots, dashes or underscores, and begin and end with a letter or digit",
        )
    return text


def _password(text: str) -> str:
    if len(text) < 10:
        raise PydanticCustomError("password", "must be at least 10 characters long")
    if len(set(text)) < 5 or text.lower() in _COMMON:
        raise PydanticCustomError("password", "is too easy to guess")
    return text


_COMMON = frozenset(
    {"password123", "password1234", "1234567890", "12345678910", "qwertyuiop", "qwerty12345", "iloveyou123"}
)

Title = Annotated[str, StringConstraints(max_length=200), AfterValidator(one_line), AfterValidator(_not_empty)]
Description = Annotated[str, StringConstraints(max_length=10_000), AfterValidator(prose)]
Tag = Annotated[str, StringConstraints(max_length=40), AfterValidator(one_line), AfterValidator(_not_empty)]
Line = Annotated[str, StringConstraints(max_length=100), AfterValidator(one_line), AfterValidator(_not_empty)]
FileName = Annotated[str, StringConstraints(max_length=255), AfterValidator(one_line), AfterValidator(_not_empty)]
Note = Annotated[str, StringConstraints(max_length=500), AfterValidator(prose)]
Username = Annotated[str, StringConstraints(max_length=30), AfterValidator(_username)]
Password = Annotated[str, StringConstraints(max_length=200), AfterValidator(_password)]
Secret = Annotated[str, StringConstraints(min_length=1, max_length=400)]
Email = Annotated[EmailStr, StringConstraints(max_length=254), AfterValidator(one_line)]


def email_key(address: str) -> str:
    """The form of an e-mail address by which two are the same: NFC, lower case."""
    return unicodedata.normalize("NFC", address).strip().lower()
