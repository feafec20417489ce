"""Speaking to Stripe: each answer of its means one thing for a job, and an effect is had once however often it is asked for."""

import asyncio
import dataclasses
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any
from uuid import uuid4

import pytest
import pytest_asyncio
import stripe

from compose.sandboxes.stripe.cards import DECLINE_CODES
from compose.sandboxes.stripe.store import KEY_LIFE_S
from consumers.payments.asking import meaning
from consumers.payments.bill import Bill
from consumers.payments.declines import GENERIC, KEPT_TO_OURSELVES, WORDS, decline
from consumers.payments.gateway import Declined, KeyReused, NotThere, Refused, Stripe, WrongState
from consumers.payments.provider import Card, Intent
from consumers.payments.units import NotPayable, from_stripe, to_stripe
from consumers.runtime import TryAgain
from tests.compose.sandboxes.stripe_standin import SECRET_KEY, StripeStandin, running

VERSION = "2023-10-16"


@pytest.fixture(scope="module")
def _standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeStandin]:
    with running(tmp_path_factory.mktemp("stripe")) as standin:
        yield standin


@pytest.fixture
def standin(_standin: StripeStandin) -> StripeStandin:
    _standin.forget()
    return _standin


@pytest_asyncio.fixture
async def gateway(standin: StripeStandin) -> AsyncIterator[Stripe]:
    gateway = Stripe(secret_key=SECRET_KEY, api_url=standin.url + "/", api_version=VERSION)
    yield gateway
    await gateway.close()


async def bill(gateway: Stripe, *, amount_minor: int = 15_000, currency: str = "USD") -> Bill:
    customer = await gateway.create_customer(user_id=uuid4(), key=uuid4())
    return Bill(
        order_id=uuid4(), auction_id=uuid4(), user_id=uuid4(), amount_minor=amount_minor, currency=currency,
        customer_id=customer,
    )  # fmt: skip


async def paid(
    gateway: Stripe, standin: StripeStandin, *, card: str = "pm_card_visa", **more: Any
) -> tuple[Bill, Intent]:
    wanted = await bill(gateway, **more)
    asked = await gateway.create_intent(wanted, key=uuid4())
    standin.js(f"/v1/payment_intents/{asked.id}/confirm", client_secret=asked.client_secret, payment_method=card)
    return wanted, await gateway.intent(asked.id)


async def seller(gateway: Stripe, standin: StripeStandin) -> str:
    account = await gateway.create_account(user_id=uuid4(), country="US", key=uuid4())
    standin.ask(f"/sandbox/accounts/{account.id}", {"outcome": "complete"})
    return account.id


async def test_an_intent_carries_the_specifications_metadata_and_the_order(
    gateway: Stripe, standin: StripeStandin
) -> None:
    wanted = await bill(gateway)
    key = uuid4()

    made = await gateway.create_intent(wanted, key=key)

    assert (made.status, made.amount_minor, made.currency) == ("requires_payment_method", 15_000, "USD")
    assert made.metadata == {
        "auction_id": str(wanted.auction_id),
        "user_id": str(wanted.user_id),
        "order_id": str(wanted.order_id),
        "job_id": str(key),
    }
    [there] = standin.ask("/sandbox/objects/payment_intent")["items"]
    assert (there["transfer_group"], there["automatic_payment_methods"]["enabled"]) == (
        f"order_{wanted.order_id}",
        True,
    )
    assert [one["idempotency_key"] for one in standin.requests("/v1/payment_intents")] == [str(key)]
    assert made.client_secret not in repr(made)


async def test_what_was_paid_is_told_with_stripes_fee(gateway: Stripe, standin: StripeStandin) -> None:
    _, now = await paid(gateway, standin)

    charge = await gateway.charge(now.charge_id or "")
    assert (now.status, now.received_minor, charge.captured_minor, charge.fee_minor) == (
        "succeeded",
        15_000,
        15_000,
        465,
    )


