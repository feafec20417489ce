"""What bids keeps in Postgres and what others may read of it."""

from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from compose.settings import Settings
from consumers.bids import store
from consumers.bids.asked import READERS
from consumers.bids.auction import Open
from consumers.bids.desk import AuctionDesk
from consumers.bids.suspended import Suspended
from consumers.runtime import Actor, Database, Incoming
from schemas.envelope import new_command_id, time_ms
from tests.consumers.bids.talk import Talk, buyer, lamp, seller

pytestmark = pytest.mark.stack


@pytest.fixture
async def db(stack: Settings) -> AsyncIterator[Database]:
    """A pool as bids has it; nothing is written through it here."""
    pool = await asyncpg.create_pool(
        stack.database_url("cli"), min_size=1, max_size=2, server_settings={"search_path": "bids"}
    )
    yield pool
    await pool.close()


@pytest.fixture
async def edge(stack: Settings) -> AsyncIterator[asyncpg.Connection]:
    """A connection with the edge's rights."""
    connection = await asyncpg.connect(stack.database_url("cli"))
    await connection.execute("SET ROLE edge")
    yield connection
    await connection.close()


async def history(talk: Talk) -> tuple[UUID, Actor, Actor]:
    auction, anna, ben = uuid4(), buyer(), buyer()
    await talk.say("CreateAuction", auction, lamp(reservePrice=500, category="lamps"), by=seller())
    for by, bid in ((anna, {"maxAmount": 20}), (ben, {"amount": 12}), (ben, {"amount": 1}), (ben, {"maxAmount": 30})):
        await talk.say("PlaceBid", auction, bid, by=by)
    return auction, anna, ben


def bid(auction: UUID, by: Actor, amount: int) -> Incoming:
    return Incoming(
        topic="auction-commands",
        partition=0,
        offset=0,
        at_ms=time_ms(),
        key=str(auction).encode(),
        type="PlaceBid",
        id=new_command_id(),
        aggregate=auction,
        body=READERS["PlaceBid"](msgspec.json.encode({"amount": amount})),
        value=b"",
        headers={},
        actor=by,
    )


async def test_an_auction_comes_back_from_its_row_with_its_hidden_parts(talk: Talk, db: Database) -> None:
    auction, _, ben = await history(talk)

    found = await store.load_auctions(db, [auction, uuid4()])

    assert list(found) == [auction]
    kept = found[auction]
    assert isinstance(kept, Open)
    assert kept.lead is not None
    assert (kept.lead.bidder, kept.lead.price, kept.lead.maximum, kept.reserve) == (ben.id, 2050, 3000, 50_000)


async def test_standing_bids_are_folded_from_the_log(talk: Talk, db: Database) -> None:
    auction, anna, ben = await history(talk)

    standing = await store.load_standing(db, auction)

    assert [(one.bidder, one.maximum) for one in standing.values()] == [
        (anna.id, 2000),
        (ben.id, 1200),
        (ben.id, 3000),
    ]


async def test_a_desk_lets_go_of_the_auctions_that_are_longest_unused(talk: Talk, db: Database) -> None:
    first, second = (await history(talk))[0], (await history(talk))[0]
    desk = AuctionDesk(Suspended(), cached_auctions=1)

    for auction in (first, second, first):
        verdict = await desk.decide([bid(auction, buyer(), 40)], {}, db)
        assert [decision.code for decision in verdict.decisions] == ["leading"]
        assert [row[0] for row in verdict.state] == [auction]
        assert len(desk._auctions) == 1


async def test_a_bidder_of_a_batch_is_written_down_once(talk: Talk, db: Database) -> None:
    auction, anna, _ = await history(talk)
    desk = AuctionDesk(Suspended())

    verdict = await desk.decide([bid(auction, anna, amount) for amount in (40, 50, 60)], {}, db)

    assert [[row[:2] for row in write.rows] for write in verdict.writes] == [[(auction, anna.id)]]


async def test_the_edge_sees_an_auction_without_its_secrets(talk: Talk, edge: asyncpg.Connection) -> None:
    auction, _, ben = await history(talk)

    row = await edge.fetchrow("SELECT * FROM bids.auction_view WHERE id = $1", auction)

    assert row is not None
    assert (row["price_minor"], str(row["leader_id"]), row["bid_count"]) == (2050, ben.id, 3)
    assert (row["status"], row["has_reserve"], row["reserve_met"]) == ("live", True, False)
    assert (row["increments"], row["category"], row["buy_now_minor"]) == ("EBAY-US", "lamps", None)
    assert (row["max_buyer_strikes"], row["pay_window_s"]) == (None, None)
    assert 3000 not in row.values()
    assert 50_000 not in row.values()


async def test_the_edge_cannot_read_what_lies_behind_the_views(edge: asyncpg.Connection) -> None:
    for table in ("auction", "log", "listing", "participation", "standing", "due"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await edge.fetch(f"SELECT * FROM bids.{table}")


async def test_missed_events_are_found_from_any_place_on(talk: Talk, edge: asyncpg.Connection) -> None:
    auction, _, _ = await history(talk)

    async def places(function: str, place: int, most: int) -> list[tuple[int, int]]:
        rows = await edge.fetch(f"SELECT * FROM bids.{function}($1, $2, $3)", auction, place, most)
        return [(row["sequence"], row["previous_public_sequence"]) for row in rows]

    # 1 created, 2 first bid, 3 and 4 a bid and the automatic answer, 5 refused, 6 and 7 the lead changes.
    assert await places("public_events_after", 0, 10) == [(1, 0), (2, 1), (3, 2), (4, 3), (6, 4), (7, 6)]
    assert await places("public_events_after", 3, 2) == [(4, 3), (6, 4)]
    assert await places("public_events_after", 7, 10) == []
    assert await places("public_events_before", 100, 3) == [(7, 6), (6, 4), (4, 3)]
    assert await places("public_events_before", 4, 2) == [(3, 2), (2, 1)]


async def test_a_bidder_finds_his_auctions_and_a_command_its_answer(talk: Talk, edge: asyncpg.Connection) -> None:
    auction, anna, ben = await history(talk)
    name = new_command_id()
    await talk.say("PlaceBid", auction, {"amount": 1}, by=anna, command_id=name)

    bidders = await edge.fetch("SELECT bidder_id, is_leading FROM bids.my_bid_view WHERE auction_id = $1", auction)
    command = await edge.fetchrow("SELECT * FROM bids.command_view WHERE command_id = $1", name)

    assert {(str(row["bidder_id"]), row["is_leading"]) for row in bidders} == {(anna.id, False), (ben.id, True)}
    assert command is not None
    assert (command["actor"], command["command_type"], command["aggregate"]) == (anna.id, "PlaceBid", auction)
    assert (command["outcome"], command["code"]) == ("refused", "below_minimum")
