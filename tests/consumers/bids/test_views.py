"""The view of current prices: how events move it, and that neither repeats nor gaps make it wrong."""

from collections.abc import AsyncIterator
from typing import Any, NamedTuple
from uuid import uuid4

import msgspec
import pytest
from redis.asyncio import Redis

from compose.settings import Settings
from consumers.bids.current import READERS, Change, View, changes
from consumers.runtime import OutEvent
from tests.consumers.bids.story import ANNA, BEN, NOON, SAM, Story, lamp, whole_story
from tests.consumers.bids.talk import Talk, buyer, seller, until
from tests.consumers.bids.talk import lamp as lamp_data


class Seen(NamedTuple):
    type: str
    sequence: int | None
    body: Any


class Envelope(msgspec.Struct, rename="camel"):
    event_type: str
    sequence: int
    data: msgspec.Raw


def seen(events: list[OutEvent]) -> list[Seen]:
    read = [msgspec.json.decode(event.value, type=Envelope) for event in events]
    return [Seen(one.event_type, one.sequence, READERS[one.event_type](bytes(one.data))) for one in read]


def folded(events: list[OutEvent], name: str = "lamp") -> Change:
    [change] = changes((name, event) for event in seen(events))
    return change


def bidding() -> Story:
    story = Story()
    story.say("CreateAuction", lamp(reservePrice=50), SAM, NOON)
    story.say("PlaceBid", '{"amount":10.50}', ANNA, NOON + 1)
    story.say("PlaceBid", '{"maxAmount":30}', BEN, NOON + 2)
    story.say("PlaceBid", '{"amount":20}', ANNA, NOON + 3)
    return story


@pytest.mark.quick
def test_the_events_of_a_batch_become_one_change_of_each_auction() -> None:
    events = seen(bidding().told)

    made = changes([("lamp", events[0]), ("clock", events[0]), *(("lamp", event) for event in events[1:])])

    assert [(change.auction_id, change.first, change.last) for change in made] == [("lamp", 1, 5), ("clock", 1, 1)]


@pytest.mark.quick
def test_a_change_shows_price_leader_and_count_of_the_last_event() -> None:
    change = folded(bidding().told)

    assert change.fields["price"] == 2050
    assert change.fields["leader"] == BEN.id
    assert change.fields["minimum"] == 2100
    assert change.fields["bidCount"] == 3
    assert change.fields["reserveMet"] == "0"
    assert change.fields["status"] == "open"
    assert change.placed == 3


@pytest.mark.quick
def test_the_sorted_set_holds_every_bid_by_its_amount() -> None:
    change = folded(bidding().told)

    assert change.bids == {
        f"000000000002:{ANNA.id}": 1050,
        f"000000000003:{BEN.id}": 1100,
        f"000000000004:{ANNA.id}": 2000,
        f"000000000005:{BEN.id}": 2050,
    }


@pytest.mark.quick
def test_an_event_that_comes_again_in_a_batch_counts_once() -> None:
    events = seen(bidding().told)

    [change] = changes(("lamp", event) for event in [*events[:3], *events[1:]])

    assert (change.first, change.last, change.placed) == (1, 5, 3)


@pytest.mark.quick
def test_events_that_do_not_follow_each_other_are_two_changes_so_that_the_gap_is_seen() -> None:
    events = seen(bidding().told)

    made = changes(("lamp", event) for event in [events[0], *events[3:]])

    assert [(change.first, change.last) for change in made] == [(1, 1), (4, 5)]


@pytest.mark.quick
def test_a_private_event_moves_the_sequence_but_not_the_public_one() -> None:
    story = bidding()
    story.say("PlaceBid", '{"maxAmount":40}', BEN, NOON + 4)

    change = folded(story.told)

    assert (change.last, change.fields["publicSeq"]) == (6, 5)


