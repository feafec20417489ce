"""Auctions and bids over HTTP, on the whole running stack."""

import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from edge_api.shapes import Auction, Auctions, BidAnswer, Bids, BidsOn, Standing, WatchedAuctions
from producers.person import Person, Refused
from schemas.envelope import print_time, time_ms
from tests.conftest import NewPeople
from tests.edge_api.doorway import new_id
from tests.edge_api.waiting import found

pytestmark = pytest.mark.stack

SPECIFIED = {"id", "title", "description", "currentBid", "status", "startTime", "endTime", "seller"}


async def offer(seller: Person, **more: Any) -> str:
    said = {"title": "Voigtländer lens", "startingPrice": 100.0, "duration": 600}
    return str((await seller.post("/auctions", {**said, **more}))["id"])


def tomorrow() -> str:
    return print_time(time_ms() + 86_400_000)


async def refused(asking: Any) -> tuple[int, str, dict[str, Any]]:
    with pytest.raises(Refused) as refusal:
        await asking
    return refusal.value.status, refusal.value.code, refusal.value.problem


async def test_an_offer_is_answered_as_it_is_shown(people: NewPeople, http: httpx.AsyncClient) -> None:
    [mina] = await people("mina", sellers=1)

    made = await mina.post(
        "/auctions",
        {
            "title": "Lens",
            "startingPrice": 99.99,
            "duration": 600,
            "tags": ["lens"],
            "reservePrice": 150,
            "shippingInfo": {"cost": 12.5, "shipsTo": ["EU"]},
            "closing": {"mode": "soft", "window": 10},
        },
    )
    shown = (await http.get(f"/auctions/{made['id']}")).json()

    assert made.keys() >= SPECIFIED
    Auction.model_validate(made)
    Auction.model_validate(shown)
    assert {name: shown[name] for name in made} == made
    assert (made["seller"]["username"], made["startingPrice"], made["currentBid"]) == (mina.username, 99.99, 0)
    assert "150" not in str(
        {**shown, "id": "", "seller": "", "createdAt": "", "startTime": "", "endTime": "", "serverTime": ""}
    )


async def test_only_sellers_offer(people: NewPeople) -> None:
    [anna] = await people("anna")

    assert (await refused(offer(anna)))[:2] == (403, "not_allowed")


async def test_offering_again_with_the_same_key_is_offering_once(people: NewPeople) -> None:
    [mina] = await people("mina", sellers=1)
    key, said = uuid4().hex, {"title": "Lens", "startingPrice": 100, "duration": 600}

    first = await mina.post("/auctions", said, key=key)
    again = await mina.post("/auctions", said, key=key)
    conflict = await refused(mina.post("/auctions", {**said, "title": "Camera"}, key=key))

    assert again == first
    assert conflict[:2] == (409, "idempotency_conflict")
    assert len((await mina.get("/users/me/auctions"))["items"]) == 1


async def test_bids_are_answered_and_shown_under_one_pseudonym(people: NewPeople, http: httpx.AsyncClient) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)

    first = await anna.bid(auction, amount=100.0)
    second = await ben.bid(auction, maxAmount=181.37)
    third = await anna.bid(auction, amount=130.5, message="for my camera")
    shown = (await http.get(f"/auctions/{auction}")).json()
    history = (await http.get(f"/auctions/{auction}/bids")).json()
    own = await anna.get(f"/auctions/{auction}/bids")

    for answer in (first, second, third):
        BidAnswer.model_validate(answer)
    Bids.model_validate(history)
    assert [answer["code"] for answer in (first, second, third)] == ["leading", "leading", "outbid"]
    assert first["bidderId"] == third["bidderId"] != second["bidderId"]
    assert shown["leaderId"] == second["bidderId"]
    assert {bid["bidderId"] for bid in history["items"]} == {first["bidderId"], second["bidderId"]}
    assert [bid["id"] for bid in history["items"] if not bid["automatic"]] == [third["id"], second["id"], first["id"]]
    assert [bid["bidderId"] for bid in own["items"] if bid["yours"]] == [first["bidderId"]] * 2
    assert [bid.get("message") for bid in history["items"]].count("for my camera") == 1
    # Nobody's id and no maximum is told.
    everything = str((shown, history))
    assert anna.user_id not in everything
    assert ben.user_id not in everything
    assert "181.37" not in everything
    assert "18137" not in re.findall(r"[0-9a-zA-Z.-]+", everything)


