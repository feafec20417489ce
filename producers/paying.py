"""How a phone pays and a seller is onboarded: our HTTP routes, and Stripe's own as Stripe.js would call them; for demo and journeys."""

import asyncio
from collections.abc import Callable
from typing import Any

import httpx

from compose.settings import Settings
from producers.person import PENDING_POLL_S, Person

WITHIN_S = 60
POLL_S = 0.25
"""A person may ask a hundred times a minute, twenty of them about payments."""
ADDRESS = {"name": "Anna Liddell", "line1": "Linzer Gasse 4", "city": "Salzburg", "postalCode": "5020", "country": "AT"}
CARD = "pm_card_visa"


class Declined(Exception):
    """Stripe did not take the card; `code` is its decline code or error code."""

    def __init__(self, error: dict[str, Any]) -> None:
        """Take the error of Stripe's answer."""
        super().__init__(error.get("message", ""))
        self.code: str = error.get("decline_code") or error.get("code", "")


async def order_of(person: Person, auction: str, *, role: str = "buyer") -> dict[str, Any]:
    """The person's order of an auction, once there is one."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            for order in (await person.get(f"/orders?role={role}&limit=100"))["items"]:
                if order["auctionId"] == auction:
                    return dict(order)
            await asyncio.sleep(PENDING_POLL_S)


async def order_when(person: Person, order_id: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The order with its history, once it is as asked for; raises TimeoutError with where it stands."""
    order: dict[str, Any] = {}
    try:
        async with asyncio.timeout(WITHIN_S):
            while True:
                order = await person.get(f"/orders/{order_id}")
                if is_so(order):
                    return order
                await asyncio.sleep(POLL_S)
    except TimeoutError:
        history = [event["event"] for event in order.get("history", ())]
        raise TimeoutError(f"the order stands at {order.get('status')}: {history}") from None


async def order_at(person: Person, order_id: str, *statuses: str) -> dict[str, Any]:
    """The order, once it stands at one of these."""
    return await order_when(person, order_id, lambda order: order["status"] in statuses)


async def begin_to_pay(person: Person, order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """POST /payments/create-intent for exactly what the order says, unless changed; raises Refused."""
    body = {
        "auctionId": order["auctionId"],
        "amount": order["total"],
        "currency": order["currency"],
        "shippingInfo": ADDRESS,
    }
    return await person.post("/payments/create-intent", {**body, **changes})


async def confirm(http: httpx.AsyncClient, settings: Settings, client_secret: str, card: str = CARD) -> dict[str, Any]:
    """Confirm an intent or a setup with a card, as Stripe.js does with the publishable key; raises Declined.

    The card goes from the phone to Stripe; we never see it.
    """
    intent = client_secret.partition("_secret_")[0]
    kind = "setup_intents" if intent.startswith("seti_") else "payment_intents"
    form = {
        "key": settings.stripe_publishable_key,
        "client_secret": client_secret,
        "payment_method": card,
        "return_url": str(settings.public_url),
    }
    response = await http.post(f"{_stripe(settings)}/v1/{kind}/{intent}/confirm", data=form)
    said: dict[str, Any] = response.json()
    if response.status_code >= 400:
        raise Declined(said["error"])
    return said


async def pay(person: Person, settings: Settings, order: dict[str, Any], card: str = CARD) -> dict[str, Any]:
    """Begin to pay and confirm; returns the intent as Stripe told it. Raises Refused and Declined."""
    begun = await begin_to_pay(person, order)
    return await confirm(person.http, settings, begun["clientSecret"], card)


async def answer_bank(http: httpx.AsyncClient, intent: dict[str, Any], *, approve: bool) -> None:
    """Do what the bank asks for at its page (3-D Secure): approve the payment, or not."""
    action = intent["next_action"]
    url = action.get("redirect_to_url", {}).get("url") or action["use_stripe_sdk"]["stripe_js"]
    response = await http.post(url, data={"outcome": "approve" if approve else "fail"})
    assert response.status_code < 400, response.text


async def onboard(seller: Person) -> None:
    """Ask for the link to Stripe's pages and fill them in."""
    link = await seller.post("/payments/connect/onboard", {"country": "US"})
    response = await seller.http.post(link["url"], data={"outcome": "complete"})
    assert response.status_code < 400, response.text


async def payouts_enabled(seller: Person) -> dict[str, Any]:
    """The seller's account at Stripe, once it can be paid out to."""
    async with asyncio.timeout(WITHIN_S):
        while True:
            status = await seller.get("/payments/connect/status")
            if status["payoutsEnabled"]:
                return status
            await asyncio.sleep(4 * POLL_S)


def _stripe(settings: Settings) -> str:
    return str(settings.stripe_api_base).rstrip("/")
