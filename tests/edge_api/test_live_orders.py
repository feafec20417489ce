"""Both sides of an order hear on their sockets that something happened to it, each of its own business alone."""

import json
from typing import Any
from uuid import uuid4

import pytest

from producers.follower import Heard
from tests.edge_api.hall import Hall, books, hall
from topics.catalog import PAYMENT_EVENTS

__all__ = ["books", "hall"]

pytestmark = pytest.mark.quick

ANNA, MINA, BEN = (str(uuid4()) for _ in range(3))
ORDER, AUCTION = str(uuid4()), str(uuid4())


def told(kind: str, sequence: int, **data: Any) -> Heard:
    """A record of `payment-events` about Anna's order from Mina."""
    about = {"orderId": ORDER, "auctionId": AUCTION, "buyerId": ANNA, "sellerId": MINA, "title": "Lamp", **data}
    value = {"eventType": kind, "sequence": sequence, "timestamp": "2026-03-01T12:00:00.000Z", "data": about}
    return Heard(PAYMENT_EVENTS.name, 0, sequence, 0, ORDER.encode(), json.dumps(value).encode(), [])


async def test_each_side_hears_of_its_own_business(hall: Hall) -> None:
    async with hall.socket(ANNA) as anna, hall.socket(MINA) as mina, hall.socket(BEN) as ben:
        for client in (anna, mina, ben):
            await client.say(op="ping")
            assert (await client.next())["event"] == "pong"

        await hall.hub.hear(
            [
                told("PaymentDeclined", 2, code="insufficient_funds", message="No."),
                told("OrderPaid", 3, amount=222.5),
                told("PayoutSent", 4, amount=198.95),
                told("ProviderFeeKnown", 5, providerFee=6.75),
            ]
        )
        heard = {client: [await client.next(), await client.next()] for client in (anna, mina)}
        await ben.say(op="ping")

        assert [frame["data"]["happened"] for frame in heard[anna]] == ["PaymentDeclined", "OrderPaid"]
        assert [frame["data"]["happened"] for frame in heard[mina]] == ["OrderPaid", "PayoutSent"]
        assert heard[anna][1] == {
            "event": "order_updated",
            "auctionId": AUCTION,
            "data": {"orderId": ORDER, "auctionId": AUCTION, "role": "buyer", "happened": "OrderPaid", "seq": 3},
        }
        assert (await ben.next())["event"] == "pong"


async def test_an_event_that_is_told_again_is_no_news_and_garbage_is_passed_over(hall: Hall) -> None:
    async with hall.socket(ANNA) as anna:
        await anna.say(op="ping")
        await anna.next()
        broken = told("OrderPaid", 3)._replace(value=b"{")
        person = told("AutomaticPaymentSet", 1)._replace(
            value=b'{"eventType":"AutomaticPaymentSet","sequence":1,"timestamp":"","data":{"userId":"x"}}'
        )

        await hall.hub.hear([told("OrderPaid", 3), told("OrderPaid", 3), broken, person, told("OrderShipped", 4)])

        assert [(await anna.next())["data"]["happened"] for _ in range(2)] == ["OrderPaid", "OrderShipped"]
