"""The whole way on the running stack: from what people do over HTTP to what the index says, and the index made anew meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from elasticsearch import ApiError, AsyncElasticsearch
from typer.testing import CliRunner

from compose.marketplace import app
from compose.settings import Settings
from consumers.indexing.mapping import Kind
from consumers.indexing.rebuild import Refused, rebuild
from consumers.indexing.verify import verify
from producers.operator import grant_role
from producers.person import PASSWORD, Person
from tests.conftest import NewPeople
from tests.consumers.indexing.shelf import until

pytestmark = pytest.mark.stack

OFFER = {"title": "Leica M3", "startingPrice": 100, "duration": 600, "tags": ["camera"]}


@pytest.fixture
async def elastic(stack: Settings) -> AsyncIterator[AsyncElasticsearch]:
    """The stack's Elasticsearch."""
    async with AsyncElasticsearch(stack.elasticsearch_url.get_secret_value(), max_retries=0) as client:
        yield client


async def found(elastic: AsyncElasticsearch, kind: Kind, key: str) -> dict[str, Any]:
    """The document as a search sees it; nothing when it does not."""
    said = await elastic.search(index=kind, query={"term": {"id": key}})
    return dict(said["hits"]["hits"][0]["_source"]) if said["hits"]["hits"] else {}


async def until_found(elastic: AsyncElasticsearch, key: str, **fields: Any) -> None:
    """Wait until a search finds the auction with these values."""

    async def as_asked() -> bool:
        document = await found(elastic, "auctions", key)
        return bool(document) and all(document.get(name) == value for name, value in fields.items())

    await until(as_asked)


async def offered(seller: Person, **changes: Any) -> str:
    """A new auction's id."""
    answer = await seller.post("/auctions", OFFER | changes)
    return str(answer["id"])


async def test_an_auction_is_found_its_price_follows_the_bids_and_it_ends_with_the_hammer(
    people: NewPeople, elastic: AsyncElasticsearch
) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    leica = await offered(mina, duration=86_400)
    await until_found(
        elastic, leica, status="live", priceMinor=100_00, seller={"id": mina.user_id, "username": mina.username}
    )

    await anna.bid(leica, amount=120)
    await until_found(elastic, leica, priceMinor=120_00, bidCount=1)

    await mina.post(f"/auctions/{leica}/end", {"mode": "sell_to_high_bidder"})
    await until_found(elastic, leica, status="ended", outcome="sold", finalPriceMinor=120_00)


async def test_a_draft_is_nobodys_to_find(people: NewPeople, elastic: AsyncElasticsearch) -> None:
    [mina] = await people("mina", sellers=1)
    draft, leica = await offered(mina, draft=True), await offered(mina)
    await until_found(elastic, leica)

    assert await found(elastic, "auctions", draft) == {}
    await mina.post(f"/auctions/{draft}/publish")
    await until_found(elastic, draft, status="live")


async def test_a_suspended_sellers_auctions_go_from_the_index_and_come_back(
    people: NewPeople, stack: Settings, elastic: AsyncElasticsearch
) -> None:
    ada, mina = await people("ada", "mina", sellers=2)
    await grant_role(stack, ada.username, "admin")
    await ada.log_in()
    for _ in range(3):
        await offered(mina)

    async def shown() -> int:
        said = await elastic.search(index="auctions", query={"term": {"seller.id": mina.user_id}})
        people_shown = await found(elastic, "users", mina.user_id)
        return len(said["hits"]["hits"]) + bool(people_shown)

    await until(lambda: _is(shown, 4))
    await ada.post(f"/users/{mina.user_id}/suspend", {"reason": "sold a lamp twice"})
    await until(lambda: _is(shown, 0))
    await ada.post(f"/users/{mina.user_id}/reinstate", {"reason": "it was two lamps"})
    await until(lambda: _is(shown, 4))


async def test_of_an_erased_person_the_index_keeps_nothing(people: NewPeople, elastic: AsyncElasticsearch) -> None:
    [mina] = await people("mina", sellers=1)
    await until(lambda: found(elastic, "users", mina.user_id))

    await mina.request("DELETE", "/users/me", {"password": PASSWORD})

    async def bare() -> bool:
        said = await elastic.get(index="users", id=mina.user_id)
        return bool(said["_source"] == {"id": mina.user_id, "hidden": True})

    await until(bare)


async def test_a_rebuild_mends_the_index_while_people_bid_and_search(
    people: NewPeople, stack: Settings, elastic: AsyncElasticsearch
) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    wrong, missing, hot = [await offered(mina) for _ in range(3)]
    await until_found(elastic, hot)
    await until_found(elastic, missing)
    await until_found(elastic, wrong)
    stranger = str(uuid4())
    await damage(elastic, wrong=wrong, missing=missing, stranger=stranger)
    told: list[str] = []
    assert await verify(stack, kinds=["auctions"], report=told.append, settled_within_s=0.2) >= 3
    expected = {
        wrong: "priceMinor is 99999, should be 10000",
        missing: "is not in the index",
        stranger: "in the index, but there is no such thing",
    }
    assert {f"auctions {key}: {what}" for key, what in expected.items()} <= set(told)

    before = await behind(elastic, "auctions")
    stop = asyncio.Event()
    bidding = asyncio.create_task(bid_by_turns(hot, anna, ben, stop))
    searching = asyncio.create_task(search_all_the_time(elastic, hot, stop))
    try:
        await rebuild(stack, ["auctions"], progress=lambda *_: None, report=told.append)
    finally:
        stop.set()
        price, searches = await asyncio.gather(bidding, searching)

    assert await behind(elastic, "auctions") == f"auctions-{int(before.rpartition('-')[2]) + 1}"
    assert searches > 10
    await until_found(elastic, hot, priceMinor=price * 100)
    await until_found(elastic, wrong, priceMinor=100_00)
    await until_found(elastic, missing)
    assert await found(elastic, "auctions", stranger) == {}
    assert await verify(stack, report=told.append) == 0, told


