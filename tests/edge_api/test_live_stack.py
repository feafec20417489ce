"""The live process on the running stack: what is decided is seen by everybody, once, in order, whatever restarts."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import websockets
from redis.asyncio import Redis

from compose.settings import Settings
from edge_api import live_views
from producers.person import Person
from schemas.pseudonym import pseudonym
from tests.conftest import NewPeople

pytestmark = pytest.mark.stack

STOP_WITHIN_S = 5


class Page:
    """A socket and all that came over it; a reader of its own, so that nothing is missed while the test does other things."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.frames: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        async for text in self.socket:
            async with self._news:
                self.frames.append(json.loads(text))
                self._news.notify_all()

    async def say(self, **message: Any) -> None:
        await self.socket.send(json.dumps(message))

    async def heard(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first frame of that kind, come or still to come."""
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: any(wanted(frame) for frame in self.frames))
        return next(frame for frame in self.frames if wanted(frame))

    async def event(self, name: str) -> dict[str, Any]:
        return await self.heard(lambda frame: frame["event"] == name)

    def in_order(self) -> bool:
        """Whether every event says that it follows the one before it."""
        told = [frame for frame in self.frames if "seq" in frame]
        return all(
            after["event"] == "snapshot" or after["prevSeq"] == before["seq"] for before, after in pairwise(told)
        )

    def leave(self) -> None:
        self._reading.cancel()


@asynccontextmanager
async def page(person: Person, auction: str | None = None, url: str | None = None, **more: Any) -> AsyncIterator[Page]:
    """A socket of a person (logged in or not), watching an auction."""
    ticket = await person.post("/live/ticket")
    async with websockets.connect(f"{url or ticket['url']}?ticket={ticket['ticket']}", compression=None) as socket:
        opened = Page(socket)
        if auction is not None:
            await opened.say(op="subscribe", auctionId=auction, **more)
        yield opened
        opened.leave()


async def offer(mina: Person, **more: Any) -> str:
    lamp = {"title": "A lamp", "startingPrice": 100, "duration": 3600}
    found = await mina.post("/auctions", lamp | more)
    return str(found["id"])


async def test_what_is_answered_to_the_bidder_is_seen_by_everybody(people: NewPeople) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    async with page(ben, auction) as watching, page(mina, auction) as too:
        await watching.event("snapshot")
        await too.event("snapshot")
        answer = await anna.bid(auction, amount=120.5)
        placed = await watching.event("bid_placed")

        assert placed["data"]["bidId"] == answer["id"]
        assert (placed["data"]["amount"], placed["data"]["minimumNextBid"]) == (120.5, answer["minimumNextBid"])
        assert placed["data"]["bidderId"] == answer["bidderId"]
        assert await too.event("bid_placed") == placed


async def test_nobody_sees_who_bids_nor_how_high_they_would_go(people: NewPeople) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina, reservePrice=4321.99)
    async with page(mina, auction) as watching:
        await watching.event("snapshot")
        await anna.bid(auction, maxAmount=987.65)
        await ben.bid(auction, maxAmount=555.55)
        await anna.bid(auction, maxAmount=1234.56)
        await anna.request("GET", f"/auctions/{auction}")
        await watching.heard(lambda frame: frame["data"].get("bidCount") == 2 and frame["data"].get("isWinning"))
        seen = json.dumps(watching.frames)

    assert not [secret for secret in (anna.user_id, ben.user_id, "4321.99", "987.65", "1234.56") if secret in seen]


async def test_a_bidder_hears_of_losing_and_taking_the_lead_without_watching(
    people: NewPeople, stack: Settings
) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    async with page(anna) as hers:
        await hers.say(op="ping")
        await hers.event("pong")
        await anna.bid(auction, amount=120)
        winning = await hers.event("winning")
        await ben.bid(auction, amount=150)
        outbid = await hers.event("outbid")

    assert (winning["auctionId"], winning["data"]["amount"]) == (auction, 120)
    assert (outbid["auctionId"], outbid["data"]["amount"]) == (auction, 150)


async def test_a_transcript_of_a_whole_auction_has_no_gap_and_ends_with_its_end(people: NewPeople) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(
        mina, buyNowPrice=5000, reservePrice=2000, closing={"mode": "soft", "window": 3600, "extension": 3600}
    )
    async with page(ben, auction) as watching:
        await watching.event("snapshot")
        await asyncio.gather(*(bidder.try_to_bid(auction, 101 + 7 * n) for n in range(20) for bidder in (anna, ben)))
        await mina.post(f"/auctions/{auction}/blocked", {"bidderId": ben.user_id, "cancelBids": True})
        await anna.post(f"/auctions/{auction}/buy-now")
        end = await watching.event("auction_ended")

    kinds = {frame["event"] for frame in watching.frames}
    assert {"snapshot", "bid_placed", "auction_extended", "bid_retracted", "price_recomputed", "auction_ended"} <= kinds
    assert watching.in_order()
    assert (end["data"]["outcome"], end["data"]["finalPrice"]) == ("sold_buy_now", 5000)
    assert watching.frames[-1] == end


async def test_whoever_comes_back_knows_the_same_as_whoever_stayed(people: NewPeople) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    async with page(mina, auction) as stayed:
        async with page(ben, auction) as left:
            await left.event("snapshot")
            await anna.bid(auction, amount=110)
            known = await left.event("bid_placed")
        for bidder, amount in ((ben, 130), (anna, 150), (ben, 170)):
            await bidder.bid(auction, amount=amount)
        await stayed.heard(lambda frame: frame["data"].get("amount") == 170)
        async with page(ben, auction, lastSeq=known["seq"]) as back:
            resumed = await back.event("resumed")

        assert resumed["data"]["events"] == 3
        assert back.frames[:3] == [frame for frame in stayed.frames if frame.get("seq", 0) > known["seq"]]


async def test_what_the_events_add_up_to_is_what_postgres_says(people: NewPeople, stack: Settings) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina, reservePrice=300, closing={"mode": "soft", "window": 3600, "extension": 3600})
    async with page(mina, auction) as early:
        await early.event("snapshot")
        await anna.bid(auction, maxAmount=250)
        wrong = await ben.bid(auction, amount=400)
        await ben.request("DELETE", f"/auctions/{auction}/bids/{wrong['id']}", {"reason": "wrong_amount"})
        await ben.bid(auction, amount=350)
        await early.heard(lambda frame: frame["data"].get("amount") == 350)
        await early.say(op="unsubscribe", auctionId=auction)
        await early.event("unsubscribed")
        early.frames.clear()
        await early.say(op="subscribe", auctionId=auction)
        folded = await early.event("snapshot")

    async with asyncpg.create_pool(stack.database_url("cli"), min_size=1, max_size=1) as db:
        read = await live_views.standing(db, auction, lambda person: pseudonym(stack.pseudonym_secret, auction, person))
    assert read is not None
    assert folded["seq"] == read.seq
    assert {name: folded["data"][name] for name in read.shown} == {
        name: json.loads(text) for name, text in read.shown.items()
    }


async def test_a_draft_is_nobodys_to_watch(people: NewPeople) -> None:
    [mina] = await people("mina", sellers=1)
    auction = await offer(mina, draft=True)
    async with page(mina, auction) as watching:
        assert (await watching.event("error"))["code"] == "auction_not_found"

        await mina.post(f"/auctions/{auction}/publish")
        await watching.say(op="subscribe", auctionId=auction)
        assert (await watching.event("snapshot"))["data"]["status"] == "live"


async def test_a_suspended_account_is_sent_away(people: NewPeople, stack: Settings) -> None:
    [anna] = await people("anna")
    redis = Redis.from_url(stack.redis_url.get_secret_value())
    async with page(anna) as watching:
        await watching.say(op="ping")
        await watching.event("pong")
        await redis.set(f"suspended:user:{UUID(anna.user_id)}", "1", ex=60)
        async with asyncio.timeout(10):
            await watching.socket.wait_closed()
    await redis.aclose()

    assert watching.socket.close_code == 4003


async def test_a_stopped_process_says_when_to_come_back_and_ends_in_time(people: NewPeople, stack: Settings) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    async with another_live(stack) as (process, url):
        async with page(ben, auction, url) as watching:
            await watching.event("snapshot")
            await anna.bid(auction, amount=110)
            known = await watching.event("bid_placed")
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(STOP_WITHIN_S):
                await watching.socket.wait_closed()
                assert await process.wait() == 0
        assert watching.socket.close_code == 4010
        assert str(watching.socket.close_reason).startswith("reconnectAfterMs=")

    await ben.bid(auction, amount=130)
    async with another_live(stack) as (_, url), page(ben, auction, url, lastSeq=known["seq"]) as back:
        assert (await back.event("resumed"))["data"]["events"] == 1
        assert back.frames[0]["data"]["amount"] == 130


@asynccontextmanager
async def another_live(stack: Settings) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """One more live process beside the stack's own, ready."""
    port, internal = stack.live_port + 400, stack.live_port + 401
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "edge_api.live"),
        env={**os.environ, "LIVE_PORT": str(port), "INTERNAL_PORT": str(internal)},
    )
    try:
        async with asyncio.timeout(30):
            while True:
                try:
                    _, writer = await asyncio.open_connection(stack.edge_host, port)
                except OSError:
                    assert process.returncode is None, "the live process ended"
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    break
        yield process, f"ws://{stack.edge_host}:{port}/ws"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
