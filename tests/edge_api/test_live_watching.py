"""What watchers of an auction are told, over real sockets: late, back again, behind, or while Postgres is away."""

import asyncio
from contextlib import suppress
from typing import Any

import pytest
import websockets

from edge_api import live_rooms, live_sockets, live_views
from edge_api.live_frames import Event
from edge_api.live_sockets import SLOW
from schemas.pseudonym import pseudonym
from tests.edge_api.hall import Books, Hall, books, hall, until
from tests.edge_api.watching import ANNA, BEN, LAMP, SECRET, bid, standing, told

__all__ = ["books", "hall"]

pytestmark = pytest.mark.quick

UNKNOWN = "99999999-9999-4999-8999-999999999999"


async def test_a_watcher_gets_a_snapshot_and_then_every_bid(hall: Hall) -> None:
    async with hall.socket() as page:
        snapshot = await page.watch()
        await hall.happens(bid(2, 1, ANNA, "120.00"))
        placed = await page.next()

    assert (snapshot["event"], snapshot["seq"], snapshot["data"]["title"]) == ("snapshot", 1, "A lamp")
    assert snapshot["data"]["yourBidderId"] is None
    assert (placed["event"], placed["seq"], placed["prevSeq"]) == ("bid_placed", 2, 1)


async def test_a_bidder_knows_their_own_name_in_the_auction(hall: Hall) -> None:
    async with hall.socket(ANNA) as page:
        snapshot = await page.watch()

    assert snapshot["data"]["yourBidderId"] == pseudonym(SECRET, LAMP, ANNA)


async def test_somebody_outbid_hears_of_it_on_whatever_page_they_are(hall: Hall) -> None:
    async with hall.socket(BEN) as page:
        await page.say(op="ping")
        await page.next()
        await hall.happens(bid(2, 1, ANNA, "120.00", outbidBidderId=BEN))

        assert (await page.next())["event"] == "outbid"


async def test_an_event_told_again_is_no_news(hall: Hall) -> None:
    lost = bid(2, 1, ANNA, "120.00", outbidBidderId=BEN)
    async with hall.socket(BEN) as page:
        await page.say(op="ping")
        await page.next()
        await hall.happens(lost)
        await hall.happens(lost, bid(3, 2, ANNA, "130.00", outbidBidderId=BEN))

        amounts = [(await page.next())["data"]["amount"] for _ in range(2)]

    assert amounts == [120.0, 130.0]


async def test_whoever_comes_back_gets_what_was_missed_and_a_word_that_this_was_all(hall: Hall) -> None:
    async with hall.socket() as page:
        await page.watch()
        await hall.happens(*(bid(seq, seq - 1, ANNA, f"{seq}00.00") for seq in (2, 3, 4)))

    async with hall.socket(ANNA) as page:
        await page.say(op="subscribe", auctionId=LAMP, lastSeq=2)
        frames = [await page.next() for _ in range(3)]

    assert [(frame["event"], frame.get("seq")) for frame in frames] == [
        ("bid_placed", 3),
        ("bid_placed", 4),
        ("resumed", None),
    ]
    assert frames[2]["data"]["seq"] == 4
    assert frames[2]["data"]["yourBidderId"] == pseudonym(SECRET, LAMP, ANNA)


async def test_whoever_missed_more_than_can_be_told_gets_a_snapshot(hall: Hall, books: Books) -> None:
    books.standings[LAMP] = standing(500)
    books.events = [bid(seq, seq - 1, ANNA, "1.00") for seq in range(2, 501)]

    async with hall.socket() as page:
        assert (await page.watch(lastSeq=299))["event"] == "snapshot"
        assert (await page.watch(lastSeq=300))["seq"] == 301
        assert [(await page.next())["event"] for _ in range(200)] == ["bid_placed"] * 199 + ["resumed"]


async def test_a_gap_in_the_tail_is_filled_before_anybody_sees_it(hall: Hall, books: Books) -> None:
    books.events = [bid(seq, seq - 1, ANNA, "1.00") for seq in range(2, 6)]

    async with hall.socket() as page:
        await page.watch()
        await hall.happens(books.events[3])

        assert [(await page.next())["seq"] for _ in range(4)] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "poison",
    [b"", b"not json", b"[]", b'{"eventType":"BidPlaced"}', told("AuctionUpdated", 2, 1, '{"startTime":"at noon"}')],
)
async def test_what_cannot_be_read_disturbs_nobody(hall: Hall, books: Books, poison: bytes | Event) -> None:
    books.events = [bid(2, 1, ANNA, "110.00")]
    async with hall.socket() as page:
        await page.watch()
        await hall.happens(poison, bid(3, 2, BEN, "120.00"))

        assert [(await page.next())["seq"] for _ in range(2)] == [2, 3]


async def test_a_gap_too_wide_to_fill_becomes_a_snapshot(hall: Hall, books: Books) -> None:
    async with hall.socket() as page:
        await page.watch()
        books.standings[LAMP] = standing(900)
        await hall.happens(bid(900, 899, ANNA, "1.00"))
        again = await page.next()
        await hall.happens(bid(901, 900, ANNA, "2.00"))

        assert (again["event"], again["seq"]) == ("snapshot", 900)
        assert (await page.next())["seq"] == 901