async def damage(elastic: AsyncElasticsearch, *, wrong: str, missing: str, stranger: str) -> None:
    """Break the index behind everybody's back."""
    document = (await elastic.get(index="auctions", id=wrong))["_source"]
    ahead: dict[str, Any] = {"version": 10_000, "version_type": "external"}
    await elastic.index(index="auctions", id=wrong, document=document | {"priceMinor": 999_99}, **ahead)
    await elastic.index(index="auctions", id=stranger, document=document | {"id": stranger}, **ahead)
    await elastic.delete(index="auctions", id=missing)


async def bid_by_turns(auction: str, one: Person, other: Person, stop: asyncio.Event) -> int:
    """Bid until told to stop; returns the last amount."""
    amount = 100
    while not stop.is_set():
        amount += 100
        await one.bid(auction, amount=amount)
        one, other = other, one
        await asyncio.sleep(0.2)
    return amount


async def search_all_the_time(elastic: AsyncElasticsearch, auction: str, stop: asyncio.Event) -> int:
    """Search until told to stop; returns how often, each time with success."""
    count = 0
    while not stop.is_set():
        assert await found(elastic, "auctions", auction)
        count += 1
    return count


async def behind(elastic: AsyncElasticsearch, kind: Kind) -> str:
    [name] = await elastic.indices.get_alias(name=kind)
    return str(name)


async def test_an_interrupted_rebuild_goes_on_and_one_at_a_time(stack: Settings, elastic: AsyncElasticsearch) -> None:
    before, told = await behind(elastic, "users"), list[str]()

    class Interrupted(Exception):
        pass

    def interrupt(_what: str, done: int, total: int) -> None:
        if 0 < done < total:
            raise Interrupted

    with pytest.raises(Interrupted):
        await rebuild(stack, ["users"], progress=interrupt, report=told.append)
    assert await behind(elastic, "users") == before
    await rebuild(stack, ["users"], progress=lambda *_: None, report=told.append)

    after = await behind(elastic, "users")
    assert after == f"users-{int(before.rpartition('-')[2]) + 1}"
    assert told == [f"users: going on with {after}", f"users: {after} is searched now"]


async def test_a_new_index_that_is_not_right_is_not_searched(stack: Settings, elastic: AsyncElasticsearch) -> None:
    before, told = await behind(elastic, "users"), list[str]()
    new = f"users-{int(before.rpartition('-')[2]) + 1}"
    planted: list[asyncio.Task[Any]] = []

    def plant(what: str, _done: int, _total: int) -> None:
        if "written" in what and not planted:
            stranger = str(uuid4())
            document = {"id": stranger, "hidden": False, "username": "nobody"}
            planted.append(asyncio.create_task(elastic.index(index=new, id=stranger, document=document)))

    with pytest.raises(Refused, match="1 differences"):
        await rebuild(stack, ["users"], progress=plant, report=told.append)

    assert await behind(elastic, "users") == before
    assert not await elastic.indices.exists(index=new)
    assert [line.partition(": ")[2] for line in told] == ["in the index, but there is no such thing"]


async def test_an_operator_rebuilds_and_verifies_by_two_commands(stack: Settings, elastic: AsyncElasticsearch) -> None:
    rebuilt = await marketplace("index", "rebuild", "users")
    verified = await marketplace("index", "verify")

    assert f"users: {await behind(elastic, 'users')} is searched now" in rebuilt
    assert "users: documents written" in rebuilt
    assert verified.splitlines()[-1] == "0 differences"


async def marketplace(*arguments: str) -> str:
    """What a command of the operators says; it must succeed."""
    done = await asyncio.to_thread(CliRunner().invoke, app, arguments)
    assert done.exit_code == 0, done.output
    return done.output


async def test_an_index_that_was_lost_is_made_anew_by_itself(
    people: NewPeople, stack: Settings, elastic: AsyncElasticsearch
) -> None:
    [mina] = await people("mina", sellers=1)
    old = await offered(mina)
    await until_found(elastic, old)

    await elastic.indices.delete(index=await behind(elastic, "auctions"))
    new = await offered(mina)

    async def both() -> bool:
        try:
            return bool(await found(elastic, "auctions", old) and await found(elastic, "auctions", new))
        except ApiError as error:
            if error.status_code not in (404, 503):  # Gone, or there again and its shard still starting.
                raise
            return False

    await until(both, within_s=30)
    assert await verify(stack, report=print) == 0


async def _is(ask: Any, value: int) -> bool:
    return bool(await ask() == value)
