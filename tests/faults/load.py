"""People under whom things break: they bid over HTTP, now and then twice, with an old key or an old key and another bid, and
never give up on an answer; others watch over WebSocket and come back when they are cut off."""

import asyncio
import itertools
import json
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NamedTuple
from uuid import uuid4

import httpx
import websockets

from compose.settings import Settings
from edge_api.tokens import Tokens
from schemas.envelope import command_id_of, print_time, time_ms
from tests.faults.history import Answer, Watched, read, stated

BIDDERS = 10
PACE_S = 0.12
"""How long a bidder rests between two bids."""
DOUBLED, OLD_KEY, OTHER_BODY = 0.05, 0.03, 0.02
ANSWERED_WITHIN_S = 100.0
AGAIN_S = 0.2
SHORT_S = 60


class Asked(NamedTuple):
    """One request that may be sent again."""

    path: str
    body: dict[str, Any]
    key: str


class Caller:
    """Somebody with a token of the stack's own key, who asks until there is an answer."""

    def __init__(self, http: httpx.AsyncClient, tokens: Tokens, *roles: str) -> None:
        self.id = uuid4()
        self.statuses: Counter[int] = Counter()
        self._http = http
        self._headers = {
            "Authorization": f"Bearer {tokens.make(self.id, roles or ('buyer',), str(uuid4()), at=time.time())}"
        }

    def command_id(self, asked: Asked) -> str:
        return str(command_id_of(self.id, asked.key))

    async def ask(self, asked: Asked) -> Answer:
        """Ask until it is decided, however often the edge is away or says that it is not decided yet."""
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            while True:
                response = await self._send("POST", asked.path, asked)
                if response is not None and response.status_code != 202:
                    return self._answer(asked, response.status_code, read(response.content))
                await asyncio.sleep(AGAIN_S)

    async def ask_and_poll(self, asked: Asked) -> Answer:
        """As `ask`, but what is pending is not sent again: its state is asked for."""
        async with asyncio.timeout(ANSWERED_WITHIN_S):
            response = await self._send("POST", asked.path, asked)
            if response is None:
                return await self.ask(asked)
            while response is None or response.status_code == 202 or _is_pending(response):
                await asyncio.sleep(AGAIN_S)
                response = await self._send("GET", f"/commands/{self.command_id(asked)}")
                if response is not None and response.status_code == 404:
                    return await self.ask(asked)
            body = read(response.content)
            return self._answer(asked, response.status_code, body.get("answer", body))

    async def _send(self, method: str, path: str, asked: Asked | None = None) -> httpx.Response | None:
        """The response; None when there was none, or one that says to come again."""
        headers = self._headers | ({"Idempotency-Key": asked.key} if asked else {})
        try:
            response = await self._http.request(method, path, json=asked.body if asked else None, headers=headers)
        except httpx.TransportError:
            self.statuses[0] += 1
            return None
        self.statuses[response.status_code] += 1
        return None if response.status_code >= 500 else response

    def _answer(self, asked: Asked, status: int, body: dict[str, Any]) -> Answer:
        assert status not in (400, 401, 422, 429), body
        outcome = "refused" if status >= 400 else "accepted"
        data = stated(read(json.dumps(asked.body)))
        return Answer(self.command_id(asked), data, outcome, body.get("code", "opened"), body, from_edge=True)


def _is_pending(response: httpx.Response) -> bool:
    return response.status_code == 200 and response.json().get("status") == "pending"


