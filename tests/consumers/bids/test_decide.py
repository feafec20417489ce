"""What decide adds to the published vectors: hidden parts, suspended accounts, strange amounts, forgotten history."""

import ast
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

import consumers.bids
from consumers.bids.auction import UNOPENED, Open, Unopened, evolve, public_state, restore, snapshot
from consumers.bids.commands import Answer, AuctionCommand, Remembered, UnknownCommand, asker
from consumers.bids.decide import decide, judge, needs_history
from consumers.bids.events import BidPlaced, BidRefused, BidRetracted, from_facts, is_public, to_facts
from consumers.bids.increments import TABLES
from consumers.bids.standing import standing_bids
from tests.consumers.bids.builders import (
    ANNA,
    BEN,
    CLEO,
    DAY,
    END,
    NOON,
    PLATFORM,
    SAM,
    bid,
    block,
    buy,
    call_off,
    cancel,
    close,
    given,
    lower_reserve,
    opening,
    proxy,
    publish,
    retract,
    sell_early,
    update,
)

pytestmark = pytest.mark.quick


def test_a_higher_bid_takes_the_lead_and_names_who_was_outbid() -> None:
    story = given(opening(), bid(ANNA, 150_00))

    [event] = story.ask(bid(BEN, 200_00)).events

    assert isinstance(event, BidPlaced)
    assert (event.bidder, event.outbid_bidder, event.minimum_next) == (BEN, ANNA, 202_50)
    assert event.takes_the_lead


def test_a_bid_that_the_leader_answers_outbids_nobody_and_both_events_say_the_next_minimum() -> None:
    story = given(opening(), proxy(ANNA, 100_00))

    lost, answered = story.ask(proxy(BEN, 50_00)).events

    assert isinstance(lost, BidPlaced)
    assert isinstance(answered, BidPlaced)
    assert (lost.outbid_bidder, answered.outbid_bidder) == (None, None)
    assert (lost.minimum_next, answered.minimum_next) == (52_00, 52_00)
    assert (lost.takes_the_lead, answered.takes_the_lead) == (False, False)


def test_a_hidden_maximum_that_is_beaten_is_shown_and_its_owner_named_in_the_winning_bid() -> None:
    story = given(opening(), proxy(ANNA, 100_00))

    beaten, winning = story.ask(proxy(BEN, 150_00)).events

    assert isinstance(beaten, BidPlaced)
    assert isinstance(winning, BidPlaced)
    assert (beaten.bidder, beaten.amount, beaten.automatic) == (ANNA, 100_00, True)
    assert (winning.bidder, winning.outbid_bidder, winning.maximum) == (BEN, ANNA, 150_00)


@pytest.mark.parametrize("command", [bid(ANNA, 20_00, suspended=True), buy(ANNA, suspended=True)])
def test_a_suspended_account_neither_bids_nor_buys(command: AuctionCommand) -> None:
    story = given(opening(buy_now={"price": 50_00}))

    outcome = story.ask(command)

    assert outcome.answer == Answer("refused", "account_suspended")
    assert [type(event) for event in outcome.events] == [BidRefused]


@pytest.mark.parametrize("ask", [lambda **more: bid(ANNA, 20_00, **more), lambda **more: buy(ANNA, **more)])
def test_a_seller_s_filter_keeps_out_who_left_too_many_items_unpaid(ask: Any) -> None:
    story = given(opening(buy_now={"price": 50_00}, strikes_max=1))

    outcome = story.ask(ask(strikes=2))

    assert outcome.answer == Answer("refused", "too_many_strikes")
    assert [type(event) for event in outcome.events] == [BidRefused]
    assert story.code(ask(strikes=1)) in ("leading", "bought")


def test_without_the_filter_strikes_keep_nobody_out() -> None:
    story = given(opening())

    assert story.code(bid(ANNA, 20_00, strikes=7)) == "leading"


def test_an_auction_kept_before_there_was_a_filter_has_none() -> None:
    story = given(opening())
    kept = msgspec.msgpack.decode(snapshot(story.open))
    terms = next(part for part in kept if isinstance(part, list) and part[:1] == [SAM])
    assert terms[-2:] == [None, None]
    del terms[-2:]

    restored = restore(msgspec.msgpack.encode(kept))

    assert restored == story.open


def test_a_suspended_account_opens_nothing() -> None:
    command = msgspec.structs.replace(opening(), suspended=True)

    outcome, auction = judge(UNOPENED, command, NOON)

    assert outcome.answer.code == "account_suspended"
    assert isinstance(auction, Unopened)


