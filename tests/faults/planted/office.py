"""Payments without broker and database: its desk decides, its cashier does the errands at a real stand-in, rows lie in memory.

Two runners are at every job at once, and every word of the provider's comes late, twice and in another order.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import stripe
from pydantic import BaseModel

from consumers.payments import effects, store
from consumers.payments.cashier import Cashier
from consumers.payments.desk import PaymentsDesk
from consumers.payments.gateway import Stripe
from consumers.payments.order import Order
from consumers.payments.reconciler import heard
from consumers.runtime import Claimed, Incoming, TryAgain, Write, jobs
from schemas import payments as said
from schemas.envelope import Actor, time_ms
from schemas.registry import BY_NAME
from schemas.sealed import TopicSeal
from tests.compose.sandboxes.stripe_standin import SECRET_KEY, StripeStandin
from tests.consumers.payments.books import differences, theirs_of
from tests.consumers.payments.builders import ANNA, MINA, ORDER, SYSTEM, opening

VERSION = "2023-10-16"
AT_THE_PROVIDER = (effects.PAY, effects.MOVE, effects.LOOK)
TRIES_MAX = 20
FUNDS: Any = {
    "amount": 1_000_00,
    "currency": "usd",
    "payment_method": "pm_card_bypassPending",
    "confirm": True,
    "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
}
SLOW_MS = 15
"""Every effect at the provider takes so long that the second runner asks before the first has its answer."""


class Rows:
    """What the worker's statements read and write; one that is not known here fails."""

    def __init__(self) -> None:
        self.orders: dict[UUID, str] = {}
        self.people: dict[UUID, str] = {}
        self.entries: list[tuple[Any, ...]] = []
        self.postings: list[tuple[Any, ...]] = []
        self.jobs: dict[UUID, tuple[Any, ...]] = {}

    async def fetch(self, sql: str, *args: Any) -> list[dict[str, str]]:
        tables = {store.LOAD_ORDERS: self.orders, store.LOAD_PEOPLE: self.people, store.DEBTS: {}}
        table = tables[sql]
        return [{"state": table[one]} for one in args[0] if one in table]

    async def fetchval(self, sql: str, *args: Any) -> UUID | None:
        if sql == store.ORDER_OF:
            orders = [msgspec.json.decode(one, type=Order) for one in self.orders.values()]
            return next((one.id for one in orders if (one.intent_id, one.charge_id) == args), None)
        assert sql == store.PERSON_OF_ACCOUNT
        people = [msgspec.json.decode(one) for one in self.people.values()]
        return next((UUID(one["id"]) for one in people if one["account_id"] == args[0]), None)

    async def execute(self, sql: str, *_args: Any) -> None:
        assert sql == store.NOTE_CALL

    def write(self, write: Write) -> None:
        if write.into is not None:
            self.people |= {row[0]: row[-1] for row in write.rows}
        elif write.sql == jobs.ENQUEUE:
            self.jobs = {row[0]: tuple(row) for row in write.rows} | self.jobs
        elif write.sql in (store.ENTER, store.POST):
            (self.entries if write.sql == store.ENTER else self.postings).extend(map(tuple, write.rows))


