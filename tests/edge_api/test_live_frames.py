"""What leaves the house when something happens to an auction, and what never does."""

import json
from typing import Any
from uuid import UUID

import pytest

from edge_api.live_frames import SHOWN, Event, Standing, frame_of, is_shown, notes_of, wire
from schemas import auctions
from schemas.pseudonym import pseudonym
from schemas.registry import MESSAGES
from tests.edge_api.watching import ANNA, BEN, EVENING, LAMP, MINA, NOON, SECRET, bid, standing, told, unwire

pytestmark = pytest.mark.quick

EVENTS = {message.name: message.model for message in MESSAGES if message.topic == "auction-events"}


def alias_of(person: str) -> str:
    return pseudonym(SECRET, LAMP, person)


def shown(event: Event) -> dict[str, Any]:
    [frame] = unwire([frame_of(event, LAMP, alias_of)])
    return frame


def snapshot(of: Standing, *, now_ms: int = 0) -> dict[str, Any]:
    [frame] = unwire([of.snapshot(now_ms=now_ms, now=NOON, your_alias=None)])
    data: dict[str, Any] = frame["data"]
    return data


def test_every_public_event_is_shown_and_no_private_one() -> None:
    assert set(SHOWN) == set(EVENTS) - auctions.PRIVATE_EVENTS


@pytest.mark.parametrize("name", SHOWN)
def test_every_shown_field_is_a_field_of_its_event(name: str) -> None:
    known = {field.alias for field in EVENTS[name].model_fields.values()}

    assert {*SHOWN[name].fields, *SHOWN[name].people} <= known


@pytest.mark.parametrize("name", SHOWN)
def test_no_person_but_the_seller_leaves_under_their_own_id(name: str) -> None:
    ids = {field for field in SHOWN[name].fields if field.endswith("Id")}

    assert ids <= {"sellerId", "videoId", "bidId"}


def test_a_bid_names_its_bidder_by_pseudonym_and_what_came_before_it() -> None:
    frame = shown(bid(7, 4, ANNA, "150.00", message="mine!"))

    assert (frame["event"], frame["auctionId"], frame["seq"], frame["prevSeq"]) == ("bid_placed", LAMP, 7, 4)
    assert frame["data"]["bidderId"] == alias_of(ANNA)
    assert frame["data"]["message"] == "mine!"
    assert ANNA not in json.dumps(frame)


def test_who_was_outbid_is_for_that_person_alone() -> None:
    event = bid(7, 4, ANNA, "150.00", outbidBidderId=BEN)

    assert BEN not in json.dumps(shown(event))
    assert "outbidBidderId" not in shown(event)["data"]


@pytest.mark.parametrize("amount", ["0.01", "19.9", "99999999.99", "1234567.10"])
def test_an_amount_leaves_exactly_as_it_was_written(amount: str) -> None:
    assert b'"amount":' + amount.encode() + b"," in frame_of(bid(2, 1, ANNA, amount), LAMP, alias_of)


@pytest.mark.parametrize("kind", sorted(auctions.PRIVATE_EVENTS))
def test_private_events_are_not_shown(kind: str) -> None:
    assert not is_shown(told(kind, 2, 1, f'{{"auctionId":"{LAMP}","bidderId":"{ANNA}"}}'))


def test_a_draft_is_not_shown() -> None:
    assert not is_shown(told("AuctionCreated", 1, 0, '{"title":"Secret","draft":true}'))
    assert is_shown(told("AuctionCreated", 1, 0, '{"title":"Open","draft":false}'))


def test_a_type_that_nobody_decided_about_is_not_shown() -> None:
    assert not is_shown(told("SomethingNew", 2, 1, "{}"))


def test_nobody_in_a_field_of_people_stays_nobody() -> None:
    frame = shown(told("PriceRecomputed", 5, 4, '{"leaderId":null,"price":null,"bidCount":0,"minimumNextBid":100.00}'))

    assert frame["data"]["leaderId"] is None


def test_a_new_leader_hears_of_it_and_the_old_one_too() -> None:
    event = bid(7, 4, ANNA, "150.00", outbidBidderId=BEN)

    notes = {person: unwire([frame])[0] for person, frame in notes_of(event, LAMP, {ANNA, BEN})}

    assert notes[BEN]["event"] == "outbid"
    assert notes[BEN]["data"] == {"auctionId": LAMP, "amount": 150.0, "minimumNextBid": 999.99}
    assert notes[ANNA]["event"] == "winning"
    assert notes[ANNA]["data"] == {"auctionId": LAMP, "amount": 150.0}


def test_who_is_not_here_is_not_told() -> None:
    assert list(notes_of(bid(7, 4, ANNA, "150.00", outbidBidderId=BEN), LAMP, set())) == []


def test_defending_a_lead_is_no_news_to_its_holder() -> None:
    assert list(notes_of(bid(7, 4, ANNA, "150.00", automatic=True), LAMP, {ANNA})) == []


def test_a_losing_bid_is_no_win() -> None:
    assert list(notes_of(bid(7, 4, ANNA, "150.00", winning=False), LAMP, {ANNA})) == []


