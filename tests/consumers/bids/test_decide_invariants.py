"""What holds in every history (RULES section 13), tried on thousands of random ones."""

from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given as over
from hypothesis import settings
from hypothesis import strategies as st

from consumers.bids.auction import (
    UNOPENED,
    Auction,
    Cancelled,
    Ended,
    Open,
    Unopened,
    advance,
    evolve,
    public_state,
    restore,
    snapshot,
)
from consumers.bids.commands import PLATFORM, AuctionCommand
from consumers.bids.decide import judge, needs_history
from consumers.bids.events import (
    AuctionEnded,
    AuctionEvent,
    BidRefused,
    BidRetracted,
    PriceRecomputed,
    from_facts,
    is_public,
    public,
    to_facts,
)
from consumers.bids.outcome import Outcome
from consumers.bids.pricing import Lead, StandingBid, fold, minimum_next
from consumers.bids.standing import Standing, fold_standing, standing_bids
from tests.consumers.bids.builders import (
    ANNA,
    BEN,
    CLEO,
    DAY,
    HOUR,
    NOON,
    SAM,
    bid,
    block,
    buy,
    call_off,
    cancel,
    close,
    lower_reserve,
    opening,
    proxy,
    retract,
    sell_early,
)

pytestmark = pytest.mark.quick

PEOPLE = (ANNA, BEN, CLEO) * 4 + ("dora", "eve", SAM)
DELAYS = [0, 1, 1, 1_000, 1_000, 60_000] * 4 + [HOUR, HOUR + 1, 13 * HOUR]
BEFORE_END = (1, 119_999, 120_000, HOUR, 12 * HOUR, 12 * HOUR + 1)
ANCHORS = ("minimum", "minimum", "minimum", "maximum", "reserve", "buy_now")


@dataclass(frozen=True)
class Move:
    """What somebody will do, told without amounts and times, which hang on how the auction stands then."""

    kind: str
    who: str
    anchor: str
    offset: int
    spread: int
    delay: int | None
    before_end: int


@dataclass
class Step:
    command: AuctionCommand
    at: int
    outcome: Outcome
    before: Auction
    after: Auction
    standing: list[StandingBid]


def configs() -> st.SearchStrategy[dict[str, Any]]:
    closings = [
        {"mode": "hard"},
        {"mode": "soft", "window": 120_000},
        {"mode": "soft", "window": 120_000, "extend": "add", "extension": 60_000, "maxExtensions": 2},
        {"mode": "counter_bid", "counterBidTime": 5_000, "hardStop": NOON + 3 * DAY + 8_000},
    ]
    own_table = {"rows": [{"from": 1, "step": 7}, {"from": 2_000, "step": 300}]}
    return st.fixed_dictionaries(
        {
            "start": st.sampled_from([NOON, NOON + 5]),
            "end": st.just(NOON + 3 * DAY),
            "increments": st.sampled_from(["EBAY-US", "WHATNOT-US", "FLAT-1", own_table]),
            "reserve": st.sampled_from([None, None, 10_01, 30_00, 99_99]),
            "reserve_policy": st.sampled_from(["hold", "jump"]),
            "closing": st.sampled_from(closings),
            "buy_now": st.sampled_from([None, {"price": 150_00}, {"price": 150_00, "maxPolicy": "buys"}]),
            "confirm_factor": st.sampled_from([None, 5]),
            "linked_accounts": st.sampled_from([[], ["eve"]]),
            "blocked": st.sampled_from([[], ["dora"]]),
        }
    )


KINDS = ["plain"] * 8 + ["proxy"] * 12 + ["both"] * 6 + ["retract"] * 3 + ["cancel_bids"] + ["lower"] * 3
KINDS += ["block", "buy", "junk", "end_early", "cancel", "close"]


def moves(seed: int, count: int) -> list[Move]:
    """Seeded rather than drawn one by one: histories of drawn moves stay short and end early."""
    chance = Random(seed)
    return [
        Move(
            kind=chance.choice(KINDS),
            who=chance.choice(PEOPLE),
            anchor=chance.choice(ANCHORS),
            offset=chance.choice([0, 0, 1, -1, 100, 501, 2_000]),
            spread=chance.choice([0, 1, 300, 4_000]),
            delay=chance.choice([*DELAYS, None]),
            before_end=chance.choice(BEFORE_END),
        )
        for _ in range(count)
    ]


def amount(auction: Open, move: Move) -> int:
    lead, terms = auction.lead, auction.terms
    anchors = {
        "minimum": minimum_next(lead, terms),
        "maximum": lead.maximum if lead else terms.start_price,
        "reserve": auction.reserve or terms.start_price,
        "buy_now": terms.buy_now.price if terms.buy_now else 150_00,
    }
    return anchors[move.anchor] + move.offset


