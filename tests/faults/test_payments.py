"""The payments worker and its runners are killed at every fault point and in the middle of their calls: nobody pays twice,
both books agree."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from compose import envfile
from compose.stack import ROOT
from consumers.payments.verify import verify
from consumers.runtime.faultpoints import JOB_POINTS, POINTS
from schemas import payments as said
from schemas.envelope import Actor
from tests.consumers.payments.books import disagreements
from tests.consumers.payments.till import Sale, Till
from tests.faults.house import House, until

pytestmark = pytest.mark.faults

WORKER = "payments-1"
DIES_WITHIN_S = 40.0
EVERYWHERE = frozenset(POINTS + JOB_POINTS) - {"in-revoke"}
"""A worker alone hands no partition over: that point is passed by two, in the tests of the runtime."""


@pytest.fixture(scope="module")
def market(house: House) -> House:
    """The house with what an order needs."""
    house.command("up", "payments", "stripe", "edge")
    return house


@pytest.fixture
async def till(market: House) -> AsyncIterator[Till]:
    settings = market.settings
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
    await producer.start()
    db = await asyncpg.connect(settings.database_url("cli"))
    async with httpx.AsyncClient(base_url=str(settings.stripe_api_base), timeout=30) as stripe:
        till = Till(settings, producer, db, stripe)
        till.patience_s = 120
        yield till
    await db.close()
    await producer.stop()


class Doomed:
    """Runs the worker in the place of the stack's own; it dies at the fault point that is due."""

    def __init__(self, house: House, folder: Path) -> None:
        self._house = house
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        stack = self._house.stack
        environ = envfile.environment(stack, os.environ) | {
            "FAULT_POINTS": ",".join(f"{point}=kill:{self._folder / point}" for point in EVERYWHERE),
            "WORKER_SLOT": "1",
            "INTERNAL_PORT": str(stack.internal_port("payments", 1)),
        }
        with (stack.logs / f"{WORKER}.doomed.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "consumers.payments"], cwd=ROOT, env=environ, stdout=log, stderr=log
            )

    def dies_next_at(self, point: str) -> None:
        (self._folder / point).touch()

    async def died(self) -> bool:
        assert self._process is not None
        return self._process.poll() == -signal.SIGKILL

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    async def rise(self) -> None:
        """Start it again, as if the time were over for which the dead one had its jobs."""
        db = await asyncpg.connect(self._house.settings.database_url("cli"))
        await db.execute("UPDATE payments.jobs SET lease_until = now() WHERE lease_until IS NOT NULL")
        await db.close()
        self.start()


@pytest.fixture
def doomed(market: House, tmp_path: Path) -> Iterator[Doomed]:
    """In the place of the stack's own worker, which runs again afterwards."""
    market.supervisor.stop(WORKER)
    one = Doomed(market, tmp_path)
    one.start()
    try:
        yield one
    finally:
        one.kill()
        market.supervisor.start(WORKER)


class Life:
    """An order from the hammer to a refund of what was paid out; each step waits for its end, however often the worker dies."""

    seller: Actor
    sale: Sale
    secret: str

    def __init__(self, till: Till) -> None:
        self._till = till

    async def onboarded(self) -> None:
        self.seller = await self._till.onboarded()

    async def sold(self) -> None:
        self.sale = await self._till.sold(seller=self.seller)

    async def asked_to_pay(self) -> None:
        _, self.secret = await self._till.pay_intent(self.sale)

    async def paid(self) -> None:
        await self._till.confirm(self.secret)
        await self._till.until_state(self.sale.order_id, "paid")

    async def shipped(self) -> None:
        await self._till.ship(self.sale)

    async def paid_out(self) -> None:
        await self._till.deliver(self.sale)
        await self._till.until_state(self.sale.order_id, "completed")

    async def refunded(self) -> None:
        await self._till.ask(self.sale.order_id, said.RefundOrder(), self.sale.seller)
        await self._till.until_state(self.sale.order_id, "refunded")
        await self._till.until_told(self.sale.order_id, "PayoutReversed")

    async def is_right(self) -> None:
        """Both books agree in the end, nothing was had twice, and log, state and ledger are one."""

        async def agree() -> bool:
            return not await disagreements(self._till, self.sale)

        await until(agree, within_s=30, what="both books agree")
        for kind, name, mine in (
            ("account", "user_id", self.seller.id),
            ("payment_intent", "order_id", str(self.sale.order_id)),
            ("refund", "order_id", str(self.sale.order_id)),
            ("transfer", "order_id", str(self.sale.order_id)),
        ):
            made = [one for one in await self._till.objects(kind) if one["metadata"].get(name) == mine]
            assert len(made) == 1, (kind, made)
        assert await verify(self._till.settings) == 0


Step = Callable[[Life], Awaitable[None]]

AT_POINTS: dict[Step, tuple[str, ...]] = {
    Life.onboarded: ("polled",),
    Life.sold: ("decided",),
    Life.asked_to_pay: ("job-claimed", "job-told"),
    Life.paid: ("committed",),
    Life.shipped: ("published", "offset-committed"),
    Life.paid_out: ("job-acted",),
    Life.refunded: ("replied", "job-told"),
}
"""Where the worker dies in each step, one death after the other."""

IN_CALLS: dict[Step, tuple[tuple[str, str], ...]] = {
    Life.onboarded: (("/v1/accounts", "after"),),
    Life.sold: (),
    Life.asked_to_pay: (("/v1/payment_intents", "after"),),
    Life.paid: (),
    Life.shipped: (),
    Life.paid_out: (("/v1/transfers", "before"),),
    Life.refunded: (("/v1/refunds", "after"), ("/v1/transfers", "after")),
}
"""The calls in the middle of which it dies, before or after their effect; those of one step all at once."""


async def test_the_worker_and_its_runners_are_killed_at_every_fault_point(till: Till, doomed: Doomed) -> None:
    assert {point for points in AT_POINTS.values() for point in points} == EVERYWHERE
    life = Life(till)

    for step, points in AT_POINTS.items():
        doomed.dies_next_at(points[0])
        async with asyncio.TaskGroup() as living:
            living.create_task(_of(step, life))
            for number, point in enumerate(points, 1):
                await until(doomed.died, within_s=DIES_WITHIN_S, what=f"it dies at {point}")
                if number < len(points):
                    doomed.dies_next_at(points[number])
                await doomed.rise()

    await life.is_right()


async def test_the_worker_is_killed_in_the_middle_of_each_call(till: Till, doomed: Doomed) -> None:
    life = Life(till)

    for step, calls in IN_CALLS.items():
        slow = [{"path": path, "method": "POST", "times": 1, "latency_ms": 1_500, "when": when} for path, when in calls]
        async with till.faults(*slow), asyncio.TaskGroup() as living:
            living.create_task(_of(step, life))
            if calls:
                await until(lambda: _all_called(till), within_s=DIES_WITHIN_S, what=f"{calls} are being called")
                doomed.kill()
                await doomed.rise()

    await life.is_right()


async def _of(step: Step, life: Life) -> None:
    await step(life)


async def _all_called(till: Till) -> bool:
    return not (await till.stripe.get("/sandbox/faults")).json()["items"]
