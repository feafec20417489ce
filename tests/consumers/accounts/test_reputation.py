"""What payments told about people, as profiles show it; on a real database."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest

from consumers.accounts.reputation import learn
from consumers.runtime import Incoming
from schemas.envelope import time_ms
from schemas.payments import OrderRated, OrderUnpaid, StrikeLifted
from tests.consumers.accounts.clerk import Clerk

pytestmark = pytest.mark.stack

YEAR_MS = 365 * 86_400_000


def told(body: Any, *, at_ms: int | None = None) -> Incoming:
    """An event of payments as the inbox hands it over."""
    return Incoming(
        topic="payment-events",
        partition=0,
        offset=0,
        at_ms=time_ms() if at_ms is None else at_ms,
        key=b"",
        type=type(body).__name__,
        id=uuid4(),
        aggregate=body.order_id,
        body=body,
        value=b"",
        headers={},
        sequence=1,
    )


def order(buyer: UUID, seller: UUID) -> dict[str, Any]:
    """What every event of a new order says."""
    return {"order_id": uuid4(), "auction_id": uuid4(), "buyer_id": buyer, "seller_id": seller, "title": "Brass lamp"}


def rated(of: dict[str, Any], stars: int, rated_as: str = "seller") -> Incoming:
    """One side's word about the other."""
    rater, other = ("buyer_id", "seller_id") if rated_as == "seller" else ("seller_id", "buyer_id")
    return told(OrderRated(**of, rater_id=of[rater], rated_id=of[other], rated_as=rated_as, stars=stars))


def unpaid(of: dict[str, Any], *, at_ms: int | None = None) -> Incoming:
    """A strike."""
    return told(OrderUnpaid(**of, amount=10, currency="USD", unpaid_at=datetime.now(UTC)), at_ms=at_ms)


async def learnt(clerk: Clerk, *events: Incoming) -> None:
    """Let accounts hear of events."""
    for write in await learn(events, clerk.pool):
        await clerk.pool.executemany(write.sql, write.rows)


async def test_a_seller_s_rating_is_the_average_of_buyers_words_each_once(clerk: Clerk) -> None:
    anna, sam = await clerk.register("anna"), await clerk.register("sam")
    first, second = order(anna, sam), order(anna, sam)

    await learnt(clerk, rated(first, 5), rated(first, 1), rated(second, 4), rated(second, 1, "buyer"))
    await learnt(clerk, rated(first, 5))

    row = await clerk.pool.fetchrow("SELECT seller_rating, rating_count FROM public_profile WHERE id = $1", sam)
    assert row is not None
    assert (float(row["seller_rating"]), row["rating_count"]) == (4.5, 2)
    assert await clerk.pool.fetchval("SELECT seller_rating FROM public_profile WHERE id = $1", anna) is None


async def test_a_strike_counts_once_per_order_and_for_a_year(clerk: Clerk) -> None:
    anna, sam = await clerk.register("anna"), await clerk.register("sam")
    one = order(anna, sam)

    await learnt(clerk, unpaid(one), unpaid(one))
    await learnt(clerk, unpaid(one), unpaid(order(anna, sam), at_ms=time_ms() - YEAR_MS - 1_000))

    assert await clerk.pool.fetchval("SELECT strikes FROM own_profile WHERE id = $1", anna) == 1


async def test_a_lifted_strike_counts_no_more_however_often_the_order_is_told(clerk: Clerk) -> None:
    anna, sam = await clerk.register("anna"), await clerk.register("sam")
    one, other = order(anna, sam), order(anna, sam)
    lifted = told(StrikeLifted(**one, by="seller", reason="The bank had closed her card."))

    await learnt(clerk, unpaid(one), lifted, unpaid(other))
    await learnt(clerk, unpaid(one))

    assert await clerk.pool.fetchval("SELECT strikes FROM own_profile WHERE id = $1", anna) == 1