def said(auction: Open, move: Move) -> AuctionCommand:
    price, who = amount(auction, move), move.who
    match move.kind:
        case "plain":
            return bid(who, price, confirmed=move.spread > 0)
        case "proxy":
            return proxy(who, price, confirmed=move.spread > 0)
        case "both":
            return bid(who, price, max_amount=price + move.spread, limit=200_00)
        case "retract":
            return retract(who)
        case "block":
            return block(who)
        case "cancel_bids":
            return block(who, by=PLATFORM if move.spread else SAM, cancel_bids=True)
        case "lower":
            step = auction.terms.increments.step(auction.reserve or 1)
            return lower_reserve(max(0, (auction.reserve or 0) - step - move.spread))
        case "buy":
            return buy(who)
        case "junk":
            return bid(who, 0)
        case "end_early":
            return sell_early() if move.spread else call_off(reason="lost" if move.offset else None)
        case "cancel":
            return cancel(by=PLATFORM if (move.spread, move.offset) == (300, 1) else SAM)
        case _:
            return close()


def later(auction: Open, move: Move, at: int) -> int:
    """Now and then a leap to just before the end, and past it only to close: most of what comes late is dull."""
    if move.kind == "close" and move.spread == 0:
        return max(at, auction.end)
    soon = at + move.delay if move.delay is not None else max(at, auction.end - move.before_end)
    return max(at, min(soon, auction.end - 1))


def played(config: dict[str, Any], told: list[Move]) -> list[Step]:
    auction: Auction = UNOPENED
    standing: Standing = {}
    steps: list[Step] = []
    at = NOON
    for move in [None, *told]:
        if len(steps) > 3 and not isinstance(steps[-3].before, Open):
            break
        command: AuctionCommand
        if not isinstance(auction, Open) or move is None:
            command = opening(**config) if move is None else bid(move.who, 50_00)
        else:
            at = later(auction, move, at)
            command = said(auction, move)
        held = standing if needs_history(command) else None
        outcome, after = judge(auction, command, at, standing=held)
        for event in outcome.events:
            fold_standing(standing, event)
        steps.append(Step(command, at, outcome, auction, after, list(standing.values())))
        auction = after
    assert not isinstance(auction, Unopened)
    return steps


HISTORIES = st.builds(played, configs(), st.builds(moves, st.integers(0, 2**32), st.integers(20, 80)))
tried = settings(max_examples=120, deadline=None, derandomize=True)


def events_of(steps: list[Step]) -> list[AuctionEvent]:
    return [event for step in steps for event in step.outcome.events]


def lead_of(auction: Auction) -> Lead | None:
    return None if isinstance(auction, Unopened) else getattr(auction, "lead", None)


@tried
@over(HISTORIES)
def test_the_price_falls_only_where_bids_are_taken_back(steps: list[Step]) -> None:
    for step in steps:
        was, now = lead_of(step.before), lead_of(step.after)
        if any(isinstance(event, PriceRecomputed) for event in step.outcome.events):
            assert now is None or (was is not None and now.price <= was.price)
        elif was is not None:
            assert now is not None
            assert now.price >= was.price


@tried
@over(HISTORIES)
def test_the_leader_holds_the_highest_maximum_and_of_equals_the_earliest(steps: list[Step]) -> None:
    for step in steps:
        if not isinstance(step.after, Open) or step.after.lead is None:
            continue
        lead = step.after.lead
        best: dict[str, tuple[int, int]] = {}
        for held in step.standing:
            if held.bidder not in best or held.maximum > -best[held.bidder][0]:
                best[held.bidder] = (-held.maximum, held.seq)
        first = min(best, key=lambda bidder: best[bidder])
        assert (lead.bidder, lead.maximum) == (first, -best[first][0])
        assert lead.price <= lead.maximum
        assert all(-top <= lead.price for bidder, (top, _) in best.items() if bidder != lead.bidder)


@tried
@over(HISTORIES)
def test_folding_the_standing_bids_anew_gives_price_leader_maximum_and_count(steps: list[Step]) -> None:
    for step in steps:
        if isinstance(step.after, Open):
            assert fold(step.standing, step.after.terms, step.after.reserve) == step.after.lead
            assert sum(held.counted for held in step.standing) == step.after.bid_count


@tried
@over(HISTORIES)
def test_leaving_out_what_was_refused_changes_no_other_answer(steps: list[Step]) -> None:
    auction: Auction = UNOPENED
    standing: Standing = {}
    for step in steps:
        if step.outcome.answer.outcome == "refused":
            continue
        held = standing if needs_history(step.command) else None
        outcome, auction = judge(auction, step.command, step.at, standing=held)
        for event in outcome.events:
            fold_standing(standing, event)
        assert outcome.answer == step.outcome.answer
    auction = advance(auction, steps[-1].at)
    assert public_state(auction) == public_state(advance(steps[-1].after, steps[-1].at))


