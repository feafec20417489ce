"""From the hammer to the payout over HTTP, and what people try on the way: twice, at once, for less, for somebody else's."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import pytest

from compose.settings import Settings
from consumers.payments.verify import verify
from edge_api.service_tokens import ServiceTokens
from producers import paying
from producers.operator import grant_role
from producers.person import Person, Refused
from schemas.envelope import command_id_of, time_ms
from tests.edge_api.test_live_stack import page
from tests.journeys.records import ends, records
from tests.journeys.shop import TOTAL, Shop, events_of, soon
from topics.catalog import PAYMENT_COMMANDS, PAYMENT_EVENTS

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
async def shop(stack: Settings) -> AsyncIterator[Shop]:
    """The shop, whose people the tests of this file share."""
    async with httpx.AsyncClient(base_url=f"{str(stack.public_url).rstrip('/')}/api/v1", timeout=60) as http:
        yield Shop(http, stack)


@pytest.fixture(scope="module")
async def mina(shop: Shop) -> Person:
    """Sells, and is known to Stripe."""
    mina = await shop.arrive("mina", sells=True)
    await paying.onboard(mina)
    await paying.payouts_enabled(mina)
    return mina


@pytest.fixture
async def anna(shop: Shop) -> Person:
    """Buys."""
    return await shop.arrive("anna")


async def refusal(asked: object) -> tuple[int, str]:
    """The status and code with which it is refused."""
    with pytest.raises(Refused) as refused:
        await asked  # type: ignore[misc]
    return refused.value.status, refused.value.code


async def test_a_won_auction_is_paid_shipped_received_rated_and_paid_out(
    shop: Shop, anna: Person, stack: Settings, owner: asyncpg.Connection
) -> None:
    since = await ends(stack.kafka_bootstrap, PAYMENT_EVENTS.name) | await ends(
        stack.kafka_bootstrap, PAYMENT_COMMANDS.name
    )
    late = await shop.arrive("late-mina", sells=True)
    order = await shop.sale(late, anna)
    assert (order["status"], order["total"], order["role"]) == ("awaiting_payment", TOTAL, "buyer")

    with pytest.raises(paying.Declined) as declined:
        await paying.pay(anna, stack, order, "pm_card_chargeDeclinedInsufficientFunds")
    assert declined.value.code == "insufficient_funds"
    await paying.order_when(anna, order["id"], lambda now: "PaymentDeclined" in events_of(now))
    payment_id = (await anna.get(f"/orders/{order['id']}"))["paymentId"]
    payment = await anna.get(f"/payments/{payment_id}")
    assert payment["failureCode"] == "insufficient_funds"
    assert "not enough money" in payment["failureMessage"]

    async with page(late) as hers:
        await paying.pay(anna, stack, order)
        paid = await paying.order_at(late, order["id"], "paid")
        await hers.heard(lambda frame: frame["data"].get("happened") == "OrderPaid")
    assert paid["shippingAddress"] == paying.ADDRESS
    shipped = await late.post(f"/orders/{order['id']}/ship", {"carrier": "Post", "trackingNumber": "RR123456785AT"})
    assert shipped["status"] == "shipped"
    assert (await anna.get(f"/orders/{order['id']}"))["trackingNumber"] == "RR123456785AT"
    assert (await anna.post(f"/orders/{order['id']}/confirm-delivery"))["status"] == "delivered"
    held = await paying.order_when(late, order["id"], lambda now: "PayoutHeld" in events_of(now))
    assert held["payout"] == 0

    await paying.onboard(late)
    done = await paying.order_at(late, order["id"], "completed")
    assert (done["proceeds"], done["payout"], done["fees"]) == (198.95, 198.95, 23.55)
    assert "PayoutSent" not in events_of(await anna.get(f"/orders/{order['id']}"))

    await anna.post(f"/orders/{order['id']}/rate", {"stars": 5, "comment": "Well packed"})
    assert await refusal(anna.post(f"/orders/{order['id']}/rate", {"stars": 1})) == (409, "already_rated")
    await late.post(f"/orders/{order['id']}/rate", {"stars": 4})

    async def is_rated() -> bool | None:
        return (await anna.get(f"/users/{late.user_id}"))["sellerRating"] == 5.0 or None

    assert await soon(is_rated)
    assert (await anna.get(f"/auctions/{order['auctionId']}"))["seller"]["sellerRating"] == 5.0
    await nothing_personal(stack, since, owner)
    title = order["title"]
    assert {f"You won: {title}", f"Paid: {title}", f"On its way: {title}"} <= await shop.letters_to(anna, at_least=4)
    wanted = {f"{word}: {title}" for word in ("Sold", "Please ship", "Arrived", "Your payout waits", "Paid out")}
    assert wanted <= await shop.letters_to(late, at_least=6)


async def nothing_personal(stack: Settings, since: object, owner: asyncpg.Connection) -> None:
    """No address, no parcel number, no secret of Stripe's stands in clear on a topic or in a table."""
    planted = [b"Liddell", b"Linzer Gasse", b"RR123456785AT", b"_secret_"]
    async for record in records(
        stack.kafka_bootstrap,
        [PAYMENT_COMMANDS.name, PAYMENT_EVENTS.name],
        since,  # type: ignore[arg-type]
    ):
        assert not any(word in (record.value or b"") for word in planted)
    for table in ("orders", "secret", "log"):
        rows = await owner.fetch(f"SELECT row_to_json(t)::text AS text FROM payments.{table} t")
        forms = [form for word in planted for form in (word.decode(), word.hex())]
        assert rows
        assert not any(form in row["text"] for row in rows for form in forms)


