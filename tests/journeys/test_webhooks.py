"""Six flows whose webhooks are lost, doubled a hundred times, and out of order: each ends as it would have ended otherwise."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from compose.settings import Settings
from consumers.payments.comparing import compare_now
from consumers.payments.verify import verify
from edge_api.stripe_signature import sign
from producers import paying
from producers.person import Person
from schemas.envelope import time_ms
from tests.journeys.shop import TOTAL, Shop, events_of, soon

pytestmark = pytest.mark.stack

Order = dict[str, Any]


@pytest.fixture(scope="module")
async def shop(stack: Settings) -> AsyncIterator[Shop]:
    """The shop."""
    async with httpx.AsyncClient(base_url=f"{str(stack.public_url).rstrip('/')}/api/v1", timeout=60) as http:
        yield Shop(http, stack)


@pytest.fixture(autouse=True)
async def webhooks_as_usual(shop: Shop) -> AsyncIterator[None]:
    """Whatever a test does to webhooks ends with it."""
    yield
    await shop.stripe.as_usual()


@pytest.fixture(scope="module")
async def mina(shop: Shop) -> Person:
    """Sells, and is known to Stripe."""
    mina = await shop.arrive("mina", sells=True)
    await paying.onboard(mina)
    await paying.payouts_enabled(mina)
    return mina


class Deal:
    """One order on its way, between its seller and its buyer."""

    def __init__(self, shop: Shop, seller: Person, buyer: Person, order: Order) -> None:
        self.shop = shop
        self.seller = seller
        self.buyer = buyer
        self.order = order
        self.id = str(order["id"])

    async def pays(self, card: str = paying.CARD) -> Order:
        return await paying.pay(self.buyer, self.shop.settings, self.order, card)

    async def hears(self, *events: str) -> Order:
        """Until all of these have happened."""
        return await paying.order_when(self.buyer, self.id, lambda now: set(events) <= set(events_of(now)))

    async def at(self, status: str) -> Order:
        return await paying.order_at(self.buyer, self.id, status)


async def paid(deal: Deal) -> None:
    """The card is good."""
    await deal.pays()
    await deal.at("paid")


async def declined_then_paid(deal: Deal) -> None:
    """The first card is not good, the second is."""
    with pytest.raises(paying.Declined):
        await deal.pays("pm_card_chargeDeclinedExpiredCard")
    await deal.pays()
    await deal.at("paid")


async def asked_by_the_bank(deal: Deal) -> None:
    """The bank wants a confirmation first."""
    await paying.answer_bank(deal.shop.http, await deal.pays("pm_card_authenticationRequired"), approve=True)
    await deal.at("paid")


async def refunded(deal: Deal) -> None:
    """Paid, and given back."""
    await paid(deal)
    order = await deal.buyer.get(f"/orders/{deal.id}")
    await deal.seller.post(f"/payments/{order['paymentId']}/refund")
    assert (await deal.at("refunded"))["refunded"] == TOTAL


async def disputed_and_lost(deal: Deal) -> None:
    """The card's holder goes to the bank and gets it back."""
    await paid(deal)
    dispute = await deal.shop.stripe.dispute(await deal.shop.intent_of(deal.order))
    await deal.hears("DisputeOpened")
    await deal.shop.stripe.judge(dispute, "lost")
    await deal.hears("DisputeClosed")


async def disputed_and_won_then_paid_out(deal: Deal) -> None:
    """The bank decides for the seller, who ships and is paid out."""
    await paid(deal)
    dispute = await deal.shop.stripe.dispute(await deal.shop.intent_of(deal.order))
    await deal.hears("DisputeOpened")
    await deal.shop.stripe.judge(dispute, "won")
    await deal.hears("DisputeClosed")
    await deal.at("paid")
    await deal.seller.post(f"/orders/{deal.id}/ship")
    await deal.buyer.post(f"/orders/{deal.id}/confirm-delivery")
    await deal.at("completed")


FLOWS: dict[str, tuple[Callable[[Deal], Coroutine[Any, Any, None]], str]] = {
    "paid": (paid, "paid"),
    "declined, then paid": (declined_then_paid, "paid"),
    "asked by the bank": (asked_by_the_bank, "paid"),
    "refunded": (refunded, "refunded"),
    "disputed and lost": (disputed_and_lost, "refunded"),
    "disputed and won, then paid out": (disputed_and_won_then_paid_out, "completed"),
}
"""What happens, and where the order stands at its end."""

TELLING = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.requires_action",
    "charge.refunded",
    "charge.dispute.created",
    "charge.dispute.closed",
)


async def deals(shop: Shop, mina: Person, count: int) -> list[Deal]:
    """So many orders, each with a buyer of its own: a person may ask for 20 payments a minute."""
    buyers = await asyncio.gather(*(shop.arrive("anna") for _ in range(count)))
    return [Deal(shop, mina, buyer, await shop.sale(mina, buyer)) for buyer in buyers]


