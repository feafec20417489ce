"""The proof of what bids keeps: it must be silent about a good history and find each planted fault."""

from collections.abc import Iterable
from typing import Any
from uuid import uuid4

import asyncpg
import pytest
from msgspec.structs import replace
from redis.asyncio import Redis

from compose.settings import Settings
from consumers.bids.auction import Auction, Open, restore, snapshot
from consumers.bids.events import BidPlaced
from consumers.bids.rebuild import rebuild_views
from consumers.bids.store import AUCTION, auction_row, read_facts, write_facts
from consumers.bids.verify import History, compare_row, compare_view, verify
from tests.consumers.bids.story import ANNA, BEN, NOON, SAM, Row, Story, lamp, whole_story
from tests.consumers.bids.story import AUCTION as LAMP
from tests.consumers.bids.talk import Talk, buyer, seller, until
from tests.consumers.bids.talk import lamp as lamp_data


def bidding() -> Story:
    story = Story()
    story.say("CreateAuction", lamp(), SAM, NOON)
    story.say("PlaceBid", '{"amount":20}', ANNA, NOON + 1)
    story.say("PlaceBid", '{"maxAmount":30}', BEN, NOON + 2)
    return story


def differences(rows: Iterable[Row]) -> list[str]:
    history = History()
    return [what for row in rows for what in history.take(*row)]


def row_of(auction: Auction) -> dict[str, Any]:
    return dict(zip((*AUCTION.key, *AUCTION.columns), auction_row(LAMP, auction), strict=True))


@pytest.mark.quick
def test_a_good_history_has_no_differences() -> None:
    story = whole_story()
    history = History()

    assert [what for row in story.rows for what in history.take(*row)] == []
    assert list(compare_row(LAMP, history.auction, row_of(story.auction))) == []


@pytest.mark.quick
def test_a_missing_row_is_found() -> None:
    rows = bidding().rows

    assert "after sequence 1 comes 3" in differences([rows[0], rows[2]])[0]


@pytest.mark.quick
def test_events_told_otherwise_than_folded_are_found() -> None:
    rows = bidding().rows

    found = differences([rows[0], rows[1]._replace(events=rows[0].events)])

    assert "row 2..2 tells events [1]" in found


@pytest.mark.quick
def test_a_price_that_falls_is_found() -> None:
    rows = bidding().rows
    [bid] = read_facts(rows[2].facts)
    assert isinstance(bid, BidPlaced)
    cheaper = rows[2]._replace(facts=write_facts([replace(bid, amount=1900)]))

    assert differences([*rows[:2], cheaper]) == ["3 lowers the price from 2000 to 1900"]


@pytest.mark.quick
def test_a_wrong_public_sequence_is_found() -> None:
    rows = bidding().rows
    wrong = rows[2]._replace(
        events=[rows[2].events[0].replace(b'"previousPublicSequence":2', b'"previousPublicSequence":1')]
    )

    assert differences([*rows[:2], wrong]) == ["3 names 1 as the public one before, not 2"]


@pytest.mark.quick
def test_a_hidden_maximum_that_was_changed_in_the_row_is_found() -> None:
    story = bidding()
    assert isinstance(story.auction, Open)
    assert story.auction.lead is not None
    richer = replace(story.auction, lead=replace(story.auction.lead, maximum=9_000))

    [what] = compare_row(LAMP, story.auction, row_of(story.auction) | {"state": snapshot(richer)})

    assert "its state is" in what


@pytest.mark.quick
@pytest.mark.parametrize(("column", "value"), [("price", 1), ("status", "ended"), ("bid_count", 7), ("seq", 9)])
def test_a_column_that_differs_from_the_fold_is_found(column: str, value: object) -> None:
    story = bidding()

    [what] = compare_row(LAMP, story.auction, row_of(story.auction) | {column: value})

    assert what.startswith(f"its {column} is {value!s}")


@pytest.mark.quick
def test_a_clock_that_went_on_without_events_is_no_difference() -> None:
    story = bidding()
    late = replace(restore(snapshot(story.auction)), clock=NOON + 1_000)

    assert list(compare_row(LAMP, story.auction, row_of(late))) == []


@pytest.mark.quick
def test_a_view_that_differs_from_the_log_is_found() -> None:
    row = row_of(bidding().auction) | {"seller_id": SAM.id, "currency": "USD", "starts_at": None}

    found = list(compare_view(row, {"seq": "3", "price": "1"}, {"000000000002:x": 5.0}, {}))

    assert any("price '1'" in what for what in found)
    assert "the view says bid 000000000002:x is 5.0, the log None" in found


@pytest.mark.stack
async def test_an_auction_of_the_running_system_agrees_with_its_log_topic_and_view(
    talk: Talk, stack: Settings, owner: asyncpg.Connection
) -> None:
    auction, sam, anna, ben = uuid4(), seller(), buyer(), buyer()
    await talk.say("CreateAuction", auction, lamp_data(reservePrice=50), by=sam)
    for by, bid in ((anna, {"amount": 10}), (ben, {"maxAmount": 60}), (anna, {"amount": 12}), (ben, {"amount": 1})):
        await talk.say("PlaceBid", auction, bid, by=by)
    said: list[str] = []

    assert await verify(stack, auction, report=said.append) == 0, said

    await owner.execute("UPDATE bids.auction SET price = price + 1 WHERE id = $1", auction)
    assert await verify(stack, auction, view=False, report=said.append) == 1
    assert "its price is" in said[-1]
    await owner.execute("UPDATE bids.auction SET price = price - 1 WHERE id = $1", auction)


@pytest.mark.stack
async def test_the_topic_is_compared_with_the_log_event_by_event(
    talk: Talk, stack: Settings, owner: asyncpg.Connection
) -> None:
    auction = uuid4()
    await talk.say("CreateAuction", auction, lamp_data(), by=seller())
    await talk.say("PlaceBid", auction, {"amount": 10}, by=buyer())

    async def about_it() -> list[str]:
        said: list[str] = []
        await verify(stack, topic=True, view=False, report=said.append)
        return [what for what in said if str(auction) in what]

    assert await about_it() == []

    change = "UPDATE bids.log SET events = ARRAY[$2::bytea] WHERE aggregate = $1 AND first_seq = 2"
    [told] = await owner.fetchval("SELECT events FROM bids.log WHERE aggregate = $1 AND first_seq = 2", auction)
    await owner.execute(change, auction, told.replace(b'"amount":10.00', b'"amount":11.00'))
    assert await about_it() == [f"{auction}: event 2 reads otherwise on the topic than in the log"]
    await owner.execute(change, auction, told)


@pytest.mark.stack
async def test_rebuilding_repairs_a_view_that_was_tampered_with(talk: Talk, stack: Settings) -> None:
    auction, anna = uuid4(), buyer()
    await talk.say("CreateAuction", auction, lamp_data(), by=seller())
    await talk.say("PlaceBid", auction, {"amount": 10}, by=anna)
    redis = Redis.from_url(stack.redis_url.get_secret_value(), decode_responses=True)

    async def shown() -> bool:
        return bool(await redis.hget(f"auction:{auction}", "seq") == "2")

    await until(shown)
    await redis.hset(f"auction:{auction}", "price", "1")
    await redis.zadd(f"bids:{auction}", {"000000000001:nobody": 99})
    found: list[str] = []
    assert await verify(stack, auction, report=found.append) == 2

    assert await rebuild_views(stack) >= 1

    assert await verify(stack, auction, report=found.append) == 0
    await redis.aclose()
