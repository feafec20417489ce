"""What is shown is what was logged: the rows of auctions and the view in Redis, held against the public events alone."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.faults.history import History, Json, Row, minor, read
from tests.faults.told import is_public


def wrong(history: History) -> Iterator[str]:
    """What is wrong with the rows of auctions and their view."""
    for auction_id, rows in history.log.items():
        expected = folded(rows)
        yield from _row(auction_id, expected, history.auctions.get(auction_id))
        if history.has_views:
            yield from _view(auction_id, expected, history.hashes.get(auction_id, {}), history.bids.get(auction_id, {}))


def folded(rows: list[Row]) -> Json:
    """An auction as its public events leave it (RULES section 13, last sentence); amounts in minor units, times in ms."""
    state: Json = {"price": None, "leader": None, "bidCount": 0, "status": "open", "outcome": None, "publicSeq": 0}
    state |= {"seq": 0, "bids": {}, "winner": None, "finalPrice": None}
    for row in rows:
        for envelope in row.events:
            event = read(envelope)
            state["seq"] = event["sequence"]
            if is_public(event):
                state["publicSeq"] = event["sequence"]
                _fold(state, event["eventType"], event["data"])
    return state


def _fold(state: Json, kind: str, data: Json) -> None:
    match kind:
        case "AuctionCreated" | "AuctionUpdated":
            state |= {"endTime": _ms(data["endTime"]), "startTime": _ms(data["startTime"]), "seller": data["sellerId"]}
            state["minimum"] = minor(data["startingPrice"])
        case "BidPlaced":
            state["bids"][f"{state['seq']:012d}:{data['bidderId']}"] = minor(data["amount"])
            state["bidCount"] += not data["automatic"]
            state["minimum"] = minor(data["minimumNextBid"])
            if data["isWinning"]:
                state["price"], state["leader"] = minor(data["amount"]), data["bidderId"]
        case "PriceRecomputed":
            state["price"] = None if data["price"] is None else minor(data["price"])
            state["leader"], state["bidCount"] = data["leaderId"], data["bidCount"]
            state["minimum"] = minor(data["minimumNextBid"])
        case "AuctionExtended":
            state["endTime"] = _ms(data["endTime"])
        case "AuctionEnded":
            state["outcome"] = data["outcome"]
            state["status"] = "cancelled" if data["outcome"] == "cancelled" else "ended"
            if data["outcome"] in ("sold", "sold_buy_now"):
                state["winner"], state["finalPrice"] = data["winnerId"], minor(data["finalPrice"])
                state["leader"], state["price"] = state["winner"], state["finalPrice"]


def _ms(text: str | None) -> int | None:
    return None if text is None else round(datetime.fromisoformat(text).timestamp() * 1000)


def _row(auction_id: str, expected: Json, row: Json | None) -> Iterator[str]:
    if row is None:
        yield f"{auction_id}: there is no row of the auction"
        return
    ends_at = None if row["ends_at"] is None else round(row["ends_at"].timestamp() * 1000)
    stored = {
        "seq": row["seq"],
        "publicSeq": row["public_seq"],
        "status": row["status"],
        "outcome": row["outcome"],
        "price": row["price"],
        "leader": None if row["leader_id"] is None else str(row["leader_id"]),
        "bidCount": row["bid_count"],
        "endTime": ends_at,
    }
    if expected["outcome"] != "sold_buy_now":
        stored["minimum"] = row["minimum_next"]
    for name, value in stored.items():
        if value != expected.get(name):
            yield f"{auction_id}: its row says {name} {value!r}, its events {expected.get(name)!r}"


def _view(auction_id: str, expected: Json, fields: dict[str, str], bids: dict[str, float]) -> Iterator[str]:
    if not fields:
        yield f"{auction_id}: Redis does not know it"
        return
    names = ["seq", "publicSeq", "status", "outcome", "price", "leader", "bidCount", "endTime", "winner", "finalPrice"]
    if expected["outcome"] != "sold_buy_now":
        names.append("minimum")
    for name in names:
        if fields.get(name, "") != _text(expected[name]):
            yield f"{auction_id}: Redis says {name} {fields.get(name)!r}, its events {_text(expected[name])!r}"
    for bid in sorted(bids.keys() | expected["bids"].keys()):
        if bids.get(bid) != expected["bids"].get(bid):
            yield f"{auction_id}: Redis has the bid {bid} at {bids.get(bid)}, its events at {expected['bids'].get(bid)}"


def _text(value: Any) -> str:
    return "" if value is None else str(value)
