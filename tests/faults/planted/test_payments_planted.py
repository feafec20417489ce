"""The checks of payments are proven: a life in which one promise is broken does not pass, and one without a bug does."""

import importlib
from collections.abc import Iterator

import pytest

from tests.compose.sandboxes.stripe_standin import StripeStandin, running
from tests.faults.planted import Change, planted

ANEW = ("consumers.payments", "tests.consumers.payments.", "tests.faults.planted.office")

PLANTED: dict[str, tuple[tuple[Change, ...], str]] = {
    "an order believes what a webhook says instead of asking how the intent stands": (
        (
            Change(
                "consumers.payments.effects",
                "    dispute_id: str | None = None\n\n\nclass LookAtAccount",
                "    dispute_id: str | None = None\n    heard: str = ''\n\n\nclass LookAtAccount",
            ),
            Change(
                "consumers.payments.effects",
                "return LookAtOrder(event.order_id, object_id)\n",
                "return LookAtOrder(event.order_id, object_id, heard=event.provider_type)\n",
            ),
            Change(
                "consumers.payments.looking",
                "    intent = await existing(tools.gateway.intent, intent_id)\n",
                "    intent = await existing(tools.gateway.intent, intent_id)\n"
                "    if errand.heard == 'payment_intent.requires_action':\n"
                "        import dataclasses\n"
                "        intent = dataclasses.replace(intent, status='requires_action', decline=None)\n",
            ),
        ),
        "its intent: ours ['requires_action'], theirs ['requires_payment_method']",
    ),
    "a second click makes a second intent": (
        (
            Change(
                "consumers.payments.paying",
                '    if order.payment in ("none", "failed", "canceled"):\n        return accepted("payment_started", address',
                '    if order.payment:\n        return accepted("payment_started", address',
            ),
        ),
        "intents: ours 1, theirs 2",
    ),
    "a transfer has no idempotency key": (
        (
            Change(
                "consumers.payments.gateway",
                "self._api.transfers.create_async(wanted, options)",
                "self._api.transfers.create_async(wanted)",
            ),
        ),
        "paid out: ours ",
    ),
    "a refund has a key of its own at each attempt": (
        (
            Change(
                "consumers.payments.gateway",
                "once(make, lambda: self.refunds(intent_id), key=key, again=again)",
                "effect(make, UUID(int=key.int ^ again))",
            ),
        ),
        "refunded: ",
    ),
    "a payment's entry lacks a cent": (
        (
            Change(
                "consumers.payments.ledger", '"commission", -order.commission)', '"commission", 1 - order.commission)'
            ),
        ),
        "does not balance: 1",
    ),
    "the provider's fee is not booked": (
        (Change("consumers.payments.ledger", "_fee(event.provider_fee or 0)", "_fee(0)"),),
        "the provider's book: ",
    ),
    "a seller keeps what was refunded": (
        (
            Change(
                "consumers.payments.paying_out",
                "order.refunded + order.refunding + order.contested)",
                "order.contested)",
            ),
        ),
        "the seller's account stands at ",
    ),
    "a dispute is not looked at": (
        (Change("consumers.payments.looking", "    if errand.dispute_id is not None:\n", "    if not errand:\n"),),
        "open disputes: ours 0, theirs 1",
    ),
}
"""Bug -> its changes of the source, and words of what the checks say."""


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StripeStandin]:
    with running(tmp_path_factory.mktemp("stripe")) as standin:
        yield standin


async def lived(standin: StripeStandin, *changes: Change) -> list[str]:
    with planted(*changes, anew=ANEW):
        found: list[str] = await importlib.import_module("tests.faults.planted.office").a_life(standin)
        return found


@pytest.mark.parametrize("bug", PLANTED)
async def test_the_checks_find(bug: str, standin: StripeStandin) -> None:
    changes, words = PLANTED[bug]

    found = await lived(standin, *changes)

    assert any(words in line for line in found), found


async def test_the_checks_are_content_with_a_life_without_a_bug(standin: StripeStandin) -> None:
    assert await lived(standin) == []