def test_standing_is_asked_after_state_and_before_the_amount() -> None:
    story = given(opening(), bid(ANNA, 20_00))

    too_low = story.code(bid(BEN, 1, suspended=True))
    too_late = story.code(bid(BEN, 1, suspended=True), at=END)

    assert (too_low, too_late) == ("account_suspended", "auction_ended")


@pytest.mark.parametrize(
    "amount", [0, -1, 10**10, 10**30, 20_00.0, float("nan"), "2000", True, None, [], {"a": 1}], ids=repr
)
def test_what_is_no_amount_is_refused_and_the_refusal_still_fits_the_log(amount: Any) -> None:
    story = given(opening())

    plain = story.ask(bid(ANNA, amount))
    both = story.ask(bid(ANNA, 20_00, max_amount=amount)) if amount is not None else plain

    assert (plain.answer.code, both.answer.code) == ("invalid_amount", "invalid_amount")
    for outcome in (plain, both):
        assert from_facts(to_facts(outcome.events)) == outcome.events


@pytest.mark.parametrize("reserve", [-1, 20_00.0, "2000", False, None, 0.0], ids=repr)
def test_a_reserve_that_is_no_whole_number_is_refused_for_its_shape(reserve: Any) -> None:
    story = given(opening(reserve=80_00))

    assert story.code(lower_reserve(reserve, by=ANNA)) == "invalid_reserve"


def test_only_taking_bids_back_needs_the_history() -> None:
    needing: list[AuctionCommand] = [retract(ANNA), block(ANNA, cancel_bids=True)]
    others: list[AuctionCommand] = [opening(), update(), publish(), bid(ANNA, 1), buy(ANNA), close(), sell_early()]
    others += [cancel(), lower_reserve(0), UnknownCommand(), block(ANNA), block(ANNA, cancel_bids=False)]

    assert all(needs_history(command) for command in needing)
    assert not any(needs_history(command) for command in others)


def test_taking_bids_back_without_the_history_is_a_bug_that_is_heard() -> None:
    story = given(opening(), bid(ANNA, 20_00))

    with pytest.raises(ValueError, match="needs_history"):
        decide(story.auction, retract(ANNA), NOON + 10)


def test_a_retraction_says_which_bids_went_so_that_the_history_stays_exact() -> None:
    story = given(opening(), bid(ANNA, 20_00), bid(BEN, 30_00), bid(ANNA, 40_00))

    event = story.ask(retract(ANNA)).events[0]

    assert isinstance(event, BidRetracted)
    assert event.bid_seqs == (2, 4)
    assert [held.bidder for held in standing_bids(story.events).values()] == [BEN]


def test_an_event_that_cannot_happen_is_a_bug_that_is_heard() -> None:
    placed = given(opening(), bid(ANNA, 20_00)).events[-1]

    with pytest.raises(ValueError, match="BidPlaced cannot happen to Unopened"):
        evolve(UNOPENED, placed)


def test_a_repeated_command_moves_the_clock_and_nothing_else() -> None:
    story = given(opening(), bid(ANNA, 20_00))
    told = Answer("accepted", "leading", 20_00)

    outcome, after = judge(story.auction, bid(ANNA, 20_00), NOON + DAY, earlier=Remembered(same_body=True, answer=told))

    assert (outcome.answer, outcome.events, outcome.at) == (told, (), NOON + DAY)
    assert after == msgspec.structs.replace(story.open, clock=NOON + DAY)


def test_a_key_used_for_something_else_is_a_conflict_and_before_an_opening_it_is_not_known() -> None:
    earlier = Remembered(same_body=False, answer=Answer("accepted", "leading", 20_00))
    story = given(opening())

    known = judge(story.auction, bid(ANNA, 20_00), NOON + 1, earlier=earlier)[0]
    unknown = judge(UNOPENED, bid(ANNA, 20_00), NOON + 1, earlier=earlier)[0]

    assert (known.answer.code, len(known.events)) == ("idempotency_conflict", 1)
    assert (unknown.answer.code, len(unknown.events)) == ("auction_not_found", 0)


def test_the_last_public_event_is_told_from_the_last_event() -> None:
    story = given(opening(), bid(ANNA, 20_00), proxy(ANNA, 40_00), block(CLEO))
    story.ask(bid(BEN, 1))

    assert (story.open.seq, story.open.public_seq) == (5, 2)
    assert [is_public(event) for event in story.events] == [True, True, False, False, False]


