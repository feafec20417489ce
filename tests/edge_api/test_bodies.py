"""Bodies are read exactly: amounts as written, types as declared."""

import pytest

from edge_api.bodies import read, written
from edge_api.problems import Problem
from schemas.auctions import CreateAuction, PlaceBid

pytestmark = pytest.mark.quick

OFFER = '"title":"Lens","startingPrice":100,"duration":3600'


def wrong(body: str, model: type = CreateAuction) -> list[tuple[str, str]]:
    with pytest.raises(Problem) as raised:
        read(model, body.encode("utf-8", "surrogatepass"))
    assert raised.value.status_code in (400, 422)
    return [(error.field, error.code) for error in raised.value.errors]


@pytest.mark.parametrize(
    ("said", "minor"),
    [("150", 15_000), ("150.5", 15_050), ("150.25", 15_025), ("0.1", 10), ("99999999.99", 9_999_999_999), ("0.29", 29)],
)
def test_an_amount_is_what_was_written(said: str, minor: int) -> None:
    assert read(PlaceBid, f'{{"amount":{said}}}'.encode()).amount == minor


def test_an_amount_goes_on_as_it_came() -> None:
    assert written(read(PlaceBid, b'{"maxAmount":150.29,"amount":0.1}')) == (
        b'{"amount":0.1,"maxAmount":150.29,"confirmed":false}'
    )


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ('"title":1.5,"startingPrice":1,"duration":60', "title"),
        ('"title":7,"startingPrice":1,"duration":60', "title"),
        (OFFER + ',"retraction":"yes"', "retraction"),
        (OFFER + ',"draft":1', "draft"),
        (OFFER + ',"videoId":12', "videoId"),
        (OFFER + ',"startTime":1800000000', "startTime"),
        (OFFER + ',"startTime":"1800000000"', "startTime"),
        (OFFER + ',"startTime":"2027-01-01T00:00:00"', "startTime"),
        (OFFER + ',"startTime":"tomorrow"', "startTime"),
        (OFFER + ',"closing":{"mode":"soft","window":10,"hardStop":"1800000000"}', "closing.hardStop"),
        (OFFER + ',"tags":"lens"', "tags"),
        (OFFER + ',"tags":[1]', "tags.0"),
        (OFFER + ',"starting_price":5', "starting_price"),
        (OFFER + ',"nonsense":5', "nonsense"),
        ('"title":"Lens","starting_price":100,"duration":3600', "startingPrice"),
        ('"title":"Lens\\u202e","startingPrice":100,"duration":3600', "title"),
        ('"title":"Lens\\ud800","startingPrice":100,"duration":3600', "title"),
    ],
)
def test_the_wrong_field_is_named(fields: str, field: str) -> None:
    assert field in [name for name, _ in wrong(f"{{{fields}}}")]


@pytest.mark.parametrize(
    "body", ["", "{", "nonsense", '{"a":NaN}', '{"a":Infinity}', '{"a":1,"a":2}', "\ud800", "[" * 10_000, '{"a":01}']
)
def test_what_is_no_json_of_ours_is_refused_whole(body: str) -> None:
    assert wrong(body) == [("body", "malformed_json")]


@pytest.mark.parametrize("body", ["[]", "1", '"text"', "null", "true"])
def test_a_body_is_an_object(body: str) -> None:
    assert wrong(body) == [("body", "object")]


def test_what_was_sent_is_not_repeated() -> None:
    with pytest.raises(Problem) as raised:
        read(PlaceBid, b'{"amount":"hunter2-the-secret"}')

    assert "hunter2" not in str(raised.value.detail) + str(raised.value.errors)