async def test_another_auction_has_other_pseudonyms(people: NewPeople) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    one, two = await offer(mina), await offer(mina)

    assert (await anna.bid(one, amount=100))["bidderId"] != (await anna.bid(two, amount=100))["bidderId"]


async def test_a_bid_that_is_too_low_is_told_the_minimum(people: NewPeople) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina)
    await anna.bid(auction, amount=100.0)

    status, code, problem = await refused(ben.bid(auction, amount=101.0))

    assert (status, code, problem["minimum"], problem["currency"]) == (409, "below_minimum", 102.5, "USD")
    assert anna.user_id not in str(problem)


async def test_refusals_have_their_status(people: NewPeople) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    later = await offer(mina, startTime=tomorrow())
    gone = await offer(mina)
    await mina.post(f"/auctions/{gone}/cancel", {"reason": "It broke."})

    assert (await refused(mina.bid(auction, amount=100)))[:2] == (403, "own_auction")
    assert (await refused(anna.bid(str(new_id()), amount=100)))[:2] == (404, "auction_not_found")
    assert (await refused(anna.bid(later, amount=100)))[:2] == (409, "auction_not_started")
    assert (await refused(anna.bid(gone, amount=100)))[:2] == (410, "auction_cancelled")
    assert (await refused(anna.bid(auction, amount=10)))[:2] == (409, "below_start_price")
    assert (await refused(anna.bid(auction, amount=200, maxAmount=150)))[:2] == (422, "amount_above_maximum")
    assert (await refused(anna.bid(auction, amount=200, currency="EUR")))[:2] == (422, "currency_mismatch")
    assert (await refused(anna.post(f"/auctions/{auction}/cancel", {"reason": "Not mine."})))[:2] == (
        403,
        "not_allowed",
    )
    assert (await refused(anna.post(f"/auctions/{auction}/buy-now")))[:2] == (409, "buy_now_unavailable")


async def test_the_life_of_an_offer(people: NewPeople, http: httpx.AsyncClient) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    draft = await offer(mina, draft=True, buyNowPrice=300, reservePrice=200)
    assert (await http.get(f"/auctions/{draft}")).status_code == 404
    assert (await refused(anna.get(f"/auctions/{draft}")))[:2] == (404, "auction_not_found")
    assert (await http.get(f"/auctions/{draft}/bids")).status_code == 404
    assert (await mina.get(f"/auctions/{draft}"))["status"] == "draft"

    changed = await mina.request("PUT", f"/auctions/{draft}", {"title": "Heliar lens"})
    published = await mina.post(f"/auctions/{draft}/publish")
    await anna.bid(draft, amount=100)
    lowered = await refused(mina.request("PUT", f"/auctions/{draft}/reserve", {"reservePrice": 150}))
    bought = await anna.post(f"/auctions/{draft}/buy-now")
    shown = await anna.get(f"/auctions/{draft}")

    assert (changed["title"], published["status"]) == ("Heliar lens", "live")
    assert lowered[1] == "too_late_to_lower"
    Standing.model_validate(bought)
    assert (bought["outcome"], bought["finalPrice"]) == ("sold_buy_now", 300)
    assert bought["winnerId"] == shown["winnerId"] == shown["yourBidderId"]
    assert (shown["status"], shown["finalPrice"]) == ("ended", 300)


async def test_a_bid_is_taken_back_by_its_bidder(people: NewPeople) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina, duration=13 * 3600)
    bid = await anna.bid(auction, amount=100)

    wrong = await refused(anna.request("DELETE", f"/auctions/{auction}/bids/{new_id()}", {"reason": "wrong_amount"}))
    taken = await anna.request("DELETE", f"/auctions/{auction}/bids/{bid['id']}", {"reason": "wrong_amount"})

    assert wrong[:2] == (409, "nothing_to_retract")
    assert (taken["code"], taken["bidCount"]) == ("retracted", 0)


async def test_the_history_marks_what_was_taken_back_and_what_the_system_bid_for_it(people: NewPeople) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    auction = await offer(mina, duration=13 * 3600)
    before = await anna.bid(auction, amount=110)
    wrong = await ben.bid(auction, maxAmount=900)
    answered = await anna.bid(auction, amount=200)

    await ben.request("DELETE", f"/auctions/{auction}/bids/{wrong['id']}", {"reason": "wrong_amount"})
    again = await ben.bid(auction, amount=300)

    shown = (await mina.get(f"/auctions/{auction}/bids"))["items"]
    Bids.model_validate({"items": shown, "nextCursor": None})
    assert [(bid["amount"], bid["automatic"], bid["retracted"]) for bid in shown] == [
        (300, False, False),
        (200, True, False),  # Hidden again since ben's answer to it went (E1).
        (202.5, True, True),
        (200, False, False),
        (112.5, False, True),
        (110, False, False),
    ]
    assert {before["id"], answered["id"], again["id"]} < {bid["id"] for bid in shown if not bid["retracted"]}


