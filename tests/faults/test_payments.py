"""The payments worker is killed at every fault point and in the middle of its calls: nobody pays twice, both books agree."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaProducer

from compose import envfile
from compose.settings import Settings
from compose.stack import ROOT
from consumers.payments.verify import verify
from schemas import payments as said
from tests.consumers.payments.books import disagreements
from tests.consumers.payments.till import Sale, Till
from tests.faults.house import House, until

pytestmark = pytest.mark.faults

WORKER = "payments-1"
POINTS = ("polled", "decided", "committed", "published", "replied")
FIRED_WITHIN_S = 40.0
CALLS = ("/v1/payment_intents", "/v1/transfers", "/v1/refunds")


@pytest.fixture(scope="module")
def market(house: House) -> House:
    """The house with what an order needs."""
    house.command("up", "payments", "stripe", "edge")
    return house


@asynccontextmanager
async def a_till(settings: Settings) -> AsyncIterator[Till]:
    producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap, acks="all")
    await producer.start()
    db = await asyncpg.connect(settings.database_url("cli"))
    async with httpx.AsyncClient(base_url=str(settings.stripe_api_base), timeout=30) as stripe:
        yield Till(settings, producer, db, stripe)
    await db.close()
    await producer.stop()


class Doomed:
    """Runs the worker in the place of the stack's own, with a fault that is due."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, fault_points: str = "") -> None:
        stack = self._house.stack
        environ = envfile.environment(stack, os.environ) | {
            "FAULT_POINTS": fault_points,
            "WORKER_SLOT": "1",
            "INTERNAL_PORT": str(stack.internal_port("payments", 1)),
        }
        with (stack.logs / f"{WORKER}.doomed.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "consumers.payments"], cwd=ROOT, env=environ, stdout=log, stderr=log
            )

    @property
    def died(self) -> bool:
        assert self._process is not None
        return self._process.poll() == -signal.SIGKILL

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()


@pytest.fixture
def doomed(market: House) -> Iterator[Doomed]:
    """In the place of the stack's own worker, which runs again afterwards."""
    market.supervisor.stop(WORKER)
    one = Doomed(market)
    try:
        yield one
    finally:
        one.kill()
        market.supervisor.start(WORKER)


async def a_life(till: Till) -> Sale:
    """An order from the hammer to a refund of what was paid out, however often the worker dies meanwhile."""
    sale = await till.sold(seller=await till.onboarded())
    await till.paid(sale)
    await till.ship(sale)
    await till.deliver(sale)
    await till.until_state(sale.order_id, "completed")
    await till.ask(sale.order_id, said.RefundOrder(), sale.seller)
    await till.until_state(sale.order_id, "refunded")
    await till.until_told(sale.order_id, "PayoutReversed")
    return sale


async def agreed(till: Till, sale: Sale) -> None:
    async def agree() -> bool:
        return not await disagreements(till, sale)

    await until(agree, within_s=30, what="both books agree")


async def test_the_worker_is_killed_at_every_fault_point(market: House, doomed: Doomed) -> None:
    async with a_till(market.settings) as till:
        till.patience_s = 120
        living = asyncio.create_task(a_life(till))
        for number, point in enumerate(POINTS):
            doomed.start(f"{point}=kill:#{number + 3}")

            async def fired() -> bool:
                return doomed.died or living.done()

            await until(fired, within_s=FIRED_WITHIN_S, what=f"it dies at {point}")
            if living.done():
                break
        assert number >= 2, "the order lived too fast for the faults"
        if doomed.died:
            doomed.start()
        sale = await living
        await agreed(till, sale)
    assert await verify(market.settings) == 0


async def test_the_worker_is_killed_in_the_middle_of_each_call(market: House, doomed: Doomed) -> None:
    async with a_till(market.settings) as till:
        till.patience_s = 120
        doomed.start()
        slow = [
            {"path": path, "method": "POST", "times": 1, "latency_ms": 1_500, "when": when}
            for path, when in zip(CALLS, ("after", "before", "after"), strict=True)
        ]
        async with till.faults(*slow):
            living = asyncio.create_task(a_life(till))
            for path in CALLS:

                async def is_slow(path: str = path) -> bool:
                    left = (await till.stripe.get("/sandbox/faults")).json()["items"]
                    return path not in {one["path"] for one in left}

                await until(is_slow, within_s=FIRED_WITHIN_S, what=f"{path} is being called")
                doomed.kill()
                doomed.start()
            sale = await living
        await agreed(till, sale)
        made = [one for one in await till.objects("transfer") if one["metadata"]["order_id"] == str(sale.order_id)]
        assert len(made) == 1
    assert await verify(market.settings) == 0
