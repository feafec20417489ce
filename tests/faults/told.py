"""What stands on the events topic is what was logged: all of it, in its order, byte for byte, and nothing else."""

import re
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from uuid import UUID, uuid5

from tests.faults.history import History, Json, Record, Row, minor, read

PRIVATE = {"BidRefused", "MaximumRaised", "BidderBlocked"}
MONEY = re.compile(
    rb'"(amount|previousAmount|minimumNextBid|finalPrice|startingPrice|price|minimum|buyNowPrice|cost)":'
)
EXACT = re.compile(rb"(?:null|(?:0|[1-9]\d{0,7})(?:\.\d{1,2})?)[,}\]]")


def wrong(history: History, *, settled: bool) -> Iterator[str]:
    """What is wrong between the log and the events topic."""
    for aggregate, rows in history.log.items():
        yield from _numbered(aggregate, rows)
        if aggregate in history.auctions:
            yield from _public_chain(aggregate, rows)
    yield from _on_the_topic(history, settled=settled)


def _numbered(auction_id: str, rows: list[Row]) -> Iterator[str]:
    last = 0
    for row in rows:
        told = [read(event) for event in row.events]
        numbers = [event["sequence"] for event in told]
        if numbers != list(range(last + 1, last + 1 + len(numbers))):
            yield f"{auction_id}: after event {last} the log has {numbers}"
        if (row.first_seq, row.last_seq) != (numbers[0], numbers[-1]):
            yield f"{auction_id}: the row of {row.place} says {row.first_seq}..{row.last_seq}, but holds {numbers}"
        for event in told:
            if event["eventId"] != str(uuid5(UUID(auction_id), str(event["sequence"]))):
                yield f"{auction_id}: event {event['sequence']} has an id of its own"
            if event["data"].get("auctionId", auction_id) != auction_id:
                yield f"{auction_id}: event {event['sequence']} speaks of another auction"
        for envelope in row.events:
            yield from _exact_money(auction_id, envelope)
        last = numbers[-1]


def _exact_money(auction_id: str, envelope: bytes) -> Iterator[str]:
    for found in MONEY.finditer(envelope):
        if EXACT.match(envelope, found.end()) is None:
            text = envelope[found.start() : found.end() + 24].decode()
            yield f"{auction_id}: an amount is not exact: {text}"


def is_public(event: Json) -> bool:
    return event["eventType"] not in PRIVATE and event["data"].get("draft") is not True


def _public_chain(auction_id: str, rows: list[Row]) -> Iterator[str]:
    last = 0
    price = 0
    for row in rows:
        for envelope in row.events:
            event = read(envelope)
            if event.get("previousPublicSequence") != last:
                yield (
                    f"{auction_id}: event {event['sequence']} says that {event.get('previousPublicSequence')} "
                    f"was the public one before it, not {last}"
                )
            if is_public(event):
                last = event["sequence"]
            now = _price(event)
            if now is not None and now < price and event["eventType"] != "PriceRecomputed":
                yield f"{auction_id}: event {event['sequence']} lowers the price from {price} to {now}"
            price = price if now is None else now


def _price(event: Json) -> int | None:
    match event["eventType"]:
        case "BidPlaced" if event["data"]["isWinning"]:
            return minor(event["data"]["amount"])
        case "PriceRecomputed":
            return minor(event["data"]["price"] or Decimal(0))
        case _:
            return None


def _on_the_topic(history: History, *, settled: bool) -> Iterator[str]:
    logged = {
        (auction_id, read(envelope)["sequence"]): (row, envelope)
        for auction_id, rows in history.log.items()
        for row in rows
        for envelope in row.events
    }
    latest: dict[str, int] = defaultdict(int)
    seen: set[tuple[str, int]] = set()
    for record in history.events:
        told = read(record.value)
        place = (record.key, told["sequence"])
        if place not in logged:
            yield f"{record.key}: event {told['sequence']} ({told['eventType']}) is on the topic, but not in the log"
            continue
        row, envelope = logged[place]
        yield from _as_logged(record, told, row, envelope)
        if told["sequence"] > latest[record.key] + 1:
            yield f"{record.key}: on the topic {told['sequence']} follows {latest[record.key]}"
        latest[record.key] = max(latest[record.key], told["sequence"])
        seen.add(place)
    if settled:
        for auction_id, sequence in sorted(logged.keys() - seen):
            yield f"{auction_id}: event {sequence} is in the log, but was never told"


def _as_logged(record: Record, told: Json, row: Row, envelope: bytes) -> Iterator[str]:
    name = f"{record.key}: event {told['sequence']}"
    if record.value != envelope:
        yield f"{name} reads otherwise on the topic than in the log"
    if record.partition != row.partition:
        yield f"{name} is in partition {record.partition}, its command in {row.partition}"
    if record.headers.get("ce_id", b"").decode() != told["eventId"]:
        yield f"{name} has the headers of another event"
    if record.headers.get("causation-id", b"").decode() != read(row.reply)["commandId"]:
        yield f"{name} names another command as its cause"
