"""Whole lives of orders on the running stack: Kafka, PostgreSQL, and Stripe's stand-in through its SDK."""

import asyncio
import json
import uuid
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from schemas import payments as said
from schemas.payments import order_id_of
from tests.consumers.payments.till import ADMIN, SYSTEM, Sale, Till, somebody

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


async def test_a_declined_card_can_be_followed_by_a_good_one_on_the_same_intent(till: Till) -> None:
    sale = await till.sold()
    _, secret = await till.pay_intent(sale)
    declined = await till.confirm(secret, "pm_card_chargeDeclinedInsufficientFunds")
    await till.until_told(sale.order_id, "PaymentDeclined")
    _, again = await till.pay_intent(sale)
    await till.confirm(again)
    await till.until_state(sale.order_id, "paid")

    assert declined["error"]["decline_code"] == "insufficient_funds"
    assert again == secret, "one live intent per order"
    assert (await till.told(sale.order_id)).count("PaymentDeclined") == 1


async def test_a_bank_that_wants_a_confirmation_gets_it(till: Till) -> None:
    sale = await till.sold()
    _, secret = await till.pay_intent(sale)
    intent = await till.confirm(secret, "pm_card_authenticationRequired")
    await till.until_told(sale.order_id, "PaymentActionRequired")
    await till.stripe.post(f"/sandbox/challenges/{intent['id']}", json={"approved": True})

    await till.until_state(sale.order_id, "paid")


async def test_a_double_click_makes_one_intent(till: Till) -> None:
    sale = await till.sold()
    command = said.CreateIntent.model_validate({"amount": 150, "currency": "USD", "shipping_sealed": "v1.sealed"})
    sent = await asyncio.gather(*(till.send(sale.order_id, command, sale.buyer) for _ in range(2)))
    first, second = [(await till.reply(name))["answer"] for name in sent]
    await till.secret(sale.payment_id, "intent")
    made = [
        one
        for one in (await till.stripe.get("/sandbox/objects/payment_intent")).json()["items"]
        if one["metadata"].get("order_id") == str(sale.order_id)
    ]

    assert first["paymentId"] == second["paymentId"]
    assert len(made) == 1
    assert made[0]["metadata"]["auction_id"] == str(sale.auction_id)
    assert made[0]["metadata"]["user_id"] == sale.buyer.id
    assert made[0]["transfer_group"]


async def test_an_auction_without_a_winner_makes_no_order_and_a_repeated_end_no_second_one(till: Till) -> None:
    seller, nothing = somebody("seller"), uuid.uuid4()
    await till.list_auction(nothing, seller)
    await till.end(nothing, 2, seller, None, 0)
    sale = await till.sold(seller=seller)
    for _ in range(3):
        await till.end(sale.auction_id, 3, seller, sale.buyer, 150)
    later = await till.sold(seller=seller)

    orders = await till.db.fetch("SELECT order_id FROM payments.order_view WHERE seller_id = $1", UUID(seller.id))
    assert {row["order_id"] for row in orders} == {sale.order_id, later.order_id}
    assert await till.told(sale.order_id) == ["OrderCreated"]


async def test_a_cancelled_order_leaves_no_intent_that_could_be_paid(till: Till) -> None:
    sale = await till.sold()
    _, secret = await till.pay_intent(sale)
    reply = await till.ask(sale.order_id, said.CancelOrder(reason="It broke."), sale.seller)
    await till.until_state(sale.order_id, "cancelled")
    late = await till.confirm(secret)

    assert reply["code"] == "cancelling"
    assert late["error"]["code"] == "payment_intent_unexpected_state"
    assert await till.ledger(sale.order_id) == {}


async def test_who_pays_while_the_order_is_being_cancelled_has_bought_it(till: Till) -> None:
    sale = await till.sold()
    _, secret = await till.pay_intent(sale)
    async with till.webhooks(hold=True, type="payment_intent.succeeded"):
        await till.confirm(secret)
        await till.ask(sale.order_id, said.CancelOrder(reason="It broke."), sale.seller)
        await till.until_state(sale.order_id, "paid")

    assert (await till.told(sale.order_id)).count("OrderPaid") == 1


