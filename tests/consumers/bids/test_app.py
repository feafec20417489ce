"""The running bids worker, asked over Kafka as the edge asks it."""

import asyncio
import json
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from schemas.envelope import Actor, event_id_of, new_command_id, time_ms
from tests.consumers.bids.talk import ADMIN, CLOCK, Talk, buyer, lamp, now, seller, until
from topics.catalog import PAYMENT_EVENTS, USER_EVENTS

pytestmark = pytest.mark.stack


async def opened(talk: Talk, **changes: Any) -> tuple[UUID, Actor]:
    auction, sam = uuid4(), seller()
    said = await talk.say("CreateAuction", auction, lamp(**changes), by=sam)
    assert said.code in ("opened", "drafted"), said
    return auction, sam


async def envelopes(owner: asyncpg.Connection, auction: UUID) -> list[dict[str, Any]]:
    rows = await owner.fetch(
        "SELECT events FROM bids.log WHERE aggregate = $1 AND first_seq IS NOT NULL ORDER BY first_seq", auction
    )
    return [json.loads(event) for row in rows for event in row["events"]]


async def test_a_seller_opens_an_auction_and_is_shown_all_of_it(talk: Talk, owner: asyncpg.Connection) -> None:
    auction, sam = uuid4(), seller()
    data = lamp(startingPrice=12.5, reservePrice=50, buyNowPrice=100, closing={"mode": "soft", "window": 120})

    said = await talk.say("CreateAuction", auction, data, by=sam)

    assert (said.outcome, said.code) == ("accepted", "opened")
    shown = {name: said.answer[name] for name in ("id", "title", "currentBid", "status", "seller", "minimumNextBid")}
    assert shown == {
        "id": str(auction),
        "title": "Brass lamp",
        "currentBid": 0,
        "status": "live",
        "seller": {"id": sam.id},
        "minimumNextBid": 12.5,
    }
    assert "50" not in json.dumps(
        {**said.answer, "id": "", "seller": "", "startTime": "", "endTime": "", "createdAt": ""}
    )
    [created] = await envelopes(owner, auction)
    assert created["eventId"] == str(event_id_of(auction, 1))
    assert created["timestamp"] == created["data"]["startTime"] == said.answer["startTime"]


async def test_a_bid_is_answered_with_what_came_of_it(talk: Talk) -> None:
    auction, _ = await opened(talk)
    anna, ben = buyer(), buyer()

    first = await talk.say("PlaceBid", auction, {"maxAmount": 20}, by=anna)
    second = await talk.say("PlaceBid", auction, {"amount": 15}, by=ben)

    assert (first.code, first.answer["amount"], first.answer["maxAmount"]) == ("leading", 10, 20)
    assert (second.code, second.answer["isWinning"], second.answer["amount"]) == ("outbid", False, 15)
    assert (second.answer["currentBid"], second.answer["minimumNextBid"]) == (15.5, 16)
    assert second.answer["bidderId"] == ben.id
    assert second.answer["id"] == str(event_id_of(auction, 3))


async def test_a_refusal_names_its_reason_and_the_minimum(talk: Talk, owner: asyncpg.Connection) -> None:
    auction, _ = await opened(talk)

    low = await talk.say("PlaceBid", auction, {"amount": 9.99}, by=buyer())
    nowhere = await talk.say("PlaceBid", uuid4(), {"amount": 9.99}, by=buyer())

    assert (low.outcome, low.code, low.answer["minimum"]) == ("refused", "below_start_price", 10)
    assert low.answer["detail"] == "The bid is below the starting price of 10.00 USD."
    assert nowhere.code == "auction_not_found"
    assert [event["eventType"] for event in await envelopes(owner, auction)] == ["AuctionCreated", "BidRefused"]


async def test_the_same_command_again_has_the_same_answer_and_one_row(talk: Talk, owner: asyncpg.Connection) -> None:
    auction, _ = await opened(talk)
    anna, name = buyer(), new_command_id()

    answers = [
        await talk.say("PlaceBid", auction, {"amount": 20}, by=anna, command_id=name, keyed=True) for _ in range(3)
    ]

    assert answers[0] == answers[1] == answers[2]
    assert await owner.fetchval("SELECT count(*) FROM bids.log WHERE command_id = $1", name) == 1


