"""Sellers at the Stripe stand-in: onboarding, transfers, reversals; refunds and disputes; and what all of it leaves in the books."""

from typing import Any

import pytest
import stripe

from tests.compose.sandboxes.paying import REFRESH_URL, events, link, pay, sdk, seller
from tests.compose.sandboxes.stripe_standin import StripeStandin


def transfer(api: Any, to: str, source: Any, amount: int = 10_000, **more: Any) -> Any:
    wanted = {"amount": amount, "currency": "usd", "destination": to, "source_transaction": source.latest_charge}
    return api.transfers.create(wanted | more)


def test_a_seller_fills_in_a_form_and_can_be_paid(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    account = api.accounts.create({"type": "express", "country": "US", "metadata": {"user_id": "u1"}})
    assert (account.payouts_enabled, account.capabilities["transfers"]) == (False, "inactive")
    with pytest.raises(stripe.InvalidRequestError) as too_early:
        transfer(api, account.id, pay(api))
    assert too_early.value.code == "insufficient_capabilities_for_transfer"
    form = link(api, account.id)
    assert "Choose how that ends" in stripe_standin.http.get(form).text

    stripe_standin.http.post(form, data={"outcome": "complete"})

    account = api.accounts.retrieve(account.id)
    assert (account.payouts_enabled, account.capabilities["transfers"], account.requirements.currently_due) == (
        True,
        "active",
        [],
    )
    assert api.accounts.login_links.create(account.id).url.startswith(stripe_standin.url)
    own = api.events.list({}, {"stripe_account": account.id}).data
    assert [(one.type, one.account) for one in own] == [("account.updated", account.id)]


def test_a_form_is_good_once_and_for_minutes(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    account = api.accounts.create({"type": "express", "country": "US"})
    used, old = link(api, account.id), link(api, account.id)
    stripe_standin.http.post(used, data={"outcome": "needs_document"})
    stripe_standin.ask("/sandbox/clock", {"ahead_s": 301})

    for form in (used, old):
        assert stripe_standin.http.get(form).headers["location"] == REFRESH_URL
        assert stripe_standin.http.post(form, data={"outcome": "complete"}).headers["location"] == REFRESH_URL

    account = api.accounts.retrieve(account.id)
    assert (account.payouts_enabled, account.requirements.disabled_reason) == (False, "requirements.past_due")
    assert stripe_standin.http.get(old[:-1] + "?").status_code == 404


def test_a_seller_is_paid_out_of_one_charge_and_never_more_than_it_took(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    account, paid = seller(api, stripe_standin), pay(api, transfer_group="g1")

    made = transfer(api, account.id, paid)

    assert (made.transfer_group, made.amount_reversed, stripe_standin.totals()[account.id]) == ("g1", 0, 10_000)
    assert [one.id for one in api.transfers.list({"transfer_group": "g1"}).data] == [made.id]
    for more, param in (
        ({"amount": 5_001}, "amount"),
        ({"currency": "eur"}, "currency"),
        ({"transfer_group": "g2"}, "transfer_group"),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            transfer(api, account.id, paid, **({"amount": 100} | more))
        assert refused.value.param == param
    assert events(api, type="transfer.created") == ["transfer.created"]


def test_without_a_charge_the_platforms_own_money_must_suffice(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    account = seller(api, stripe_standin)
    wanted = {"amount": 1_000, "currency": "usd", "destination": account.id}
    pay(api)

    with pytest.raises(stripe.InvalidRequestError) as pending:
        api.transfers.create(wanted)
    assert pending.value.code == "balance_insufficient"
    pay(api, "pm_card_bypassPending")

    assert api.transfers.create(wanted).amount == 1_000
    balance = api.balance.retrieve()
    assert (balance.available[0].amount, balance.pending[0].amount) == (13_535, 14_535)


@pytest.mark.parametrize(
    ("wanted", "code", "param"),
    [
        ({"destination": "acct_none"}, "resource_missing", "destination"),
        ({"source_transaction": "ch_none"}, "resource_missing", "source_transaction"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
    ],
)
def test_a_transfer_that_makes_no_sense_is_refused(
    stripe_standin: StripeStandin, wanted: dict[str, Any], code: str, param: str
) -> None:
    api = sdk(stripe_standin)
    account, paid = seller(api, stripe_standin), pay(api)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        transfer(api, account.id, paid, **wanted)

    assert (refused.value.http_status, refused.value.code, refused.value.param) == (400, code, param)


def test_what_was_transferred_is_taken_back_in_parts_and_not_twice(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    account, paid = seller(api, stripe_standin), pay(api)
    made = transfer(api, account.id, paid)

    api.transfers.reversals.create(made.id, {"amount": 4_000})
    with pytest.raises(stripe.InvalidRequestError, match="greater than unreversed"):
        api.transfers.reversals.create(made.id, {"amount": 6_001})
    api.transfers.reversals.create(made.id)

    now = api.transfers.retrieve(made.id)
    assert (now.amount_reversed, now.reversed, len(now.reversals.data)) == (10_000, True, 2)
    assert (stripe_standin.totals()[account.id], stripe_standin.totals()["sum"]) == (0, 0)
    with pytest.raises(stripe.InvalidRequestError, match="already fully reversed"):
        api.transfers.reversals.create(made.id)


def test_refunds_never_exceed_what_was_taken(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    paid = pay(api)

    api.refunds.create({"payment_intent": paid.id, "amount": 5_000, "metadata": {"order_id": "o1"}})
    with pytest.raises(stripe.InvalidRequestError, match=r"\$100\.01 usd.*greater than.*\$100\.00 usd") as above:
        api.refunds.create({"payment_intent": paid.id, "amount": 10_001})
    assert above.value.param == "amount"
    api.refunds.create({"charge": paid.latest_charge})
    with pytest.raises(stripe.InvalidRequestError) as again:
        api.refunds.create({"payment_intent": paid.id})

    assert again.value.code == "charge_already_refunded"
    charge = api.charges.retrieve(paid.latest_charge)
    assert (charge.amount_refunded, charge.refunded, stripe_standin.totals()["payers"]) == (15_000, True, 0)
    assert [one.amount for one in api.refunds.list({"payment_intent": paid.id}).data] == [10_000, 5_000]
    assert events(api, types=["charge.refunded"]) == ["charge.refunded"] * 2


def test_a_refund_that_fails_gives_the_money_back_to_us(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    paid = pay(api, "pm_card_refundFail")

    assert api.refunds.create({"payment_intent": paid.id}).status == "succeeded"

    [failed] = api.refunds.list({"payment_intent": paid.id}).data
    assert (failed.status, failed.failure_reason, stripe_standin.totals()["payers"]) == (
        "failed",
        "expired_or_canceled_card",
        -15_000,
    )
    assert events(api)[-3:] == ["refund.failed", "refund.updated", "charge.refund.updated"]


def test_a_refund_may_be_under_way_for_days(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    refund = api.refunds.create({"payment_intent": pay(api, "pm_card_pendingRefund").id})
    assert refund.status == "pending"

    stripe_standin.ask(f"/sandbox/refunds/{refund.id}", {"status": "succeeded"})

    assert api.refunds.retrieve(refund.id).status == "succeeded"


@pytest.mark.parametrize("wanted", [{}, {"payment_intent": "pi_none"}, {"charge": "ch_none"}])
def test_a_refund_of_nothing_is_refused(stripe_standin: StripeStandin, wanted: dict[str, str]) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        sdk(stripe_standin).refunds.create(wanted)

    assert refused.value.param == (next(iter(wanted), "charge"))


@pytest.mark.parametrize(
    ("evidence", "status", "platform"), [("winning_evidence", "won", 13_035), ("losing_evidence", "lost", -1_965)]
)
def test_a_dispute_takes_the_money_and_the_bank_decides(
    stripe_standin: StripeStandin, evidence: str, status: str, platform: int
) -> None:
    api = sdk(stripe_standin)
    paid = pay(api, "pm_card_createDispute")
    [dispute] = api.disputes.list({"payment_intent": paid.id}).data
    assert (dispute.status, dispute.amount, stripe_standin.totals()["platform"]) == ("needs_response", 15_000, -1_965)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.refunds.create({"payment_intent": paid.id})
    assert refused.value.code == "charge_disputed"

    settled = api.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})

    assert (settled.status, stripe_standin.totals()["platform"], stripe_standin.totals()["sum"]) == (
        status,
        platform,
        0,
    )
    assert events(api)[-1] == "charge.dispute.closed"
    with pytest.raises(stripe.InvalidRequestError):
        api.disputes.close(dispute.id)


def test_a_dispute_may_come_weeks_later(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    paid = pay(api)
    api.refunds.create({"payment_intent": paid.id, "amount": 5_000})

    made = stripe_standin.ask("/sandbox/disputes", {"payment_intent": paid.id, "kind": "product_not_received"})
    stripe_standin.ask(f"/sandbox/disputes/{made['id']}", {"outcome": "lost"})

    assert (api.disputes.retrieve(made["id"]).status, stripe_standin.totals()["payers"]) == ("lost", 0)
    assert stripe_standin.http.post("/sandbox/disputes", json={"payment_intent": paid.id}).status_code == 400
    assert stripe_standin.http.post("/sandbox/disputes", json={"kind": "rude"}).status_code == 422


def test_an_inquiry_takes_no_money_yet(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    pay(api, "pm_card_createDisputeInquiry")
    [dispute] = api.disputes.list().data

    assert (dispute.status, dispute.balance_transactions, stripe_standin.totals()["payers"]) == (
        "warning_needs_response",
        [],
        -15_000,
    )
    stripe_standin.ask(f"/sandbox/disputes/{dispute.id}", {"outcome": "won"})
    assert api.disputes.retrieve(dispute.id).status == "warning_closed"


def test_every_movement_is_in_the_books_of_both(stripe_standin: StripeStandin) -> None:
    api = sdk(stripe_standin)
    account = seller(api, stripe_standin)
    for amount in (5_000, 12_345, 999):
        paid = pay(api, amount=amount)
        transfer(api, account.id, paid, amount=amount // 2)
        api.refunds.create({"payment_intent": paid.id, "amount": amount // 3})
    pay(api, "pm_card_createDispute")

    totals = stripe_standin.totals()

    rows = list(api.balance_transactions.list({"limit": 3}).auto_paging_iter())
    assert (sum(row.net for row in rows), sum(row.fee for row in rows)) == (totals["platform"], totals["stripe"])
    own = api.balance_transactions.list({"limit": 100}, {"stripe_account": account.id}).data
    assert sum(row.net for row in own) == totals[account.id]
    assert (totals["sum"], totals["under_way"]) == (0, 0)
