"""What lies in the log and in snapshots: once written it must be read for ever, so its shape is held here."""

from typing import Any

import msgspec
import pytest

from consumers.bids.auction import Auction, Cancelled, Discarded, Draft, Ended, Open, Unopened, restore, snapshot
from consumers.bids.events import (
    AuctionCancelled,
    AuctionCreated,
    AuctionEnded,
    AuctionEvent,
    AuctionExtended,
    AuctionUpdated,
    BidderBlocked,
    BidPlaced,
    BidRefused,
    BidRetracted,
    DraftDiscarded,
    DraftOpened,
    DraftUpdated,
    MaximumRaised,
    PriceRecomputed,
    ReserveLowered,
    from_facts,
    to_facts,
)
from consumers.bids.increments import TABLES
from consumers.bids.offer import BLANK, BuyNowTerms, Closing, Offer
from consumers.bids.pricing import Lead
from tests.consumers.bids.builders import ANNA, BEN, CLEO, SAM

pytestmark = pytest.mark.quick

TERMS = msgspec.structs.replace(
    BLANK.terms,
    seller=SAM,
    linked_accounts=frozenset({"eve"}),
    start_price=10_00,
    increments=TABLES["FLAT-1"],
    closing=Closing("soft", 60_000, 30_000, "add", 3, 900),
    buy_now=BuyNowTerms(90_00, "buys", 150),
    confirm_factor=5,
    strikes_max=2,
    pay_window_s=86_400,
)
OFFER = Offer(TERMS, 100, 800, None, 50_00, frozenset({"mallory"}))
LEAD = Lead(ANNA, 20_00, 30_00)
KEPT_TERMS = [
    SAM,
    ["eve"],
    "USD",
    1000,
    [[1], [1]],
    "hold",
    True,
    ["soft", 60_000, 30_000, "add", 3, 900],
    [9000, "buys", 150],
    True,
    True,
    5,
    2,
    86_400,
]
KEPT_OFFER = [KEPT_TERMS, 100, 800, None, 5000, ["mallory"]]
BY_BIDDER = BidPlaced(2, 7, BEN, 25_00, 20_00, 30_00, ANNA, 25_00, 28_00, is_winning=True, automatic=False)

EVENTS: list[tuple[AuctionEvent, list[Any]]] = [
    (AuctionCreated(1, 7, OFFER, {"title": "Lamp"}), ["AuctionCreated", 1, 7, KEPT_OFFER, {"title": "Lamp"}]),
    (AuctionUpdated(1, 7, OFFER, None), ["AuctionUpdated", 1, 7, KEPT_OFFER, None]),
    (DraftOpened(1, 7, OFFER, [1]), ["DraftOpened", 1, 7, KEPT_OFFER, [1]]),
    (DraftUpdated(1, 7, OFFER, "x"), ["DraftUpdated", 1, 7, KEPT_OFFER, "x"]),
    (DraftDiscarded(1, 7, "seller"), ["DraftDiscarded", 1, 7, "seller"]),
    (BY_BIDDER, ["BidPlaced", 2, 7, BEN, 2500, 2000, 3000, ANNA, 2500, 2800, True, False]),
    (MaximumRaised(3, 7, ANNA, None, 40_00), ["MaximumRaised", 3, 7, ANNA, None, 4000]),
    (BidRefused(3, 7, ANNA, "no", 5, None, 4), ["BidRefused", 3, 7, ANNA, "no", 5, None, 4]),
    (AuctionExtended(3, 7, 900), ["AuctionExtended", 3, 7, 900]),
    (BidRetracted(3, 7, ANNA, "bidder", "why", (2, 4)), ["BidRetracted", 3, 7, ANNA, "bidder", "why", [2, 4]]),
    (PriceRecomputed(3, 7, LEAD, 2, 21_00), ["PriceRecomputed", 3, 7, [ANNA, 2000, 3000], 2, 2100]),
    (ReserveLowered(3, 7, None), ["ReserveLowered", 3, 7, None]),
    (BidderBlocked(3, 7, CLEO, "platform"), ["BidderBlocked", 3, 7, CLEO, "platform"]),
    (AuctionCancelled(3, 7, "seller", "lost"), ["AuctionCancelled", 3, 7, "seller", "lost"]),
    (AuctionEnded(3, 7, "sold", 2, ANNA, 20_00, SAM), ["AuctionEnded", 3, 7, "sold", 2, ANNA, 2000, SAM]),
]
OPENED = [9, 8, 7, KEPT_TERMS, 100, 800, 5000, [ANNA, 2000, 3000], 2]
STATES: list[tuple[Auction, list[Any]]] = [
    (Unopened(), ["Unopened"]),
    (Draft(9, 0, 7, OFFER, "x"), ["Draft", 9, 0, 7, KEPT_OFFER, "x"]),
    (Discarded(9, 0, 7, SAM), ["Discarded", 9, 0, 7, SAM]),
    (
        Open(9, 8, 7, TERMS, 100, 800, 50_00, LEAD, 2, True, 1, False, frozenset({"mallory"}), None),
        ["Open", *OPENED, True, 1, False, ["mallory"], None],
    ),
    (Ended(9, 8, 7, TERMS, 100, 800, 50_00, LEAD, 2, "sold"), ["Ended", *OPENED, "sold"]),
    (Cancelled(9, 8, 7, TERMS, 100, 800, 50_00, LEAD, 2), ["Cancelled", *OPENED]),
]


@pytest.mark.parametrize(("event", "kept"), EVENTS, ids=[kept[0] for _, kept in EVENTS])
def test_an_event_is_kept_in_this_shape_and_read_back(event: AuctionEvent, kept: list[Any]) -> None:
    assert msgspec.msgpack.decode(to_facts([event])) == [kept]
    assert from_facts(msgspec.msgpack.encode([kept])) == (event,)


@pytest.mark.parametrize(("auction", "kept"), STATES, ids=[kept[0] for _, kept in STATES])
def test_a_state_is_kept_in_this_shape_and_read_back(auction: Auction, kept: list[Any]) -> None:
    assert msgspec.msgpack.decode(snapshot(auction)) == kept
    assert restore(msgspec.msgpack.encode(kept)) == auction


def test_every_event_and_every_state_is_held_here() -> None:
    assert {type(event) for event, _ in EVENTS} == set(AuctionEvent.__args__)
    assert {type(auction) for auction, _ in STATES} == set(Auction.__args__)


def test_what_is_no_snapshot_is_heard() -> None:
    with pytest.raises(msgspec.ValidationError):
        restore(msgspec.msgpack.encode(["Open", 1]))
