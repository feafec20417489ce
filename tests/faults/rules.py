"""The rules of the auction held against what was decided: each command is judged again, by the umpire, at its own time.

Beside it the invariants of RULES section 13 that need no second judge, so that a mistake of the umpire hides none of them.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from tests.faults.history import History, Json, Record, Row, id_of, minor, read
from tests.faults.umpire import PLATFORM, Said, Umpire

OURS = ("not_allowed", "account_suspended")
"""Reasons that follow from roles and accounts, which the umpire does not know."""
TIMES = ("endTime", "startTime")
AMOUNTS = ("amount", "previousAmount", "finalPrice", "price", "minimum", "startingPrice")
NAMES = {"bidderId": "bidder", "winnerId": "winner", "leaderId": "leader", "sellerId": "seller"}


CLOSED_WITHIN_MS = 5_000
"""How long after its end an auction may still wait for the clock, when all is settled."""


def wrong(history: History, *, settled: bool) -> Iterator[str]:
    """What was decided against the rules."""
    tables: dict[str, _Table] = {}
    for row in history.rows:
        record = history.command_at.get(row.place)
        if record is None or id_of(record) is None:
            continue
        table = tables.setdefault(row.aggregate, _Table(row.aggregate))
        yield from table.take(row, record)
    for auction_id, rows in history.log.items():
        yield from _ended_once(auction_id, rows)
    if settled:
        for auction_id, table in tables.items():
            yield from table.forgotten(auction_id, history.at_ms)


def _ended_once(auction_id: str, rows: list[Row]) -> Iterator[str]:
    """C8: one AuctionEnded, and after it only BidRefused. No extension moves the end back (C2)."""
    ended = False
    end = ""
    for row in rows:
        for event in map(read, row.events):
            kind = event["eventType"]
            if ended and kind != "BidRefused":
                yield f"{auction_id}: {kind} after the auction had ended"
            ended = ended or kind == "AuctionEnded"
            if kind == "AuctionExtended" and event["data"]["endTime"] <= end:
                yield f"{auction_id}: an extension moves the end from {end} to {event['data']['endTime']}"
            end = event["data"].get("endTime") or end


class _Table:
    """One auction judged again."""

    def __init__(self, auction_id: str) -> None:
        self._auction_id = auction_id
        self._umpire: Umpire | None = None
        self._has_draft = False

    def take(self, row: Row, record: Record) -> Iterator[str]:
        """Judge the command of a row and compare."""
        data, reply = read(record.value)["data"], read(row.reply)
        if data.get("draft") or self._has_draft:
            self._has_draft = True  # The umpire knows the rules' auctions only.
            return
        if self._umpire is None:
            if row.command_type != "CreateAuction" or reply["outcome"] != "accepted":
                if reply["outcome"] == "accepted":
                    yield f"{self._name(row)} was accepted, though there is no auction"
                return
            self._umpire = Umpire.open(_config(data, row), row.at_ms)
            return
        if reply["code"] in OURS and reply["outcome"] == "refused":
            self._umpire.clock = max(self._umpire.clock, row.at_ms)
            return
        conflict = row.command_id != id_of(record)
        yield from self._late(row, reply)
        said = self._umpire.ask(_command(row, record, data), row.at_ms, conflict=conflict)
        yield from self._compare(row, reply, said)

    def forgotten(self, auction_id: str, now_ms: int) -> Iterator[str]:
        """C6: an end comes by itself."""
        umpire = self._umpire
        if umpire is not None and umpire.status == "open" and umpire.end + CLOSED_WITHIN_MS < now_ms:
            yield f"{auction_id}: its end has passed, and nobody closed it"

    def _late(self, row: Row, reply: Json) -> Iterator[str]:
        """T3, apart from the umpire's own judgement."""
        assert self._umpire is not None
        is_bid = row.command_type in ("PlaceBid", "BuyNow")
        if is_bid and reply["outcome"] == "accepted" and not self._umpire.start <= row.at_ms < self._umpire.end:
            yield f"{self._name(row)} was accepted at {row.at_ms}, the end was {self._umpire.end}"

    def _compare(self, row: Row, reply: Json, said: Said) -> Iterator[str]:
        if (reply["outcome"], reply["code"]) != (said.outcome, said.code):
            yield f"{self._name(row)}: decided {reply['outcome']} {reply['code']}, the rules say {said.outcome} {said.code}"
        answer = reply["answer"]
        if said.minimum is not None and minor(answer.get("minimum")) != said.minimum:
            yield f"{self._name(row)}: told a minimum of {answer.get('minimum')}, the rules say {said.minimum}"
        if said.price is not None and minor(answer.get("currentBid")) != said.price:
            yield f"{self._name(row)}: told a price of {answer.get('currentBid')}, the rules say {said.price}"
        told = [(event["eventType"], _shown(event["data"])) for event in map(read, row.events)]
        if [kind for kind, _ in told] != [kind for kind, _ in said.events]:
            yield f"{self._name(row)}: the log has {[kind for kind, _ in told]}, the rules say {[kind for kind, _ in said.events]}"
            return
        for (kind, data), (_, expected) in zip(told, said.events, strict=True):
            differs = {name: (data.get(name), value) for name, value in expected.items() if data.get(name) != value}
            if differs:
                yield f"{self._name(row)}: {kind} (logged, by the rules): {differs}"
        yield from self._invariants(row, told)

    def _invariants(self, row: Row, told: list[tuple[str, Json]]) -> Iterator[str]:
        """P <= M, every other maximum <= P, and the highest standing maximum leads, of equals the earliest."""
        umpire = self._umpire
        assert umpire is not None
        if umpire.lead is None or umpire.status != "open":
            return
        winning = [data for kind, data in told if kind == "BidPlaced" and data["isWinning"] and data["amount"]]
        if winning and winning[-1]["amount"] > umpire.lead.maximum:
            yield f"{self._name(row)}: the price {winning[-1]['amount']} is above the leader's maximum"
        best = max(umpire.standing, key=lambda bid: bid.maximum)
        if winning and winning[-1]["bidder"] != best.bidder:
            yield f"{self._name(row)}: {winning[-1]['bidder']} leads, but {best.bidder} had the highest maximum first"

    def _name(self, row: Row) -> str:
        return f"{self._auction_id}: {row.command_type} at {row.place}"


