"""Drafts, and changes before the first bid (0002-drafts-and-updates.md)."""

import msgspec
import pytest

from consumers.bids.auction import Discarded, Draft, public_state, restore, snapshot
from consumers.bids.commands import Answer, AuctionCommand, Remembered, UnknownCommand
from consumers.bids.events import AuctionCreated, AuctionUpdated, DraftUpdated, is_public, public
from consumers.bids.offer import BuyNowTerms
from tests.consumers.bids.builders import (
    ANNA,
    DAY,
    END,
    HOUR,
    LAMP,
    NOON,
    PLATFORM,
    SAM,
    Story,
    bid,
    block,
    buy,
    cancel,
    close,
    draft,
    given,
    lower_reserve,
    opening,
    publish,
    retract,
    sell_early,
    update,
)

pytestmark = pytest.mark.quick


def test_the_seller_changes_price_times_reserve_and_buy_now_before_the_first_bid() -> None:
    story = given(opening(reserve=80_00, start=NOON + DAY))

    outcome = story.ask(
        update(start_price=20_00, reserve=None, buy_now={"price": 90_00}, start=NOON + HOUR, end=NOON + DAY)
    )

    assert outcome.answer == Answer("accepted", "updated")
    auction = story.open
    assert (auction.terms.start_price, auction.reserve, auction.terms.buy_now) == (20_00, None, BuyNowTerms(90_00))
    assert (auction.start, auction.end) == (NOON + HOUR, NOON + DAY)


def test_what_an_update_does_not_name_stays_and_the_listing_travels_unread() -> None:
    story = given(opening(reserve=80_00))
    before = story.open

    [event] = story.ask(update(listing={"title": "Lamp, brass"})).events

    assert isinstance(event, AuctionUpdated)
    assert (event.offer.reserve, event.listing) == (80_00, {"title": "Lamp, brass"})
    assert story.open == msgspec.structs.replace(before, seq=2, public_seq=2, clock=event.at)


def test_a_duration_counts_from_the_start() -> None:
    story = given(opening(start=NOON + HOUR))

    story.ask(update(duration=DAY))

    assert story.open.end == NOON + HOUR + DAY


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (update(by=ANNA), "not_allowed"),
        (update(by=PLATFORM), "not_allowed"),
        (update(reserve=10_00), "invalid_config"),
        (update(start_price=80_00), "invalid_config"),
        (update(buy_now={"price": 79_99}), "invalid_config"),
        (update(start_price="ten"), "invalid_config"),
        (update(end=NOON), "invalid_config"),
        (update(end=END, duration=DAY), "invalid_config"),
        (update(seller=ANNA), "invalid_config"),
        (update(blocked=[]), "invalid_config"),
        (update(start=NOON + HOUR), "auction_started"),
    ],
    ids=repr,
)
def test_a_change_is_refused_that_is_not_the_sellers_or_not_valid(change: AuctionCommand, code: str) -> None:
    story = given(opening(reserve=80_00))
    before = story.open

    outcome = story.ask(change)

    assert outcome.answer == Answer("refused", code)
    assert story.open == msgspec.structs.replace(before, clock=story.at)


def test_a_suspended_seller_changes_nothing() -> None:
    story = given(opening())

    assert story.code(msgspec.structs.replace(update(), suspended=True)) == "account_suspended"


def test_nothing_is_changed_once_somebody_has_bid_even_if_the_bid_was_taken_back() -> None:
    story = given(opening(), bid(ANNA, 20_00))
    standing = story.code(update(start_price=15_00))
    story.ask(retract(ANNA))

    retracted = story.code(update(start_price=15_00))

    assert (standing, retracted) == ("has_bids", "has_bids")


def test_nothing_is_changed_after_the_end() -> None:
    story = given(opening())

    late = story.code(update(), at=END)
    story.ask(close())
    ended = story.code(update())

    assert (late, ended) == ("auction_ended", "auction_ended")


def test_an_auction_is_published_once() -> None:
    story = given(opening())

    assert story.answer(publish()) == Answer("no_op", "already_published")
    assert story.code(msgspec.structs.replace(publish(), by=ANNA)) == "not_allowed"


def test_a_draft_is_seen_by_its_seller_only() -> None:
    story = given(draft())
    others: list[AuctionCommand] = [bid(ANNA, 20_00), buy(ANNA), retract(ANNA), update(by=ANNA), UnknownCommand()]

    outcomes = [story.ask(command) for command in others]

    assert {outcome.answer.code for outcome in outcomes} == {"auction_not_found"}
    assert [outcome.events for outcome in outcomes] == [()] * len(others)
    assert public_state(story.auction) is None
    assert not is_public(story.events[0])


