"""What is learnt is written, once per window, whatever order, server or neighbour gets in the way."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from elasticsearch import AsyncElasticsearch

from compose.settings import Settings
from consumers.indexing import said, store
from consumers.indexing.gateway import Unavailable
from consumers.indexing.mapping import KINDS, Kind
from consumers.indexing.poison import GROUPS, TOPICS
from consumers.indexing.writer import LEAST, PushedBack, Writer
from consumers.runtime import dead
from schemas.envelope import print_time
from tests.conftest import NewPeople
from tests.consumers.indexing.builders import Told, bid, created, ended, in_order, registered, updated
from tests.consumers.indexing.shelf import WINDOW_MS, Shelf, until
from topics.catalog import dead_letter_topic

pytestmark = pytest.mark.stack


@asynccontextmanager
async def writing(shelf: Shelf, *, writers: int = 1) -> AsyncIterator[None]:
    """So many processes that write, while the block lasts."""
    tasks = [asyncio.create_task(shelf.writer().run(shelf.db)) for _ in range(writers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def written(shelf: Shelf) -> None:
    """Wait until nothing waits to be written."""

    async def nothing_is_due() -> bool:
        return await shelf.due() == 0

    await until(nothing_is_due)


async def price(shelf: Shelf, key: UUID) -> int | None:
    document = await shelf.document("auctions", key)
    return None if document is None else document["priceMinor"]


async def test_events_become_a_document_and_move_it(shelf: Shelf) -> None:
    leica, mina = shelf.new_id(), shelf.new_id()
    writer = shelf.writer()

    await shelf.tell_person(mina, (1, registered("mina")))
    await shelf.tell_auction(leica, (1, created(seller_id=str(mina))))
    assert await writer.flush(shelf.db) == 2
    first = await shelf.document("auctions", leica)
    await shelf.tell_auction(leica, (2, bid("110.00", 1)), (3, ended(price="110.00")))
    await shelf.all_at_once()
    await writer.flush(shelf.db)
    second = await shelf.document("auctions", leica)

    assert first is not None
    assert second is not None
    assert (first["seller"], first["priceMinor"]) == ({"id": str(mina), "username": "mina"}, 100_00)
    assert (second["status"], second["priceMinor"]) == ("ended", 110_00)
    assert second["version"] > first["version"]


async def test_shuffled_doubled_and_replayed_events_give_the_identical_index(shelf: Shelf) -> None:
    orderly = await play(shelf, None)

    assert await play(shelf, random.Random(6)) == orderly
    assert await play(shelf, random.Random(7)) == orderly
    assert orderly.count("'hidden': True") == 2 + AUCTIONS // 2


AUCTIONS, PEOPLE = 12, 4


async def play(shelf: Shelf, chaos: random.Random | None) -> str:
    """Tell the same story of new people and auctions, and return what the index says of them then, ids named alike."""
    people, auctions = [shelf.new_id() for _ in range(PEOPLE)], [shelf.new_id() for _ in range(AUCTIONS)]
    told = story(people, auctions)
    if chaos is not None:
        told += chaos.sample(told, len(told) // 2)
        chaos.shuffle(told)
    writer = shelf.writer()
    for start in range(0, len(told), 20):
        for kind in KINDS:
            await shelf.tell(kind, [one for its, one in told[start : start + 20] if its == kind])
        if chaos is not None:
            await shelf.all_at_once()
            await writer.flush(shelf.db)
    while await shelf.due():
        await shelf.all_at_once()
        await writer.flush(shelf.db)
    documents = [await shelf.document("auctions", key) for key in auctions]
    documents += [await shelf.document("users", key) for key in people]
    text = str(documents)
    for number, key in enumerate((*people, *auctions)):
        text = text.replace(str(key), f"<{number}>")
    return text


def story(people: list[UUID], auctions: list[UUID]) -> list[tuple[Kind, tuple[UUID, Told]]]:
    """Everybody was suspended once; the first is erased, the second suspended again."""
    lives = [
        (key, one)
        for number, key in enumerate(people)
        for one in in_order(registered(f"person-{number}"), said.UserSuspended(), said.UserReinstated())
    ]
    lives += [(people[0], (4, said.UserErased())), (people[1], (4, said.UserSuspended()))]
    sales = [
        (key, one)
        for number, key in enumerate(auctions)
        for one in in_order(
            created(seller_id=str(people[number % PEOPLE])),
            bid("110.00", 1),
            bid("120.00", 2),
            ended(price="120.00"),
        )
    ]
    return [*(("users", one) for one in lives), *(("auctions", one) for one in sales)]


async def test_a_hot_auction_is_written_once_per_window_whatever_the_bids(shelf: Shelf) -> None:
    # Far longer than a write takes on the busiest machine, so that it is the window that holds writes off.
    shelf.window_ms = 1_000
    leica = shelf.new_id()
    await shelf.tell_auction(leica, (1, created()))
    loop = asyncio.get_running_loop()

    async with writing(shelf, writers=2):
        began = loop.time()
        count = 0
        while loop.time() - began < 2.0:
            count += 1
            await shelf.tell_auction(leica, (count + 1, bid(f"{100 + count}.00", count)))
            await asyncio.sleep(0.002)
        seconds = loop.time() - began
        await written(shelf)

    assert count > 15
    assert shelf.proxy.writes[str(leica)] <= seconds + 2
    assert await price(shelf, leica) == (100 + count) * 100


async def test_a_change_during_a_write_is_written_afterwards(shelf: Shelf) -> None:
    leica = shelf.new_id()
    await shelf.tell_auction(leica, (1, created()))
    [claimed] = await store.claim(shelf.db, 10, lease_s=60)
    await shelf.tell_auction(leica, (2, bid("110.00", 1)))

    await store.done(shelf.db, [claimed], [None], window_ms=WINDOW_MS)

    due_at = await shelf.db.fetchval("SELECT at FROM due")
    assert due_at is not None
    assert due_at >= claimed.claimed_at + timedelta(milliseconds=WINDOW_MS)
    await shelf.all_at_once()
    await shelf.writer().flush(shelf.db)
    assert await price(shelf, leica) == 110_00


async def test_what_a_dead_writer_held_is_written_by_another_when_its_lease_is_over(shelf: Shelf) -> None:
    leica = shelf.new_id()
    await shelf.tell_auction(leica, (1, created()))
    assert len(await store.claim(shelf.db, 10, lease_s=60)) == 1
    assert await shelf.writer().flush(shelf.db) == 0

    await shelf.db.execute("UPDATE due SET leased_until = now()")

    assert await shelf.writer().flush(shelf.db) == 1
    assert await price(shelf, leica) == 100_00


async def test_a_request_of_a_dead_writer_that_arrives_late_moves_nothing_back(shelf: Shelf) -> None:
    leica = shelf.new_id()
    await shelf.tell_auction(leica, (1, created()))
    shelf.proxy.mood = "held"
    dies = asyncio.create_task(shelf.writer().flush(shelf.db))
    await until(lambda: _true(shelf.proxy.held == 1))
    dies.cancel()
    shelf.proxy.mood = "open"
    await shelf.tell_auction(leica, (2, bid("110.00", 1)))
    await shelf.all_at_once()
    assert await shelf.writer().flush(shelf.db) == 1

    shelf.proxy.let_go.set()
    await until(lambda: _true(shelf.proxy.late == 1))

    assert await price(shelf, leica) == 110_00


async def test_a_scheduled_auction_changes_at_once_and_becomes_live_by_itself(shelf: Shelf) -> None:
    leica = shelf.new_id()
    start = datetime.now(UTC) + timedelta(seconds=2)
    starts = print_time(int(start.timestamp() * 1000))
    await shelf.tell_auction(leica, (1, created(start_time=starts)))

    async def status() -> str | None:
        document = await shelf.document("auctions", leica)
        return None if document is None else str(document["status"])

    async def retitled() -> bool:
        document = await shelf.document("auctions", leica)
        return document is not None and document["title"] == "Leica M3, serviced"

    async def is_live() -> bool:
        return await status() == "live"

    async with writing(shelf):
        await until(status)
        assert await status() == "scheduled"
        await shelf.tell_auction(leica, (2, updated(title="Leica M3, serviced", start_time=starts)))
        await until(retitled)
        assert await status() == "scheduled"
        await until(is_live, within_s=5)
        assert datetime.now(UTC) >= start


async def test_what_a_suspended_seller_offers_is_hidden_and_comes_back(shelf: Shelf) -> None:
    mina, auctions = shelf.new_id(), [shelf.new_id() for _ in range(30)]
    await shelf.tell_person(mina, (1, registered()))
    await shelf.tell("auctions", [(key, (1, created(seller_id=str(mina)))) for key in auctions])

    async def hidden() -> set[bool]:
        await written(shelf)
        found = [await shelf.document("auctions", key) for key in auctions]
        return {one["hidden"] for one in found if one is not None}

    async with writing(shelf):
        assert await hidden() == {False}
        await shelf.tell_person(mina, (2, said.UserSuspended()))
        assert await hidden() == {True}
        await shelf.tell_person(mina, (3, said.UserReinstated()))
        assert await hidden() == {False}


async def test_searches_are_told_at_once_whom_to_leave_out_until_the_index_has_hidden_all_of_theirs(
    shelf: Shelf,
) -> None:
    mina, anna, leica = shelf.new_id(), shelf.new_id(), shelf.new_id()
    await shelf.tell("users", [(mina, (1, registered("mina"))), (anna, (1, registered("anna")))])
    await shelf.tell_auction(leica, (1, created(seller_id=str(mina))))

    async def left_out() -> set[UUID]:
        return {row["user_id"] for row in await shelf.db.fetch("SELECT user_id FROM hidden_view")}

    assert await left_out() == set()
    await shelf.tell("users", [(mina, (2, said.UserSuspended())), (anna, (2, said.UserErased()))])
    assert await left_out() == {mina, anna}
    await shelf.tell_person(mina, (3, said.UserReinstated()))
    assert await left_out() == {anna}
    await shelf.tell_person(mina, (4, said.UserSuspended()))

    await store.forget_hidden(shelf.db, after_s=0)
    assert await left_out() == {mina, anna}
    await shelf.all_at_once()
    await shelf.writer().flush(shelf.db)
    await store.forget_hidden(shelf.db, after_s=0)
    assert await left_out() == {mina}
    while await shelf.due():
        await shelf.all_at_once()
        await shelf.writer().flush(shelf.db)
    await store.forget_hidden(shelf.db, after_s=60)
    assert await left_out() == {mina}
    await store.forget_hidden(shelf.db, after_s=0)
    assert await left_out() == set()


async def test_a_rebuild_takes_nothing_back_that_a_worker_has_learnt_meanwhile(shelf: Shelf) -> None:
    leica = shelf.new_id()
    await shelf.tell_auction(leica, (1, created()))
    [row] = await shelf.db.fetch("SELECT id, seller_id, state, version, src_partition, src_offset FROM document")
    await shelf.tell_auction(leica, (2, bid("110.00", 1)))

    await store.keep_at_least(shelf.db, "auctions", [store.Known(*row)])

    await shelf.writer().flush(shelf.db)
    assert await price(shelf, leica) == 110_00


@pytest.mark.parametrize("mood", ["busy", "busy-items", "broken"])
async def test_a_server_that_pushes_back_gets_less_and_all_of_it_later(shelf: Shelf, mood: str) -> None:
    auctions = [shelf.new_id() for _ in range(60)]
    await shelf.tell("auctions", [(key, (1, created())) for key in auctions])
    writer = shelf.writer()
    shelf.proxy.mood = mood

    with pytest.raises((Unavailable, PushedBack)):
        await writer.flush(shelf.db)

    assert await shelf.due() == 60
    async with writing(shelf):
        await until(lambda: _true(min(shelf.proxy.bulks) <= 2 * LEAST))
        shelf.proxy.mood = "open"
        await written(shelf)
    for key in auctions:
        assert await price(shelf, key) == 100_00


async def test_a_slow_server_is_not_waited_for_and_its_late_write_does_no_harm(shelf: Shelf) -> None:
    leica = shelf.new_id()
    await shelf.tell_auction(leica, (1, created()))
    writer = shelf.writer()
    shelf.index.client = shelf.index.client.options(request_timeout=0.3)
    shelf.proxy.mood = "slow"

    with pytest.raises(Unavailable):
        await writer.flush(shelf.db)

    shelf.index.client = shelf.index.client.options(request_timeout=20)
    shelf.proxy.mood = "open"
    await shelf.tell_auction(leica, (2, bid("110.00", 1)))
    async with writing(shelf):
        await written(shelf)
    assert await price(shelf, leica) == 110_00


async def test_events_are_learnt_while_the_server_is_away_and_written_when_it_is_back(shelf: Shelf) -> None:
    auctions = [shelf.new_id() for _ in range(20)]
    address, shelf.index.client = shelf.index.client, _nowhere()
    async with writing(shelf):
        await shelf.tell("auctions", [(key, (1, created())) for key in auctions])
        assert await shelf.due() == 20
        away, shelf.index.client = shelf.index.client, address
        await away.close()
        await written(shelf)
    for key in auctions:
        assert await price(shelf, key) == 100_00


async def test_a_read_only_index_loses_nothing(shelf: Shelf) -> None:
    leica = shelf.new_id()
    await shelf.tell_auction(leica, (1, created()))
    writer = shelf.writer()
    await shelf.index.client.indices.put_settings(index="auctions", settings={"index.blocks.write": True})
    try:
        with pytest.raises(PushedBack):
            await writer.flush(shelf.db)
    finally:
        await shelf.index.client.indices.put_settings(index="auctions", settings={"index.blocks.write": None})

    async with writing(shelf):
        await written(shelf)
    assert await price(shelf, leica) == 100_00


async def test_a_storm_of_version_conflicts_ends_with_the_latest(shelf: Shelf) -> None:
    auctions = [shelf.new_id() for _ in range(40)]
    await shelf.tell("auctions", [(key, (1, created())) for key in auctions])

    async def write_regardless(writer: Writer) -> None:
        for _ in range(10):
            await shelf.all_at_once()
            await writer.flush(shelf.db)

    async def bid_on() -> None:
        for number in range(1, 11):
            await shelf.tell("auctions", [(key, (number + 1, bid(f"{100 + number}.00", number))) for key in auctions])

    # Leases are torn away all the time, so that several write one document at once.
    await asyncio.gather(bid_on(), *(write_regardless(shelf.writer()) for _ in range(3)))
    async with writing(shelf):
        await written(shelf)

    assert {await price(shelf, key) for key in auctions} == {110_00}


async def test_a_document_that_the_index_refuses_goes_to_the_dead_letters_and_its_neighbours_are_written(
    shelf: Shelf, people: NewPeople, stack: Settings
) -> None:
    [mina] = await people("mina", sellers=1)
    real = await mina.post("/auctions", {"title": "Leica", "startingPrice": 100, "duration": 600})
    shelf.source = await until(lambda: _source_of(stack, real["id"]))
    good, bad, worse = shelf.new_id(), shelf.new_id(), shelf.new_id()
    told = [(good, (1, created())), (bad, (1, created(end_time="never"))), (worse, (1, created(start_time="never")))]
    await shelf.tell("auctions", told)

    async with writing(shelf):
        await written(shelf)

    assert await price(shelf, good) == 100_00
    rows = await shelf.db.fetch("SELECT id, refused FROM due WHERE refused IS NOT NULL")
    reasons = {row["id"]: row["refused"] for row in rows}
    assert reasons.keys() == {bad, worse}
    assert reasons[bad] == "index: document_parsing_exception"
    assert reasons[worse].startswith("bug: ValueError at ")
    topic = dead_letter_topic(TOPICS["auctions"], GROUPS["auctions"])
    letters = [
        one for one in await dead.list_letters(stack.kafka_bootstrap, topic) if one.source_offset == shelf.source[1]
    ]
    assert {letter.key for letter in letters} == {real["id"].encode()}

    # Whatever mends it, the next event or a redriven one, has it written.
    await shelf.tell("auctions", [(bad, (2, said.AuctionExtended("2026-11-08T10:05:00.000Z")))])
    await shelf.tell("auctions", [(good, (1, created()))], redriven=True)
    assert await shelf.due() == 2
    async with writing(shelf):
        await written(shelf)
    assert await price(shelf, bad) == 100_00
    assert await shelf.db.fetchval("SELECT refused FROM due WHERE id = $1", bad) is None


async def test_what_would_flood_the_dead_letters_stops_the_writing_of_it_and_of_nothing_else(
    shelf: Shelf, people: NewPeople, stack: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead, "IN_A_ROW_MAX", 3)
    [mina] = await people("mina", sellers=1)
    real = await mina.post("/auctions", {"title": "Leica", "startingPrice": 100, "duration": 600})
    shelf.source = await until(lambda: _source_of(stack, real["id"]))
    bad, good = [shelf.new_id() for _ in range(9)], [shelf.new_id() for _ in range(9)]
    await shelf.tell("auctions", [(key, (1, created(start_time="never"))) for key in bad])
    await shelf.tell("auctions", [(key, (1, created())) for key in good])

    with pytest.raises(dead.Flooded):
        await shelf.writer().flush(shelf.db)

    assert {await price(shelf, key) for key in good} == {100_00}
    assert await shelf.db.fetchval("SELECT count(*) FROM due WHERE refused IS NOT NULL") == 3
    assert await shelf.due() == 6


async def _source_of(stack: Settings, auction: str) -> tuple[int, int] | None:
    db = await asyncpg.connect(stack.database_url("cli"))
    try:
        row = await db.fetchrow("SELECT src_partition, src_offset FROM indexing.document WHERE id = $1", UUID(auction))
    finally:
        await db.close()
    return None if row is None else (row[0], row[1])


async def _true(met: bool) -> bool:
    return met


def _nowhere() -> AsyncElasticsearch:
    return AsyncElasticsearch("http://127.0.0.1:1", max_retries=0)