class Load:
    """A crowd of bidders on some auctions."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient, seed: int) -> None:
        tokens = Tokens(settings)
        self.seller = Caller(http, tokens, "buyer", "seller")
        self.bidders = [Caller(http, tokens) for _ in range(BIDDERS)]
        self.auctions: list[str] = []
        self.short: list[str] = []
        """Those that end while things break."""
        self.answers: list[Answer] = []
        self.counts: Counter[str] = Counter()
        self._random = random.Random(seed)
        self._amounts: dict[str, itertools.count[int]] = {}
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def open_auctions(self) -> None:
        """One that everybody wants, some others of a day, and some that end while things break."""
        begun = print_time(time_ms() - (SHORT_S - 15) * 1000)
        soft = {"mode": "soft", "window": 5, "extension": 3, "maxExtensions": 4}
        offers: list[dict[str, Any]] = [
            {"increments": "FLAT-1", "duration": 86_400},
            {"duration": 86_400},
            {"increments": "FLAT-1", "duration": 86_400, "reservePrice": 40, "reservePolicy": "jump"},
            {"increments": "FLAT-1", "duration": SHORT_S, "startTime": begun},
            {"increments": "FLAT-1", "duration": SHORT_S, "startTime": begun, "closing": soft},
        ]
        for offer in offers:
            asked = Asked("/auctions", {"title": "A lamp", "startingPrice": 10, **offer}, str(uuid4()))
            answer = await self.seller.ask(asked)
            assert answer.outcome == "accepted", answer
            self.auctions.append(str(answer.fields["id"]))
            if offer["duration"] == SHORT_S:
                self.short.append(self.auctions[-1])
            self._amounts[self.auctions[-1]] = itertools.count(1000, 60)

    def begin(self) -> None:
        """Let the bidders bid until `end`."""
        self._tasks = [asyncio.create_task(self._keep_bidding(bidder)) for bidder in self.bidders]

    async def end(self) -> None:
        """Stop bidding, and wait for every answer."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    async def close(self) -> None:
        """Give up whatever still waits."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_bidding(self, bidder: Caller) -> None:
        said: list[Asked] = []
        while not self._stopping.is_set():
            chance = self._random.random()
            if said and chance < OLD_KEY:
                asked = self._random.choice(said)
                self.counts["old keys"] += 1
                self.answers.append(await bidder.ask(asked))
            elif said and chance < OLD_KEY + OTHER_BODY:
                old = self._random.choice(said)
                self.counts["old keys, other bids"] += 1
                self.answers.append(await bidder.ask(old._replace(body=self._bid(old.path))))
            else:
                await self._bid_anew(bidder, said)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._random.uniform(0.5, 1.5) * PACE_S)

    async def _bid_anew(self, bidder: Caller, said: list[Asked]) -> None:
        auction = self.auctions[0] if self._random.random() < 0.4 else self._random.choice(self.auctions)
        path = f"/auctions/{auction}/bids"
        asked = Asked(path, self._bid(path), str(uuid4()))
        self.counts["bids"] += 1
        if self._random.random() < DOUBLED:
            self.counts["doubled"] += 1
            self.answers += await asyncio.gather(bidder.ask(asked), bidder.ask(asked))
        else:
            self.answers.append(await bidder.ask_and_poll(asked))
        said.append(asked)

    def _bid(self, path: str) -> dict[str, Any]:
        minor = next(self._amounts[path.split("/")[2]]) - (self._random.random() < 0.1) * 200
        match self._random.random():
            case kind if kind < 0.15:
                return {"maxAmount": (minor + self._random.randrange(240)) / 100}
            case kind if kind < 0.2:
                return {"amount": minor / 100, "maxAmount": (minor + 100) / 100}
            case _:
                return {"amount": minor / 100}

    @property
    def statuses(self) -> Counter[int]:
        """How often each status was answered; 0 for no answer at all."""
        return sum((one.statuses for one in (self.seller, *self.bidders)), Counter())


class Watcher:
    """A socket that watches auctions and, cut off, comes back with what it saw last."""

    def __init__(self, http: httpx.AsyncClient, name: str, auctions: Sequence[str]) -> None:
        self.watched = {auction: Watched(name, auction) for auction in auctions}
        self.connections = 0
        self._http = http
        self._watching: asyncio.Task[None] | None = None

    def begin(self) -> None:
        """Watch until `end`."""
        self._watching = asyncio.create_task(self._keep_watching())

    async def end(self) -> None:
        """Leave."""
        assert self._watching is not None
        self._watching.cancel()
        with suppress(asyncio.CancelledError):
            await self._watching

    def last(self, auction: str) -> int:
        """The last sequence that it heard of."""
        return max((frame["seq"] for frame in self.watched[auction].frames), default=0)

    async def _keep_watching(self) -> None:
        while True:
            with suppress(OSError, httpx.TransportError, websockets.WebSocketException, KeyError, TimeoutError):
                await self._watch()
            await asyncio.sleep(AGAIN_S)

    async def _watch(self) -> None:
        response = await self._http.post("/live/ticket", json={})
        ticket = response.json()
        async with websockets.connect(f"{ticket['url']}?ticket={ticket['ticket']}", open_timeout=5) as socket:
            self.connections += 1
            for auction in self.watched:
                await socket.send(json.dumps(self._subscription(auction)))
            async for text in socket:
                await self._take(socket, text if isinstance(text, str) else text.decode())

    def _subscription(self, auction: str) -> dict[str, Any]:
        last = self.last(auction)
        return {"op": "subscribe", "auctionId": auction, **({"lastSeq": last} if last else {})}

    async def _take(self, socket: websockets.ClientConnection, text: str) -> None:
        frame = read(text)
        if frame["event"] == "error" and "retryAfterMs" in frame:
            await asyncio.sleep(frame["retryAfterMs"] / 1000)
            await socket.send(json.dumps(self._subscription(frame["auctionId"])))
        watched = self.watched.get(frame.get("auctionId", ""))
        if watched is not None and "seq" in frame:
            watched.frames.append(frame)
            watched.texts.append(text)