async def test_only_the_winner_pays_only_the_exact_amount_in_its_own_currency(
    shop: Shop, mina: Person, anna: Person
) -> None:
    ben = await shop.arrive("ben")
    order = await shop.sale(mina, anna)

    refused = [
        await refusal(paying.begin_to_pay(anna, order, amount=TOTAL + 0.01)),
        await refusal(paying.begin_to_pay(anna, order, amount=TOTAL - 0.01)),
        await refusal(paying.begin_to_pay(anna, order, currency="EUR")),
        await refusal(paying.begin_to_pay(ben, order)),
        await refusal(paying.begin_to_pay(mina, order)),
    ]

    assert refused == [
        (409, "wrong_amount"),
        (409, "wrong_amount"),
        (422, "currency_mismatch"),
        (403, "not_the_buyer"),
        (403, "not_the_buyer"),
    ]
    assert await shop.stripe.of_order("payment_intent", order["id"]) == []
    assert events_of(await anna.get(f"/orders/{order['id']}")) == ["OrderCreated"]
    for path in ("", "/invoice"):
        assert await refusal(ben.get(f"/orders/{order['id']}{path}")) == (404, "order_not_found")
    for step in ("ship", "confirm-delivery", "accept"):
        status, _ = await refusal(ben.post(f"/orders/{order['id']}/{step}"))
        assert status in (403, 404)


async def test_a_double_click_and_a_second_browser_pay_once(shop: Shop, mina: Person, anna: Person) -> None:
    order = await shop.sale(mina, anna)

    begun = await asyncio.gather(*(paying.begin_to_pay(anna, order) for _ in range(6)))
    [secret] = {one["clientSecret"] for one in begun}
    confirmed = await asyncio.gather(
        *(paying.confirm(shop.http, shop.settings, secret) for _ in range(4)), return_exceptions=True
    )
    await paying.order_at(anna, order["id"], "paid")

    assert any(isinstance(one, dict) and one["status"] == "succeeded" for one in confirmed)
    assert all(isinstance(one, dict | paying.Declined) for one in confirmed)
    [intent] = await shop.stripe.of_order("payment_intent", order["id"])
    assert intent["amount_received"] == TOTAL * 100
    charges = await shop.stripe.of_order("charge", order["id"])
    assert [charge["status"] for charge in charges] == ["succeeded"]
    assert await refusal(paying.begin_to_pay(anna, order)) == (409, "already_paid")


async def test_a_key_stands_for_one_request_and_its_answer_can_be_asked_for_later(
    shop: Shop, mina: Person, anna: Person
) -> None:
    order = await shop.sale(mina, anna)
    body = {"auctionId": order["auctionId"], "amount": TOTAL, "currency": "USD", "shippingInfo": paying.ADDRESS}

    first, again = [await anna.post("/payments/create-intent", body, key="pay-1") for _ in range(2)]
    other = await refusal(anna.post("/payments/create-intent", body | {"amount": 1}, key="pay-1"))
    later = await anna.get(f"/commands/{command_id_of(UUID(anna.user_id), 'pay-1')}")

    assert first == again == later
    assert other == (409, "idempotency_conflict")