async def test_a_card_is_kept_charged_and_forgotten(gateway: Stripe, standin: StripeStandin) -> None:
    wanted = await bill(gateway)
    card = await kept(gateway, standin, wanted, "pm_card_visa")

    assert (card.brand, card.last4) == ("visa", "4242")
    assert (await gateway.charge_kept_card(wanted, card_id=card.id, key=uuid4())).status == "succeeded"
    await gateway.forget_card(card.id, key=uuid4())
    assert await gateway.cards(wanted.customer_id) == []


async def kept(gateway: Stripe, standin: StripeStandin, wanted: Bill, method: str) -> Card:
    setup = await gateway.create_setup(customer_id=wanted.customer_id, user_id=wanted.user_id, key=uuid4())
    standin.js(f"/v1/setup_intents/{setup.id}/confirm", client_secret=setup.client_secret, payment_method=method)
    if (await gateway.setup(setup.id)).status == "requires_action":
        standin.ask(f"/sandbox/challenges/{setup.id}", {"approved": True})
    assert (await gateway.setup(setup.id)).status == "succeeded"
    [card] = await gateway.cards(wanted.customer_id)
    return card


async def test_a_declined_kept_card_says_why_and_leaves_an_intent_to_pay(
    gateway: Stripe, standin: StripeStandin
) -> None:
    wanted = await bill(gateway)
    card = await kept(gateway, standin, wanted, "pm_card_chargeCustomerFail")
    key = uuid4()

    for again in (False, True):
        with pytest.raises(Declined) as declined:
            await gateway.charge_kept_card(wanted, card_id=card.id, key=key, again=again)
        assert declined.value.why.code == GENERIC
        assert declined.value.intent is not None
        assert declined.value.intent.status == "requires_payment_method"

    assert len(standin.ask("/sandbox/objects/charge")["items"]) == 1


async def test_an_absent_owner_who_must_confirm_is_told_so(gateway: Stripe, standin: StripeStandin) -> None:
    wanted = await bill(gateway)
    card = await kept(gateway, standin, wanted, "pm_card_authenticationRequired")

    with pytest.raises(Declined) as declined:
        await gateway.charge_kept_card(wanted, card_id=card.id, key=uuid4())

    assert declined.value.why.code == "authentication_required"


async def test_a_seller_is_onboarded_paid_and_paid_less(gateway: Stripe, standin: StripeStandin) -> None:
    wanted, now = await paid(gateway, standin)
    account = await gateway.create_account(user_id=uuid4(), country="US", key=uuid4())
    assert not account.transfers_active
    payout: dict[str, Any] = {
        "account_id": account.id, "amount_minor": 13_000, "currency": "USD", "source_charge_id": now.charge_id,
        "order_id": wanted.order_id,
    }  # fmt: skip
    with pytest.raises(Refused, match="insufficient_capabilities_for_transfer"):
        await gateway.transfer(**payout, key=uuid4())
    link = await gateway.onboarding_link(account.id, return_url="https://a.example", refresh_url="https://a.example")
    assert link.url not in repr(link)
    standin.http.post(link.url, data={"outcome": "complete"})
    assert (await gateway.account(account.id)).transfers_active

    sent = await gateway.transfer(**payout, key=uuid4())
    await gateway.reverse(
        transfer_id=sent.id, amount_minor=3_000, currency="USD", order_id=wanted.order_id, key=uuid4()
    )

    [known] = await gateway.transfers(wanted.order_id)
    assert (known.id, known.reversed_minor, known.source_charge_id) == (sent.id, 3_000, now.charge_id)
    assert standin.totals()[account.id] == 10_000
    with pytest.raises(Refused) as above:
        await gateway.reverse(
            transfer_id=sent.id, amount_minor=10_001, currency="USD", order_id=wanted.order_id, key=uuid4()
        )
    assert above.value.param == "amount"


async def test_refunds_are_told_and_one_too_many_is_refused(gateway: Stripe, standin: StripeStandin) -> None:
    wanted, now = await paid(gateway, standin)
    back: dict[str, Any] = {"intent_id": now.id, "currency": "USD", "order_id": wanted.order_id}

    made = await gateway.refund(**back, amount_minor=15_000, key=uuid4())

    assert (made.status, made.amount_minor, made.metadata["order_id"]) == ("succeeded", 15_000, str(wanted.order_id))
    with pytest.raises(WrongState, match="charge_already_refunded"):
        await gateway.refund(**back, amount_minor=1, key=uuid4())


