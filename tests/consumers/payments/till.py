"""Speaks to the running stack as bids, as the edge, as a phone and as the provider's page, and waits for what payments makes of it."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import httpx
from aiokafka import AIOKafkaProducer
from pydantic import BaseModel

from compose.settings import Settings
from schemas import envelope
from schemas import payments as said
from schemas.envelope import Actor
from schemas.payments import order_id_of, payment_id_of
from schemas.registry import BY_NAME
from schemas.sealed import TopicSeal
from topics.catalog import AUCTION_EVENTS, PAYMENT_COMMANDS, USER_EVENTS

WITHIN_S = 30
SYSTEM = Actor("platform", ("system",))
ADMIN = Actor("0a000000-0000-4000-8000-00000000000a", ("buyer", "admin"))

T = TypeVar("T")


class Sale(NamedTuple):
    """An auction that ended, and its winner's order."""

    auction_id: UUID
    seller: Actor
    buyer: Actor
    order_id: UUID

    @property
    def payment_id(self) -> UUID:
        return payment_id_of(self.order_id)


def somebody(*roles: str) -> Actor:
    return Actor(str(uuid.uuid4()), ("buyer", *roles))


class Till:
    """One test's connection to the stack."""

    def __init__(
        self, settings: Settings, producer: AIOKafkaProducer, db: asyncpg.Connection, stripe: httpx.AsyncClient
    ) -> None:
        self.settings = settings
        self.patience_s: float = WITHIN_S
        self.db = db
        self.stripe = stripe
        self._producer = producer
        self._seal = TopicSeal(settings.keys_of_seals)

    # As bids

    async def tell(self, auction_id: UUID, sequence: int, kind: str, **data: Any) -> None:
        value = {
            "eventId": str(envelope.event_id_of(auction_id, sequence)),
            "eventType": kind,
            "timestamp": envelope.print_time(envelope.time_ms()),
            "sequence": sequence,
            "data": {"auctionId": str(auction_id), **data},
        }
        headers = [(envelope.CE_TYPE, BY_NAME[kind].ce_type.encode())]
        await self._producer.send_and_wait(
            AUCTION_EVENTS.name, json.dumps(value).encode(), key=str(auction_id).encode(), headers=headers
        )

    async def list_auction(self, auction_id: UUID, seller: Actor, **more: Any) -> None:
        listing = {"title": "Leica M3", "startingPrice": 100, "currency": "USD", **more}
        await self.tell(auction_id, 1, "AuctionCreated", sellerId=seller.id, **listing)

    async def bid(self, auction_id: UUID, sequence: int, bidder: Actor, amount: float) -> None:
        bid = {"bidId": str(uuid.uuid4()), "minimumNextBid": amount + 1, "bidCount": 1, "isWinning": True}
        at = envelope.print_time(envelope.time_ms())
        await self.tell(auction_id, sequence, "BidPlaced", bidderId=bidder.id, amount=amount, placedAt=at, **bid)

    async def end(self, auction_id: UUID, sequence: int, seller: Actor, winner: Actor | None, price: float) -> None:
        sold = {} if winner is None else {"winnerId": winner.id, "finalPrice": price}
        at = envelope.print_time(envelope.time_ms())
        outcome = "no_bids" if winner is None else "sold"
        await self.tell(
            auction_id, sequence, "AuctionEnded", sellerId=seller.id, totalBids=1, endedAt=at, outcome=outcome, **sold
        )

    async def sold(
        self, *, price: float = 150.0, seller: Actor | None = None, buyer: Actor | None = None, **more: Any
    ) -> Sale:
        """An auction that ended with a winner; waits for its order."""
        auction_id, seller, buyer = uuid.uuid4(), seller or somebody("seller"), buyer or somebody()
        await self.list_auction(auction_id, seller, **more)
        await self.bid(auction_id, 2, buyer, price)
        await self.end(auction_id, 3, seller, buyer, price)
        sale = Sale(auction_id, seller, buyer, order_id_of(auction_id))
        await self.until(lambda: self.order(sale.order_id))
        return sale

    async def leave(self, person: Actor) -> None:
        """As accounts: somebody erased the account."""
        value = {
            "eventId": str(envelope.event_id_of(UUID(person.id), 1)),
            "eventType": "UserErased",
            "timestamp": envelope.print_time(envelope.time_ms()),
            "sequence": 1,
            "data": {"userId": person.id},
        }
        headers = [(envelope.CE_TYPE, BY_NAME["UserErased"].ce_type.encode())]
        await self._producer.send_and_wait(
            USER_EVENTS.name, json.dumps(value).encode(), key=person.id.encode(), headers=headers
        )

    # As the edge

    async def ask(self, key: UUID, body: BaseModel, actor: Actor, *, command_id: UUID | None = None) -> dict[str, Any]:
        """Send a command and return its reply."""
        name = await self.send(key, body, actor, command_id=command_id)
        return await self.reply(name)

    async def send(self, key: UUID, body: BaseModel, actor: Actor, *, command_id: UUID | None = None) -> UUID:
        message = BY_NAME[type(body).__name__]
        name = command_id or envelope.new_command_id()
        at = envelope.print_time(envelope.time_ms())
        value = {"commandId": str(name), "commandType": message.name, "timestamp": at}
        data = body.model_dump_json(by_alias=True, exclude_none=True)
        headers = envelope.command_headers(
            command_id=name,
            ce_type=message.ce_type,
            source="/test",
            subject=str(key),
            schema=message.schema,
            at=at,
            actor=actor,
            correlation_id=str(name),
        )
        text = f'{json.dumps(value)[:-1]},"data":{data}}}'
        await self._producer.send_and_wait(PAYMENT_COMMANDS.name, text.encode(), key=str(key).encode(), headers=headers)
        return name

    async def reply(self, command_id: UUID) -> dict[str, Any]:
        async def found() -> dict[str, Any] | None:
            reply = await self.db.fetchval("SELECT reply FROM payments.command_view WHERE command_id = $1", command_id)
            return None if reply is None else json.loads(reply)

        return await self.until(found)

    async def pay_intent(self, sale: Sale, amount: float = 150.0, currency: str = "USD") -> tuple[dict[str, Any], str]:
        """Ask for the intent; returns the reply and the client secret."""
        command = said.CreateIntent.model_validate(
            {"amount": amount, "currency": currency, "shipping_sealed": "v1.sealed"}
        )
        reply = await self.ask(sale.order_id, command, sale.buyer)
        assert reply["outcome"] == "accepted", reply
        return reply, await self.secret(sale.payment_id, "intent")

    async def secret(self, id_: UUID, kind: str) -> str:
        async def found() -> asyncpg.Record | None:
            return await self.db.fetchrow(
                "SELECT * FROM payments.secret_view WHERE id = $1 AND (sealed IS NOT NULL OR failure_code IS NOT NULL)",
                id_,
            )

        row = await self.until(found)
        assert row["failure_code"] is None, dict(row)
        assert row["kind"] == kind
        return self._seal.open(row["sealed"], message_id=str(id_), field=kind)

    # As a phone

    async def confirm(self, client_secret: str, method: str = "pm_card_visa") -> dict[str, Any]:
        """Confirm an intent as a phone does, with the publishable key."""
        intent_id = client_secret.partition("_secret_")[0]
        form = {"key": self.settings.stripe_publishable_key, "client_secret": client_secret, "payment_method": method}
        answer = await self.stripe.post(f"/v1/payment_intents/{intent_id}/confirm", data=form)
        found: dict[str, Any] = answer.json()
        return found

    async def paid(self, sale: Sale, amount: float = 150.0, method: str = "pm_card_visa") -> Sale:
        """Have a sale paid; waits until the order says so."""
        _, client_secret = await self.pay_intent(sale, amount)
        await self.confirm(client_secret, method)
        await self.until_state(sale.order_id, "paid")
        return sale

    async def ship(self, sale: Sale) -> None:
        reply = await self.ask(sale.order_id, said.ShipOrder(carrier="DHL", tracking_sealed="v1.t"), sale.seller)
        assert reply["outcome"] == "accepted", reply

    async def deliver(self, sale: Sale) -> None:
        reply = await self.ask(sale.order_id, said.ConfirmDelivery(), sale.buyer)
        assert reply["outcome"] == "accepted", reply

    async def onboarded(self) -> Actor:
        """A seller who may be paid."""
        seller = somebody("seller")
        await self.onboard(seller)
        return seller

    async def onboard(self, seller: Actor) -> None:
        reply = await self.ask(name := UUID(seller.id), said.StartOnboarding(country="US"), seller)
        assert reply["outcome"] == "accepted", reply
        link = await self.secret(UUID(reply["commandId"]), "onboarding")
        answer = await self.stripe.post(link)
        assert answer.status_code < 400, answer.text

        async def enabled() -> bool:
            row = await self.db.fetchrow("SELECT * FROM payments.payout_account_view WHERE seller_id = $1", name)
            return row is not None and row["status"] == "enabled"

        await self.until(enabled)

    async def save_method(self, buyer: Actor, method: str = "pm_card_visa") -> None:
        """Have a buyer keep a card."""
        reply = await self.ask(UUID(buyer.id), said.SavePaymentMethod(), buyer)
        secret = await self.secret(UUID(reply["commandId"]), "setup")
        setup_id = secret.partition("_secret_")[0]
        form = {"key": self.settings.stripe_publishable_key, "client_secret": secret, "payment_method": method}
        answer = await self.stripe.post(f"/v1/setup_intents/{setup_id}/confirm", data=form)
        assert answer.json().get("status") == "succeeded", answer.text

        async def saved() -> asyncpg.Record | None:
            return await self.db.fetchrow(
                "SELECT * FROM payments.payment_method_view WHERE user_id = $1", UUID(buyer.id)
            )

        await self.until(saved)

    async def intent(self, sale: Sale) -> str:
        """The provider's id of what pays for a sale."""
        intent: str = await self.db.fetchval("SELECT intent_id FROM payments.orders WHERE id = $1", sale.order_id)
        return intent

    async def objects(self, kind: str) -> list[dict[str, Any]]:
        """The provider's newest objects of a kind."""
        found: list[dict[str, Any]] = (await self.stripe.get(f"/sandbox/objects/{kind}")).json()["items"]
        return found

    @asynccontextmanager
    async def webhooks(self, **switch: Any) -> AsyncIterator[None]:
        """While it lasts, the provider's webhooks go another way."""
        switched = await self.stripe.post("/sandbox/webhooks", json=switch)
        assert switched.status_code == 200, switched.text
        try:
            yield
        finally:
            await self.stripe.delete("/sandbox/webhooks")
            await self.stripe.post("/sandbox/webhooks/release", json={})

    @asynccontextmanager
    async def planted(self) -> AsyncIterator[None]:
        """While it lasts, the ledger's own guards look away, as only the database's owner can make them."""
        await self.db.execute("SET session_replication_role = replica")
        try:
            yield
        finally:
            await self.db.execute("SET session_replication_role = origin")

    @asynccontextmanager
    async def faults(self, *faults: dict[str, Any]) -> AsyncIterator[None]:
        """While it lasts, the provider fails so."""
        for fault in faults:
            switched = await self.stripe.post("/sandbox/faults", json=fault)
            assert switched.status_code == 201, switched.text
        try:
            yield
        finally:
            await self.stripe.delete("/sandbox/faults")

    async def reconcile(self) -> None:
        """Have a round of the reconciler now."""
        await self.db.execute(
            "INSERT INTO payments.jobs (id, kind, payload) VALUES ($1, 'reconcile', 'wide')", uuid.uuid4()
        )

    # What became of it

    async def order(self, order_id: UUID) -> asyncpg.Record | None:
        return await self.db.fetchrow("SELECT * FROM payments.order_view WHERE order_id = $1", order_id)

    async def until_state(self, order_id: UUID, *states: str) -> asyncpg.Record:
        async def there() -> asyncpg.Record | None:
            row = await self.order(order_id)
            return row if row is not None and row["state"] in states else None

        return await self.until(there)

    async def told(self, order_id: UUID) -> list[str]:
        rows = await self.db.fetch(
            "SELECT event_type FROM payments.order_history_view WHERE order_id = $1 ORDER BY sequence", order_id
        )
        return [row["event_type"] for row in rows]

    async def until_told(self, order_id: UUID, kind: str, times: int = 1) -> list[str]:
        async def there() -> list[str] | None:
            told = await self.told(order_id)
            return told if told.count(kind) >= times else None

        return await self.until(there)

    async def ledger(self, order_id: UUID) -> dict[str, int]:
        """Balances of the accounts, as far as this order moved them."""
        rows = await self.db.fetch(
            "SELECT account, sum(amount)::bigint AS amount FROM payments.ledger_posting"
            " JOIN payments.ledger_entry USING (entry_id) WHERE order_id = $1 GROUP BY account",
            order_id,
        )
        return {row["account"]: row["amount"] for row in rows if row["amount"]}

    async def wake(self, order_id: UUID, *, after: timedelta) -> dict[str, Any]:
        """As if so much time had passed: what time brings is told by the system, whose word counts."""
        at = datetime.now(UTC) + after
        return await self.ask(order_id, said.WakeOrder(wake_at=at), SYSTEM)

    async def until(self, look: Callable[[], Awaitable[T | None]]) -> T:
        async with asyncio.timeout(self.patience_s):
            while True:
                found = await look()
                if found:
                    return found
                await asyncio.sleep(0.03)