@pytest.mark.parametrize(("price", "received"), [(1_500, 1_500), (1_500.50, None)])
async def test_a_currency_without_decimals_is_paid_exactly_or_not_at_all(
    shop: Shop, mina: Person, anna: Person, price: float, received: int | None
) -> None:
    order = await shop.sale(mina, anna, currency="JPY", startingPrice=1_000, buyNowPrice=price, shippingInfo={})

    if received is None:
        assert await refusal(paying.begin_to_pay(anna, order)) == (422, "currency_not_supported")
        return
    await paying.pay(anna, shop.settings, order)
    await paying.order_at(anna, order["id"], "paid")
    [intent] = await shop.stripe.of_order("payment_intent", order["id"])
    assert (intent["currency"], intent["amount_received"]) == ("jpy", received)


async def test_the_bank_asks_and_the_buyer_answers(shop: Shop, mina: Person, anna: Person) -> None:
    order = await shop.sale(mina, anna)

    asked = await paying.pay(anna, shop.settings, order, "pm_card_authenticationRequired")
    assert asked["status"] == "requires_action"
    await paying.order_when(anna, order["id"], lambda now: "PaymentActionRequired" in events_of(now))
    await paying.answer_bank(shop.http, asked, approve=False)
    await paying.order_when(anna, order["id"], lambda now: "PaymentDeclined" in events_of(now))
    again = await paying.pay(anna, shop.settings, order, "pm_card_authenticationRequired")
    await paying.answer_bank(shop.http, again, approve=True)

    assert (await paying.order_at(anna, order["id"], "paid"))["paidAt"]


async def test_refunds_never_exceed_what_was_paid_however_many_ask_at_once(
    shop: Shop, mina: Person, anna: Person
) -> None:
    order = await shop.paid_sale(mina, anna)
    refund = f"/payments/{order['paymentId']}/refund"

    assert await refusal(anna.post(refund, {"amount": 1})) == (403, "not_the_seller")
    assert await refusal(mina.post(refund, {"amount": TOTAL + 0.01})) == (409, "refund_too_large")
    answers = await asyncio.gather(*(mina.post(refund, {"amount": 100}) for _ in range(4)), return_exceptions=True)
    done = [one for one in answers if isinstance(one, dict)]
    assert len(done) == 2
    assert {one.code for one in answers if isinstance(one, Refused)} == {"refund_too_large"}
    await mina.post(refund)
    refunded = await paying.order_at(anna, order["id"], "refunded")

    assert refunded["refunded"] == TOTAL
    assert await refusal(mina.post(refund)) in ((409, "nothing_to_refund"), (409, "wrong_state"))
    assert sum(one["amount"] for one in await shop.stripe.of_order("refund", order["id"])) == TOTAL * 100


async def test_paying_and_calling_off_at_once_ends_in_one_of_the_two(shop: Shop, mina: Person) -> None:
    buyers = await asyncio.gather(*(shop.arrive("anna") for _ in range(4)))
    orders = [await shop.sale(mina, buyer) for buyer in buyers]
    begun = [await paying.begin_to_pay(buyer, order) for buyer, order in zip(buyers, orders, strict=True)]

    await asyncio.gather(
        *(paying.confirm(shop.http, shop.settings, one["clientSecret"]) for one in begun),
        *(mina.post(f"/orders/{order['id']}/cancel", {"reason": "It broke."}) for order in orders),
        return_exceptions=True,
    )

    for buyer, order in zip(buyers, orders, strict=True):
        ended = await paying.order_at(buyer, order["id"], "paid", "cancelled")
        [intent] = await shop.stripe.of_order("payment_intent", order["id"])
        assert (ended["status"], intent["status"]) in (("paid", "succeeded"), ("cancelled", "canceled"))


