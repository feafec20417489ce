"""A case of the vector file, asked step by step over HTTP: its letters are people, its amounts in major units."""

import asyncio
import json
import time
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import httpx

from compose.settings import Settings
from edge_api.tokens import Tokens
from schemas.envelope import parse_time, print_time, time_ms
from schemas.pseudonym import pseudonym
from tests.journeys.sample import Case, is_scheduled

PLATFORM = "@platform"
ROLES = {"S": ("buyer", "seller"), PLATFORM: ("buyer", "admin")}
DECIDED_WITHIN_S = 30
AS_IT_IS = {
    *("currency", "incrementTable", "reservePolicy", "reserveLowering", "retraction", "sellerMayStop", "confirmFactor"),
}
OFFERED = {"incrementTable": "increments"}
STARTS_IN_MS = 3_600_000
"""How far away the start of an auction lies that does not start in its case."""


class OverHttp:
    """One auction of its own, and the people of its case; a token is all that they need."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient, case: Case) -> None:
        self.case = case
        self.auction_id = ""
        self.base_ms = 0
        """What time 0 of the case is on the clock."""
        self._http = http
        self._tokens = Tokens(settings)
        self._pseudonym_key = settings.pseudonym_secret
        self._people: dict[str, UUID] = {}
        self._bids: dict[str, str] = {}

    async def step(self, command: dict[str, Any]) -> dict[str, Any]:
        """The answer and the public state after it, in the words of the vector file."""
        kind, who = command["type"], command.get("by") or command.get("bidder") or self.case["config"]["seller"]
        response = await self._ask(kind, who, command)
        said = read(response.content)
        if kind == "open":
            self._opened(said)
        elif kind == "bid" and response.status_code < 400:
            self._bids[who] = said["id"]
        return {"result": result_of(kind, response.status_code, said), "state": await self._state()}

    async def _ask(self, kind: str, who: str, command: dict[str, Any]) -> httpx.Response:
        auction = f"/auctions/{self.auction_id or uuid4()}"
        body: dict[str, Any]
        match kind:
            case "open":
                return await self._send("POST", "/auctions", who, command, self._offer())
            case "bid":
                body = {name: command[name] for name in ("currency", "confirmed") if name in command}
                body |= {name: major(command[name]) for name in ("amount", "maxAmount") if command.get(name)}
                return await self._send("POST", f"{auction}/bids", who, command, body)
            case "buy_now":
                body = {"currency": command["currency"]} if "currency" in command else {}
                return await self._send("POST", f"{auction}/buy-now", who, command, body)
            case "retract":
                bid = self._bids.setdefault(who, str(uuid4()))
                return await self._send("DELETE", f"{auction}/bids/{bid}", who, command, {"reason": command["reason"]})
            case "end_early":
                body = {name: command[name] for name in ("mode", "reason") if name in command}
                return await self._send("POST", f"{auction}/end", who, command, body)
            case "cancel":
                return await self._send("POST", f"{auction}/cancel", who, command, {"reason": command["reason"]})
            case "lower_reserve":
                body = {"reservePrice": major(command["reserve"])}
                return await self._send("PUT", f"{auction}/reserve", who, command, body)
            case "block_bidder":
                body = {"bidderId": str(self._id(command["bidder"])), "cancelBids": bool(command.get("cancelBids"))}
                return await self._send("POST", f"{auction}/blocked", who, command, body)
            case _:
                raise ValueError(f"{kind} has no route")

    async def _send(
        self, method: str, path: str, who: str, command: dict[str, Any], body: dict[str, Any]
    ) -> httpx.Response:
        token = self._tokens.make(self._id(who), ROLES.get(who, ("buyer",)), str(uuid4()), at=time.time())
        headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": command.get("key") or str(uuid4())}
        async with asyncio.timeout(DECIDED_WITHIN_S):
            while True:
                response = await self._http.request(method, path, json=body, headers=headers)
                if response.status_code != 202:  # Not decided within the edge's three seconds: the machine is busy.
                    return response

    def _id(self, name: str) -> UUID:
        return self._people.setdefault(name, uuid4())

    def name_of(self, user_id: str) -> str:
        """The letter of a person."""
        return next(name for name, known in self._people.items() if str(known) == user_id)

    def _offer(self) -> dict[str, Any]:
        config = self.case["config"]
        offer: dict[str, Any] = {
            "title": f"Case {self.case['id']}",
            "startingPrice": major(config["startPrice"]),
            "duration": (config["end"] - config["start"]) // 1000,
        }
        offer |= {OFFERED.get(name, name): config[name] for name in AS_IT_IS & config.keys()}
        if "reserve" in config:
            offer["reservePrice"] = major(config["reserve"])
        if "buyNow" in config:
            offer["buyNowPrice"] = major(config["buyNow"]["price"])
            offer["buyNowPolicy"] = config["buyNow"].get("maxPolicy", "ordinary")
        if "blocked" in config:
            offer["blocked"] = [str(self._id(name)) for name in config["blocked"]]
        if is_scheduled(self.case):
            offer["startTime"] = print_time(time_ms() + STARTS_IN_MS)
        return offer

    def _opened(self, said: dict[str, Any]) -> None:
        self.auction_id = said.get("id") or said["auctionId"]
        if "startTime" in said:
            self.base_ms = parse_time(said["startTime"]) - self.case["config"]["start"]

    async def _state(self) -> dict[str, Any] | None:
        if not self.auction_id:
            return None
        response = await self._http.get(f"/auctions/{self.auction_id}")
        if response.status_code == 404:
            return None
        shown = read(response.content)
        has_price = shown["bidCount"] > 0 or shown["outcome"] == "sold_buy_now"
        return {
            "price": minor(shown["currentBid"]) if has_price else None,
            "leader": self._behind(shown["leaderId"]),
            "end": parse_time(shown["endTime"]) - self.base_ms,
            "status": shown["status"],
            "bidCount": shown["bidCount"],
            "reserveMet": shown["reserveMet"],
        }

    def _behind(self, alias: str | None) -> str | None:
        if alias is None:
            return None
        shown = {
            pseudonym(self._pseudonym_key, self.auction_id, str(user_id)): name
            for name, user_id in self._people.items()
        }
        return shown[alias]

    def event(self, told: dict[str, Any]) -> dict[str, Any]:
        """An event of `auction-events` in the words of the vector file."""
        data, kind = told["data"], told["eventType"]
        fields = {shown: data[name] for name, shown in FIELDS[kind].items() if name in data}
        for name in PEOPLE & fields.keys():
            fields[name] = None if fields[name] is None else self.name_of(fields[name])
        for name in AMOUNTS & fields.keys():
            fields[name] = None if fields[name] is None else minor(fields[name])
        for name in TIMES & fields.keys():
            fields[name] = parse_time(fields[name]) - self.base_ms
        return {"seq": told["sequence"], "type": kind, "data": fields}


FIELDS: dict[str, dict[str, str]] = {
    "AuctionCreated": {
        "sellerId": "seller",
        "startingPrice": "startingPrice",
        "startTime": "startTime",
        "endTime": "endTime",
    },
    "BidPlaced": {
        "bidderId": "bidder",
        "amount": "amount",
        "previousAmount": "previousAmount",
        "isWinning": "isWinning",
        "automatic": "automatic",
    },
    "MaximumRaised": {"bidderId": "bidder"},
    "BidRefused": {"bidderId": "bidder", "reason": "reason", "minimum": "minimum"},
    "AuctionExtended": {"endTime": "endTime"},
    "AuctionEnded": {
        "outcome": "outcome",
        "totalBids": "totalBids",
        "winnerId": "winner",
        "finalPrice": "finalPrice",
    },
    "AuctionCancelled": {"by": "by", "reason": "reason"},
    "BidRetracted": {"bidderId": "bidder", "by": "by", "reason": "reason", "bids": "bids"},
    "PriceRecomputed": {"leaderId": "leader", "price": "price", "bidCount": "bidCount"},
    "ReserveLowered": {"hasReserve": "hasReserve"},
    "BidderBlocked": {"bidderId": "bidder"},
}
"""Of each event the fields that the rules compare: name on the topic -> name in the vector file (RULES section 10)."""

PEOPLE = {"seller", "bidder", "leader", "winner"}
AMOUNTS = {"startingPrice", "amount", "previousAmount", "minimum", "finalPrice", "price"}
TIMES = {"startTime", "endTime"}


def result_of(kind: str, status: int, said: dict[str, Any]) -> dict[str, Any]:
    """What K1 calls the answer: outcome and code, `price` of an accepted bid, `minimum` of a low one."""
    if status >= 400:
        minimum = {"minimum": minor(said["minimum"])} if "minimum" in said else {}
        return {"outcome": "refused", "code": said["code"], **minimum}
    if kind == "open":
        return {"outcome": "accepted", "code": "opened"}
    price = {"price": minor(said["currentBid"])} if kind in ("bid", "buy_now") else {}
    return {"outcome": "no_op" if said["code"].startswith("already_") else "accepted", "code": said["code"], **price}


def read(body: bytes) -> Any:
    """JSON with its fractions exact."""
    return json.loads(body, parse_float=Decimal)


def minor(amount: Decimal | int) -> int:
    """Minor units of an amount on the wire; raises ValueError when it has a third decimal."""
    cents = Decimal(amount) * 100
    if cents != int(cents):
        raise ValueError(f"{amount} has a third decimal")
    return int(cents)


def major(amount: int) -> float:
    """An amount in major units; below 2**53 cents a float prints the two decimals exactly."""
    return amount / 100
