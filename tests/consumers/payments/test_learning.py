"""What payments learns of auctions, and counts of payments: values only."""

from uuid import UUID, uuid4

import msgspec
import pytest
from prometheus_client import REGISTRY

from consumers.payments import metrics
from consumers.payments.effects import TELL
from consumers.payments.learning import FORGET_BIDS, LEARN_BIDS, LEARN_SALE, READERS, _Lesson, minor
from consumers.runtime import Incoming, LogRow

pytestmark = pytest.mark.quick

AUCTION, ANNA, BEN = UUID(int=1), UUID(int=2), UUID(int=3)


def heard(kind: str, **data: object) -> Incoming:
    body = READERS[kind](msgspec.json.encode({"auctionId": AUCTION, **data}))
    return Incoming("auction-events", 0, 0, 0, b"", kind, uuid4(), AUCTION, body, b"", {})


def learnt(*events: Incoming) -> dict[str, list[tuple[object, ...]]]:
    """The rows of each write, by its statement; jobs by their kind."""
    lesson = _Lesson()
    for event in events:
        lesson.take(event)
    return {
        write.wakes or write.sql: [
            tuple(row) for row in (zip(*write.rows[0], strict=True) if write.wakes is None else write.rows)
        ]
        for write in lesson.writes()
        if write.rows
    }


def test_the_highest_bid_of_each_counts() -> None:
    bids = [(ANNA, 100.0), (BEN, 120.5), (ANNA, 130.1), (BEN, 125)]

    found = learnt(*(heard("BidPlaced", bidderId=who, amount=amount) for who, amount in bids))

    assert found[LEARN_BIDS] == [(AUCTION, ANNA, 130_10), (AUCTION, BEN, 125_00)]


def test_what_was_taken_back_counts_no_more_and_the_new_leader_stands() -> None:
    found = learnt(
        heard("BidPlaced", bidderId=ANNA, amount=100),
        heard("BidRetracted", bidderId=ANNA, by="bidder"),
        heard("PriceRecomputed", leaderId=BEN, price=90.5),
    )

    assert found[FORGET_BIDS] == [(AUCTION, ANNA)]
    assert found[LEARN_BIDS] == [(AUCTION, BEN, 90_50)]


def test_an_end_without_a_winner_calls_for_no_order() -> None:
    assert learnt(heard("AuctionEnded", sellerId=ANNA, totalBids=0)) == {}


def test_auctions_that_sold_are_opened_by_one_job() -> None:
    found = learnt(heard("AuctionEnded", sellerId=ANNA, winnerId=BEN, finalPrice=150.1, totalBids=1))

    assert found[LEARN_SALE] == [(AUCTION, ANNA, "USD", BEN, 150_10)]
    assert len(found[TELL]) == 1


@pytest.mark.parametrize(
    ("amount", "expected"), [(0.1, 10), (1.15, 115), (99_999_999.99, 9_999_999_999), (150, 15_000)]
)
def test_amounts_are_exact(amount: float, expected: int) -> None:
    assert minor(amount) == expected


async def test_payments_and_their_success_are_counted() -> None:
    def counted() -> tuple[float, float]:
        names = ("payments_total", "payments_successful_total")
        begun, succeeded = (REGISTRY.get_sample_value(name) or 0.0 for name in names)
        return begun, succeeded

    before = counted()
    events = [b'{"eventType":"PaymentStarted"}', b'{"eventType":"OrderPaid"}', b'{"eventType":"OrderShipped"}']
    row = LogRow(0, 0, AUCTION, 1, 3, AUCTION, "RecordIntent", None, None, 0, None, b"{}", events, None, None, None)
    await metrics.count([row])

    assert counted() == (before[0] + 1, before[1] + 1)
