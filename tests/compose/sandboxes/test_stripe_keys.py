"""Idempotency keys and faults at the Stripe stand-in: the same answer again, and every way to lose one."""

import threading
from typing import Any
from uuid import uuid4

import pytest
import stripe

from compose.sandboxes.stripe.store import KEY_LIFE_S
from tests.compose.sandboxes.paying import NO_REDIRECTS, pay, sdk
from tests.compose.sandboxes.stripe_standin import StripeStandin

WANTED = {"amount": 15_000, "currency": "usd", "automatic_payment_methods": NO_REDIRECTS}


def make(api: Any, key: str, **more: Any) -> Any:
    return api.payment_intents.create(WANTED | more, {"idempotency_key": key})


def count(standin: StripeStandin) -> int:
    return len(standin.ask("/sandbox/objects/payment_intent")["items"])


def test_the_same_key_brings_the_same_answer_and_one_effect(stripe_standin: StripeStandin) -> None:
    api, key = sdk(stripe_standin), str(uuid4())

    first, again = make(api, key), make(api, key)

    assert (first.id, count(stripe_standin)) == (again.id, 1)
    assert again.last_response.headers["idempotent-replayed"] == "true"
    assert [one["replayed"] for one in stripe_standin.requests("/v1/payment_intents")] == [False, True]


def test_a_decline_is_an_answer_too(stripe_standin: StripeStandin) -> None:
    api, key = sdk(stripe_standin), str(uuid4())

    for _ in range(2):
        with pytest.raises(stripe.CardError):
            make(api, key, confirm=True, payment_method="pm_card_chargeDeclined")

    assert count(stripe_standin) == 1


def test_a_key_is_for_one_request_only(stripe_standin: StripeStandin) -> None:
    api, key = sdk(stripe_standin), str(uuid4())
    make(api, key)

    with pytest.raises(stripe.IdempotencyError, match="same parameters") as other_amount:
        make(api, key, amount=15_001)
    with pytest.raises(stripe.IdempotencyError, match="same endpoint"):
        api.customers.create({}, {"idempotency_key": key})

    assert (other_amount.value.http_status, count(stripe_standin)) == (400, 1)


def test_a_request_with_a_mistake_does_not_use_its_key_up(stripe_standin: StripeStandin) -> None:
    api, key = sdk(stripe_standin), str(uuid4())
    with pytest.raises(stripe.InvalidRequestError):
        make(api, key, colour="red")

    assert make(api, key).status == "requires_payment_method"


def test_a_key_is_forgotten_after_a_day(stripe_standin: StripeStandin) -> None:
    api, key = sdk(stripe_standin), str(uuid4())
    first = make(api, key)

    stripe_standin.ask("/sandbox/clock", {"ahead_s": KEY_LIFE_S - 60})
    assert make(api, key).id == first.id
    stripe_standin.ask("/sandbox/clock", {"ahead_s": KEY_LIFE_S + 60})
    assert make(api, key).id != first.id


def test_a_second_request_while_the_first_is_under_way_is_told_so(stripe_standin: StripeStandin) -> None:
    api, key = sdk(stripe_standin), str(uuid4())
    stripe_standin.fault(path="/v1/payment_intents", latency_ms=1_500, when="after", times=1)
    first = threading.Thread(target=make, args=(api, key))
    first.start()
    while count(stripe_standin) == 0:
        assert first.is_alive()

    with pytest.raises(stripe.StripeError) as refused:
        make(sdk(stripe_standin), key)

    first.join()
    assert refused.value.error is not None
    assert (refused.value.http_status, refused.value.error.code, count(stripe_standin)) == (
        409,
        "idempotency_key_in_use",
        1,
    )


def test_an_error_before_the_effect_leaves_the_key_good(stripe_standin: StripeStandin) -> None:
    api, key = sdk(stripe_standin), str(uuid4())
    stripe_standin.fault(path="/v1/payment_intents", method="POST", status=500, times=1)
    with pytest.raises(stripe.APIError):
        make(api, key)
    assert count(stripe_standin) == 0

    assert make(api, key).status == "requires_payment_method"


def test_an_error_after_the_effect_is_the_keys_answer_from_then_on(stripe_standin: StripeStandin) -> None:
    api, key = sdk(stripe_standin), str(uuid4())
    stripe_standin.fault(path="/v1/payment_intents", status=500, when="after", times=1)

    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            make(api, key)

    assert (failed.value.headers or {})["idempotent-replayed"] == "true"
    assert count(stripe_standin) == 1


def test_an_effect_asked_for_twice_by_the_network_is_had_once(stripe_standin: StripeStandin) -> None:
    stripe_standin.fault(path="/v1/payment_intents", duplicates=3, times=1)

    make(sdk(stripe_standin), str(uuid4()))

    assert count(stripe_standin) == 1


def test_too_many_requests_are_told_when_to_come_back(stripe_standin: StripeStandin) -> None:
    stripe_standin.fault(path="/v1/balance", status=429, retry_after_s=7, times=1)

    with pytest.raises(stripe.RateLimitError) as refused:
        sdk(stripe_standin).balance.retrieve()

    assert (refused.value.headers or {})["retry-after"] == "7"


def test_the_sdks_own_retries_have_one_effect(stripe_standin: StripeStandin) -> None:
    stripe_standin.fault(path="/v1/payment_intents", status=503, times=2)

    paid = pay(sdk(stripe_standin, max_network_retries=2))

    assert (paid.status, stripe_standin.totals()["payers"]) == ("succeeded", -15_000)