async def test_many_who_come_at_once_cost_one_look_at_the_books(
    hall: Hall, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0
    read = books.standing

    async def counted(*args: object) -> object:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.02)
        return await read(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(live_views, "standing", counted)
    async with hall.socket() as one, hall.socket() as two:
        first, second = await asyncio.gather(one.watch(), two.watch())

    assert first["seq"] == second["seq"] == 1
    assert looks == 1


async def test_an_auction_that_is_not_there_is_a_typed_error(hall: Hall) -> None:
    async with hall.socket() as page:
        answer = await page.watch(UNKNOWN)

    assert (answer["event"], answer["code"], answer["auctionId"]) == ("error", "auction_not_found", UNKNOWN)


async def test_while_postgres_is_away_new_watchers_are_told_when_to_ask_again(hall: Hall, books: Books) -> None:
    async with hall.socket() as page:
        books.away = True
        answer = await page.watch()
        books.away = False

        assert (answer["code"], answer["retryAfterMs"] > 0) == ("unavailable", True)
        assert (await page.watch())["event"] == "snapshot"


async def test_while_postgres_is_away_a_gap_waits_and_is_filled_later(hall: Hall, books: Books) -> None:
    books.events = [bid(seq, seq - 1, ANNA, "1.00") for seq in range(2, 5)]
    async with hall.socket() as page:
        await page.watch()
        books.away = True
        await hall.happens(books.events[1])
        await hall.happens(books.events[2])
        books.away = False

        assert [(await page.next())["seq"] for _ in range(3)] == [2, 3, 4]


async def test_after_unsubscribing_nothing_more_comes(hall: Hall) -> None:
    async with hall.socket() as page:
        await page.watch()
        await page.say(op="unsubscribe", auctionId=LAMP)
        assert (await page.next())["event"] == "unsubscribed"
        await hall.happens(bid(2, 1, ANNA, "120.00"))
        await page.say(op="ping")

        assert (await page.next())["event"] == "pong"


async def test_a_slow_reader_gets_a_snapshot_instead_of_what_it_missed(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hall.socket(max_queue=1) as page:
        await page.watch()
        [socket] = hall.hub.sockets
        seq = 1
        while not socket.behind:
            await hall.happens(*(bid(at, at - 1, ANNA, "1.00", message="x" * 400) for at in range(seq + 1, seq + 51)))
            seq += 50
        await hall.happens(bid(seq + 1, seq, ANNA, "7.00"))
        await hall.happens(bid(seq + 2, seq + 1, ANNA, "8.00"))

        frames: list[dict[str, Any]] = []
        while not frames or frames[-1]["event"] != "snapshot":
            frames.append(await page.next())
        await hall.happens(bid(seq + 3, seq + 2, ANNA, "9.00"))
        after = await page.next()

    told = [frame["seq"] for frame in frames[:-1]]
    assert told == list(range(2, 2 + len(told)))
    assert told[-1] <= seq
    assert (frames[-1]["seq"], frames[-1]["data"]["currentBid"]) == (seq + 2, 8.0)
    assert (after["seq"], after["prevSeq"]) == (seq + 3, seq + 2)


async def test_who_stays_behind_is_closed(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_sockets, "BEHIND_S", 0.05)
    async with hall.socket(max_queue=1) as page:
        await page.watch()
        [socket] = hall.hub.sockets
        seq = 1
        while not socket.behind:
            await hall.happens(*(bid(at, at - 1, ANNA, "1.00", message="x" * 400) for at in range(seq + 1, seq + 51)))
            seq += 50
        await until(lambda: socket.closing)
        with suppress(websockets.ConnectionClosedError):
            async for _ in page.connection:
                pass

        assert (await page.closed())[0] == SLOW


async def test_who_falls_behind_while_an_auction_is_read_gets_its_snapshot_later(
    hall: Hall, books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, reading = books.standing, asyncio.Event()

    async def slowly(*args: Any) -> Any:
        await reading.wait()
        return await read(*args)

    monkeypatch.setattr(live_views, "standing", slowly)
    async with hall.socket() as page:
        await page.say(op="subscribe", auctionId=LAMP)
        await until(lambda: any(LAMP in socket.rooms for socket in hall.hub.sockets))
        [socket] = hall.hub.sockets
        socket.pause_writing()
        reading.set()
        await until(lambda: socket.rooms[LAMP] is not None)
        await hall.happens(bid(2, 1, ANNA, "120.00"))
        socket.resume_writing()
        await hall.happens(bid(3, 2, ANNA, "130.00"))

        assert [((frame := await page.next())["event"], frame["seq"]) for _ in range(2)] == [
            ("snapshot", 2),
            ("bid_placed", 3),
        ]


async def test_an_auction_is_kept_in_memory_as_long_as_it_is_watched_and_a_little_longer(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hall.socket() as page:
        await page.watch()
        monkeypatch.setattr(live_rooms, "KEPT_EMPTY_S", 0)
        hall.hub.rooms.sweep()
        assert len(hall.hub.rooms) == 1
        monkeypatch.setattr(live_rooms, "KEPT_EMPTY_S", 60)
    await until(lambda: not hall.hub.sockets)

    hall.hub.rooms.sweep()
    assert len(hall.hub.rooms) == 1
    monkeypatch.setattr(live_rooms, "KEPT_EMPTY_S", 0)
    hall.hub.rooms.sweep()
    assert len(hall.hub.rooms) == 0
