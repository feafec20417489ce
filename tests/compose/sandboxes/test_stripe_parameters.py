"""Stripe's forms: how they are read, and what is found wrong with them by the SDK's own parameter types."""

from typing import Any

import pytest
from stripe.params import AccountCreateParams, PaymentIntentCreateParams, PaymentIntentListParams, TransferCreateParams

from compose.sandboxes.stripe.parameters import changed_metadata, check, read_form
from compose.sandboxes.stripe.problems import Problem
from compose.sandboxes.stripe.routes import ADDRESSES

pytestmark = pytest.mark.quick


def test_a_form_becomes_nested_values_of_their_types() -> None:
    text = (
        "amount=15000&currency=usd&automatic_payment_methods[enabled]=true&metadata[order_id]=o1&expand[0]=latest_charge"
        "&shipping[name]=Anna&shipping[address][line1]=Main+Street+1&off_session=one_off"
    )

    assert check(read_form(text), PaymentIntentCreateParams) == {
        "amount": 15_000,
        "currency": "usd",
        "automatic_payment_methods": {"enabled": True},
        "metadata": {"order_id": "o1"},
        "expand": ["latest_charge"],
        "shipping": {"name": "Anna", "address": {"line1": "Main Street 1"}},
        "off_session": "one_off",
    }


def test_a_filter_by_time_is_a_number_or_a_range() -> None:
    assert check(read_form("created=5"), PaymentIntentListParams) == {"created": 5}
    assert check(read_form("created[gte]=5&created[lt]=9"), PaymentIntentListParams) == {"created": {"gte": 5, "lt": 9}}


@pytest.mark.parametrize(
    ("text", "kind", "code", "param"),
    [
        ("currency=usd", PaymentIntentCreateParams, "parameter_missing", "amount"),
        ("amount=1", PaymentIntentCreateParams, "parameter_missing", "currency"),
        ("amount=1&currency=usd&colour=red", PaymentIntentCreateParams, "parameter_unknown", "colour"),
        (
            "amount=1&currency=usd&shipping[address][line1]=a",
            PaymentIntentCreateParams,
            "parameter_missing",
            "shipping[name]",
        ),
        (
            "amount=1&currency=usd&automatic_payment_methods[on]=true",
            PaymentIntentCreateParams,
            "parameter_unknown",
            "automatic_payment_methods[on]",
        ),
        ("amount=1.5&currency=usd", PaymentIntentCreateParams, "parameter_invalid_integer", "amount"),
        ("amount=&currency=usd", PaymentIntentCreateParams, "parameter_invalid_empty", "amount"),
        ("amount=1&currency=usd&capture_method=never", PaymentIntentCreateParams, None, "capture_method"),
        ("amount=1&currency=usd&confirm=yes", PaymentIntentCreateParams, None, "confirm"),
        ("amount=1&currency=usd&metadata=x", PaymentIntentCreateParams, None, "metadata"),
        ("amount=1&currency=usd&api_key=sk_test_x", PaymentIntentCreateParams, "parameter_unknown", "api_key"),
        ("amount[x]=1&currency=usd", PaymentIntentCreateParams, None, "amount"),
        ("currency=usd&amount=1", TransferCreateParams, "parameter_missing", "destination"),
        ("capabilities[transfers][requested]=maybe", AccountCreateParams, None, "capabilities[transfers][requested]"),
        ("x=1", None, "parameter_unknown", "x"),
    ],
)
def test_what_is_wrong_with_a_form_is_named(text: str, kind: Any, code: str | None, param: str) -> None:
    with pytest.raises(Problem) as refused:
        check(read_form(text), kind)

    assert (refused.value.status, refused.value.error["type"]) == (400, "invalid_request_error")
    assert (refused.value.error.get("code"), refused.value.error["param"]) == (code, param)


@pytest.mark.parametrize("text", ["a[b=1", "[a]=1", "a[b][c][d][e][f][g][h][i]=1", "a=1&a[b]=2"])
def test_a_form_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        check(read_form(text), PaymentIntentCreateParams)


def test_an_update_of_metadata_merges_and_an_empty_value_takes_a_name_away() -> None:
    assert changed_metadata({"a": "1", "b": "2"}, {"a": "", "c": "3"}) == {"b": "2", "c": "3"}
    assert changed_metadata({"a": "1"}, "") == {}


@pytest.mark.parametrize("given", [{"k" * 41: "v"}, {"k": "v" * 501}, {f"k{number}": "v" for number in range(51)}])
def test_metadata_has_stripes_limits(given: dict[str, str]) -> None:
    with pytest.raises(Problem):
        changed_metadata({}, given)


def test_every_address_is_there_once_and_its_parameter_type_is_readable() -> None:
    assert len({(one.method, one.path) for one in ADDRESSES}) == len(ADDRESSES)
    for one in ADDRESSES:
        check({}, one.takes) if one.takes is None or not one.takes.__required_keys__ else None  # type: ignore[attr-defined]