async def test_what_is_not_paid_in_time_is_offered_to_the_next_bidder_once(till: Till) -> None:
    auction_id, seller, winner, second = uuid.uuid4(), somebody("seller"), somebody(), somebody()
    await till.list_auction(auction_id, seller, payWindowS=3600)
    await till.bid(auction_id, 2, second, 120.5)
    await till.bid(auction_id, 3, winner, 150)
    await till.end(auction_id, 4, seller, winner, 150)
    order_id = order_id_of(auction_id)
    order = await till.until_state(order_id, "awaiting_payment")
    reminded = [await till.wake(order_id, after=timedelta(minutes=minutes)) for minutes in (31, 54)]
    unpaid = await till.wake(order_id, after=timedelta(hours=1, seconds=5))
    offered = await till.ask(order_id, said.OfferSecondChance(days=3), seller)
    offer_id = order_id_of(auction_id, 1)
    await till.until_state(offer_id, "offered")
    again = await till.ask(order_id, said.OfferSecondChance(days=3), seller)
    taken = await till.ask(offer_id, said.AcceptOffer(), second)
    await till.paid(Sale(auction_id, seller, second, offer_id), 120.5)

    assert order["pay_by"] - order["created_at"] == timedelta(hours=1)
    assert [reply["outcome"] for reply in (*reminded, unpaid, offered, taken)] == ["accepted"] * 5
    assert await till.told(order_id) == [
        "OrderCreated",
        "PaymentReminded",
        "PaymentReminded",
        "OrderUnpaid",
        "SecondChanceMade",
    ]
    assert again["code"] == "already_offered"
    assert offered["answer"]["orderId"] == str(offer_id)


async def test_refunds_take_their_part_of_the_payout_back_and_never_more_than_was_paid(till: Till) -> None:
    sale = await till.paid(await till.sold(seller=await till.onboarded()))
    await till.ship(sale)
    await till.deliver(sale)
    await till.until_state(sale.order_id, "completed")
    part = await till.ask(sale.order_id, refund(50), sale.seller)
    await till.until_told(sale.order_id, "PayoutReversed")
    too_much = await till.ask(sale.order_id, refund(100.01), sale.seller)
    rest = await till.ask(sale.order_id, refund(None), ADMIN)
    order = await till.until_state(sale.order_id, "refunded")
    await till.until_told(sale.order_id, "PayoutReversed", 2)
    none = await till.ask(sale.order_id, refund(0.01), sale.seller)

    assert (part["outcome"], rest["answer"]["amount"]) == ("accepted", 100)
    assert (too_much["code"], too_much["answer"]["refundable"]) == ("refund_too_large", 100)
    assert none["code"] == "nothing_to_refund"
    assert (order["refunded_minor"], (await till.order(sale.order_id))["payout_minor"]) == (150_00, 0)  # type: ignore[index]
    ledger = await till.ledger(sale.order_id)
    assert set(ledger) == {"provider", "provider_fees"}, "all is even but for what the provider keeps"


async def test_a_refund_before_the_payout_cuts_it(till: Till) -> None:
    sale = await till.paid(await till.sold(seller=await till.onboarded()))
    await till.ask(sale.order_id, refund(75), sale.seller)
    await till.until_told(sale.order_id, "OrderRefunded")
    await till.ship(sale)
    await till.deliver(sale)
    order = await till.until_state(sale.order_id, "completed")

    # 150.00 - 12.00 - 4.65 = 133.35, of which half.
    assert order["payout_minor"] == 133_35 - 66_68
    assert "PayoutReversed" not in await till.told(sale.order_id)


@pytest.mark.parametrize("won", [True, False], ids=["won", "lost"])
async def test_a_dispute_claws_the_payout_back_until_it_is_decided(till: Till, won: bool) -> None:
    # The second payout comes out of what the platform has available.
    await till.paid(await till.sold(price=9000), 9000, method="pm_card_bypassPending")
    sale = await till.paid(await till.sold(seller=await till.onboarded()))
    await till.ship(sale)
    await till.deliver(sale)
    await till.until_state(sale.order_id, "completed")
    dispute = (await till.stripe.post("/sandbox/disputes", json={"payment_intent": await till.intent(sale)})).json()
    await till.until_state(sale.order_id, "disputed")
    await till.until_told(sale.order_id, "PayoutReversed")
    await till.stripe.post(f"/sandbox/disputes/{dispute['id']}", json={"outcome": "won" if won else "lost"})

    if won:
        await till.until_state(sale.order_id, "completed")
        await till.until_told(sale.order_id, "PayoutSent", 2)
        assert (await till.order(sale.order_id))["payout_minor"] == 133_35  # type: ignore[index]
    else:
        await till.until_state(sale.order_id, "refunded")
        assert (await till.order(sale.order_id))["payout_minor"] == 0  # type: ignore[index]
    ledger = await till.ledger(sale.order_id)
    assert "contested" not in ledger
    assert "seller" not in ledger
    assert sum(ledger.values()) == 0