def test_the_winner_hears_of_the_win() -> None:
    end = told("AuctionEnded", 9, 8, f'{{"winnerId":"{ANNA}","finalPrice":150.00,"totalBids":3,"outcome":"sold"}}')

    [(person, frame)] = notes_of(end, LAMP, {ANNA})

    assert (person, unwire([frame])[0]["event"]) == (ANNA, "won")


def test_only_a_winning_bid_moves_price_and_leader() -> None:
    lamp = standing()

    lamp.evolve(bid(2, 1, ANNA, "120.00"), alias_of)
    lamp.evolve(bid(3, 2, BEN, "130.00", winning=False), alias_of)

    data = snapshot(lamp)
    assert (data["currentBid"], data["leaderAlias"], data["bidCount"]) == (120.0, alias_of(ANNA), 3)


def test_buy_now_is_gone_after_a_bid_that_leaves_no_unmet_reserve() -> None:
    free, reserved = standing(), standing(hasReserve=b"true", reserveMet=b"false")

    free.evolve(bid(2, 1, ANNA, "120.00"), alias_of)
    reserved.evolve(bid(2, 1, ANNA, "120.00", reserveMet=False), alias_of)

    assert snapshot(free)["buyNowPrice"] is None
    assert snapshot(reserved)["buyNowPrice"] == 500.0


def test_an_extension_moves_the_end() -> None:
    lamp = standing()

    lamp.evolve(told("AuctionExtended", 2, 1, f'{{"endTime":"{EVENING}","extensions":1}}'), alias_of)

    assert snapshot(lamp)["endTime"] == EVENING


def test_a_purchase_ends_it_at_its_price_with_the_buyer_as_leader() -> None:
    lamp = standing()

    end = f'{{"winnerId":"{BEN}","finalPrice":500.00,"totalBids":0,"outcome":"sold_buy_now"}}'
    lamp.evolve(told("AuctionEnded", 2, 1, end), alias_of)

    data = snapshot(lamp)
    assert (data["status"], data["currentBid"]) == ("ended", 500.0)
    assert data["leaderAlias"] == data["winnerAlias"] == alias_of(BEN)
    assert data["buyNowPrice"] is None


def test_a_cancelled_auction_stays_cancelled_when_its_end_is_told() -> None:
    lamp = standing()

    lamp.evolve(told("AuctionCancelled", 2, 1, '{"by":"seller","reason":"broken"}'), alias_of)
    lamp.evolve(told("AuctionEnded", 3, 2, '{"totalBids":0,"outcome":"cancelled"}'), alias_of)

    assert snapshot(lamp)["status"] == "cancelled"


def test_retracted_bids_leave_what_was_recomputed() -> None:
    lamp = standing()
    lamp.evolve(bid(2, 1, ANNA, "120.00"), alias_of)

    lamp.evolve(
        told("BidRetracted", 3, 2, f'{{"bidderId":"{ANNA}","by":"bidder","reason":"wrong_amount","bids":1}}'), alias_of
    )
    lamp.evolve(
        told(
            "PriceRecomputed",
            4,
            3,
            '{"leaderId":null,"price":null,"bidCount":0,"minimumNextBid":100.00,"reserveMet":null}',
        ),
        alias_of,
    )

    data = snapshot(lamp)
    assert (data["currentBid"], data["leaderAlias"], data["bidCount"]) == (None, None, 0)


def test_a_scheduled_auction_is_live_once_its_start_has_come() -> None:
    noon_ms = 1_777_636_800_000

    assert snapshot(standing(status=b'"scheduled"'), now_ms=noon_ms - 1)["status"] == "scheduled"
    assert snapshot(standing(status=b'"scheduled"'), now_ms=noon_ms)["status"] == "live"


def test_everybody_gets_the_same_snapshot_but_for_their_own_name() -> None:
    lamp = standing()

    [mine] = unwire([lamp.snapshot(now_ms=0, now=NOON, your_alias=alias_of(ANNA))])
    [theirs] = unwire([lamp.snapshot(now_ms=0, now=NOON, your_alias=None)])

    assert mine["data"].pop("yourBidderId") == alias_of(ANNA)
    assert theirs["data"].pop("yourBidderId") is None
    assert mine == theirs
    assert (mine["event"], mine["seq"], mine["data"]["serverTime"]) == ("snapshot", 1, NOON)


@pytest.mark.parametrize(("size", "head"), [(2, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)])
def test_a_message_of_any_size_is_framed_as_the_protocol_says(size: int, head: int) -> None:
    text = b"{%b}" % (b" " * (size - 2))

    framed = wire(text)

    assert (len(framed), framed[head:]) == (head + size, text)
    assert unwire([framed]) == [{}]


def test_the_same_person_has_other_names_in_other_auctions() -> None:
    assert pseudonym(SECRET, LAMP, ANNA) != pseudonym(SECRET, MINA, ANNA)
    assert UUID(pseudonym(SECRET, LAMP, ANNA)).version == 8
