"""An auction driven by commands as they stand on the topic, with the events as they are told and the rows that are kept."""

import json
from typing import Any, NamedTuple
from uuid import UUID

from consumers.bids import asked
from consumers.bids.asked import READERS
from consumers.bids.auction import UNOPENED, Auction, evolve
from consumers.bids.commands import AuctionCommand
from consumers.bids.decide import decide, needs_history
from consumers.bids.listing import Listing, listing_of
from consumers.bids.meant import command_of
from consumers.bids.standing import Standing, fold_standing
from consumers.bids.store import write_facts
from consumers.bids.told import tell
from consumers.runtime import Actor, OutEvent

AUCTION = UUID("0193b3f0-1111-7000-8000-000000000001")
SAM = Actor("0193b3f0-0000-7000-8000-00000000005a", ("buyer", "seller"))
ANNA = Actor("0193b3f0-0000-7000-8000-00000000000a", ("buyer",))
BEN = Actor("0193b3f0-0000-7000-8000-00000000000b", ("buyer",))
ADMIN = Actor("0193b3f0-0000-7000-8000-0000000000ad", ("buyer", "admin"))
CLOCK = Actor("clock", ("system",))
NOON = 1_700_000_000_000
HOUR = 3_600_000


class Row(NamedTuple):
    """What the log keeps of one command."""

    first_seq: int
    last_seq: int
    events: list[bytes]
    facts: bytes


class Story:
    """One auction from its first command on."""

    def __init__(self) -> None:
        self.auction: Auction = UNOPENED
        self.listing: Listing | None = None
        self.told: list[OutEvent] = []
        self.codes: list[str] = []
        self.rows: list[Row] = []
        self._standing: Standing = {}

    def say(self, kind: str, data: str, by: Actor, at_ms: int) -> list[OutEvent]:
        body = READERS[kind](data.encode())
        command: AuctionCommand = command_of(
            body,
            actor=by,
            auction=self.auction,
            listing=self.listing,
            at_ms=at_ms,
            deadline=None,
            suspended=False,
        )
        standing = self._standing if needs_history(command) else None
        outcome = decide(self.auction, command, at_ms, standing=standing)
        self.codes.append(outcome.answer.code)
        new = []
        for event in outcome.events:
            before, self.auction = self.auction, evolve(self.auction, event)
            fold_standing(self._standing, event)
            kept = getattr(event, "listing", None)
            self.listing = self.listing if kept is None else listing_of(kept)
            message = body.message if isinstance(body, asked.PlaceBid) else None
            new.append(tell(AUCTION, event, before, self.auction, self.listing, message))
        self.told += new
        if new:
            values = [one.value for one in new]
            self.rows.append(Row(new[0].sequence, new[-1].sequence, values, write_facts(outcome.events)))
        return new


def lamp(**changes: Any) -> str:
    return json.dumps({"title": "Brass lamp", "startingPrice": 10.5, "duration": 172_800, **changes})


def whole_story() -> Story:
    """Every kind of event, in two lives of an auction."""
    story = Story()
    story.say(
        "CreateAuction",
        lamp(draft=True, reservePrice=60, buyNowPrice=500, closing={"mode": "soft", "window": 300}),
        SAM,
        NOON,
    )
    story.say("UpdateAuction", '{"title":"Brass lamp, 1920","shippingInfo":{"cost":5.10,"method":"post"}}', SAM, NOON)
    story.say("PublishAuction", "{}", SAM, NOON)
    story.say("UpdateAuction", '{"reservePrice":70.00}', SAM, NOON)
    story.say("LowerReserve", '{"reservePrice":50}', SAM, NOON)
    story.say("PlaceBid", '{"amount":10.50,"message":"a \\"fine\\" lamp"}', ANNA, NOON + 1)
    story.say("PlaceBid", '{"maxAmount":30.33}', BEN, NOON + 2)
    story.say("PlaceBid", '{"maxAmount":30.34}', BEN, NOON + 3)
    story.say("PlaceBid", '{"amount":11}', ANNA, NOON + 4)
    story.say("PlaceBid", '{"amount":25}', ANNA, NOON + 5)
    story.say("BlockBidder", json.dumps({"bidderId": BEN.id, "cancelBids": True}), ADMIN, NOON + 6)
    story.say("PlaceBid", '{"amount":55}', ANNA, NOON + 172_800_000 - 1)
    story.say("CloseAuction", '{"endTime":"2023-11-16T22:18:20.000Z"}', CLOCK, NOON + 172_800_000 + 300_000)
    return story
