"""The provider fails at every call of a life, before or after the effect: nothing happens twice, and both books agree."""

import asyncio
import itertools
from typing import Any

import pytest

from schemas import payments as said
from tests.consumers.payments.books import disagreements
from tests.consumers.payments.till import Till

pytestmark = pytest.mark.stack

CALLS = (
    "/v1/accounts",
    "/v1/account_links",
    "/v1/customers",
    "/v1/payment_intents",
    "/v1/transfers",
    "/v1/refunds",
)


NOTHING_HAPPENED: list[dict[str, Any]] = [{"status": 500}, {"status": 409}, {"status": 429, "retry_after_s": 1}]
NOBODY_KNOWS: list[dict[str, Any]] = [{"status": 500, "when": "after"}]


def on_each_call(faults: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One fault of a kind at the first call of each path, the kinds in turn."""
    return [
        {"path": path, "method": "POST", "times": 1, **fault}
        for path, fault in zip(CALLS, itertools.cycle(faults), strict=False)
    ]


@pytest.mark.parametrize("kinds", [NOTHING_HAPPENED, NOBODY_KNOWS], ids=["before the effect", "after the effect"])
async def test_each_call_fails_once_and_is_had_once(till: Till, kinds: list[dict[str, Any]]) -> None:
    async with till.faults(*on_each_call(kinds)):
        sale = await till.sold(seller=await till.onboarded())
        _, secret = await till.pay_intent(sale)
    # The phone's own call is not ours to repeat.
    await till.confirm(secret)
    await till.until_state(sale.order_id, "paid")
    async with till.faults(*on_each_call(kinds)):
        await till.ship(sale)
        await till.deliver(sale)
        await till.until_state(sale.order_id, "completed")
        await till.ask(sale.order_id, said.RefundOrder(), sale.seller)
        await till.until_state(sale.order_id, "refunded")
        await till.until_told(sale.order_id, "PayoutReversed")

    assert await disagreements(till, sale) == []
    made = [one for one in await till.objects("transfer") if one["metadata"]["order_id"] == str(sale.order_id)]
    assert len(made) == 1
    tried = await till.db.fetchval(
        "SELECT max(attempt) FROM payments.provider_call WHERE order_id = $1 AND errand = 'PayOut'", sale.order_id
    )
    assert tried > 1


async def test_an_order_waits_out_a_provider_that_is_away(till: Till) -> None:
    sale = await till.sold()
    async with till.faults({"path": "/v1/", "status": 503}):
        command = said.CreateIntent.model_validate({"amount": 150, "currency": "USD", "shipping_sealed": "v1.sealed"})
        reply = await till.ask(sale.order_id, command, sale.buyer)

        async def tried() -> bool:
            return bool(
                await till.db.fetchval(
                    "SELECT count(*) >= 3 FROM payments.provider_call WHERE order_id = $1", sale.order_id
                )
            )

        await till.until(tried)
    secret = await till.secret(sale.payment_id, "intent")
    await till.confirm(secret)
    await till.until_state(sale.order_id, "paid")

    assert reply["outcome"] == "accepted"
    assert await disagreements(till, sale) == []


async def test_every_webhook_a_hundred_times_and_in_any_order_changes_nothing(till: Till) -> None:
    async with till.webhooks(duplicates=99, shuffle=True):
        sale = await till.paid(await till.sold(seller=await till.onboarded()))
        await till.ship(sale)
        await till.deliver(sale)
        await till.until_state(sale.order_id, "completed")
        await till.ask(sale.order_id, said.RefundOrder(), sale.seller)
        await till.until_state(sale.order_id, "refunded")
        await till.until_told(sale.order_id, "PayoutReversed")
        before = await till.told(sale.order_id)
    await _settled(till)

    assert await till.told(sale.order_id) == before
    assert await disagreements(till, sale) == []


async def _settled(till: Till) -> None:
    """Every look that the webhooks called for is done."""

    async def idle() -> bool:
        due = (
            "SELECT count(*) = 0 FROM payments.jobs WHERE kind = 'look' AND done_at IS NULL AND failed_at IS NULL"
            " AND (attempts = 0 OR lease_until IS NOT NULL)"
        )
        return bool(await till.db.fetchval(due))

    async with asyncio.timeout(30):
        await till.until(idle)