async def test_a_payout_waits_until_the_seller_is_onboarded(till: Till) -> None:
    sale = await till.paid(await till.sold())
    await till.ship(sale)
    await till.deliver(sale)
    await till.until_told(sale.order_id, "PayoutHeld")
    waiting = await till.order(sale.order_id)
    await till.onboard(sale.seller)
    done = await till.until_state(sale.order_id, "completed")

    assert waiting is not None
    assert (waiting["state"], waiting["problem"], waiting["payout_minor"]) == ("delivered", "not_onboarded", 0)
    assert (done["problem"], done["payout_minor"]) == (None, 133_35)


async def test_a_shipped_order_is_delivered_by_time_and_paid_out(till: Till) -> None:
    sale = await till.paid(await till.sold(seller=await till.onboarded()))
    await till.ship(sale)
    early = await till.wake(sale.order_id, after=timedelta(days=6))
    late = await till.wake(sale.order_id, after=timedelta(days=7, seconds=5))

    await till.until_state(sale.order_id, "completed")
    assert (early["outcome"], late["outcome"]) == ("no_op", "accepted")


async def test_a_complaint_holds_the_payout_until_the_buyer_takes_it_back(till: Till) -> None:
    sale = await till.paid(await till.sold(seller=await till.onboarded()))
    await till.ship(sale)
    await till.ask(sale.order_id, said.DisputeOrder(reason="not_received"), sale.buyer)
    late = await till.wake(sale.order_id, after=timedelta(days=8))
    await till.deliver(sale)
    await till.until_state(sale.order_id, "completed")

    assert late["outcome"] == "no_op"
    assert (await till.told(sale.order_id))[-6:] == [
        "DisputeOpened",
        "DisputeClosed",
        "OrderDelivered",
        "PayoutStarted",
        "PayoutSent",
        "OrderCompleted",
    ]


async def test_who_agreed_is_charged_when_he_wins(till: Till) -> None:
    buyer = somebody()
    await till.save_method(buyer)
    agreed = await till.ask(UUID(buyer.id), said.SetAutomaticPayment(enabled=True), buyer)
    sale = await till.sold(buyer=buyer)
    order = await till.until_state(sale.order_id, "paid")
    missing = await till.ask(sale.order_id, said.ShipOrder(carrier="DHL"), sale.seller)
    address = await till.ask(sale.order_id, said.GiveAddress(shipping_sealed="v1.sealed"), buyer)
    await till.ship(sale)

    assert agreed["answer"] == {"enabled": True}
    assert order["total_minor"] == 150_00
    assert missing["code"] == "address_missing"
    assert address["outcome"] == "accepted"


async def test_whose_saved_card_is_declined_may_still_pay_the_same_intent(till: Till) -> None:
    buyer = somebody()
    await till.save_method(buyer, "pm_card_chargeCustomerFail")
    await till.ask(UUID(buyer.id), said.SetAutomaticPayment(enabled=True), buyer)
    sale = await till.sold(buyer=buyer)
    await till.until_told(sale.order_id, "PaymentDeclined")
    await till.paid(sale)

    told = await till.told(sale.order_id)
    assert (told.count("PaymentStarted"), told.count("OrderPaid")) == (1, 1)


async def test_a_lost_webhook_is_found_by_the_reconciler(till: Till) -> None:
    sale = await till.sold()
    _, secret = await till.pay_intent(sale)
    async with till.webhooks(lose=True, type="payment_intent."), till.webhooks(lose=True, type="charge."):
        await till.confirm(secret)
        await till.reconcile()
        await till.until_state(sale.order_id, "paid")


async def test_the_ledger_is_only_added_to_and_takes_no_entry_that_does_not_balance(till: Till) -> None:
    sale = await till.paid(await till.sold())
    entry = await till.db.fetchval("SELECT entry_id FROM payments.ledger_entry WHERE order_id = $1", sale.order_id)

    for change in (
        "UPDATE payments.ledger_posting SET amount = 1 WHERE entry_id = $1",
        "DELETE FROM payments.ledger_entry WHERE entry_id = $1",
    ):
        with pytest.raises(asyncpg.IntegrityConstraintViolationError, match="only added to"):
            await till.db.execute(change, entry)
    with pytest.raises(asyncpg.CheckViolationError, match="does not balance"):
        await till.db.execute("INSERT INTO payments.ledger_posting VALUES ($1, 9, 'tax', NULL, 1)", entry)
    with pytest.raises(asyncpg.CheckViolationError, match="does not balance"):
        await till.db.execute(
            "INSERT INTO payments.ledger_entry VALUES ($1, 'payment', $2, 'USD', NULL, 0)", uuid.uuid4(), sale.order_id
        )