@pytest.mark.quick
def test_a_draft_is_not_among_the_live_auctions_until_it_is_published() -> None:
    story = Story()
    draft = folded(story.say("CreateAuction", lamp(draft=True), SAM, NOON))
    published = folded(story.say("PublishAuction", "{}", SAM, NOON))

    assert (draft.fields["status"], draft.fields["publicSeq"], draft.end) == ("draft", 0, "")
    assert (published.fields["status"], published.end) == ("open", NOON + 172_800_000)


@pytest.mark.quick
def test_an_ended_auction_leaves_the_live_ones_and_its_view_goes_after_a_day() -> None:
    change = folded(whole_story().told)

    assert (change.fields["status"], change.fields["outcome"]) == ("ended", "sold")
    assert (change.fields["winner"], change.fields["finalPrice"]) == (ANNA.id, 5000)
    assert (change.end, change.kept_s) == ("-", 86_400)


@pytest.fixture
async def redis(stack: Settings) -> AsyncIterator["Redis"]:
    client = Redis.from_url(stack.redis_url.get_secret_value(), decode_responses=True)
    yield client
    await client.aclose()


def renamed(events: list[OutEvent], name: str) -> list[Change]:
    return changes((name, event) for event in seen(events))


async def gone(redis: "Redis", name: str) -> None:
    await redis.delete(f"auction:{name}", f"bids:{name}")
    await redis.zrem("live-auctions", name)
    await redis.zrem("scheduled-auctions", name)


@pytest.mark.stack
async def test_events_move_the_view_once_however_often_and_in_whatever_order_they_come(redis: "Redis") -> None:
    view, name, events = View(redis), str(uuid4()), bidding().told

    assert await view.move(renamed(events[:3], name)) == [1]
    assert await view.move(renamed(events, name)) == [1]
    before = await redis.hgetall(f"auction:{name}")
    assert await view.move([*renamed(events[1:4], name), *renamed(events, name)]) == [0, 0]

    assert await redis.hgetall(f"auction:{name}") == before
    assert (before["seq"], before["price"]) == ("5", "2050")
    assert await redis.zrange(f"bids:{name}", 0, -1, withscores=True) == [
        (f"000000000002:{ANNA.id}", 1050),
        (f"000000000003:{BEN.id}", 1100),
        (f"000000000004:{ANNA.id}", 2000),
        (f"000000000005:{BEN.id}", 2050),
    ]
    await gone(redis, name)


@pytest.mark.stack
async def test_a_missing_event_leaves_the_view_as_it_was_and_says_so(redis: "Redis") -> None:
    view, name, events = View(redis), str(uuid4()), bidding().told
    await view.move(renamed(events[:2], name))

    assert await view.move(renamed(events[3:], name)) == [-1]

    assert (await redis.hgetall(f"auction:{name}"))["seq"] == "2"
    await gone(redis, name)


@pytest.mark.stack
async def test_the_view_finds_its_script_again_after_redis_forgot_it(redis: "Redis") -> None:
    view, name, events = View(redis), str(uuid4()), bidding().told
    await view.move(renamed(events[:1], name))
    await redis.script_flush()

    assert await view.move(renamed(events[1:], name)) == [1]
    await gone(redis, name)


@pytest.mark.stack
async def test_a_bid_shows_in_redis_and_a_view_that_was_lost_is_made_anew_by_the_next_bid(
    talk: Talk, redis: "Redis"
) -> None:
    auction, sam, anna, ben = uuid4(), seller(), buyer(), buyer()
    await talk.say("CreateAuction", auction, lamp_data(), by=sam)
    await talk.say("PlaceBid", auction, {"amount": 10}, by=anna)

    async def price_is(price: str) -> bool:
        return bool(await redis.hget(f"auction:{auction}", "price") == price)

    await until(lambda: price_is("1000"))
    await redis.delete(f"auction:{auction}", f"bids:{auction}")
    await talk.say("PlaceBid", auction, {"amount": 11}, by=ben)

    await until(lambda: price_is("1100"))
    assert await redis.zrange(f"bids:{auction}", 0, -1) == [f"000000000002:{anna.id}", f"000000000003:{ben.id}"]
    assert await redis.zscore("live-auctions", str(auction)) is not None