async def test_a_dispute_is_told_with_what_it_took_and_gave_back(gateway: Stripe, standin: StripeStandin) -> None:
    _, now = await paid(gateway, standin, card="pm_card_createDispute")
    [there] = standin.ask("/sandbox/objects/dispute")["items"]

    open_ = await gateway.dispute(there["id"])
    standin.ask(f"/sandbox/disputes/{there['id']}", {"outcome": "won"})
    won = await gateway.dispute(there["id"])

    assert (open_.intent_id, open_.status, open_.withdrawn_minor, open_.fee_minor) == (
        now.id,
        "needs_response",
        15_000,
        1_500,
    )
    assert (won.status, won.withdrawn_minor, won.fee_minor) == ("won", 0, 1_500)


async def test_a_cancelled_intent_is_cancelled_as_often_as_one_likes_and_a_paid_one_never(
    gateway: Stripe, standin: StripeStandin
) -> None:
    asked = await gateway.create_intent(await bill(gateway), key=uuid4())

    for _ in range(2):
        assert (await gateway.cancel_intent(asked.id, key=uuid4())).status == "canceled"

    _, now = await paid(gateway, standin)
    with pytest.raises(WrongState, match="payment_intent_unexpected_state"):
        await gateway.cancel_intent(now.id, key=uuid4())


async def test_yen_are_asked_for_whole_and_told_in_our_hundredths(gateway: Stripe, standin: StripeStandin) -> None:
    _, now = await paid(gateway, standin, amount_minor=500_000, currency="JPY")

    assert (now.received_minor, now.currency, standin.totals("jpy")["payers"]) == (500_000, "JPY", -5_000)
    assert (await gateway.charge(now.charge_id or "")).fee_minor == 17_500