async def test_a_key_used_for_another_request_is_a_conflict(talk: Talk) -> None:
    auction, sam = await opened(talk)
    anna, bid, create = buyer(), new_command_id(), new_command_id()

    await talk.say("PlaceBid", auction, {"amount": 20}, by=anna, command_id=bid, keyed=True)
    other = await talk.say("PlaceBid", auction, {"amount": 30}, by=anna, command_id=bid, keyed=True)
    await talk.say("CreateAuction", uuid4(), lamp(), by=sam, command_id=create, keyed=True)
    elsewhere = await talk.say("CreateAuction", uuid4(), lamp(title="Two"), by=sam, command_id=create, keyed=True)

    assert (other.outcome, other.code) == ("refused", "idempotency_conflict")
    assert (elsewhere.outcome, elsewhere.code) == ("refused", "idempotency_conflict")


async def test_only_sellers_open_auctions_and_only_the_clock_closes_them(talk: Talk) -> None:
    auction, sam = await opened(talk)

    by_buyer = await talk.say("CreateAuction", uuid4(), lamp(), by=buyer())
    by_seller = await talk.say("CloseAuction", auction, {"endTime": now()}, by=sam)
    early = await talk.say("CloseAuction", auction, {"endTime": now()}, by=CLOCK)

    assert (by_buyer.code, by_seller.code) == ("not_allowed", "not_allowed")
    assert (early.outcome, early.code) == ("no_op", "not_due")


async def test_a_command_after_its_deadline_is_refused(talk: Talk) -> None:
    auction, _ = await opened(talk)

    said = await talk.say("PlaceBid", auction, {"amount": 20}, by=buyer(), deadline_ms=time_ms() - 60_000)

    assert said.code == "deadline_passed"


async def test_a_suspended_user_may_not_bid_until_reinstated_whatever_comes_late(talk: Talk) -> None:
    auction, _ = await opened(talk)
    anna = buyer()
    user = UUID(anna.id)
    moderation = {"userId": anna.id, "reason": "trial"}

    async def answered(code: str) -> bool:
        return (await talk.say("PlaceBid", auction, {"amount": 1}, by=anna)).code == code

    await talk.tell(USER_EVENTS, key=user, kind="UserSuspended", sequence=5, data=moderation)
    await until(lambda: answered("account_suspended"))
    await talk.tell(USER_EVENTS, key=user, kind="UserReinstated", sequence=6, data=moderation)
    await until(lambda: answered("below_start_price"))
    await talk.tell(USER_EVENTS, key=user, kind="UserSuspended", sequence=5, data=moderation)
    await talk.tell(USER_EVENTS, key=user, kind="UserReinstated", sequence=7, data=moderation)
    assert await answered("below_start_price")


async def test_who_left_items_unpaid_is_kept_out_where_the_seller_says_so(talk: Talk) -> None:
    sam, anna = seller(), buyer()
    choosy, open_to_all = uuid4(), uuid4()
    await talk.say("CreateAuction", choosy, lamp(maxBuyerStrikes=1), by=sam)
    await talk.say("CreateAuction", open_to_all, lamp(), by=sam)

    async def told(order: UUID, sequence: int, kind: str, **more: Any) -> None:
        about = {
            "orderId": str(order),
            "auctionId": str(choosy),
            "buyerId": anna.id,
            "sellerId": sam.id,
            "title": "Lamp",
        }
        await talk.tell(PAYMENT_EVENTS, key=order, kind=kind, sequence=sequence, data=about | more)

    async def strikes(order: UUID, sequence: int) -> None:
        await told(order, sequence, "OrderUnpaid", amount=10, currency="USD", unpaidAt=now())

    async def answered(code: str, auction: UUID = choosy) -> bool:
        return (await talk.say("PlaceBid", auction, {"amount": 1}, by=anna)).code == code

    first, second = uuid4(), uuid4()
    for sequence in (1, 1, 2):
        await strikes(first, sequence)
    assert await answered("below_start_price")
    await strikes(second, 1)
    await until(lambda: answered("too_many_strikes"))
    assert await answered("below_start_price", open_to_all)
    await told(second, 2, "StrikeLifted", by="seller", reason="The bank had closed her card.")
    await until(lambda: answered("below_start_price"))


async def test_a_retraction_brings_back_the_leader_of_before(talk: Talk, owner: asyncpg.Connection) -> None:
    auction, _ = await opened(talk)
    anna, ben = buyer(), buyer()
    await talk.say("PlaceBid", auction, {"maxAmount": 20}, by=anna)
    bid = await talk.say("PlaceBid", auction, {"amount": 50}, by=ben)

    others = await talk.say("RetractBid", auction, {"bidId": bid.answer["id"], "reason": "wrong_amount"}, by=anna)
    own = await talk.say("RetractBid", auction, {"bidId": bid.answer["id"], "reason": "wrong_amount"}, by=ben)

    assert (others.code, own.code, own.answer["currentBid"]) == ("nothing_to_retract", "retracted", 10)
    row = await owner.fetchrow("SELECT leader_id, price_minor FROM bids.auction_view WHERE id = $1", auction)
    assert row is not None
    assert (str(row["leader_id"]), row["price_minor"]) == (anna.id, 1000)


