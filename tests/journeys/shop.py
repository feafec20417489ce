"""A seller and buyers who deal with each other again and again, on the running stack, and the switches of Stripe's stand-in."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from uuid import uuid4

import httpx

from compose.settings import Settings
from producers import paying
from producers.person import Person

PRICE = 210.00
SHIPPING = 12.50
TOTAL = 222.50
LOOK_EVERY_S = 0.5

Found = TypeVar("Found")


class Stripe:
    """The stand-in's own addresses: what becomes of webhooks, what the bank decides."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self._http = http
        self._base = str(settings.stripe_api_base).rstrip("/")
        assert settings.stripe_secret_key is not None
        self._key = {"Authorization": f"Bearer {settings.stripe_secret_key.get_secret_value()}"}

    async def switch(self, **switch: Any) -> None:
        """What becomes of webhooks from now on: `type`, `lose`, `duplicates`, `delay_ms`, `shuffle`, `hold`."""
        (await self._http.post(f"{self._base}/sandbox/webhooks", json=switch)).raise_for_status()

    async def as_usual(self) -> None:
        """Webhooks come once, soon, in their order."""
        (await self._http.delete(f"{self._base}/sandbox/webhooks")).raise_for_status()

    async def found(self, kind: str) -> list[dict[str, Any]]:
        """The newest hundred objects of a kind, as Stripe's own API lists them."""
        response = await self._http.get(f"{self._base}/v1/{kind}s", params={"limit": 100}, headers=self._key)
        response.raise_for_status()
        found: list[dict[str, Any]] = response.json()["data"]
        return found

    async def of_order(self, kind: str, order_id: str) -> list[dict[str, Any]]:
        """Objects whose metadata name the order."""
        return [one for one in await self.found(kind) if one.get("metadata", {}).get("order_id") == order_id]

    async def events_of(self, order_id: str) -> list[dict[str, Any]]:
        """Events about objects of the order, the newest first."""
        return [
            one
            for one in await self.found("event")
            if one["data"]["object"].get("metadata", {}).get("order_id") == order_id
        ]

    async def send_again(self, event_id: str, times: int) -> list[int]:
        """Send an event's webhook now; the statuses with which we answered."""
        url = f"{self._base}/sandbox/events/{event_id}/send"
        answers: list[int] = (await self._http.post(url, json={"times": times}, timeout=60)).json()["answers"]
        return answers

    async def dispute(self, payment_intent: str) -> str:
        """The card's holder goes to the bank."""
        response = await self._http.post(f"{self._base}/sandbox/disputes", json={"payment_intent": payment_intent})
        response.raise_for_status()
        return str(response.json()["id"])

    async def judge(self, dispute: str, outcome: str) -> None:
        """The bank decides, `won` or `lost` as the seller sees it."""
        url = f"{self._base}/sandbox/disputes/{dispute}"
        (await self._http.post(url, json={"outcome": outcome})).raise_for_status()


class Shop:
    """Mina sells, Anna and Ben buy."""

    def __init__(self, http: httpx.AsyncClient, settings: Settings) -> None:
        self.http = http
        self.settings = settings
        self.stripe = Stripe(http, settings)
        self.sold: set[str] = set()
        """Ids of all orders made here."""

    async def arrive(self, name: str, *, sells: bool = False) -> Person:
        """Somebody who is registered, verified and logged in."""
        person = Person(self.http, f"{name}-{secrets.token_hex(4)}")
        await person.register()
        await person.verify(self.settings)
        await person.log_in()
        if sells:
            await person.post("/users/me/seller")
            await person.log_in()
        return person

    async def sale(self, seller: Person, buyer: Person, **offer: Any) -> dict[str, Any]:
        """Something is offered and bought at once; the buyer's order."""
        offered = {
            "title": f"Brass lamp {uuid4().hex[:6]}",
            "startingPrice": 10,
            "buyNowPrice": PRICE,
            "duration": 3_600,
            "shippingInfo": {"method": "post", "cost": SHIPPING},
        }
        auction = await seller.post("/auctions", offered | offer)
        await buyer.post(f"/auctions/{auction['id']}/buy-now")
        order = await paying.order_of(buyer, auction["id"])
        self.sold.add(order["id"])
        return order

    async def paid_sale(self, seller: Person, buyer: Person) -> dict[str, Any]:
        """As `sale`, and paid with a good card."""
        order = await self.sale(seller, buyer)
        await paying.pay(buyer, self.settings, order)
        return await paying.order_at(buyer, order["id"], "paid")

    async def letters_to(self, person: Person, *, at_least: int) -> set[str]:
        """Subjects of the letters to somebody, once there are so many."""
        outbox = f"{str(self.settings.sendgrid_host).rstrip('/')}/sandbox/messages"

        async def look() -> set[str] | None:
            items = (await self.http.get(outbox, params={"to": person.email})).json()["items"]
            return {item["subject"] for item in items} if len(items) >= at_least else None

        return await soon(look)

    async def intent_of(self, order: dict[str, Any]) -> str:
        """Stripe's name of an order's payment."""
        [intent] = await self.stripe.of_order("payment_intent", order["id"])
        return str(intent["id"])


async def soon(look: Callable[[], Awaitable[Found | None]]) -> Found:
    """What a look over HTTP finds at last, seldom enough for the limits of a person; raises TimeoutError."""
    async with asyncio.timeout(paying.WITHIN_S):
        while (seen := await look()) is None:  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(LOOK_EVERY_S)
    return seen


def events_of(order: dict[str, Any]) -> list[str]:
    """What happened to an order, by name."""
    return [event["event"] for event in order["history"]]
