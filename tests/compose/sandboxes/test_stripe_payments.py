"""Paying at the Stripe stand-in, seen through Stripe's own SDK."""

from typing import Any

import pytest
import stripe

from compose.sandboxes.stripe.cards import DECLINE_CODES
from tests.compose.sandboxes.paying import NO_REDIRECTS, events, pay, sdk
from tests.compose.sandboxes.stripe_standin import PUBLISHABLE_KEY, SECRET_KEY, StripeStandin


def intent(api: Any, **more: Any) -> Any:
    return api.payment_intents.create(
        {"amount": 15_000, "currency": "usd", "automatic_payment_methods": NO_REDIRECTS} | more
    )


def confirm(standin: StripeStandin, made: Any, **form: str) -> Any:
    return standin.js(f"/v1/payment_intents/{made.id}/confirm", client_secret=made.client_secret, **form)


def test_a_phone_pays_with_the_client_secret_and_the_platform_has_the_money(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    made = intent(api, metadata={"order_id": "o1"}, transfer_group="g1")
    assert (made.status, made.payment_method) == ("requires_payment_method", None)

    answer = confirm(
        stripe_standin,
        made,
        **{"payment_method_data[type]": "card", "payment_method_data[card][number]": "4242424242424242"},
    )

    assert (answer.status_code, answer.json()["status"]) == (200, "succeeded")
    assert "metadata" not in answer.json()
    paid = api.payment_intents.retrieve(made.id, {"expand": ["latest_charge.balance_transaction"]})
    assert (paid.amount_received, paid.latest_charge.transfer_group) == (15_000, "g1")
    assert paid.latest_charge.metadata["order_id"] == "o1"
    assert (paid.latest_charge.balance_transaction.fee, paid.latest_charge.balance_transaction.net) == (465, 14_535)
    assert events(api) == ["payment_intent.created", "charge.succeeded", "payment_intent.succeeded"]
    assert stripe_standin.totals() == {"platform": 14_535, "stripe": 465, "payers": -15_000, "sum": 0}


@pytest.mark.parametrize("code", DECLINE_CODES)
def test_every_decline_code_reaches_the_sdk_as_a_card_error(stripe_standin: StripeStandin, code: str) -> None:
    api = sdk(stripe_standin)

    with pytest.raises(stripe.CardError) as declined:
        pay(api, f"pm_card_declined_{code}")

    error = declined.value.error
    assert error is not None
    assert (declined.value.http_status, error.code, error.decline_code) == (402, "card_declined", code)
    attempt = error.payment_intent
    assert attempt is not None
    assert (attempt.status, attempt.last_payment_error.decline_code) == ("requires_payment_method", code)  # type: ignore[union-attr]
    assert stripe_standin.totals() == {}


@pytest.mark.parametrize(
    ("card", "code", "decline_code"),
    [
        ("chargeDeclined", "card_declined", "generic_decline"),
        ("visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("chargeDeclinedExpiredCard", "expired_card", None),
        ("chargeDeclinedIncorrectCvc", "incorrect_cvc", None),
        ("chargeDeclinedProcessingError", "processing_error", None),
    ],
)
def test_stripes_own_declined_cards_are_declined_as_there(
    stripe_standin: StripeStandin, card: str, code: str, decline_code: str | None
) -> None:
    with pytest.raises(stripe.CardError) as declined:
        pay(sdk(stripe_standin), f"pm_card_{card}")

    assert declined.value.error is not None
    assert (declined.value.error.code, declined.value.error.to_dict().get("decline_code")) == (code, decline_code)


def test_after_a_decline_the_same_intent_is_paid_with_another_card(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    made = intent(api)

    assert confirm(stripe_standin, made, payment_method="pm_card_chargeDeclined").status_code == 402
    assert confirm(stripe_standin, made, payment_method="tok_visa").status_code == 400
    assert confirm(stripe_standin, made, payment_method="pm_card_visa").status_code == 200

    assert [charge.status for charge in api.charges.list({"payment_intent": made.id}).data] == ["succeeded", "failed"]
    assert events(api)[1:3] == ["charge.failed", "payment_intent.payment_failed"]


def test_the_bank_asks_and_its_approval_pays(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    made = intent(api)
    asked = confirm(stripe_standin, made, payment_method="pm_card_authenticationRequired").json()
    assert (asked["status"], asked["next_action"]["type"]) == ("requires_action", "use_stripe_sdk")
    page = asked["next_action"]["use_stripe_sdk"]["stripe_js"]
    assert "$150.00" in stripe_standin.http.get(page).text
    assert stripe_standin.http.get(page.replace("secret", "other")).status_code == 404

    stripe_standin.http.post(page, data={"outcome": "approve"})

    assert api.payment_intents.retrieve(made.id).status == "succeeded"
    assert "payment_intent.requires_action" in events(api)


def test_the_bank_asks_and_its_refusal_leaves_the_intent_to_another_card(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    made = intent(api)
    asked = confirm(
        stripe_standin, made, payment_method="pm_card_threeDSecure2Required", return_url="https://shop.example/done?a=1"
    ).json()

    answer = stripe_standin.http.post(asked["next_action"]["redirect_to_url"]["url"], data={"outcome": "fail"})

    assert (
        answer.headers["location"] == f"https://shop.example/done?a=1&payment_intent={made.id}&redirect_status=failed"
    )
    now = api.payment_intents.retrieve(made.id)
    assert (now.status, now.last_payment_error.code) == (
        "requires_payment_method",
        "payment_intent_authentication_failure",
    )
    assert stripe_standin.totals() == {}


def test_a_kept_card_is_charged_while_its_owner_is_away(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    customer = api.customers.create({"email": "anna@example.org"})
    setup = api.setup_intents.create({"customer": customer.id, "automatic_payment_methods": NO_REDIRECTS})
    stripe_standin.js(
        f"/v1/setup_intents/{setup.id}/confirm", client_secret=setup.client_secret, payment_method="pm_card_visa"
    )
    [card] = api.customers.payment_methods.list(customer.id).data

    paid = pay(api, card.id, customer=customer.id, off_session=True)

    assert paid.status == "succeeded"
    with pytest.raises(stripe.InvalidRequestError, match="attached to another Customer"):
        pay(api, card.id)
    api.payment_methods.detach(card.id)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        pay(api, card.id, customer=customer.id, off_session=True)


@pytest.mark.parametrize(("card", "goes"), [("authenticationRequired", False), ("authenticationRequiredOnSetup", True)])
def test_an_absent_owner_cannot_answer_his_bank(stripe_standin: StripeStandin, card: str, goes: bool) -> None:
    api = sdk(stripe_standin)
    customer = api.customers.create({})
    setup = api.setup_intents.create(
        {
            "customer": customer.id,
            "confirm": True,
            "payment_method": f"pm_card_{card}",
            "automatic_payment_methods": NO_REDIRECTS,
        }
    )
    assert setup.status == "requires_action"
    stripe_standin.ask(f"/sandbox/challenges/{setup.id}", {"approved": True})
    [kept] = api.payment_methods.list({"customer": customer.id, "type": "card"}).data

    if goes:
        assert pay(api, kept.id, customer=customer.id, off_session=True).status == "succeeded"
        return
    with pytest.raises(stripe.CardError) as declined:
        pay(api, kept.id, customer=customer.id, off_session=True)
    assert declined.value.code == "authentication_required"


def test_money_is_held_and_then_taken_in_part(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    held = pay(api, capture_method="manual")
    assert (held.status, held.amount_capturable, stripe_standin.totals()) == ("requires_capture", 15_000, {})

    with pytest.raises(stripe.InvalidRequestError, match="more than the amount authorized"):
        api.payment_intents.capture(held.id, {"amount_to_capture": 15_001})
    taken = api.payment_intents.capture(held.id, {"amount_to_capture": 10_000})

    assert (taken.status, taken.amount_received, stripe_standin.totals()["payers"]) == ("succeeded", 10_000, -10_000)


def test_a_cancelled_intent_takes_no_money_any_more(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    made = intent(api)
    assert api.payment_intents.cancel(made.id, {"cancellation_reason": "abandoned"}).status == "canceled"

    refused = confirm(stripe_standin, made, payment_method="pm_card_visa")

    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "payment_intent_unexpected_state")
    with pytest.raises(stripe.InvalidRequestError) as again:
        api.payment_intents.cancel(made.id)
    assert again.value.code == "payment_intent_unexpected_state"
    assert stripe_standin.totals() == {}


def test_a_paid_intent_is_neither_paid_again_nor_cancelled_nor_changed(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    made = intent(api)
    confirm(stripe_standin, made, payment_method="pm_card_visa")

    assert (
        confirm(stripe_standin, made, payment_method="pm_card_visa").json()["error"]["code"]
        == "payment_intent_unexpected_state"
    )
    for change in (api.payment_intents.cancel, lambda pi: api.payment_intents.update(pi, {"amount": 1_000})):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            change(made.id)
        assert refused.value.code == "payment_intent_unexpected_state"
    assert stripe_standin.totals()["payers"] == -15_000


@pytest.mark.parametrize(
    ("wanted", "code", "param"),
    [
        ({"amount": 49, "currency": "usd"}, "amount_too_small", "amount"),
        ({"amount": 100_000_000, "currency": "usd"}, "amount_too_large", "amount"),
        ({"amount": 0, "currency": "usd"}, "parameter_invalid_integer", "amount"),
        ({"amount": 100, "currency": "USD"}, None, "currency"),
        ({"amount": 100, "currency": "xyz"}, None, "currency"),
        ({"amount": 100, "currency": "usd", "customer": "cus_none"}, "resource_missing", "customer"),
        ({"amount": 100, "currency": "usd", "payment_method": "pm_none"}, "resource_missing", "payment_method"),
        ({"amount": 100, "currency": "usd", "off_session": True}, None, "off_session"),
        ({"amount": 100, "currency": "usd", "expand": ["colour"]}, None, "expand"),
    ],
)
def test_an_intent_that_makes_no_sense_is_refused(
    stripe_standin: StripeStandin, wanted: dict[str, Any], code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk(stripe_standin).payment_intents.create(wanted)

    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)


def test_yen_are_counted_whole(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)

    assert pay(api, amount=5_000, currency="jpy").amount_received == 5_000
    with pytest.raises(stripe.InvalidRequestError, match="¥50"):
        pay(api, amount=49, currency="jpy")
    assert stripe_standin.totals("jpy")["payers"] == -5_000


def test_redirects_need_an_address_to_come_back_to(stripe_standin: StripeStandin) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="return_url"):
        pay(sdk(stripe_standin), automatic_payment_methods={"enabled": True})


def test_a_card_may_be_asked_for_by_name_and_nothing_else(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)

    for made in (
        api.payment_intents.create({"amount": 15_000, "currency": "usd", "payment_method_types": ["card"]}),
        api.setup_intents.create({"payment_method_types": ["card"]}),
    ):
        assert (made.payment_method_types, made.automatic_payment_methods) == (["card"], None)
    for wanted in (
        {"payment_method_types": ["card", "sepa_debit"]},
        {"payment_method_types": ["card"], "automatic_payment_methods": NO_REDIRECTS},
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            api.payment_intents.create({"amount": 15_000, "currency": "usd", **wanted})
        assert refused.value.param == "payment_method_types"


def test_keys_open_what_they_are_for(stripe_standin: StripeStandin) -> None:
    made = intent(sdk(stripe_standin))
    other = intent(sdk(stripe_standin))

    with pytest.raises(stripe.AuthenticationError, match="Invalid API Key provided: sk_test_"):
        sdk(stripe_standin, "sk_test_of_somebody_else").balance.retrieve()
    with pytest.raises(stripe.AuthenticationError, match="publishable"):
        sdk(stripe_standin, PUBLISHABLE_KEY).balance.retrieve()
    assert stripe_standin.http.get("/v1/balance").status_code == 401
    shown = stripe_standin.http.get(
        f"/v1/payment_intents/{made.id}", params={"key": PUBLISHABLE_KEY, "client_secret": made.client_secret}
    )
    assert (shown.status_code, shown.json()["amount"]) == (200, 15_000)
    for secret in ({}, {"client_secret": other.client_secret}):
        hidden = stripe_standin.http.get(f"/v1/payment_intents/{made.id}", params={"key": PUBLISHABLE_KEY, **secret})
        assert hidden.status_code in (401, 404)
        assert "15000" not in hidden.text
    assert stripe_standin.http.get("/v1/balance", auth=(SECRET_KEY, "")).status_code == 200


def test_a_server_may_not_send_card_numbers(stripe_standin: StripeStandin) -> None:
    with pytest.raises(stripe.CardError, match="unsafe"):
        sdk(stripe_standin).payment_methods.create(
            {"type": "card", "card": {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034}}
        )


def test_what_is_not_there_is_said_in_stripes_words(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)

    with pytest.raises(stripe.InvalidRequestError, match="No such payment_intent: 'pi_none'") as missing:
        api.payment_intents.retrieve("pi_none")
    assert (missing.value.http_status, missing.value.code, missing.value.param) == (404, "resource_missing", "intent")
    assert (
        stripe_standin.http.get("/v1/unheard_of")
        .json()["error"]["message"]
        .startswith("Unrecognized request URL (GET: /v1/unheard_of)")
    )
    assert stripe_standin.http.post("/v1/customers", json={}, auth=(SECRET_KEY, "")).status_code == 400


def test_a_deleted_customer_is_gone_with_his_cards(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    customer = api.customers.create({"email": "ben@example.org", "name": "Ben"})
    card = api.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    api.customers.delete(customer.id)

    assert api.customers.retrieve(customer.id).deleted
    assert api.customers.list({"email": "ben@example.org"}).data == []
    assert api.payment_methods.retrieve(card.id).customer is None
    with pytest.raises(stripe.InvalidRequestError) as gone:
        intent(api, customer=customer.id)
    assert gone.value.code == "resource_missing"


def test_lists_come_page_by_page_the_newest_first(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    made = [intent(api, metadata={"n": str(number)}).id for number in range(5)]

    first = api.payment_intents.list({"limit": 2})
    assert ([one.id for one in first.data], first.has_more) == ([made[4], made[3]], True)
    assert [one.id for one in api.payment_intents.list({"limit": 2}).auto_paging_iter()] == made[::-1]
    assert [one.id for one in api.payment_intents.list({"ending_before": made[2], "limit": 1}).data] == [made[3]]
    assert api.payment_intents.list({"created": {"gt": 2**40}}).data == []
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_intents.list({"limit": 101})
    assert refused.value.param == "limit"