async def test_an_admin_blocks_a_bidder_whose_bids_go(talk: Talk) -> None:
    auction, _ = await opened(talk)
    anna = buyer()
    await talk.say("PlaceBid", auction, {"amount": 20}, by=anna)

    blocked = await talk.say("BlockBidder", auction, {"bidderId": anna.id, "cancelBids": True}, by=ADMIN)
    again = await talk.say("BlockBidder", auction, {"bidderId": anna.id, "cancelBids": True}, by=ADMIN)
    bid = await talk.say("PlaceBid", auction, {"amount": 30}, by=anna)

    assert (blocked.code, blocked.answer["currentBid"]) == ("blocked", 0)
    assert (again.outcome, again.code) == ("no_op", "already_blocked")
    assert bid.code == "bidder_blocked"


async def test_an_auction_changes_before_its_first_bid_and_not_after(talk: Talk) -> None:
    auction, sam = await opened(talk, category="lamps")

    changed = await talk.say("UpdateAuction", auction, {"title": "Lamp, 1920", "startingPrice": 30}, by=sam)
    await talk.say("PlaceBid", auction, {"amount": 30}, by=buyer())
    late = await talk.say("UpdateAuction", auction, {"title": "Gold lamp"}, by=sam)

    assert (changed.code, changed.answer["title"], changed.answer["category"]) == ("updated", "Lamp, 1920", "lamps")
    assert changed.answer["minimumNextBid"] == 30
    assert late.code == "has_bids"


async def test_a_draft_is_its_sellers_alone_until_it_is_published(talk: Talk, owner: asyncpg.Connection) -> None:
    auction, sam = await opened(talk, draft=True, startTime=now(3600))
    public = "SELECT event_type FROM bids.public_event_view WHERE auction_id = $1 ORDER BY sequence"

    await talk.say("UpdateAuction", auction, {"title": "Lamp, 1920"}, by=sam)
    bid = await talk.say("PlaceBid", auction, {"amount": 30}, by=buyer())
    before = await owner.fetch(public, auction)
    published = await talk.say("PublishAuction", auction, {}, by=sam)
    after = await owner.fetch(public, auction)

    assert bid.code == "auction_not_found"
    assert before == []
    assert (published.answer["status"], published.answer["title"]) == ("scheduled", "Lamp, 1920")
    assert [row["event_type"] for row in after] == ["AuctionCreated"]


async def test_a_sale_at_once_ends_the_auction(talk: Talk, owner: asyncpg.Connection) -> None:
    auction, _ = await opened(talk, buyNowPrice=40)
    anna = buyer()

    bought = await talk.say("BuyNow", auction, {}, by=anna)
    late = await talk.say("PlaceBid", auction, {"amount": 99}, by=buyer())

    assert (bought.code, bought.answer["winnerId"], bought.answer["finalPrice"]) == ("bought", anna.id, 40)
    assert late.code == "auction_ended"
    ended = (await envelopes(owner, auction))[1]
    assert ended["data"] == {
        "auctionId": str(auction),
        "winnerId": anna.id,
        "sellerId": ended["data"]["sellerId"],
        "finalPrice": 40,
        "totalBids": 0,
        "endedAt": ended["timestamp"],
        "outcome": "sold_buy_now",
        "currency": "USD",
    }


async def test_bids_of_many_people_at_once_leave_one_history_without_a_gap(
    talk: Talk, owner: asyncpg.Connection
) -> None:
    auction, _ = await opened(talk)

    said = await asyncio.gather(
        *(talk.say("PlaceBid", auction, {"amount": 10 + step}, by=buyer()) for step in range(100))
    )

    events = await envelopes(owner, auction)
    assert [event["sequence"] for event in events] == list(range(1, len(events) + 1))
    assert sum(one.outcome == "accepted" for one in said) == len(
        [event for event in events if event["eventType"] == "BidPlaced" and not event["data"]["automatic"]]
    )
    prices = [event["data"]["amount"] for event in events if event["data"].get("isWinning")]
    assert prices == sorted(prices)
