"""Money on the wire: a JSON number with at most two decimals, exact; inside, an integer of minor units."""

import json
import re
from decimal import Decimal
from typing import Annotated, Any, NoReturn

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

MINOR_MAX = 9_999_999_999
"""The largest amount, in minor units: ten digits, as in DECIMAL(10,2) (rule M2)."""

_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]{0,15})(?:\.[0-9]{1,2})?")
_EXACT = re.compile(r"(?:0|[1-9][0-9]{0,7})(?:\.([0-9]{1,2}))?")


class NumberText(str):
    """A JSON number that is not a plain integer, kept as it was written."""

    __slots__ = ()


class UnreadableJson(ValueError):
    """A body that is not the JSON we take; the text says what is wrong with it, in words for its sender."""


def loads(body: bytes) -> Any:
    """Parse JSON and keep every fraction as written; raises UnreadableJson for NaN, repeated names, or no JSON at all."""
    try:
        return json.loads(
            body.decode("utf-8"),
            parse_float=NumberText,
            parse_int=_integer,
            parse_constant=_no_constant,
            object_pairs_hook=_no_repeats,
        )
    except UnreadableJson:
        raise
    except UnicodeDecodeError as error:
        raise UnreadableJson("The body is not UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableJson("The body is not valid JSON.") from error


def _integer(text: str) -> int | NumberText:
    # Python refuses to read more than 4300 digits at once; nothing of ours is longer than 18.
    return int(text) if len(text) <= 18 else NumberText(text)


def _no_constant(name: str) -> NoReturn:
    raise UnreadableJson(f"{name} is not a JSON number.")


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableJson("A name stands twice in one object.")
    return found


class Minor(int):
    """An amount that is in minor units already: what Python code makes a message with, where a plain number means major units."""

    __slots__ = ()


def parse_minor(value: object) -> int:
    """Minor units of an amount as `loads` gives it (int or NumberText), as a Decimal or as Minor; raises ValueError when it is none.

    No exponent, sign, third decimal, NaN or amount above MINOR_MAX is taken (rules M1, M2; SECURITY.md, Input).
    """
    if isinstance(value, Minor):
        minor = int(value)
    elif type(value) is int:
        minor = value * 100
    elif isinstance(value, NumberText | Decimal):
        text = str(value)
        match = _EXACT.fullmatch(text)
        if match is None:
            raise ValueError("must be a number with at most two decimals, written without sign or exponent")
        whole, _, fraction = text.partition(".")
        minor = int(whole) * 100 + int(fraction.ljust(2, "0"))
    else:
        raise ValueError("must be a number with at most two decimals")
    if not 0 <= minor <= MINOR_MAX:
        raise ValueError(f"must lie between 0 and {print_minor(MINOR_MAX)}")
    return minor


def print_minor(minor: int) -> str:
    """An amount as the text of a JSON number, always with two decimals: 15000 is `150.00`."""
    sign = "-" if minor < 0 else ""
    whole, fraction = divmod(abs(minor), 100)
    return f"{sign}{whole}.{fraction:02d}"


class _Minor:
    @classmethod
    def __get_pydantic_core_schema__(cls, _source: object, _handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validate, serialization=core_schema.plain_serializer_function_ser_schema(_decimal, when_used="json")
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, _core: CoreSchema, _handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "number", "minimum": 0, "maximum": MINOR_MAX / 100, "multipleOf": 0.01}


def _validate(value: object) -> int:
    if isinstance(value, float):
        value = Decimal(repr(value))
    try:
        return parse_minor(value)
    except ValueError as error:
        raise PydanticCustomError("amount", "{reason}", {"reason": str(error)}) from None


def _decimal(minor: int) -> float:
    # The shortest text of minor/100 as a double has at most two decimals up to 2**53, so the printed number is exact.
    return minor / 100


Money = Annotated[int, _Minor]
"""An amount: minor units (int) in Python, a JSON number of major units on the wire, 0 to 99 999 999.99."""
