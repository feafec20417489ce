"""Amounts come in exactly as people wrote them, and go out exactly as they are."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from schemas.money import MINOR_MAX, Money, UnreadableJson, loads, parse_minor, print_minor

pytestmark = pytest.mark.quick


class Price(BaseModel):
    amount: Money


@given(st.integers(0, MINOR_MAX))
def test_every_amount_survives_the_wire_to_the_cent(minor: int) -> None:
    printed = Price(amount=print_decimal(minor)).model_dump_json()

    assert Price.model_validate(loads(printed.encode())).amount == minor
    assert parse_minor(loads(print_minor(minor).encode())) == minor


def print_decimal(minor: int) -> object:
    return loads(print_minor(minor).encode())


@pytest.mark.parametrize(
    "text",
    [
        "1e2",
        "1E2",
        "0.001",
        "1.005",
        "-1",
        "-0.01",
        "100000000",
        "99999999.995",
        "1e400",
        "0.30000000000000004",
        "9" * 5000,
    ],
)
def test_an_amount_that_is_not_plain_is_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate(loads(f'{{"amount":{text}}}'.encode()))


@pytest.mark.parametrize("value", ["5", True, None, [], {}, "NaN", "", " 5"])
def test_an_amount_that_is_no_number_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        Price.model_validate(loads(json.dumps({"amount": value}).encode()))


@pytest.mark.parametrize(
    "body",
    [
        b'{"amount":NaN}',
        b'{"amount":Infinity}',
        b'{"amount":-Infinity}',
        b'{"amount":1,"amount":2}',
        b'{"amount":01}',
        b'{"amount":1',
        b"",
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_a_body_that_is_not_strict_json_is_refused(body: bytes) -> None:
    with pytest.raises(UnreadableJson):
        loads(body)