async def test_a_bidder_is_blocked_by_the_name_that_the_seller_sees(people: NewPeople) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    bid = await anna.bid(auction, amount=100)

    told = await mina.post(f"/auctions/{auction}/blocked", {"bidderId": bid["bidderId"], "cancelBids": True})

    assert (told["code"], told["bidCount"]) == ("blocked", 0)
    assert (await refused(anna.bid(auction, amount=200)))[:2] == (403, "bidder_blocked")


async def test_a_copy_is_good_until_something_happens(people: NewPeople, http: httpx.AsyncClient) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    first = await http.get(f"/auctions/{auction}")
    etag = {"If-None-Match": first.headers["etag"]}

    same = await http.get(f"/auctions/{auction}", headers=etag)
    mine = await http.get(f"/auctions/{auction}", headers={**anna.headers, **etag})
    await anna.bid(auction, amount=100)
    after = await http.get(f"/auctions/{auction}", headers=etag)

    assert (same.status_code, same.content) == (304, b"")
    assert same.headers["etag"] == first.headers["etag"]
    assert mine.status_code == 200
    assert (after.status_code, after.json()["currentBid"]) == (200, 100)
    assert first.headers["cache-control"] == "private, no-cache"


async def test_lists_are_filtered_and_paged_by_their_end(people: NewPeople, http: httpx.AsyncClient) -> None:
    [mina] = await people("mina", sellers=1)
    tag, category = uuid4().hex, uuid4().hex
    ends = [await offer(mina, tags=[tag, "lens"], category=category, duration=600 - 60 * number) for number in range(5)]
    other = await offer(mina, startTime=tomorrow(), tags=[tag])

    async def walk(query: str) -> list[str]:
        ids: list[str] = []
        cursor = ""
        while cursor is not None:
            page = (await http.get(f"/auctions?limit=2&{query}{cursor and '&cursor=' + cursor}")).json()
            Auctions.model_validate(page)
            ids += [auction["id"] for auction in page["items"]]
            cursor = page["nextCursor"]
        return ids

    assert await walk(f"tag={tag}") == ends[::-1]
    assert await walk(f"category={category}") == ends[::-1]
    assert await walk(f"seller={mina.user_id}") == ends[::-1]
    assert await walk(f"tag={tag}&category=nothing") == []
    assert await walk(f"tag={tag}&status=scheduled") == [other]
    assert await walk(f"tag={tag}&status=ended") == []
    mine = [auction["id"] for auction in (await mina.get("/users/me/auctions"))["items"]]
    assert mine == [other, *ends[::-1]]


async def test_what_is_the_caller_s_own(people: NewPeople) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    one, two = await offer(mina), await offer(mina)
    await anna.bid(one, amount=100)
    await anna.bid(two, amount=100)
    await ben.bid(two, amount=200)
    await anna.post(f"/auctions/{one}/watch")
    await anna.post(f"/auctions/{new_id()}/watch")

    bids = await anna.get("/users/me/bids")
    watched = await anna.get("/users/me/watching")
    await anna.request("DELETE", f"/auctions/{one}/watch")

    BidsOn.model_validate(bids)
    WatchedAuctions.model_validate(watched)
    assert {item["auction"]["id"]: item["isLeading"] for item in bids["items"]} == {one: True, two: False}
    assert {item["auction"]["id"]: item["auction"]["youLead"] for item in bids["items"]} == {one: True, two: False}
    assert [item["auction"]["id"] for item in watched["items"]] == [one]
    assert (await anna.get("/users/me/watching"))["items"] == []


async def test_an_auction_ends_by_itself_and_is_then_listed_as_ended(
    people: NewPeople, http: httpx.AsyncClient
) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina, buyNowPrice=150)
    await anna.post(f"/auctions/{auction}/buy-now")

    async def ended() -> Any:
        page = (await http.get(f"/auctions?status=ended&seller={mina.user_id}")).json()
        return next((one for one in page["items"] if one["id"] == auction), None)

    assert (await found(ended))["outcome"] == "sold_buy_now"
