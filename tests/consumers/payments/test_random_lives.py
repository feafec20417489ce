"""Random lives of orders against the stand-in: whatever people, banks and lost webhooks do, both books agree in the end."""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any, ClassVar, TypeVar

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from compose.settings import Settings
from consumers.payments.moves import MOVES
from consumers.payments.verify import verify
from schemas import payments as said
from schemas.envelope import Actor, Wire
from tests.consumers.payments.books import disagreements
from tests.consumers.payments.till import ADMIN, Sale, Till, somebody

pytestmark = pytest.mark.stack

LIVES = 4
STEPS = 12
AGREED_WITHIN_S = 60
CARDS = (
    "pm_card_visa",
    "pm_card_visa",
    "pm_card_chargeDeclined",
    "pm_card_authenticationRequired",
    "pm_card_createDispute",
    "pm_card_bypassPending",
)

T = TypeVar("T")


class Life(RuleBasedStateMachine):
    """One order; what is refused is refused with a reason, and what is accepted is judged at the end."""

    runner: ClassVar[asyncio.Runner]
    till: ClassVar[Till]

    def __init__(self) -> None:
        super().__init__()
        self.client_secret: str | None = None
        self.sale: Sale | None = None
        self.switched = False

    def do(self, work: Awaitable[T]) -> T:
        async def done() -> T:
            return await work

        return self.runner.run(done())

    @property
    def of(self) -> Sale:
        assert self.sale is not None
        return self.sale

    def ask(self, body: Wire, actor: Actor) -> dict[str, Any]:
        reply = self.do(self.till.ask(self.of.order_id, body, actor))
        assert reply["outcome"] in {"accepted", "no_op", "refused"}
        assert reply["code"]
        return reply

    @initialize(onboarded=st.booleans())
    def sell(self, onboarded: bool) -> None:
        seller = self.do(self.till.onboarded()) if onboarded else somebody("seller")
        self.sale = self.do(self.till.sold(seller=seller))

    @rule()
    def the_buyer_wants_to_pay(self) -> None:
        body = said.CreateIntent.model_validate({"amount": 150, "currency": "USD", "shipping_sealed": "v1.sealed"})
        if self.ask(body, self.of.buyer)["code"] in ("payment_started", "payment_under_way"):
            self.client_secret = self.do(self.till.secret(self.of.payment_id, "intent"))

    @precondition(lambda self: self.client_secret is not None)
    @rule(card=st.sampled_from(CARDS))
    def the_phone_confirms(self, card: str) -> None:
        assert self.client_secret is not None
        self.do(self.till.confirm(self.client_secret, card))

    @precondition(lambda self: self.client_secret is not None)
    @rule(approved=st.booleans())
    def the_bank_asked_and_is_answered(self, approved: bool) -> None:
        assert self.client_secret is not None
        intent_id = self.client_secret.partition("_secret_")[0]
        self.do(self.till.stripe.post(f"/sandbox/challenges/{intent_id}", json={"approved": approved}))

    @rule()
    def the_seller_cancels(self) -> None:
        self.ask(said.CancelOrder(reason="It broke."), self.of.seller)

    @rule()
    def the_seller_ships(self) -> None:
        self.ask(said.ShipOrder(carrier="DHL"), self.of.seller)

    @rule()
    def the_buyer_receives(self) -> None:
        self.ask(said.ConfirmDelivery(), self.of.buyer)

    @rule(amount=st.sampled_from((None, 0.01, 50, 149.99)), by_admin=st.booleans())
    def money_is_given_back(self, amount: float | None, by_admin: bool) -> None:
        body = said.RefundOrder.model_validate({} if amount is None else {"amount": amount})
        self.ask(body, ADMIN if by_admin else self.of.seller)

    @rule()
    def the_buyer_complains(self) -> None:
        self.ask(said.DisputeOrder(reason="not_received"), self.of.buyer)

    @rule(side=st.sampled_from(("buyer", "seller")))
    def the_platform_decides(self, side: str) -> None:
        self.ask(said.CloseCase.model_validate({"in_favour_of": side}), ADMIN)

    @rule()
    def the_card_holder_disputes(self) -> None:
        if self.client_secret is not None:
            intent_id = self.client_secret.partition("_secret_")[0]
            self.do(self.till.stripe.post("/sandbox/disputes", json={"payment_intent": intent_id}))

    @rule(outcome=st.sampled_from(("won", "lost")))
    def the_bank_decides(self, outcome: str) -> None:
        self.do(self._decided(outcome))

    async def _decided(self, outcome: str) -> None:
        for dispute in await self.till.objects("dispute"):
            if self.client_secret is not None and dispute["payment_intent"] in self.client_secret:
                await self.till.stripe.post(f"/sandbox/disputes/{dispute['id']}", json={"outcome": outcome})

    @rule(days=st.sampled_from((2, 5, 8)))
    def time_passes(self, days: int) -> None:
        self.do(self.till.wake(self.of.order_id, after=timedelta(days=days)))

    @rule(switch=st.sampled_from(({"lose": True}, {"duplicates": 5, "shuffle": True}, {"delay_ms": 300})))
    def webhooks_go_astray(self, switch: dict[str, Any]) -> None:
        self.switched = True
        self.do(self.till.stripe.post("/sandbox/webhooks", json=switch))

    def teardown(self) -> None:
        if self.sale is not None:
            self.do(self._agree())

    async def _agree(self) -> None:
        if self.switched:
            await self.till.stripe.delete("/sandbox/webhooks")
        await self.till.reconcile()
        found: list[str] = []
        try:
            async with asyncio.timeout(AGREED_WITHIN_S):
                while found := await disagreements(self.till, self.of):  # noqa: ASYNC110 - other processes agree
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError(f"{self.of.order_id}: {found}") from None
        await self._moved_legally()

    async def _moved_legally(self) -> None:
        order = await self.till.order(self.of.order_id)
        assert order is not None
        assert order["state"] in MOVES
        told = await self.till.told(self.of.order_id)
        assert told.count("OrderPaid") <= 1
        assert not {"OrderPaid", "OrderUnpaid"} <= set(told)
        assert not {"OrderPaid", "OrderCancelled"} <= set(told)


def test_both_books_agree_after_any_life(stack: Settings) -> None:
    with asyncio.Runner() as runner:
        producer, db, stripe = runner.run(_connect(stack))
        Life.runner, Life.till = runner, Till(stack, producer, db, stripe)
        try:
            run_state_machine_as_test(
                Life,
                settings=settings(
                    max_examples=LIVES,
                    stateful_step_count=STEPS,
                    deadline=None,
                    database=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
            assert runner.run(verify(stack)) == 0
        finally:
            runner.run(_disconnect(producer, db, stripe))


async def _connect(stack: Settings) -> tuple[AIOKafkaProducer, asyncpg.Connection, httpx.AsyncClient]:
    producer = AIOKafkaProducer(bootstrap_servers=stack.kafka_bootstrap, acks="all")
    await producer.start()
    db = await asyncpg.connect(stack.database_url("cli"))
    return producer, db, httpx.AsyncClient(base_url=str(stack.stripe_api_base), timeout=30)


async def _disconnect(producer: AIOKafkaProducer, db: asyncpg.Connection, stripe: httpx.AsyncClient) -> None:
    await producer.stop()
    await db.close()
    await stripe.aclose()
