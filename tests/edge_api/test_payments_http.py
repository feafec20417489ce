"""Paying and orders over HTTP, without servers: what the worker is asked, what each side sees, and what nobody does."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from edge_api import provided
from schemas.payments import order_id_of, payment_id_of
from schemas.sealed import new_user_key
from tests.edge_api.doorway import ANNA, AUCTION, MINA, Doorway, accepted, refused

pytestmark = pytest.mark.quick

ORDER = order_id_of(AUCTION)
PAYMENT = payment_id_of(ORDER)
STRANGER = uuid4()
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ADDRESS = {"name": "Anna Liddell", "line1": "Linzer Gasse 4", "city": "Salzburg", "postalCode": "5020", "country": "AT"}
INTENT = {"auctionId": str(AUCTION), "amount": 222.5, "currency": "USD", "shippingInfo": ADDRESS}
SECRET = "pi_1_secret_of_anna"


class Shop:
    """Anna won; what the views of accounts and payments hold of it."""

    def __init__(self, doorway: Doorway) -> None:
        self.doorway = doorway
        self.edge = doorway.edge
        self.wrapped = self.edge.user_keys.wrap(new_user_key(), user_id=str(ANNA))
        self.edge.views["keyring"] = [{"user_id": ANNA, "wrapped_key": self.wrapped}]
        self.order(state="awaiting_payment")
        doorway.workers.says = lambda command: accepted(
            command, "payment_started", paymentId=str(PAYMENT), orderId=str(ORDER), amount=222.5, currency="USD"
        )

    def order(self, **changes: Any) -> None:
        """Put the order into the view."""
        row = {
            **dict.fromkeys(
                ("carrier", "offer_expires_at", "paid_at", "shipped_at", "delivered_at", "completed_at", "problem")
            ),
            **dict.fromkeys(("buyer_stars", "seller_stars", "payment_id", "shipping_sealed", "tracking_sealed")),
            "order_id": ORDER,
            "auction_id": AUCTION,
            "offer": 0,
            "seller_id": MINA,
            "buyer_id": ANNA,
            "title": "Brass lamp",
            "price_minor": 210_00,
            "shipping_minor": 12_50,
            "tax_minor": 0,
            "total_minor": 222_50,
            "fee_minor": 23_55,
            "proceeds_minor": 198_95,
            "payout_minor": 0,
            "refunded_minor": 0,
            "currency": "USD",
            "created_at": NOON,
            "pay_by": NOON,
            "sequence": 1,
            **changes,
        }
        self.edge.views["payments.order_view"] = [row]

    def paid(self, **changes: Any) -> None:
        """The order, paid, with its address."""
        seal = self.seal("shipping", json.dumps(ADDRESS))
        self.order(state="paid", paid_at=NOON, shipping_sealed=seal, payment_id=PAYMENT, **changes)

    def seal(self, field: str, text: str) -> str:
        return self.edge.order_seal.seal(
            text, wrapped_key=self.wrapped, user_id=str(ANNA), order_id=str(ORDER), field=field, at_s=1_772_391_871
        )

    def gives(self, kind: str, secret_id: UUID, text: str | None, failure: str | None = None) -> None:
        """What the provider gave, as the worker left it."""
        sealed = text and self.edge.seal.seal(text, message_id=str(secret_id), field=kind, at_s=1_772_391_871)
        self.edge.views["payments.secret_view"] = [
            {
                "id": secret_id,
                "kind": kind,
                "sealed": sealed,
                "failure_code": failure,
                "failure_message": failure and "No.",
                "expires_at": None,
            }
        ]

    def payment(self, **changes: Any) -> None:
        """Put the payment into the view."""
        self.edge.views["payments.payment_view"] = [
            {
                "payment_id": PAYMENT,
                "order_id": ORDER,
                "buyer_id": ANNA,
                "seller_id": MINA,
                "amount_minor": 222_50,
                "currency": "USD",
                "status": "requires_payment_method",
                "refunded_minor": 0,
                "failure_code": "insufficient_funds",
                "failure_message": "There is not enough money on this card.",
                "created_at": NOON,
                **changes,
            }
        ]

    @property
    def said(self) -> dict[str, Any]:
        """What the last command said."""
        return self.doorway.workers.data


@pytest.fixture
def shop(doorway: Doorway) -> Shop:
    return Shop(doorway)


async def test_the_winner_gets_what_the_sdk_needs_and_the_same_when_asked_again(
    shop: Shop, anna: httpx.AsyncClient
) -> None:
    shop.gives("intent", PAYMENT, SECRET)
    shop.payment()

    first, again = [(await anna.post("/payments/create-intent", json=INTENT)).json() for _ in range(2)]

    assert first == again
    assert first == {
        "paymentId": str(PAYMENT),
        "clientSecret": SECRET,
        "amount": 222.5,
        "currency": "USD",
        "status": "requires_payment_method",
        "orderId": str(ORDER),
    }


async def test_an_address_goes_on_sealed_with_its_owner_s_key_and_for_this_order(
    shop: Shop, anna: httpx.AsyncClient
) -> None:
    shop.gives("intent", PAYMENT, SECRET)
    shop.payment()

    await anna.post("/payments/create-intent", json=INTENT)

    [command] = shop.doorway.workers.asked
    assert (command.message.name, command.aggregate) == ("CreateIntent", ORDER)
    assert (shop.said["amount"], shop.said["currency"]) == (222.5, "USD")
    assert not any(word in command.data for word in (b"Liddell", b"Linzer", b"Salzburg"))
    opened = shop.edge.order_seal.open(
        shop.said["shippingSealed"], wrapped_key=shop.wrapped, user_id=str(ANNA), order_id=str(ORDER), field="shipping"
    )
    assert json.loads(opened) == ADDRESS


async def test_a_repeated_key_is_the_same_request_although_its_seal_is_another(
    shop: Shop, anna: httpx.AsyncClient
) -> None:
    shop.gives("intent", PAYMENT, SECRET)
    shop.payment()
    for amount in (222.5, 222.5, 222.51):
        await anna.post("/payments/create-intent", json={**INTENT, "amount": amount}, headers={"Idempotency-Key": "k"})

    first, again, other = (command.fingerprint for command in shop.doorway.workers.asked)
    assert first == again != other


async def test_an_unknown_auction_is_asked_of_its_first_order(doorway: Doorway, anna: httpx.AsyncClient) -> None:
    shop = Shop(doorway)
    shop.edge.views["payments.order_view"] = []
    doorway.workers.says = lambda command: refused(command, "order_not_found")

    answer = await anna.post("/payments/create-intent", json=INTENT)

    assert (answer.status_code, answer.json()["code"]) == (404, "order_not_found")
    assert doorway.workers.asked[0].aggregate == ORDER


async def test_a_provider_that_refused_is_told_as_a_refusal(shop: Shop, anna: httpx.AsyncClient) -> None:
    shop.gives("intent", PAYMENT, None, failure="amount_too_small")

    answer = await anna.post("/payments/create-intent", json=INTENT)

    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (
        409,
        "payment_refused",
        "amount_too_small",
    )


async def test_a_slow_provider_is_told_as_pending(
    shop: Shop, anna: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provided, "WAIT_S", 0.05)

    answer = await anna.post("/payments/create-intent", json=INTENT)

    assert (answer.status_code, answer.json()["status"]) == (202, "pending")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"amount": "222.5"}, "amount"),
        ({"amount": 1e400}, "body"),
        ({"amount": 222.505}, "amount"),
        ({"amount": -1}, "amount"),
        ({"currency": "usd"}, "currency"),
        ({"currency": None}, "currency"),
        ({"auctionId": "x"}, "auctionId"),
        ({"shippingInfo": None}, "shippingInfo"),
        ({"shippingInfo": {**ADDRESS, "country": "Austria"}}, "shippingInfo.country"),
        ({"shippingInfo": {**ADDRESS, "name": ""}}, "shippingInfo.name"),
        ({"shippingInfo": {**ADDRESS, "name": "Anna\u202e"}}, "shippingInfo.name"),
        ({"shippingInfo": {**ADDRESS, "cardNumber": "4242424242424242"}}, "shippingInfo.cardNumber"),
        ({"cardNumber": "4242424242424242"}, "cardNumber"),
    ],
)
async def test_a_wrong_field_is_named_and_reaches_no_topic(
    shop: Shop, anna: httpx.AsyncClient, change: dict[str, Any], field: str
) -> None:
    body = json.dumps({**INTENT, **change}).replace("Infinity", "1e400")

    answer = await anna.post("/payments/create-intent", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code in (400, 422)
    assert answer.json()["errors"][0]["field"] in (field, "amount")
    assert shop.doorway.workers.asked == []


async def test_a_payment_is_shown_to_its_sides_and_why_a_card_was_declined_to_its_holder(shop: Shop) -> None:
    shop.payment()

    seen = {}
    for who in (ANNA, MINA, STRANGER):
        async with shop.doorway.client(user=who) as client:
            seen[who] = await client.get(f"/payments/{PAYMENT}")

    assert seen[ANNA].json()["failureMessage"] == "There is not enough money on this card."
    assert seen[MINA].json()["failureMessage"] is None
    assert (seen[STRANGER].status_code, seen[STRANGER].json()["code"]) == (404, "payment_not_found")


async def test_each_side_sees_an_order_as_its_own(shop: Shop, anna: httpx.AsyncClient, mina: httpx.AsyncClient) -> None:
    shop.paid()
    shop.edge.views["order_history_view"] = [
        _past(1, "OrderCreated", amount=222.5, commission=23.55, proceeds=198.95, orderId=str(ORDER)),
        _past(2, "PaymentDeclined", code="insufficient_funds", message="No."),
        _past(3, "OrderPaid", amount=222.5, chargeId="ch_1", providerFee=6.75),
        _past(4, "PayoutHeld", amount=198.95, reason="not_onboarded"),
    ]

    bought, sold = (await anna.get(f"/orders/{ORDER}")).json(), (await mina.get(f"/orders/{ORDER}")).json()

    assert (bought["role"], sold["role"]) == ("buyer", "seller")
    assert bought["shippingAddress"] == sold["shippingAddress"] == ADDRESS
    assert "fees" not in bought
    assert (sold["fees"], sold["proceeds"]) == (23.55, 198.95)
    assert [one["event"] for one in bought["history"]] == ["OrderCreated", "PaymentDeclined", "OrderPaid"]
    assert [one["event"] for one in sold["history"]] == ["OrderCreated", "OrderPaid", "PayoutHeld"]
    assert bought["history"][0]["data"] == {"amount": 222.5}
    assert "ch_1" not in str(bought) + str(sold)


def _past(sequence: int, kind: str, **data: Any) -> dict[str, Any]:
    return {"sequence": sequence, "event_type": kind, "at": NOON, "by": "platform", "data": json.dumps(data)}


async def test_a_seller_sees_no_address_before_the_money_is_there(shop: Shop, mina: httpx.AsyncClient) -> None:
    shop.order(state="awaiting_payment", shipping_sealed=shop.seal("shipping", json.dumps(ADDRESS)))

    assert (await mina.get(f"/orders/{ORDER}")).json()["shippingAddress"] is None


async def test_of_a_buyer_who_left_the_address_is_gone(shop: Shop, mina: httpx.AsyncClient) -> None:
    shop.paid()
    shop.edge.views["keyring"] = []

    assert (await mina.get(f"/orders/{ORDER}")).json()["shippingAddress"] is None


async def test_an_order_is_nobody_else_s(shop: Shop) -> None:
    shop.paid()
    async with shop.doorway.client(user=STRANGER) as client:
        for path in (f"/orders/{ORDER}", f"/orders/{ORDER}/invoice"):
            assert (await client.get(path)).json()["code"] == "order_not_found"
        shop.payment()
        assert (await client.post(f"/payments/{PAYMENT}/refund", json={})).json()["code"] == "payment_not_found"

    assert shop.doorway.workers.asked == []


async def test_who_is_charged_unasked_says_later_where_it_goes(shop: Shop, anna: httpx.AsyncClient) -> None:
    shop.doorway.workers.says = lambda command: accepted(command, "address_given", state="paid")

    answer = await anna.put(f"/orders/{ORDER}/address", json=ADDRESS)

    [command] = shop.doorway.workers.asked
    assert (answer.status_code, command.message.name, command.aggregate) == (200, "GiveAddress", ORDER)
    assert b"Linzer" not in command.data
    shop.order(state="paid", paid_at=NOON, shipping_sealed=shop.said["shippingSealed"])
    assert (await anna.get(f"/orders/{ORDER}")).json()["shippingAddress"] == ADDRESS


async def test_a_tracking_number_goes_on_sealed(shop: Shop, mina: httpx.AsyncClient) -> None:
    shop.paid()
    shop.doorway.workers.says = lambda command: accepted(command, "shipped", state="shipped")

    answer = await mina.post(f"/orders/{ORDER}/ship", json={"carrier": "Post", "trackingNumber": "RR123456785AT"})

    [command] = shop.doorway.workers.asked
    assert answer.json() == {"orderId": str(ORDER), "status": "paid", "code": "shipped"}
    assert b"RR123456785AT" not in command.data
    shop.paid(tracking_sealed=shop.said["trackingSealed"])
    assert (await mina.get(f"/orders/{ORDER}")).json()["trackingNumber"] == "RR123456785AT"


STEPS = [
    ("confirm-delivery", None, "ConfirmDelivery", {}),
    ("rate", {"stars": 5, "comment": "Well packed"}, "RateOrder", {"stars": 5, "comment": "Well packed"}),
    ("dispute", {"reason": "damaged"}, "DisputeOrder", {"reason": "damaged"}),
    ("dispute/close", None, "CloseCase", {"inFavourOf": "seller"}),
    ("cancel", {"reason": "It broke."}, "CancelOrder", {"reason": "It broke."}),
    ("lift-strike", {"reason": "His bank failed."}, "LiftStrike", {"reason": "His bank failed."}),
    ("second-chance", {"days": 7}, "OfferSecondChance", {"days": 7}),
    ("accept", None, "AcceptOffer", {}),
    ("decline", None, "DeclineOffer", {}),
    ("pay", {"paymentMethodId": "pm_1"}, "ChargeSavedMethod", {"paymentMethodId": "pm_1"}),
]


@pytest.mark.parametrize(("path", "body", "name", "said"), STEPS, ids=[step[0] for step in STEPS])
async def test_each_step_of_an_order_asks_its_worker_in_the_caller_s_name(
    shop: Shop, anna: httpx.AsyncClient, path: str, body: Any, name: str, said: Any
) -> None:
    await anna.post(f"/orders/{ORDER}/{path}", json=body)

    [command] = shop.doorway.workers.asked
    assert (command.message.name, command.aggregate, command.actor.id) == (name, ORDER, str(ANNA))
    assert shop.said == said


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("rate", {"stars": 0}, "stars"),
        ("rate", {"stars": 6}, "stars"),
        ("rate", {"stars": 4.5}, "stars"),
        ("rate", {"stars": True}, "stars"),
        ("rate", {}, "stars"),
        ("dispute", {"reason": "because"}, "reason"),
        ("cancel", {"reason": ""}, "reason"),
        ("second-chance", {"days": 2}, "days"),
        ("pay", {"paymentMethodId": "../x"}, "paymentMethodId"),
        ("accept", {"orderId": "x"}, "orderId"),
        ("ship", {"trackingNumber": "a\nb"}, "trackingNumber"),
    ],
)
async def test_a_wrong_step_names_its_field(
    shop: Shop, anna: httpx.AsyncClient, path: str, body: Any, field: str
) -> None:
    answer = await anna.post(f"/orders/{ORDER}/{path}", json=body)

    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == field
    assert shop.doorway.workers.asked == []


@pytest.mark.parametrize("path", ["/orders", f"/orders/{ORDER}", "/payments/methods", "/payments/connect/status"])
async def test_nobody_sees_anything_without_a_login(nobody: httpx.AsyncClient, path: str) -> None:
    assert (await nobody.get(path)).status_code == 401


async def test_only_a_seller_is_paid_out(shop: Shop, anna: httpx.AsyncClient, mina: httpx.AsyncClient) -> None:
    assert (await anna.post("/payments/connect/onboard")).json()["code"] == "not_allowed"
    shop.doorway.workers.says = lambda command: _onboarded(shop, command)

    link = await mina.post("/payments/connect/onboard", json={"country": "AT"})

    assert link.json() == {"url": "https://connect.stripe.com/x", "expiresAt": None}
    assert shop.doorway.workers.asked[0].aggregate == MINA


def _onboarded(shop: Shop, command: Any) -> Any:
    shop.gives("onboarding", command.command_id, "https://connect.stripe.com/x")
    return accepted(command, "onboarding_started")


async def test_a_seller_without_an_account_is_told_so(mina: httpx.AsyncClient) -> None:
    assert (await mina.get("/payments/connect/status")).json()["status"] == "none"


RELISTED = {
    "id": AUCTION,
    "seller_id": MINA,
    "title": "Brass lamp",
    "description": "",
    "video_id": None,
    "starting_price_minor": 10_50,
    "duration_s": 172_800,
    "shipping_info": '{"method":"post","cost":5.10}',
    "tags": ["lamp"],
    "category": None,
    "currency": "USD",
    "closing": '{"mode":"soft","window":300,"extension":60,"extend":"reset","hardStop":"2026-03-01T12:00:00.000Z"}',
    "increments": "EBAY-US",
    "listed_buy_now_minor": 80_00,
    "has_reserve": False,
    "max_buyer_strikes": 2,
    "pay_window_s": 3_600,
    "status": "ended",
    "outcome": "sold",
}


async def test_what_was_not_paid_is_offered_again_as_it_was(shop: Shop, mina: httpx.AsyncClient) -> None:
    shop.edge.views["bids.auction_view"] = [RELISTED]
    shop.order(state="unpaid")
    shop.doorway.workers.says = lambda command: accepted(command, "opened", id=str(command.aggregate))

    answer = await mina.post(f"/auctions/{AUCTION}/relist", json={"startingPrice": 9})

    assert answer.status_code == 201
    assert shop.doorway.workers.asked[0].aggregate != AUCTION
    assert shop.said["startingPrice"] == 9.0
    assert (shop.said["title"], shop.said["shippingInfo"]["cost"], shop.said["duration"]) == (
        "Brass lamp",
        5.1,
        172_800,
    )
    assert "hardStop" not in shop.said["closing"]
    assert (shop.said["buyNowPrice"], shop.said["maxBuyerStrikes"], shop.said["payWindow"]) == (80.0, 2, 3_600)


@pytest.mark.parametrize(
    ("body", "reserve"), [({}, None), ({"reservePrice": 50}, 50.0), ({"reservePrice": None, "buyNowPrice": None}, None)]
)
async def test_a_reserve_is_said_again_or_given_up_but_never_lost(
    shop: Shop, mina: httpx.AsyncClient, body: dict[str, Any], reserve: float | None
) -> None:
    shop.edge.views["bids.auction_view"] = [RELISTED | {"has_reserve": True}]
    shop.order(state="unpaid")
    shop.doorway.workers.says = lambda command: accepted(command, "opened", id=str(command.aggregate))

    answer = await mina.post(f"/auctions/{AUCTION}/relist", json=body)

    if not body:
        assert (answer.status_code, answer.json()["code"]) == (422, "reserve_not_said")
        assert shop.doorway.workers.asked == []
        return
    assert answer.status_code == 201
    assert shop.said.get("reservePrice") == reserve
    assert ("buyNowPrice" in shop.said) == ("buyNowPrice" not in body)


@pytest.mark.parametrize(
    ("auction", "state", "expected"),
    [
        (RELISTED, "awaiting_payment", "relist_impossible"),
        (RELISTED, "completed", "relist_impossible"),
        ({**RELISTED, "status": "live", "outcome": None}, "unpaid", "relist_impossible"),
        ({**RELISTED, "seller_id": STRANGER}, "unpaid", "auction_not_found"),
    ],
)
async def test_what_is_sold_or_somebody_else_s_is_not_offered_again(
    shop: Shop, mina: httpx.AsyncClient, auction: Any, state: str, expected: str
) -> None:
    shop.edge.views["bids.auction_view"] = [auction]
    shop.order(state=state)

    answer = await mina.post(f"/auctions/{AUCTION}/relist", json={})

    assert answer.json()["code"] == expected
    assert shop.doorway.workers.asked == []