def test_who_asks_is_read_from_every_command() -> None:
    of_sellers: list[AuctionCommand] = [update(), publish(), sell_early(), cancel(), lower_reserve(0), block(ANNA)]
    of_bidders: list[AuctionCommand] = [bid(ANNA, 1), buy(ANNA), retract(ANNA)]
    of_nobody: list[AuctionCommand] = [opening(), close(), UnknownCommand()]

    assert {asker(command) for command in of_sellers} == {SAM}
    assert {asker(command) for command in of_bidders} == {ANNA}
    assert {asker(command) for command in of_nobody} == {None}


def test_the_platform_is_told_from_the_seller_in_what_everyone_sees() -> None:
    story = given(opening(), bid(ANNA, 20_00))

    events = story.ask(block(ANNA, by=PLATFORM, cancel_bids=True)).events

    assert [getattr(event, "by", None) for event in events] == ["platform", "platform", None]
    assert story.open.blocked == {ANNA}
    assert story.open.seller_cancelled_at is None


def test_a_reserve_is_never_lowered_to_what_a_hidden_maximum_would_sell_for() -> None:
    story = given(opening(reserve=80_00), proxy(ANNA, 60_00), lower_reserve(50_00))

    assert story.open.lead is not None
    assert story.open.lead.maximum == 49_99
    assert [held.maximum for held in story.standing.values()] == [49_99]


def test_a_bid_costs_the_same_steps_whether_ten_or_a_hundred_thousand_came_before() -> None:
    few, many = story_of(10), story_of(100_000)

    assert steps_of(many, bid(CLEO, 9_000_000_00)) == steps_of(few, bid(CLEO, 9_000_000_00))
    assert len(snapshot(many)) <= len(snapshot(few)) + 16
    assert len(snapshot(many)) < 200


def story_of(bids: int) -> Open:
    auction = given(opening(increments="FLAT-1")).open
    for number in range(bids):
        outcome, after = judge(auction, proxy((ANNA, BEN)[number % 2], 20_00 + 2 * number), NOON + 1)
        assert outcome.answer.code == "leading"
        assert isinstance(after, Open)
        auction = after
    return auction


def steps_of(auction: Open, command: AuctionCommand) -> int:
    """How many bytecode steps the judging takes: counted, so that a busy machine does not matter."""
    steps = 0

    def count(frame: Any, happened: str, _: Any) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += happened == "opcode"
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        judge(auction, command, NOON + 2)
    finally:
        sys.settrace(before)
    assert steps > 0
    return steps


def test_a_restored_auction_is_the_same_and_shares_what_most_have_in_common() -> None:
    auction = given(opening(), bid(ANNA, 20_00)).open

    restored = restore(snapshot(auction))

    assert restored == auction
    assert isinstance(restored, Open)
    assert restored.terms.increments is TABLES["EBAY-US"]


@pytest.mark.parametrize(
    ("commands", "kind", "price"),
    [
        ([bid(ANNA, 20_00), close()], "Ended", 20_00),
        ([bid(ANNA, 20_00), cancel(by=PLATFORM)], "Cancelled", 20_00),
        ([call_off()], "Cancelled", None),
        ([buy(ANNA)], "Ended", 50_00),
    ],
)
def test_an_auction_that_is_over_can_be_kept_and_restored(
    commands: list[AuctionCommand], kind: str, price: int | None
) -> None:
    story = given(opening(buy_now={"price": 50_00}))
    for command in commands:
        story.ask(command, at=END if command == close() else None)

    restored = restore(snapshot(story.auction))

    assert type(restored).__name__ == kind
    assert restored == story.auction
    state = public_state(restored)
    assert state is not None
    assert (state["price"], state["status"]) == (price, kind.lower())


PURE = ["auction", "bidding", "commands", "decide", "ending", "events", "increments"]
PURE += ["offer", "offering", "outcome", "pricing", "standing", "withdrawing"]
ALLOWED = {"bisect", "collections.abc", "pathlib", "typing", "msgspec", "msgspec.structs"}


@pytest.mark.parametrize("name", PURE)
def test_the_rules_know_no_clock_no_chance_and_no_wire(name: str) -> None:
    tree = ast.parse(Path(*consumers.bids.__path__, f"{name}.py").read_text())
    imports = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imports |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    ours = {f"consumers.bids.{other}" for other in PURE}

    assert imports <= ALLOWED | ours
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, float)]
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Div)]
