"""Whole lives of orders on the running stack: Kafka, PostgreSQL, and Stripe's stand-in through its SDK."""

import pytest

from schemas import payments as said
from tests.consumers.payments.till import Till

pytestmark = pytest.mark.stack


async def test_from_the_hammer_to_the_payout(till: Till) -> None:
    sale = await till.sold(seller=await till.onboarded(), shippingInfo={"cost": 12.5})
    await till.paid(sale, 162.5)
    await till.ship(sale)
    await till.deliver(sale)
    order = await till.until_state(sale.order_id, "completed")

    # 8 % of 150.00, and 2.9 % + 0.30 of 162.50.
    assert (order["total_minor"], order["fee_minor"], order["proceeds_minor"]) == (162_50, 17_01, 145_49)
    assert order["payout_minor"] == 145_49
    assert [kind for kind in await till.told(sale.order_id) if kind != "PaymentChanged"] == [
        "OrderCreated",
        "ShippingAddressGiven",
        "PaymentStarted",
        "OrderPaid",
        "OrderShipped",
        "OrderDelivered",
        "PayoutStarted",
        "PayoutSent",
        "OrderCompleted",
    ]
    ledger = await till.ledger(sale.order_id)
    assert sum(ledger.values()) == 0
    assert ledger["commission"] == -17_01
    assert "seller" not in ledger, "the seller is owed nothing any more"
    rated = await till.ask(sale.order_id, said.RateOrder(stars=5), sale.buyer)
    assert rated["outcome"] == "accepted"
