"""What sockets were told: the public events in their order, none twice and none missing, up to the last one."""

from collections.abc import Iterator

from schemas.pseudonym import pseudonym
from tests.faults.history import History, Json, Watched, read
from tests.faults.shown import folded
from tests.faults.told import is_public

FRAMES = {
    "AuctionCreated": "auction_created",
    "AuctionUpdated": "auction_updated",
    "BidPlaced": "bid_placed",
    "AuctionExtended": "auction_extended",
    "BidRetracted": "bid_retracted",
    "PriceRecomputed": "price_recomputed",
    "ReserveLowered": "reserve_lowered",
    "AuctionCancelled": "auction_cancelled",
    "AuctionEnded": "auction_ended",
}
PEOPLE = ("bidderId", "leaderId", "winnerId")
NEVER_SHOWN = ("maxAmount", "maximum", "reservePrice", "outbidBidderId")


def wrong(history: History) -> Iterator[str]:
    """What is wrong with what the sockets were told."""
    expected: dict[str, dict[int, Json]] = {}
    for watched in history.watched:
        rows = history.log.get(watched.auction_id)
        if rows is None:
            yield f"{watched.who} watched {watched.auction_id}, which has no events"
            continue
        if watched.auction_id not in expected:
            events = [read(envelope) for row in rows for envelope in row.events]
            expected[watched.auction_id] = {event["sequence"]: event for event in events if is_public(event)}
        yield from _transcript(watched, expected[watched.auction_id], history)
        last = folded(rows)["publicSeq"]
        told = max((frame["seq"] for frame in watched.frames), default=0)
        if told != last:
            yield f"{watched.who}: the last it heard of {watched.auction_id} is {told}, the last event is {last}"


def _transcript(watched: Watched, events: dict[int, Json], history: History) -> Iterator[str]:
    before = 0
    for frame, text in zip(watched.frames, watched.texts, strict=True):
        name = f"{watched.who}: {frame['event']} {frame['seq']} of {watched.auction_id}"
        if frame["event"] == "snapshot":
            if frame["seq"] < before:
                yield f"{name} comes after {before}"
        elif frame["event"] != "resumed":
            if frame["prevSeq"] != before:
                yield f"{name} says that it follows {frame['prevSeq']}, but {before} came before it"
            yield from _as_logged(name, frame, events.get(frame["seq"]), history)
        if any(f'"{word}"' in text for word in NEVER_SHOWN):
            yield f"{name} shows what is hidden"
        before = max(before, frame["seq"])


def _as_logged(name: str, frame: Json, event: Json | None, history: History) -> Iterator[str]:
    if event is None or FRAMES[event["eventType"]] != frame["event"]:
        yield f"{name}: there is no such event"
        return
    data = event["data"]
    for field, value in frame["data"].items():
        logged = data.get(field)
        if field in PEOPLE and logged is not None:
            logged = pseudonym(history.pseudonym_key, data["auctionId"], logged)
        if value != logged:
            yield f"{name} shows {field} {value!r}, the event says {logged!r}"
    if event.get("previousPublicSequence") != frame["prevSeq"]:
        yield f"{name} follows {frame['prevSeq']}, its event {event.get('previousPublicSequence')}"
