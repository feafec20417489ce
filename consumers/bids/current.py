"""The current price of every auction as Redis shows it: how events move it, and how the whole of it is made anew.

    auction:<id>        hash: seq, publicSeq, status, price, leader, minimum, bidCount, reserveMet, startTime, endTime,
                        sellerId, currency, outcome, winner, finalPrice
    bids:<id>           sorted set: every BidPlaced, score = amount, member = <sequence, 12 digits>:<bidder>
    live-auctions       sorted set: open auctions by their end; scheduled-auctions: by their start, until that has come

Amounts in minor units, times in ms, "" for what is not there, reserveMet "1", "0" or "". `status` is draft, open, ended or
cancelled; an open one is scheduled before `startTime`. Bids that were taken back stay in `bids:<id>`, which says what was
placed, not what stands: the price in force is the hash's. After a purchase `minimum` and `reserveMet` stay as they were.
Nothing is decided from any of it.
"""

from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw
from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from consumers.bids.asked import minor
from consumers.runtime.inbox import ReadAs
from schemas.auction_terms import PRIVATE_EVENTS
from schemas.envelope import parse_time

ENDED_KEPT_S: Final = 24 * 3_600
"""How long the view of an auction outlives its end."""

LIVE: Final = "live-auctions"
SCHEDULED: Final = "scheduled-auctions"

_SCRIPT: Final = Path(__file__).with_name("view.lua").read_text()
_pack: Final = msgspec.msgpack.Encoder().encode
_ABSENT: Final = Raw()


class _Said(msgspec.Struct, frozen=True, rename="camel", gc=False):
    """Only what the view needs of an event; the rest is passed over."""


class AuctionCreated(_Said, frozen=True):
    seller_id: str
    starting_price: Raw
    currency: str = "USD"
    start_time: str | None = None
    end_time: str | None = None
    has_reserve: bool = False
    draft: bool = False


class AuctionUpdated(_Said, frozen=True):
    starting_price: Raw
    start_time: str | None = None
    end_time: str | None = None
    has_reserve: bool = False
    draft: bool = False


class BidPlaced(_Said, frozen=True):
    bidder_id: str
    amount: Raw
    is_winning: bool
    minimum_next_bid: Raw
    bid_count: int
    automatic: bool = False
    reserve_met: bool | None = None


class PriceRecomputed(_Said, frozen=True):
    bid_count: int
    minimum_next_bid: Raw
    leader_id: str | None = None
    price: Raw = _ABSENT
    reserve_met: bool | None = None


class AuctionExtended(_Said, frozen=True):
    end_time: str


class ReserveLowered(_Said, frozen=True):
    reserve_met: bool | None = None


class AuctionEnded(_Said, frozen=True):
    outcome: str
    winner_id: str | None = None
    final_price: Raw = _ABSENT


class AuctionCancelled(_Said, frozen=True):
    by: str


class Unseen(_Said, frozen=True):
    """An event that moves nothing but the sequence."""


READERS: Final = {
    name: ReadAs(globals().get(name, Unseen), refuses_nul=False)
    for name in (
        "AuctionCreated",
        "AuctionUpdated",
        "BidPlaced",
        "MaximumRaised",
        "BidRefused",
        "AuctionExtended",
        "AuctionEnded",
        "AuctionCancelled",
        "BidRetracted",
        "PriceRecomputed",
        "ReserveLowered",
        "BidderBlocked",
    )
}
"""Event type -> what reads its `data` for the view."""


class Seen(Protocol):
    """An event with its place in the auction's history; the runtime's Incoming is one."""

    @property
    def type(self) -> str: ...
    @property
    def sequence(self) -> int | None: ...
    @property
    def body(self) -> Any: ...