async def test_a_refund_after_the_payout_takes_the_seller_s_part_back(shop: Shop, mina: Person, anna: Person) -> None:
    order = await shop.paid_sale(mina, anna)
    await mina.post(f"/orders/{order['id']}/ship")
    await anna.post(f"/orders/{order['id']}/confirm-delivery")
    await paying.order_at(mina, order["id"], "completed")

    await mina.post(f"/payments/{order['paymentId']}/refund", {"reason": "not_as_described"})
    await paying.order_when(mina, order["id"], lambda now: "PayoutReversed" in events_of(now))
    back = await paying.order_at(mina, order["id"], "refunded")

    assert back["refunded"] == TOTAL
    [transfer] = await shop.stripe.of_order("transfer", order["id"])
    assert transfer["amount_reversed"] == transfer["amount"] == 198_95


async def test_a_complaint_holds_the_payout_until_the_buyer_is_content(shop: Shop, mina: Person, anna: Person) -> None:
    order = await shop.paid_sale(mina, anna)
    await mina.post(f"/orders/{order['id']}/ship")

    await anna.post(f"/orders/{order['id']}/dispute", {"reason": "damaged", "detail": "The glass is broken."})
    disputed = await mina.get(f"/orders/{order['id']}")
    assert (disputed["status"], disputed["payout"]) == ("disputed", 0)
    assert await refusal(mina.post(f"/orders/{order['id']}/dispute/close")) == (403, "not_the_buyer")
    await anna.post(f"/orders/{order['id']}/dispute/close")
    assert (await mina.get(f"/orders/{order['id']}"))["status"] == "shipped"
    await anna.post(f"/orders/{order['id']}/confirm-delivery")

    assert (await paying.order_at(mina, order["id"], "completed"))["payout"] == 198.95


async def test_an_admin_decides_for_the_buyer_who_gets_everything_back(
    shop: Shop, mina: Person, anna: Person, stack: Settings
) -> None:
    ada = await shop.arrive("ada")
    await grant_role(stack, ada.username, "admin")
    await ada.log_in()
    order = await shop.paid_sale(mina, anna)
    await anna.post(f"/orders/{order['id']}/dispute", {"reason": "not_received"})

    await ada.post(f"/orders/{order['id']}/dispute/close", {"inFavourOf": "buyer"})

    assert (await paying.order_at(anna, order["id"], "refunded"))["refunded"] == TOTAL
    assert (await ada.get(f"/orders/{order['id']}"))["payout"] == 0


async def test_a_saved_card_is_charged_when_its_owner_agreed_and_forgotten_when_told(
    shop: Shop, mina: Person, anna: Person
) -> None:
    assert await refusal(anna.request("PUT", "/payments/automatic", {"enabled": True})) == (404, "method_not_found")
    setup = await anna.post("/payments/methods")
    await paying.confirm(shop.http, shop.settings, setup["clientSecret"])

    async def is_saved() -> dict[str, Any] | None:
        items = (await anna.get("/payments/methods"))["items"]
        return dict(items[0]) if items else None

    card = await soon(is_saved)
    assert (card["last4"], card["isDefault"]) == ("4242", True)
    assert (await anna.request("PUT", "/payments/automatic", {"enabled": True}))["enabled"] is True

    order = await shop.sale(mina, anna)
    await paying.order_at(anna, order["id"], "paid")
    assert await refusal(mina.post(f"/orders/{order['id']}/ship")) == (409, "address_missing")
    assert await refusal(mina.request("PUT", f"/orders/{order['id']}/address", paying.ADDRESS)) == (
        403,
        "not_the_buyer",
    )
    await anna.request("PUT", f"/orders/{order['id']}/address", paying.ADDRESS)
    assert (await mina.get(f"/orders/{order['id']}"))["shippingAddress"] == paying.ADDRESS

    await anna.request("DELETE", f"/payments/methods/{card['id']}")
    assert (await anna.get("/payments/methods"))["items"] == []