class Office:
    """One worker and one order of Anna's from Mina."""

    def __init__(self, standin: StripeStandin) -> None:
        self.rows = Rows()
        self.standin = standin
        self._gateway = Stripe(secret_key=SECRET_KEY, api_url=standin.url, api_version=VERSION)
        seal = TopicSeal({"k": os.urandom(32)})
        self._cashier = Cashier(gateway=self._gateway, seal=seal, public_url="https://marketplace.example")
        self._foreign = ""
        self._known: set[UUID] = set()
        self._done: set[UUID] = set()

    async def open(self) -> None:
        self.standin.forget()
        self.standin.fault(path="/v1/", method="POST", latency_ms=SLOW_MS)
        await self._cashier.open(self.rows)  # type: ignore[arg-type]
        # A platform that has money of its own, as one with other sales has.
        api = stripe.StripeClient(SECRET_KEY, base_addresses={"api": self.standin.url}).v1
        self._foreign = api.payment_intents.create(FUNDS).id

    async def close(self) -> None:
        await self._cashier.close()

    @property
    def order(self) -> Order:
        return msgspec.json.decode(self.rows.orders[ORDER], type=Order)

    # As broker and database

    async def ask(self, aggregate: UUID, body: BaseModel, actor: Actor = SYSTEM, *, name: UUID | None = None) -> str:
        """Have a command decided, and what follows from it done; returns the answer's code."""
        code = await self._decided(aggregate, body, actor, name or uuid4())
        await self._work()
        return code

    async def _decided(self, aggregate: UUID, body: BaseModel, actor: Actor, name: UUID) -> str:
        if name in self._known:
            return "repeated"
        self._known.add(name)
        incoming = Incoming(
            topic="payment-commands",
            partition=0,
            offset=len(self._known),
            at_ms=time_ms(),
            key=b"",
            type=type(body).__name__,
            id=name,
            aggregate=aggregate,
            body=body,
            value=b"",
            headers={},
            actor=actor,
        )
        verdict = await PaymentsDesk().decide([incoming], {}, self.rows)  # type: ignore[arg-type]
        self.rows.orders |= {row[0]: row[-1] for row in verdict.state}
        for write in verdict.writes:
            self.rows.write(write)
        [decision] = verdict.decisions
        return decision.code

    async def _work(self) -> None:
        while due := [one for one in self.rows.jobs.values() if one[1] in AT_THE_PROVIDER and one[0] not in self._done]:
            self._done |= {one[0] for one in due}
            for id_, kind, payload, *_ in due:
                await asyncio.gather(*(self._run(Claimed(id_, kind, payload, n, None, None)) for n in (1, 2)))

    async def _run(self, job: Claimed) -> None:
        for _ in range(TRIES_MAX):
            try:
                done = await self._cashier.act(job)
            except TryAgain:
                await asyncio.sleep(SLOW_MS / 1000)
                continue
            for one in done.commands:
                body = BY_NAME[one.type].model.model_validate_json(one.data)
                await self._decided(one.aggregate, body, SYSTEM, one.id)
            return

    async def hear(self, *late: str) -> None:
        """All that the provider told, twice; events of the types `late` come after the others."""
        told = [heard(one) async for one in self._gateway.events(since=0)][::-1]
        bodies = [(one, said.RecordProviderEvent.model_validate_json(one.data)) for one in told]
        ours = [pair for pair in bodies if pair[1].payment_intent_id != self._foreign]
        for one, body in sorted(ours, key=lambda pair: pair[1].provider_type in late) * 2:
            await self.ask(one.aggregate, body, name=one.id)

    # As people, banks and the provider's page

    async def confirm(self, card: str) -> str:
        intent = await self._gateway.intent(self.order.intent_id or "")
        self.standin.js(
            f"/v1/payment_intents/{intent.id}/confirm", client_secret=intent.client_secret, payment_method=card
        )
        return intent.id

    async def onboarded(self) -> None:
        mina = UUID(MINA.id)
        await self.ask(mina, said.StartOnboarding(country="US"), MINA)
        account = msgspec.json.decode(self.rows.people[mina])["account_id"]
        self.standin.ask(f"/sandbox/accounts/{account}", {"outcome": "complete"})
        looking = effects.job(uuid4(), effects.LOOK, effects.LookAtAccount(account, mina))
        self.rows.jobs[looking.id] = looking
        await self._work()

    # What is wrong

    async def wrong(self) -> list[str]:
        """What does not hold: an entry that does not balance, and all that the two books do not agree on."""

        async def objects(kind: str) -> list[dict[str, Any]]:
            items: list[dict[str, Any]] = self.standin.ask(f"/sandbox/objects/{kind}")["items"]
            return items

        balances: Counter[str] = Counter()
        of_entry: Counter[UUID] = Counter()
        for entry_id, _, account, _, amount in self.rows.postings:
            balances[account] += amount
            of_entry[entry_id] += amount
        found = [f"entry {one} does not balance: {amount}" for one, amount in of_entry.items() if amount]
        theirs = await theirs_of(objects, ORDER)
        return [*found, *differences(self.order, theirs, {name: sum_ for name, sum_ in balances.items() if sum_})]


async def a_life(standin: StripeStandin) -> list[str]:
    """An order that meets most of what may happen to one: what is wrong with it, as soon as something is."""
    office = Office(standin)
    await office.open()
    try:
        async for found in _lived(office):
            if found:
                return found
        return []
    finally:
        await office.close()


async def _lived(office: Office) -> AsyncIterator[list[str]]:
    pay = said.CreateIntent.model_validate({"amount": 150, "currency": "USD", "shipping_sealed": "v1.s"})
    await office.onboarded()
    await office.ask(ORDER, opening())
    for _ in range(2):
        await office.ask(ORDER, pay, ANNA)
    intent = await office.confirm("pm_card_authenticationRequired")
    office.standin.ask(f"/sandbox/challenges/{intent}", {"approved": False})
    await office.hear("payment_intent.requires_action")
    yield await office.wrong()
    await office.confirm("pm_card_visa")
    await office.hear("payment_intent.created")
    await office.ask(ORDER, said.RefundOrder.model_validate({"amount": 80}), MINA)
    await office.ask(ORDER, said.ShipOrder(carrier="DHL"), MINA)
    await office.ask(ORDER, said.ConfirmDelivery(), ANNA)
    await office.ask(ORDER, said.RefundOrder.model_validate({"amount": 20}), MINA)
    await office.hear()
    yield await office.wrong()
    office.standin.ask("/sandbox/disputes", {"payment_intent": intent})
    await office.hear()
    yield await office.wrong()
    [dispute] = office.standin.ask("/sandbox/objects/dispute")["items"]
    office.standin.ask(f"/sandbox/disputes/{dispute['id']}", {"outcome": "won"})
    await office.hear()
    yield await office.wrong()