class Change:
    """What some consecutive events of one auction do to its view."""

    __slots__ = ("auction_id", "bids", "end", "fields", "first", "kept_s", "last", "placed", "start")

    def __init__(self, auction_id: str, first: int) -> None:
        self.auction_id = auction_id
        self.first = self.last = first
        self.fields: dict[str, str | int] = {}
        self.bids: dict[str, int] = {}
        self.placed = 0
        """Bids of people among them: those not placed by the system."""
        self.start: int | str = ""
        self.end: int | str = ""
        self.kept_s: int | str = ""

    def take(self, event: Seen) -> None:
        """Add the next event."""
        self.last = event.sequence or 0
        if event.type not in PRIVATE_EVENTS and not getattr(event.body, "draft", False):
            self.fields["publicSeq"] = self.last
        self._take(event.body)

    def _take(self, body: Any) -> None:
        fields = self.fields
        match body:
            case BidPlaced():
                amount = _amount(body.amount)
                self.bids[member(self.last, body.bidder_id)] = int(amount)
                self.placed += not body.automatic
                fields["bidCount"] = body.bid_count
                fields["minimum"] = _amount(body.minimum_next_bid)
                fields["reserveMet"] = _flag(body.reserve_met)
                if body.is_winning:
                    fields["price"], fields["leader"] = amount, body.bidder_id
            case PriceRecomputed():
                fields["price"], fields["leader"] = _amount(body.price), body.leader_id or ""
                fields["bidCount"] = body.bid_count
                fields["minimum"] = _amount(body.minimum_next_bid)
                fields["reserveMet"] = _flag(body.reserve_met)
            case AuctionExtended():
                self.end = fields["endTime"] = _time(body.end_time)
            case ReserveLowered():
                fields["reserveMet"] = _flag(body.reserve_met)
            case AuctionCreated():
                fields |= {"sellerId": body.seller_id, "currency": body.currency, "bidCount": 0}
                fields |= dict.fromkeys(("price", "leader", "outcome", "winner", "finalPrice"), "")
                fields.setdefault("publicSeq", 0)
                self._offered(body)
            case AuctionUpdated():
                self._offered(body)
            case AuctionCancelled():
                self._over("cancelled")
            case AuctionEnded():
                self._over("cancelled" if body.outcome == "cancelled" else "ended")
                fields["outcome"] = body.outcome
                fields["winner"], fields["finalPrice"] = body.winner_id or "", _amount(body.final_price)
                if body.outcome == "sold_buy_now":
                    fields["price"], fields["leader"] = fields["finalPrice"], fields["winner"]

    def _offered(self, body: AuctionCreated | AuctionUpdated) -> None:
        self.fields |= {
            "status": "draft" if body.draft else "open",
            "minimum": _amount(body.starting_price),
            "reserveMet": "0" if body.has_reserve else "",
            "startTime": _time(body.start_time),
            "endTime": _time(body.end_time),
        }
        if not body.draft:
            self.start, self.end = self.fields["startTime"], self.fields["endTime"]

    def _over(self, status: str) -> None:
        self.fields["status"] = status
        if status == "cancelled":
            self.fields["outcome"] = "cancelled"
        self.start, self.end, self.kept_s = "", "-", ENDED_KEPT_S


def member(sequence: int, bidder_id: str) -> str:
    """A bid in the sorted set; bids of one amount stand there in their order."""
    return f"{sequence:012d}:{bidder_id}"


def _amount(text: Raw) -> int | str:
    amount = minor(text)
    return "" if amount is None else amount


def _flag(met: bool | None) -> str:  # noqa: FBT001 - a value, not a switch
    return "" if met is None else "1" if met else "0"


def _time(text: str | None) -> int | str:
    return "" if text is None else parse_time(text)


def changes(events: Iterable[tuple[str, Seen]]) -> list[Change]:
    """The events of a batch by auction; an auction's events that do not follow each other make several changes."""
    made: list[Change] = []
    latest: dict[str, Change] = {}
    for auction_id, event in events:
        sequence = event.sequence or 0
        change = latest.get(auction_id)
        if change is None or sequence != change.last + 1:
            if change is not None and sequence <= change.last:
                continue  # The same event again within the batch.
            change = latest[auction_id] = Change(auction_id, sequence)
            made.append(change)
        change.take(event)
    return made


class View:
    """The view in Redis."""

    def __init__(self, redis: "Redis") -> None:
        self.redis = redis
        self._sha = ""

    async def move(self, made: Sequence[Change]) -> list[int]:
        """Apply changes by one pipeline: 1 moved, 0 known already, -1 something before it is missing, for each."""
        if not made:
            return []
        if not self._sha:
            self._sha = await self.redis.script_load(_SCRIPT)
        pipeline = self.redis.pipeline(transaction=False)
        for change in made:
            pipeline.evalsha(self._sha, 4, *_arguments(change))
        try:
            return list(await pipeline.execute())
        except NoScriptError:
            # Redis was started anew. What was applied before the error stays: applying it again changes nothing.
            self._sha = ""
            return await self.move(made)


def _arguments(change: Change) -> tuple[str, str, str, str, bytes]:
    fields = [*chain.from_iterable(change.fields.items())]
    bids = [*chain.from_iterable(zip(change.bids.values(), change.bids.keys(), strict=True))]
    # One argument: redis-py takes longer to write thirty than all else here.
    moved = _pack((change.first, change.last, change.auction_id, change.end, change.start, change.kept_s, fields, bids))
    return f"auction:{change.auction_id}", f"bids:{change.auction_id}", LIVE, SCHEDULED, moved
