"""Bad messages straight on the topics of commands: a dead letter with its reason, neighbours go on, a redrive works."""

import asyncio
from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from compose.settings import Settings
from consumers.bids.verify import verify
from consumers.runtime import dead
from consumers.runtime.dead import Letter
from producers import paying
from producers.person import Person
from tests.conftest import NewPeople
from tests.edge_api.test_live_stack import offer
from tests.edge_api.waiting import found
from tests.journeys.breaking import letters, partition_of, put, refusing, unreadable
from tests.journeys.shop import TOTAL, Shop
from topics.catalog import AUCTION_COMMANDS, PAYMENT_COMMANDS, USER_COMMANDS, Topic

pytestmark = pytest.mark.stack


async def letters_of(stack: Settings, topic: Topic, partition: int, offsets: Collection[int]) -> list[Letter]:
    """The letters about these records, once all are there."""

    async def look() -> list[Letter] | None:
        seen = [
            letter
            for letter in await letters(stack, topic)
            if letter.source_partition == partition and letter.source_offset in offsets
        ]
        return sorted(seen, key=lambda letter: letter.source_offset) if len(seen) == len(offsets) else None

    return await found(look)


async def letters_about(stack: Settings, topic: Topic, key: str, count: int) -> list[Letter]:
    """The first so many letters of a key."""

    async def look() -> list[Letter] | None:
        seen = [letter for letter in await letters(stack, topic) if letter.key == key.encode()]
        return seen if len(seen) >= count else None

    return await found(look)


async def beside(mina: Person, partition: int, partitions: int) -> str:
    """An auction on a partition."""
    while True:
        auction = await offer(mina)
        if partition_of(auction, partitions) == partition:
            return auction


async def test_what_nobody_can_read_on_auction_commands_troubles_no_auction(people: NewPeople, stack: Settings) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    auction = await offer(mina)
    partition = partition_of(auction, stack.partitions)
    bad = unreadable("PlaceBid", auction, {"amount": 5000}, wrong_data={"amount": 5000, "currency": 7})
    before = await anna.bid(auction, amount=120)

    offsets = await put(stack, AUCTION_COMMANDS, partition, *bad)
    after = await anna.bid(auction, maxAmount=130)

    assert (before["code"], after["code"], after["seq"]) == ("leading", "maximum_raised", before["seq"] + 1)
    found_letters = await letters_of(stack, AUCTION_COMMANDS, partition, offsets)
    assert [(letter.reason, letter.key, letter.value) for letter in found_letters] == [
        (one.reason, one.key, one.value or b"") for one in bad
    ]
    assert {letter.source_topic for letter in found_letters} == {AUCTION_COMMANDS.name}
    assert (await anna.get(f"/auctions/{auction}"))["currentBid"] == 120


async def test_what_nobody_can_read_on_payment_commands_keeps_nobody_from_paying(
    people: NewPeople, stack: Settings, http: httpx.AsyncClient
) -> None:
    mina, anna = await people("mina", "anna", sellers=1)
    order = await Shop(http, stack).sale(mina, anna)
    partition = partition_of(order["id"], stack.partitions)
    bad = unreadable("RateOrder", order["id"], {"stars": 5}, wrong_data={"stars": 9})

    offsets = await put(stack, PAYMENT_COMMANDS, partition, *bad)
    await paying.pay(anna, stack, order)

    assert (await paying.order_at(anna, order["id"], "paid"))["total"] == TOTAL
    found_letters = await letters_of(stack, PAYMENT_COMMANDS, partition, offsets)
    assert [(letter.reason, letter.key) for letter in found_letters] == [(one.reason, one.key) for one in bad]


async def test_what_nobody_can_read_on_user_commands_troubles_nobody(people: NewPeople, stack: Settings) -> None:
    [anna] = await people("anna")
    partition = partition_of(anna.user_id, stack.partitions)
    wanted: dict[str, Any] = {"userId": anna.user_id, "username": f"eve-{uuid4().hex[:8]}"}
    bad = unreadable("UpdateProfile", anna.user_id, wanted, wrong_data={**wanted, "username": 7})
    renamed = f"anna-{uuid4().hex[:8]}"

    offsets = await put(stack, USER_COMMANDS, partition, *bad)
    await anna.request("PATCH", "/users/me", {"username": renamed})

    found_letters = await letters_of(stack, USER_COMMANDS, partition, offsets)
    assert [(letter.reason, letter.key) for letter in found_letters] == [(one.reason, one.key) for one in bad]
    assert (await anna.get("/users/me"))["username"] == renamed


async def test_bids_that_broke_the_worker_are_judged_after_the_repair_and_neighbours_never_wait(
    people: NewPeople, stack: Settings, owner: asyncpg.Connection
) -> None:
    mina, anna, ben = await people("mina", "anna", "ben", sellers=1)
    broken = await offer(mina)
    sound = await beside(mina, partition_of(broken, stack.partitions), stack.partitions)

    async with refusing(owner, "bids.auction", broken):
        first = asyncio.create_task(anna.bid(broken, amount=120))
        await letters_about(stack, AUCTION_COMMANDS, broken, 1)
        second = asyncio.create_task(ben.bid(broken, amount=130))
        assert (await ben.bid(sound, amount=120))["code"] == "leading"
        bug, parked = await letters_about(stack, AUCTION_COMMANDS, broken, 2)
    assert bug.reason.startswith("bug: RaiseError at ")
    assert parked.reason == "parked"
    assert not first.done()

    [topic] = AUCTION_COMMANDS.dead_letters
    redriven = await dead.redrive(stack.kafka_bootstrap, topic, [bug.offset, parked.offset])

    assert len(redriven) == 2
    assert [(await one)["code"] for one in (first, second)] == ["leading", "leading"]
    assert (await anna.bid(broken, amount=140))["code"] == "leading"
    assert await owner.fetchval("SELECT count(*) FROM bids.parked WHERE key = $1", broken.encode()) == 0
    assert [letter.redriven for letter in await letters_about(stack, AUCTION_COMMANDS, broken, 2)] == [True, True]
    differences: list[str] = []
    for auction in (broken, sound):
        await verify(stack, UUID(auction), report=differences.append)
    assert differences == []


async def test_an_account_that_broke_the_worker_goes_on_after_the_repair(
    people: NewPeople, stack: Settings, owner: asyncpg.Connection
) -> None:
    [anna] = await people("anna")
    renamed = f"anna-{uuid4().hex[:8]}"

    async with refusing(owner, "accounts.account", anna.user_id):
        change = asyncio.create_task(anna.request("PATCH", "/users/me", {"username": renamed}))
        [bug] = await letters_about(stack, USER_COMMANDS, anna.user_id, 1)
        await people("ben")
    assert bug.reason.startswith("bug: RaiseError at ")

    await dead.redrive(stack.kafka_bootstrap, USER_COMMANDS.dead_letters[0], [bug.offset])

    assert (await change)["username"] == renamed
    assert (await anna.get("/users/me"))["username"] == renamed