def _shown(data: Json) -> Json:
    """An event's data under the names of the rules, amounts in minor units, times in ms."""
    shown: Json = {}
    for name, value in data.items():
        if name in AMOUNTS:
            value = None if value is None else minor(value)
        elif name in TIMES:
            value = _ms(value)
        shown[NAMES.get(name, name)] = value
    return shown


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _config(data: Json, row: Row) -> Json:
    start = _ms(data["startTime"]) if data.get("startTime") else row.at_ms
    closing = {name: value for name, value in (data.get("closing") or {}).items() if value is not None}
    for name in ("window", "extension", "counterBidTime"):
        if name in closing:
            closing[name] *= 1000
    if "hardStop" in closing:
        closing["hardStop"] = _ms(closing["hardStop"])
    currency = data.get("currency") or "USD"
    buy_now = minor(data.get("buyNowPrice"))
    return {
        "seller": row.actor,
        "currency": currency,
        "startPrice": minor(data["startingPrice"]),
        "start": start,
        "end": start + data["duration"] * 1000,
        "incrementTable": data.get("increments") or {"USD": "EBAY-US", "GBP": "EBAY-UK"}.get(currency, "FLAT-1"),
        "reserve": minor(data.get("reservePrice")),
        "reservePolicy": data.get("reservePolicy"),
        "reserveLowering": data.get("reserveLowering"),
        "closing": closing or None,
        "buyNow": None if buy_now is None else {"price": buy_now, "maxPolicy": data.get("buyNowPolicy")},
        "retraction": data.get("retraction"),
        "sellerMayStop": data.get("sellerMayStop"),
        "confirmFactor": data.get("confirmFactor"),
        "blocked": data.get("blocked"),
    }


def _command(row: Row, record: Record, data: Json) -> Json:
    """A command as the rules' vectors write it."""
    actor = read(record.headers["actor"])
    by = PLATFORM if "admin" in actor["roles"] else actor["id"]
    common: dict[str, Any] = {"deadline": int(record.headers["deadline"]) if "deadline" in record.headers else None}
    match row.command_type:
        case "PlaceBid":
            amounts = {name: minor(data[name]) for name in ("amount", "maxAmount") if data.get(name) is not None}
            common |= {"type": "bid", "bidder": actor["id"], **amounts}
            return common | {"currency": data.get("currency"), "confirmed": data.get("confirmed")}
        case "BuyNow":
            return common | {"type": "buy_now", "bidder": actor["id"], "currency": data.get("currency")}
        case "RetractBid":
            return common | {"type": "retract", "bidder": actor["id"], "reason": data["reason"]}
        case "CloseAuction":
            return common | {"type": "close"}
        case "EndAuction":
            return common | {"type": "end_early", "by": actor["id"], **data}
        case "CancelAuction":
            return common | {"type": "cancel", "by": by, "reason": data["reason"]}
        case "LowerReserve":
            return common | {"type": "lower_reserve", "by": actor["id"], "reserve": minor(data["reservePrice"])}
        case "BlockBidder":
            bidder, with_bids = data["bidderId"], data.get("cancelBids")
            return common | {"type": "block_bidder", "by": by, "bidder": bidder, "cancelBids": with_bids}
        case "CreateAuction":
            return {"type": "open"}
        case other:
            return {"type": other}