async def test_both_sides_find_their_invoice_with_the_payment(till: Till) -> None:
    sale = await till.paid(await till.sold())

    async def invoices() -> list[asyncpg.Record] | None:
        found = await till.db.fetch("SELECT * FROM payments.invoice_view WHERE order_id = $1", sale.order_id)
        return found or None

    by_party = {row["party"]: json.loads(row["document"]) for row in await till.until(invoices)}
    assert by_party["buyer"]["total"] == "150.00"
    assert by_party["seller"]["total"] == "133.35"


def refund(amount: float | None) -> said.RefundOrder:
    return said.RefundOrder.model_validate({} if amount is None else {"amount": amount})


async def test_what_a_seller_kept_of_a_refunded_order_is_cut_from_his_next_payout(till: Till) -> None:
    seller = await till.onboarded()
    first, second = [await till.paid(await till.sold(seller=seller)) for _ in range(2)]
    await till.ship(first)
    await till.deliver(first)
    await till.until_state(first.order_id, "completed")
    transfer = next(one for one in await till.objects("transfer") if one["metadata"]["order_id"] == str(first.order_id))
    async with till.faults({"path": f"/v1/transfers/{transfer['id']}/reversals", "method": "POST", "status": 400}):
        await till.ask(first.order_id, refund(100), seller)
        await till.until_told(first.order_id, "ReversalFailed")
    await till.ship(second)
    await till.deliver(second)
    order = await till.until_state(second.order_id, "completed")
    sent = [one for one in await till.objects("transfer") if one["metadata"]["order_id"] == str(second.order_id)]

    # 133.35, of which 100 / 150 were to come back: 88.90.
    assert order["payout_minor"] == 133_35
    assert [one["amount"] for one in sent] == [133_35 - 88_90]
    owed = "SELECT sum(amount)::bigint FROM payments.ledger_posting WHERE owner = $1"
    assert await till.db.fetchval(owed, UUID(seller.id)) == 0


async def test_two_payouts_at_a_time_do_not_recover_one_debt_twice(till: Till) -> None:
    seller = await till.onboarded()
    sales = [await till.paid(await till.sold(seller=seller)) for _ in range(4)]
    for sale in sales:
        await till.ship(sale)
    await till.db.execute("INSERT INTO payments.debt VALUES ($1, $2, 'USD', 20000)", uuid.uuid4(), UUID(seller.id))
    await asyncio.gather(*(till.send(sale.order_id, said.ConfirmDelivery(), sale.buyer) for sale in sales))
    for sale in sales:
        await till.until_state(sale.order_id, "completed")

    recovered = "SELECT sum(amount)::bigint FROM payments.recovery WHERE seller_id = $1"
    assert await till.db.fetchval(recovered, UUID(seller.id)) == 200_00


async def test_who_left_is_forgotten_by_the_provider_too(till: Till) -> None:
    buyer = somebody()
    await till.save_method(buyer)
    customer = await till.db.fetchval("SELECT customer_id FROM payments.person WHERE id = $1", UUID(buyer.id))
    await till.leave(buyer)

    async def gone() -> bool:
        there = [one for one in await till.objects("customer") if one["id"] == customer and not one.get("deleted")]
        return not there

    await till.until(gone)
    methods = "SELECT count(*) FROM payments.payment_method_view WHERE user_id = $1"
    assert await till.db.fetchval(methods, UUID(buyer.id)) == 0


async def test_an_event_of_a_kind_that_we_do_not_know_is_kept_once(till: Till) -> None:
    event_id = f"evt_{uuid.uuid4().hex}"
    event = said.RecordProviderEvent(
        provider_event_id=event_id,
        provider_type="climate.order.created",
        object_type="climate.order",
        object_id="co_1",
        created=datetime.now(UTC),
    )
    key = said.provider_key_of("co_1")
    name = said.provider_event_command_id(event_id)
    replies = [await till.ask(key, event, SYSTEM, command_id=name) for _ in range(2)]

    kept = await till.db.fetch("SELECT type FROM payments.provider_event WHERE id = $1", event_id)
    assert [reply["code"] for reply in replies] == ["kept", "kept"]
    assert [row["type"] for row in kept] == ["climate.order.created"]