async def test_events_and_movements_come_in_pages_to_the_last(
    gateway: Stripe, standin: StripeStandin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("consumers.payments.gateway.PAGE", 2)
    began = int(time.time()) - 1
    await paid(gateway, standin)
    await paid(gateway, standin)

    told = [event async for event in gateway.events(since=began)]
    rows = [row async for row in gateway.movements(since=began, until=began + 3_600)]

    assert [event.type for event in told].count("payment_intent.succeeded") == 2
    assert sum(row.net_minor for row in rows) == standin.totals()["platform"]
    assert [row async for row in gateway.movements(since=began - 60, until=began)] == []


async def test_what_is_not_there_and_forgotten_twice(gateway: Stripe) -> None:
    with pytest.raises(NotThere, match=r"resource_missing \(intent\)"):
        await gateway.intent("pi_none")
    customer = (await bill(gateway)).customer_id
    await gateway.forget_customer(customer)
    await gateway.forget_customer(customer)


async def test_a_key_with_another_amount_is_our_mistake_and_does_nothing(
    gateway: Stripe, standin: StripeStandin
) -> None:
    wanted, key = await bill(gateway), uuid4()
    await gateway.create_intent(wanted, key=key)

    with pytest.raises(KeyReused):
        await gateway.create_intent(dataclasses.replace(wanted, amount_minor=15_001), key=key)

    assert len(standin.ask("/sandbox/objects/payment_intent")["items"]) == 1


EFFECTS = ("intent", "refund", "transfer", "reversal", "customer", "account")


async def an_effect(
    gateway: Stripe, standin: StripeStandin, kind: str
) -> tuple[str, str, Callable[[bool], Coroutine[Any, Any, Any]]]:
    """An effect that may be asked for again: the address that has it, the object it makes, and how it is asked for."""
    key, user_id = uuid4(), uuid4()
    if kind == "customer":
        return "/v1/customers", kind, lambda again: gateway.create_customer(user_id=user_id, key=key, again=again)
    if kind == "account":
        return (
            "/v1/accounts",
            kind,
            lambda again: gateway.create_account(user_id=user_id, country="US", key=key, again=again),
        )
    wanted, now = await paid(gateway, standin)
    if kind == "intent":
        other = await bill(gateway)
        return (
            "/v1/payment_intents",
            "payment_intent",
            lambda again: gateway.create_intent(other, key=key, again=again),
        )
    money: dict[str, Any] = {"amount_minor": 1_000, "currency": "USD", "order_id": wanted.order_id, "key": key}
    if kind == "refund":
        return "/v1/refunds", kind, lambda again: gateway.refund(intent_id=now.id, again=again, **money)
    to: dict[str, Any] = {"account_id": await seller(gateway, standin), "source_charge_id": now.charge_id}
    if kind == "transfer":
        return "/v1/transfers", kind, lambda again: gateway.transfer(again=again, **to, **money)
    sent = await gateway.transfer(**to, **(money | {"key": uuid4()}))
    address = f"/v1/transfers/{sent.id}/reversals"
    return address, "transfer_reversal", lambda again: gateway.reverse(transfer_id=sent.id, again=again, **money)


@pytest.mark.parametrize("kind", EFFECTS)
async def test_an_effect_whose_answer_was_lost_is_had_once(gateway: Stripe, standin: StripeStandin, kind: str) -> None:
    address, made, ask = await an_effect(gateway, standin, kind)
    before = len(standin.ask(f"/sandbox/objects/{made}")["items"])
    standin.fault(path=address, method="POST", status=500, when="after", times=1)

    with pytest.raises(TryAgain):
        await ask(False)
    first = await ask(True)

    # A day later Stripe has forgotten the key.
    standin.ask("/sandbox/clock", {"ahead_s": KEY_LIFE_S + 3_600})
    assert await ask(True) == first
    assert len(standin.ask(f"/sandbox/objects/{made}")["items"]) == before + 1


@pytest.mark.parametrize("kind", EFFECTS)
async def test_an_effect_that_was_not_had_is_had_when_asked_for_again(
    gateway: Stripe, standin: StripeStandin, kind: str
) -> None:
    address, made, ask = await an_effect(gateway, standin, kind)
    before = len(standin.ask(f"/sandbox/objects/{made}")["items"])
    standin.fault(path=address, method="POST", status=503, when="before", times=1)

    with pytest.raises(TryAgain):
        await ask(False)
    await ask(True)

    assert len(standin.ask(f"/sandbox/objects/{made}")["items"]) == before + 1


async def test_a_key_spoilt_by_an_error_without_effect_is_replaced(gateway: Stripe, standin: StripeStandin) -> None:
    wanted, now = await paid(gateway, standin)
    key = uuid4()
    back: dict[str, Any] = {
        "intent_id": now.id,
        "amount_minor": 1_000,
        "currency": "USD",
        "order_id": wanted.order_id,
        "key": key,
    }
    standin.fault(path="/v1/refunds", method="POST", status=500, when="after", times=1)
    with pytest.raises(TryAgain):
        await gateway.refund(**back)
    # As if the 500 had come before its effect: the refund is undone, and the key still answers 500.
    [undone] = await gateway.refunds(now.id)
    standin.http.post(
        f"/v1/refunds/{undone.id}", data={"metadata[job_id]": ""}, auth=(SECRET_KEY, "")
    ).raise_for_status()

    made = await gateway.refund(**back, again=True)

    assert made.id != undone.id
    assert [one["idempotency_key"] for one in standin.requests("/v1/refunds") if one["path"] == "/v1/refunds"] == [
        str(key),
        str(key),
        f"{key}-anew",
    ]
    assert [one["replayed"] for one in standin.requests("/v1/refunds") if one["path"] == "/v1/refunds"] == [
        False,
        True,
        False,
    ]


async def test_silence_is_not_an_answer(standin: StripeStandin) -> None:
    impatient = Stripe(secret_key=SECRET_KEY, api_url=standin.url, api_version=VERSION, silence_s_max=0.3)
    standin.fault(path="/v1/customers", latency_ms=5_000, when="after", times=1)
    key, user_id = uuid4(), uuid4()

    with pytest.raises(TryAgain, match="no answer from Stripe"):
        await impatient.create_customer(user_id=user_id, key=key)
    made = await impatient.create_customer(user_id=user_id, key=key, again=True)

    assert [one["id"] for one in standin.ask("/sandbox/objects/customer")["items"]] == [made]
    await impatient.close()


async def test_two_attempts_at_once_have_one_effect(gateway: Stripe, standin: StripeStandin) -> None:
    wanted, key = await bill(gateway), uuid4()
    standin.fault(path="/v1/payment_intents", method="POST", latency_ms=800, when="after", times=1)

    both = await asyncio.gather(*(gateway.create_intent(wanted, key=key) for _ in range(2)), return_exceptions=True)

    assert sorted(type(one).__name__ for one in both) == ["Intent", "TryAgain"]
    assert len(standin.ask("/sandbox/objects/payment_intent")["items"]) == 1


async def test_busy_says_when_to_come_back(gateway: Stripe, standin: StripeStandin) -> None:
    standin.fault(path="/v1/payment_intents", status=429, retry_after_s=7, times=1)

    with pytest.raises(TryAgain) as busy:
        await gateway.intent("pi_any")

    assert busy.value.after_s == 7


async def test_nobody_at_the_other_end_is_tried_again() -> None:
    alone = Stripe(secret_key=SECRET_KEY, api_url="http://127.0.0.1:9", api_version=VERSION)

    with pytest.raises(TryAgain, match="ConnectError"):
        await alone.intent("pi_any")

    await alone.close()


async def test_a_wrong_key_waits_for_an_operator(standin: StripeStandin) -> None:
    stranger = Stripe(secret_key="sk_test_wrong", api_url=standin.url, api_version=VERSION)

    with pytest.raises(TryAgain, match="Stripe answered 401"):
        await stranger.intent("pi_any")

    await stranger.close()


async def test_no_error_repeats_what_was_sent(gateway: Stripe) -> None:
    with pytest.raises(Refused) as refused:
        await gateway.create_account(user_id=uuid4(), country="Atlantis", key=uuid4())

    assert str(refused.value) == "Stripe refuses: invalid_request (country)"


@pytest.mark.quick
def test_an_answer_that_is_no_stripes_is_tried_again() -> None:
    assert isinstance(meaning(stripe.APIError("<html>", http_status=302)), TryAgain)
    assert isinstance(meaning(stripe.APIError("?")), TryAgain)


@pytest.mark.quick
def test_every_decline_code_has_words_and_theft_is_kept_to_ourselves() -> None:
    for code in DECLINE_CODES:
        told = decline("card_declined", code)
        assert told.code == (GENERIC if code in KEPT_TO_OURSELVES else code)
        assert told.words == WORDS[told.code]
    assert decline("card_declined", "stolen_card") == decline("card_declined", "generic_decline")


@pytest.mark.quick
@pytest.mark.parametrize(
    ("code", "decline_code", "told"),
    [
        ("expired_card", None, "expired_card"),
        ("processing_error", "processing_error", "processing_error"),
        ("card_declined", None, "card_declined"),
        ("card_declined", "a_code_of_tomorrow", GENERIC),
        ("a_code_of_tomorrow", None, GENERIC),
        (None, None, GENERIC),
    ],
)
def test_a_decline_is_told_by_its_closest_word(code: str | None, decline_code: str | None, told: str) -> None:
    assert decline(code, decline_code).code == told


@pytest.mark.quick
def test_amounts_are_counted_as_stripe_counts_them() -> None:
    assert (to_stripe(15_050, "USD"), to_stripe(15_000, "JPY"), to_stripe(500, "UGX")) == (15_050, 150, 500)
    assert (from_stripe(15_050, "usd"), from_stripe(150, "jpy"), from_stripe(-7, "eur")) == (15_050, 15_000, -7)
    for amount_minor, currency in ((15_050, "JPY"), (150, "ISK"), (1_000, "KWD")):
        with pytest.raises(NotPayable):
            to_stripe(amount_minor, currency)
    with pytest.raises(NotPayable):
        from_stripe(1, "kwd")
