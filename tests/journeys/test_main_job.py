"""The main job over HTTP and WebSocket: people come, a seller lists, bidders compete, everybody watches, one wins."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from compose.settings import Settings
from consumers.bids.verify import verify
from producers.person import Person, Refused
from schemas.envelope import parse_time, print_time, time_ms
from tests.conftest import NewPeople
from tests.edge_api.test_live_stack import page

pytestmark = pytest.mark.stack

SHORTEST_S = 60
LEFT_S = 24
"""An auction may have begun in the past: of its sixty seconds so many are still to come."""
WINDOW_S = 10
EXTENSION_S = 6
LATE_S = 5

LENS: dict[str, Any] = {
    "title": "Voigtländer lens, 1938",
    "description": "Clear glass, smooth focus",
    "startingPrice": 100.00,
    "reservePrice": 150.00,
    "duration": SHORTEST_S,
    "tags": ["lens", "1938"],
    "shippingInfo": {"method": "post", "cost": 7.50},
    "closing": {"mode": "soft", "window": WINDOW_S, "extension": EXTENSION_S},
}


async def test_somebody_registers_confirms_by_mail_and_becomes_a_seller(
    stack: Settings, http: httpx.AsyncClient, people: NewPeople
) -> None:
    [anna] = await people("anna")
    mina = Person(http, anna.username.replace("anna", "mina"))

    await mina.register()
    await mina.log_in()
    assert not (await mina.get("/users/me"))["isVerified"]
    with pytest.raises(Refused, match="email_not_verified"):
        await mina.post("/users/me/seller")
    await mina.verify(stack)
    assert (await mina.get("/users/me"))["isVerified"]
    with pytest.raises(Refused, match="not_allowed"):
        await mina.post("/auctions", LENS)
    renewed = await mina.post("/users/me/seller")
    mina.access = renewed["accessToken"]

    auction = await mina.post("/auctions", LENS | {"draft": True})
    assert (auction["status"], auction["seller"]["username"]) == ("draft", mina.username)


async def test_an_auction_runs_from_its_offer_to_its_winner_before_everybodys_eyes(
    people: NewPeople, stack: Settings
) -> None:
    mina, anna, ben, chloe = await people("mina", "anna", "ben", "chloe", sellers=1)
    begun = print_time(time_ms() - (SHORTEST_S - LEFT_S) * 1000)
    lens = await mina.post("/auctions", LENS | {"startTime": begun})
    auction = str(lens["id"])
    assert auction in [one["id"] for one in (await anna.get("/auctions?limit=100"))["items"]]
    await anna.post(f"/auctions/{auction}/watch")

    async with page(chloe, auction) as watching, page(ben) as bens:
        snapshot = await watching.event("snapshot")
        assert (snapshot["data"]["status"], snapshot["data"]["bidCount"]) == ("live", 0)

        first = await anna.bid(auction, amount=100)
        assert (first["isWinning"], first["minimumNextBid"]) == (True, 102.5)
        maximum = await ben.bid(auction, maxAmount=180)
        assert (maximum["code"], maximum["currentBid"]) == ("leading", 150)
        answered = await chloe.bid(auction, amount=160)
        assert (answered["code"], answered["currentBid"]) == ("outbid", 162.5)
        with pytest.raises(Refused) as low:
            await chloe.bid(auction, amount=163)
        assert (low.value.status, low.value.code, low.value.problem["minimum"]) == (409, "below_minimum", 165)
        with pytest.raises(Refused, match="own_auction"):
            await mina.bid(auction, amount=500)

        await anna.wait_until_left(auction, seconds=LATE_S)
        late = await anna.bid(auction, amount=210)
        assert (late["code"], late["currentBid"]) == ("leading", 210)
        assert parse_time(late["endTime"]) > parse_time(lens["endTime"])
        outbid = await bens.event("outbid")
        assert outbid["data"]["minimumNextBid"] == 212.5

        await anna.wait_until_left(auction, seconds=0)
        hammer = await watching.event("auction_ended")
        assert hammer["data"]["outcome"] == "sold"

    found = await anna.get(f"/auctions/{auction}")
    assert (found["status"], found["outcome"], found["finalPrice"], found["bidCount"]) == ("ended", "sold", 210, 4)
    assert found["winnerId"] == found["yourBidderId"] == hammer["data"]["winnerId"] == late["bidderId"]
    assert not {anna.user_id, ben.user_id, chloe.user_id} & set(str(watching.frames).split("'"))
    with pytest.raises(Refused, match="auction_ended"):
        await ben.bid(auction, amount=500)

    frames = [frame for frame in watching.frames if "seq" in frame]
    assert watching.in_order()
    assert [frame["event"] for frame in frames[-2:]] == ["auction_extended", "auction_ended"]
    history = (await mina.get(f"/auctions/{auction}/bids?limit=100"))["items"]
    seen = [frame for frame in frames if frame["event"] == "bid_placed"]
    assert [(bid["id"], bid["seq"], bid["amount"], bid["bidderId"]) for bid in reversed(history)] == [
        (frame["data"]["bidId"], frame["seq"], frame["data"]["amount"], frame["data"]["bidderId"]) for frame in seen
    ]
    assert [one["auction"]["id"] for one in (await ben.get("/users/me/bids"))["items"]] == [auction]
    assert [one["auction"]["id"] for one in (await anna.get("/users/me/watching"))["items"]] == [auction]
    differences: list[str] = []
    await verify(stack, UUID(auction), report=differences.append)
    assert differences == []
