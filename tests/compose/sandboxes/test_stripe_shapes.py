"""Every object of the Stripe stand-in has the fields of the SDK's class for it: all that always stand, and none that it has not."""

import inspect
import re
from typing import Any

import pytest
import stripe

from tests.compose.sandboxes.paying import pay, sdk, seller
from tests.compose.sandboxes.stripe_standin import StripeStandin

KINDS = (
    "customer", "payment_method", "intent", "declined_intent", "asked_intent", "paid_intent", "setup_intent", "charge",
    "account", "account_link", "login_link", "transfer", "reversal", "refund", "dispute", "endpoint", "balance",
    "movement", "event",
)  # fmt: skip


@pytest.fixture(scope="module")
def objects(_stripe_standin: StripeStandin) -> dict[str, Any]:
    standin = _stripe_standin
    standin.forget()
    api = sdk(standin)
    customer = api.customers.create({"email": "anna@example.org"})
    made = api.payment_intents.create({"amount": 15_000, "currency": "usd"})
    standin.js(
        f"/v1/payment_intents/{made.id}/confirm",
        client_secret=made.client_secret,
        payment_method="pm_card_chargeDeclined",
    )
    shipping = {"name": "Anna", "address": {"line1": "Main Street 1"}}
    paid = pay(api, customer=customer.id, setup_future_usage="off_session", shipping=shipping)
    account = seller(api, standin)
    wanted = {"amount": 5_000, "currency": "usd", "destination": account.id, "source_transaction": paid.latest_charge}
    transfer = api.transfers.create(wanted)
    pay(api, "pm_card_createDispute")
    return {
        "customer": customer,
        "payment_method": api.payment_methods.retrieve(paid.payment_method),
        "intent": made,
        "declined_intent": api.payment_intents.retrieve(made.id),
        "asked_intent": pay(api, "pm_card_authenticationRequired"),
        "paid_intent": api.payment_intents.retrieve(
            paid.id, {"expand": ["latest_charge.balance_transaction", "customer"]}
        ),
        "setup_intent": api.setup_intents.create({"customer": customer.id}),
        "charge": api.charges.retrieve(paid.latest_charge),
        "account": account,
        "account_link": api.account_links.create(
            {
                "account": account.id,
                "type": "account_onboarding",
                "return_url": "https://a.example",
                "refresh_url": "https://a.example",
            }
        ),
        "login_link": api.accounts.login_links.create(account.id),
        "reversal": api.transfers.reversals.create(transfer.id, {"amount": 100}),
        "transfer": api.transfers.retrieve(transfer.id),
        "refund": api.refunds.create({"payment_intent": paid.id, "amount": 100}),
        "dispute": api.disputes.list().data[0],
        "endpoint": api.webhook_endpoints.list().data[0],
        "balance": api.balance.retrieve(),
        "movement": api.balance_transactions.list().data[0],
        "event": api.events.list().data[0],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_has_the_fields_of_its_class(objects: dict[str, Any], kind: str) -> None:
    assert list(wrong(objects[kind], kind)) == []


def wrong(thing: stripe.StripeObject, path: str) -> Any:
    """What an object lacks, and has too much, at any depth; classes without fields say nothing."""
    fields = annotated(type(thing))
    if not fields:
        return
    there = thing.to_dict(recursive=False)
    for name, hint in fields.items():
        if name not in there and not re.search("Optional|None", str(hint)):
            yield f"{path} lacks {name}"
    for name, value in there.items():
        if name not in fields:
            yield f"{path} has {name}"
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, stripe.StripeObject):
                yield from wrong(part, f"{path}.{name}")


def annotated(kind: type) -> dict[str, Any]:
    """The fields that the SDK knows of a class."""
    ours = [one for one in kind.__mro__ if one not in (stripe.StripeObject, stripe.ListObject, object)]
    hints = {name: hint for one in ours for name, hint in inspect.get_annotations(one).items()}
    return {name: hint for name, hint in hints.items() if not name.isupper() and not name.startswith("_")}