@tried
@over(HISTORIES)
def test_the_end_never_falls_and_an_auction_ends_once(steps: list[Step]) -> None:
    ends = [step.after.end for step in steps if isinstance(step.after, Open | Ended | Cancelled)]
    events = events_of(steps)
    last = [type(event) for event in events].index(AuctionEnded) if isinstance(steps[-1].after, Ended) else None

    assert ends == sorted(ends)
    assert sum(isinstance(event, AuctionEnded) for event in events) == (not isinstance(steps[-1].after, Open))
    if last is not None:
        assert {type(event) for event in events[last + 1 :]} <= {BidRefused}


@tried
@over(HISTORIES)
def test_what_everyone_sees_is_enough_to_know_the_public_state(steps: list[Step]) -> None:
    seen: dict[str, Any] = {"price": None, "leader": None, "bidCount": 0, "status": "live"}
    for step in steps:
        for event in step.outcome.events:
            if is_public(event):
                watch(seen, public(event))
        state = public_state(step.after)
        assert state is not None
        if state["status"] == "scheduled":
            assert step.at < seen["start"]
            state["status"] = "live"
        assert {name: seen[name] for name in state if name != "reserveMet"} == {
            name: value for name, value in state.items() if name != "reserveMet"
        }


def watch(seen: dict[str, Any], event: dict[str, Any]) -> None:
    """Section 13, last sentence: one who knows nothing but the public events."""
    data = event["data"]
    match event["type"]:
        case "AuctionCreated":
            seen["start"], seen["end"] = data["startTime"], data["endTime"]
        case "AuctionExtended":
            seen["end"] = data["endTime"]
        case "BidPlaced":
            seen["bidCount"] += not data["automatic"]
            if data["isWinning"]:
                seen["price"], seen["leader"] = data["amount"], data["bidder"]
        case "PriceRecomputed":
            seen["price"], seen["leader"], seen["bidCount"] = data["price"], data["leader"], data["bidCount"]
        case "AuctionEnded":
            seen["status"] = "cancelled" if data["outcome"] == "cancelled" else "ended"
            if data["outcome"] == "sold_buy_now":
                seen["price"], seen["leader"] = data["finalPrice"], data["winner"]


@tried
@over(HISTORIES)
def test_the_log_alone_gives_the_state_and_the_standing_bids(steps: list[Step]) -> None:
    auction: Auction = UNOPENED
    for step in steps:
        for event in from_facts(to_facts(step.outcome.events)):
            auction = evolve(auction, event)
        auction = advance(auction, step.at)  # The log keeps the time of commands without events, too.
        assert auction == step.after
    assert list(standing_bids(events_of(steps)).values()) == steps[-1].standing


@tried
@over(HISTORIES)
def test_every_state_can_be_kept_and_restored(steps: list[Step]) -> None:
    for step in steps:
        assert restore(snapshot(step.after)) == step.after


@tried
@over(HISTORIES)
def test_sequences_have_no_gap_and_the_last_public_one_is_known(steps: list[Step]) -> None:
    events = events_of(steps)

    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    after = steps[-1].after
    assert isinstance(after, Open | Ended | Cancelled)
    assert after.seq == len(events)
    assert after.public_seq == max(event.seq for event in events if is_public(event))


@tried
@over(HISTORIES)
def test_what_everyone_sees_never_shows_an_amount_above_the_price(steps: list[Step]) -> None:
    for step in steps:
        lead = lead_of(step.after)
        shown = [public(event)["data"].get("amount", 0) for event in step.outcome.events]
        assert all(lead is not None and amount <= lead.price for amount in shown if amount)


@tried
@over(HISTORIES)
def test_taking_bids_back_never_moves_the_end_and_names_the_bids_that_went(steps: list[Step]) -> None:
    before: set[int] = set()
    for step in steps:
        for event in step.outcome.events:
            if isinstance(event, BidRetracted):
                assert isinstance(step.before, Open)
                assert isinstance(step.after, Open)
                assert step.after.end == step.before.end
                assert before - {held.seq for held in step.standing} == set(event.bid_seqs)
        before = {held.seq for held in step.standing}


def test_the_random_histories_reach_what_they_are_meant_to_reach() -> None:
    reached: set[str] = set()

    @settings(max_examples=300, deadline=None, derandomize=True, database=None)
    @over(HISTORIES)
    def look(steps: list[Step]) -> None:
        reached.update(step.outcome.answer.code for step in steps)
        reached.update(type(event).__name__ for step in steps for event in step.outcome.events)

    look()

    assert reached >= {
        "leading",
        "outbid",
        "maximum_raised",
        "bought",
        "retracted",
        "ended",
        "cancelled",
        "reserve_lowered",
        "blocked",
        "below_minimum",
        "not_above_own_maximum",
        "confirmation_required",
        "has_qualifying_bid",
        "too_late_to_retract",
        "AuctionExtended",
        "AuctionEnded",
        "PriceRecomputed",
    }