def test_the_seller_is_told_that_it_is_a_draft() -> None:
    story = given(draft())
    too_early: list[AuctionCommand] = [sell_early(), lower_reserve(0), block(ANNA), bid(SAM, 20_00)]

    assert {story.code(command) for command in too_early} == {"auction_draft"}
    assert story.answer(close()) == Answer("no_op", "not_due")
    assert story.code(draft()) == "auction_exists"


def test_a_published_draft_lasts_its_duration_from_now_and_says_its_whole_listing() -> None:
    story = given(draft(), update(start_price=20_00))

    [event] = story.ask(publish(), at=NOON + DAY).events

    assert story.outcomes[-1].answer == Answer("accepted", "published")
    assert isinstance(event, AuctionCreated)
    assert is_public(event)
    assert event.listing == LAMP
    assert public(event)["data"] == {
        "seller": SAM,
        "startingPrice": 20_00,
        "startTime": NOON + DAY,
        "endTime": NOON + 8 * DAY,
    }
    assert (story.open.seq, story.open.public_seq) == (3, 3)
    assert story.code(bid(ANNA, 20_00)) == "leading"


def test_a_draft_is_published_for_the_times_given_then() -> None:
    story = given(draft(), publish(start=NOON + DAY, end=NOON + 2 * DAY))

    assert (story.open.start, story.open.end) == (NOON + DAY, NOON + 2 * DAY)
    assert story.code(bid(ANNA, 20_00)) == "auction_not_started"


def test_a_start_that_a_draft_has_slept_through_is_now() -> None:
    story = given(draft(start=NOON + HOUR))

    story.ask(publish(), at=NOON + 2 * DAY)

    assert (story.open.start, story.open.end) == (NOON + 2 * DAY, NOON + 9 * DAY)


@pytest.mark.parametrize("times", [{"end": NOON}, {"start": "soon"}, {"end": None}], ids=repr)
def test_a_draft_with_impossible_times_stays_a_draft(times: dict[str, object]) -> None:
    story = given(draft())

    assert story.code(publish(**times)) == "invalid_config"
    assert isinstance(story.auction, Draft)


def test_a_draft_is_checked_like_an_auction_but_for_its_times() -> None:
    story = Story()

    refused = story.code(draft(reserve=1))
    story.ask(draft())
    changed = story.code(update(reserve=1))

    assert (refused, changed) == ("invalid_config", "invalid_config")


def test_a_draft_keeps_its_listing_until_another_is_given() -> None:
    story = given(draft())

    story.ask(update(reserve=80_00))
    [event] = story.ask(update(listing={"title": "Oil lamp"})).events

    assert isinstance(event, DraftUpdated)
    assert (event.offer.reserve, event.listing) == (80_00, {"title": "Oil lamp"})
    assert not is_public(event)
    assert restore(snapshot(story.auction)) == story.auction


@pytest.mark.parametrize("by", [SAM, PLATFORM])
def test_a_discarded_draft_never_becomes_an_auction(by: str) -> None:
    story = given(draft(), cancel(by=by, reason=None))

    assert isinstance(story.auction, Discarded)
    assert story.code(publish()) == "auction_cancelled"
    assert story.code(bid(ANNA, 20_00)) == "auction_not_found"
    assert story.answer(close()) == Answer("no_op", "already_ended")
    assert public_state(story.auction) is None


def test_the_platform_discards_drafts_but_does_not_write_them() -> None:
    story = given(draft())

    assert story.code(update(by=PLATFORM)) == "not_allowed"


def test_a_suspended_seller_publishes_nothing_and_a_late_command_does_nothing() -> None:
    story = given(draft())

    suspended = story.code(msgspec.structs.replace(publish(), suspended=True))
    late = story.code(msgspec.structs.replace(publish(), deadline=NOON), at=NOON)

    assert (suspended, late) == ("account_suspended", "deadline_passed")


def test_a_repeated_command_to_a_draft_is_answered_as_before() -> None:
    story = given(draft())
    told = Answer("accepted", "updated")

    same = story.ask(update(), earlier=Remembered(same_body=True, answer=told))
    other = story.ask(update(), earlier=Remembered(same_body=False, answer=told))

    assert (same.answer, same.events) == (told, ())
    assert (other.answer.code, other.events) == ("idempotency_conflict", ())