async def test_an_unpaid_item_is_a_strike_goes_to_the_next_bidder_and_keeps_its_buyer_out(
    shop: Shop, mina: Person, stack: Settings
) -> None:
    cleo, ben = await asyncio.gather(shop.arrive("cleo"), shop.arrive("ben"))
    terms = {"title": "Brass lamp", "startingPrice": 10, "duration": 100_000, "payWindow": 5}
    auction = await mina.post("/auctions", terms)
    await ben.bid(auction["id"], amount=90)
    await cleo.bid(auction["id"], amount=120)
    await mina.post(f"/auctions/{auction['id']}/end", {"mode": "sell_to_high_bidder"})
    order = await paying.order_of(cleo, auction["id"])
    assert await refusal(mina.post(f"/auctions/{auction['id']}/relist")) == (409, "relist_impossible")
    await paying.order_at(cleo, order["id"], "unpaid")
    assert await refusal(paying.begin_to_pay(cleo, order)) == (410, "pay_window_over")
    choosy = await mina.post(
        "/auctions", {"title": "Brass lamp", "startingPrice": 10, "duration": 60, "maxBuyerStrikes": 0}
    )

    async def is_kept_out() -> bool | None:
        return (await cleo.try_to_bid(choosy["id"], 50))["code"] == "too_many_strikes" or None

    assert await soon(is_kept_out)
    assert choosy["maxBuyerStrikes"] == (await cleo.get(f"/auctions/{choosy['id']}"))["maxBuyerStrikes"] == 0
    assert (await cleo.get("/users/me"))["strikes"] == 1
    assert (await ben.bid(choosy["id"], amount=60))["code"] == "leading"
    forgiven = f"/orders/{order['id']}/lift-strike"
    assert await refusal(cleo.post(forgiven, {"reason": "Please."})) == (403, "not_the_seller")
    await mina.post(forgiven, {"reason": "Her bank had closed the card."})

    async def is_let_in() -> bool | None:
        return (await cleo.try_to_bid(choosy["id"], 70))["code"] == "leading" or None

    async def has_none() -> bool | None:
        return (await cleo.get("/users/me"))["strikes"] == 0 or None

    assert await soon(is_let_in)
    assert await soon(has_none)

    await mina.post(f"/orders/{order['id']}/second-chance", {"days": 1})
    offer = await paying.order_of(ben, auction["id"])
    assert (offer["status"], offer["price"], offer["offerNumber"]) == ("offered", 90, 1)
    status, _ = await refusal(mina.post(f"/orders/{order['id']}/second-chance", {"days": 1}))
    assert status == 409
    assert await refusal(cleo.post(f"/orders/{offer['id']}/accept")) == (403, "not_the_buyer")
    await ben.post(f"/orders/{offer['id']}/accept")
    await paying.pay(ben, stack, await ben.get(f"/orders/{offer['id']}"))
    await paying.order_at(ben, str(offer["id"]), "paid")


async def test_our_services_ask_on_the_internal_listener(
    shop: Shop, mina: Person, anna: Person, stack: Settings
) -> None:
    order = await shop.sale(mina, anna)
    token = ServiceTokens(stack).make("auctions", at_s=time_ms() / 1000)
    port = stack.edge_port - 7080 + 7500  # compose/ports.toml: both move by the stack's offset.
    body = {"auctionId": order["auctionId"], "userId": anna.user_id, "amount": TOTAL}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as inside:
        user = await inside.get(f"/internal/users/{mina.user_id}", headers={"X-Internal-Auth": token})
        valid = await inside.post("/internal/payments/validate", json=body, headers={"X-Internal-Auth": token})
        literal = await inside.get(f"/internal/users/{mina.user_id}", headers={"X-Internal-Auth": "true"})

    assert user.json()["username"] == mina.username
    assert valid.json() == {"valid": True, "paymentMethods": []}
    assert literal.status_code == 401


async def test_the_invoices_of_both_sides_stay_the_same(shop: Shop, mina: Person, anna: Person) -> None:
    order = await shop.paid_sale(mina, anna)
    path = f"/orders/{order['id']}/invoice"

    bought, sold = await anna.get(path), await mina.get(path)
    first, again = [(await shop.http.get(f"{path}?format=pdf", headers=anna.headers)).content for _ in range(2)]

    assert bought["document"]["total"] == "222.50"
    assert sold["document"]["total"] == "198.95"
    assert first == again
    assert first.startswith(b"%PDF-")
    assert json.dumps(bought) == json.dumps(await anna.get(path))


async def test_at_the_end_our_log_state_and_ledger_agree(stack: Settings) -> None:
    differences: list[str] = []

    await verify(stack, report=differences.append)

    assert differences == []
