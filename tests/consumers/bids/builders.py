"""A good example of every auction command, and a story told with them."""

from dataclasses import dataclass, field
from typing import Any

from consumers.bids.auction import UNOPENED, Auction, Open
from consumers.bids.commands import (
    PLATFORM,
    Answer,
    AuctionCommand,
    BlockBidder,
    BuyNow,
    CancelAuction,
    CloseAuction,
    EndEarly,
    LowerReserve,
    OpenAuction,
    PlaceBid,
    PublishAuction,
    Remembered,
    Retract,
    UpdateAuction,
)
from consumers.bids.decide import judge, needs_history
from consumers.bids.events import AuctionEvent
from consumers.bids.offer import Config
from consumers.bids.outcome import Outcome
from consumers.bids.standing import Standing, fold_standing

SAM = "sam"  # sells
ANNA, BEN, CLEO = "anna", "ben", "cleo"  # bid
NOON = 1_700_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR
END = NOON + 7 * DAY
LAMP = {"title": "Brass lamp", "tags": ["brass"]}

__all__ = ["PLATFORM"]


def config(**changes: Any) -> Config:
    """A lamp from 10.00 on, for seven days from noon, in steps of eBay's US table."""
    return Config(**{"seller": SAM, "start_price": 10_00, "start": NOON, "end": END, **changes})


def opening(**changes: Any) -> OpenAuction:
    return OpenAuction(config=config(**changes), listing=LAMP)


def draft(**changes: Any) -> OpenAuction:
    changes = {"start": None, "end": None, "duration": 7 * DAY, **changes}
    return OpenAuction(config=config(**changes), listing=LAMP, draft=True)


def publish(**times: Any) -> PublishAuction:
    return PublishAuction(by=SAM, **times)


def update(*, by: str = SAM, listing: Any = None, **changes: Any) -> UpdateAuction:
    return UpdateAuction(by=by, config=Config(**changes), listing=listing)


def bid(bidder: str, amount: Any = None, **more: Any) -> PlaceBid:
    return PlaceBid(bidder=bidder, amount=amount, **more)


def proxy(bidder: str, max_amount: Any, **more: Any) -> PlaceBid:
    return PlaceBid(bidder=bidder, max_amount=max_amount, **more)


def buy(bidder: str, **more: Any) -> BuyNow:
    return BuyNow(bidder=bidder, **more)


def retract(bidder: str, reason: str | None = "wrong_amount") -> Retract:
    return Retract(bidder=bidder, reason=reason)


def close() -> CloseAuction:
    return CloseAuction()


def sell_early(by: str = SAM) -> EndEarly:
    return EndEarly(by=by, mode="sell_to_high_bidder")


def call_off(by: str = SAM, reason: str | None = "lost") -> EndEarly:
    return EndEarly(by=by, mode="cancel", reason=reason)


def cancel(by: str = SAM, reason: str | None = "broken") -> CancelAuction:
    return CancelAuction(by=by, reason=reason)


def lower_reserve(reserve: Any, by: str = SAM) -> LowerReserve:
    return LowerReserve(by=by, reserve=reserve)


def block(bidder: str, *, by: str = SAM, cancel_bids: bool | None = None) -> BlockBidder:
    return BlockBidder(by=by, bidder=bidder, cancel_bids=cancel_bids)


@dataclass
class Story:
    """One auction with all that happened to it; every command comes a millisecond later unless told `at`."""

    auction: Auction = UNOPENED
    at: int = NOON - 1
    standing: Standing = field(default_factory=dict)
    events: list[AuctionEvent] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def ask(self, command: AuctionCommand, at: int | None = None, earlier: Remembered | None = None) -> Outcome:
        self.at = self.at + 1 if at is None else at
        standing = self.standing if needs_history(command) else None
        outcome, self.auction = judge(self.auction, command, self.at, standing=standing, earlier=earlier)
        for event in outcome.events:
            fold_standing(self.standing, event)
        self.events += outcome.events
        self.outcomes.append(outcome)
        return outcome

    def answer(self, command: AuctionCommand, at: int | None = None) -> Answer:
        return self.ask(command, at).answer

    def code(self, command: AuctionCommand, at: int | None = None) -> str:
        return self.ask(command, at).answer.code

    @property
    def open(self) -> Open:
        assert isinstance(self.auction, Open)
        return self.auction


def given(*commands: AuctionCommand) -> Story:
    """The story so far; every command of it was accepted."""
    story = Story()
    for command in commands:
        outcome = story.ask(command)
        assert outcome.answer.outcome == "accepted", (command, outcome.answer)
    return story