async def all_flows_end_well(shop: Shop, mina: Person) -> None:
    """Every flow at once; then each order stands where it should, charged once, and the books agree."""
    running = await deals(shop, mina, len(FLOWS))
    async with asyncio.TaskGroup() as together:
        for deal, (flow, _) in zip(running, FLOWS.values(), strict=True):
            together.create_task(flow(deal))
    for deal, (name, (_, status)) in zip(running, FLOWS.items(), strict=True):
        order = await deal.buyer.get(f"/orders/{deal.id}")
        happened = events_of(order)
        assert (name, order["status"]) == (name, status)
        assert happened.count("OrderPaid") == 1
        assert all(happened.count(once) <= 1 for once in ("OrderRefunded", "DisputeOpened", "DisputeClosed"))
        charges = await shop.stripe.of_order("charge", deal.id)
        assert sum(charge["status"] == "succeeded" for charge in charges) == 1
    differences: list[str] = []
    await verify(shop.settings, report=differences.append)
    assert differences == []


async def test_every_webhook_is_lost(shop: Shop, mina: Person) -> None:
    await shop.stripe.switch(lose=True)

    await all_flows_end_well(shop, mina)


async def test_every_webhook_comes_late_thrice_and_in_any_order(shop: Shop, mina: Person) -> None:
    await shop.stripe.switch(duplicates=2, delay_ms=600, shuffle=True)

    await all_flows_end_well(shop, mina)


async def test_what_a_webhook_tells_is_told_a_hundred_times(shop: Shop, mina: Person) -> None:
    for kind in TELLING:
        await shop.stripe.switch(type=kind, duplicates=99, times=1)

    await all_flows_end_well(shop, mina)


async def test_the_webhooks_of_a_payment_come_in_every_order(shop: Shop, mina: Person) -> None:
    await shop.stripe.switch(hold=True)
    kinds = ("payment_intent.created", "charge.succeeded", "payment_intent.succeeded")
    orders = list(itertools.permutations(kinds))
    running = await deals(shop, mina, len(orders))
    for deal in running:
        await deal.pays()

    for deal, order in zip(running, orders, strict=True):
        told = {event["type"]: event["id"] for event in await shop.stripe.events_of(deal.id)}
        assert set(kinds) <= set(told)
        for kind in order:
            assert await shop.stripe.send_again(told[kind], 2) == [200, 200]

    for deal in running:
        assert events_of(await deal.at("paid")).count("OrderPaid") == 1


async def test_an_old_webhook_after_the_refund_changes_nothing(shop: Shop, mina: Person) -> None:
    [deal] = await deals(shop, mina, 1)
    await refunded(deal)
    before = await deal.buyer.get(f"/orders/{deal.id}")

    for event in await shop.stripe.events_of(deal.id):
        assert set(await shop.stripe.send_again(event["id"], 3)) == {200}
    [other] = await deals(shop, mina, 1)
    await paid(other)  # What was sent before it has been decided by now, or on another partition: look again.

    after = await deal.buyer.get(f"/orders/{deal.id}")
    assert (after["status"], after["seq"], after["refunded"]) == (before["status"], before["seq"], TOTAL)


async def test_an_event_that_stripe_never_sent_changes_nothing_although_it_is_signed(
    shop: Shop, mina: Person, stack: Settings
) -> None:
    """Whoever holds the secret can say what he likes: the worker asks Stripe what is so."""
    [deal] = await deals(shop, mina, 1)
    begun = await paying.begin_to_pay(deal.buyer, deal.order)
    intent = begun["clientSecret"].partition("_secret_")[0]
    body = (
        f'{{"id":"evt_made_up_{deal.id[:8]}","object":"event","type":"payment_intent.succeeded","created":{time_ms() // 1000},'
        f'"livemode":false,"data":{{"object":{{"id":"{intent}","object":"payment_intent","status":"succeeded",'
        f'"amount_received":22250,"metadata":{{"order_id":"{deal.id}"}}}}}}}}'
    ).encode()
    secret = stack.webhook_secrets[0]

    answer = await shop.http.post(
        "/payments/webhook",
        content=body,
        headers={
            "Content-Type": "application/json",
            "Stripe-Signature": sign(body, secret=secret, at_s=time_ms() // 1000),
        },
    )
    assert answer.status_code == 200
    await deal.pays("pm_card_visa")
    order = await deal.at("paid")

    charges = await shop.stripe.of_order("charge", deal.id)
    assert [charge["status"] for charge in charges] == ["succeeded"]
    assert events_of(order).count("OrderPaid") == 1


async def test_at_the_end_our_ledger_is_stripe_s_book_movement_by_movement(shop: Shop, stack: Settings) -> None:
    moved = {
        str(one["id"])
        for kind in ("charge", "refund", "transfer")
        for one in await shop.stripe.found(kind)
        if one.get("metadata", {}).get("order_id") in shop.sold
    }

    async def differences() -> list[object]:
        return [one for one in (await compare_now(stack, datetime.now(UTC).date())).differences if one.ref in moved]

    async def agree() -> bool | None:
        return not await differences() or None

    assert moved
    assert await soon(agree), await differences()
