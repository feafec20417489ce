"""How people connect, watch, fall behind and leave, over real sockets."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
import websockets

from edge_api import live_hub, live_people, live_sockets, live_views
from edge_api.live_sockets import FORBIDDEN, GOING_AWAY, OFFENCES_MAX, SLOW, SUBSCRIPTIONS_MAX, TICKET, TOO_MANY
from schemas.pseudonym import pseudonym
from tests.edge_api.hall import HERE, Books, Hall, books, hall
from tests.edge_api.watching import ANNA, BEN, LAMP, SECRET, bid, standing

__all__ = ["books", "hall"]

pytestmark = pytest.mark.quick

UNKNOWN = "99999999-9999-4999-8999-999999999999"


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_hub, "BEAT_S", 0.02)
    monkeypatch.setattr(live_hub, "PING_EVERY", 4)
    monkeypatch.setattr(live_sockets, "GOODBYE_S", 0.1)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  what is waited for happens in the code under test
            await asyncio.sleep(0.005)


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


async def test_a_ticket_serves_once(hall: Hall) -> None:
    ticket = hall.ticket()
    async with hall.socket(ticket=ticket) as page:
        await page.watch()
    async with hall.socket(ticket=ticket) as page:
        assert await page.closed() == (TICKET, "unknown, used or expired ticket")


async def test_while_redis_is_away_a_newcomer_is_asked_to_come_again(hall: Hall) -> None:
    hall.redis.away = True
    async with hall.socket() as page:
        assert (await page.closed())[0] == 1013


@pytest.mark.parametrize(("origin", "allowed"), [(HERE, True), ("http://evil.example", False), ("null", False)])
async def test_only_pages_of_ours_may_connect(hall: Hall, origin: str, *, allowed: bool) -> None:
    if allowed:
        async with hall.socket(origin=origin) as page:
            assert (await page.watch())["event"] == "snapshot"
    else:
        with pytest.raises(websockets.InvalidStatus, match="403"):
            async with hall.socket(origin=origin):
                pass


async def test_another_path_is_not_found(hall: Hall) -> None:
    with pytest.raises(websockets.InvalidStatus, match="404"):
        async with websockets.connect(f"ws://127.0.0.1:{hall.port}/other"):
            pass


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("not json", "bad_message"),
        ("[]", "bad_message"),
        ('{"op":"fly"}', "unknown_op"),
        ('{"op":"subscribe","auctionId":"lamp"}', "bad_auction_id"),
        ('{"op":"subscribe"}', "bad_auction_id"),
        (json.dumps({"op": "ping", "pad": "x" * 40_000}), "too_large"),
        (b'{"op":"ping"}', "bad_frame"),
    ],
)
async def test_what_cannot_be_understood_gets_an_error_and_in_the_end_the_door(
    hall: Hall, said: str | bytes, code: str
) -> None:
    async with hall.socket() as page:
        for _ in range(OFFENCES_MAX):
            await page.connection.send(said)
        answers = [await page.next() for _ in range(OFFENCES_MAX)]

        assert {answer["code"] for answer in answers} == {code}
        assert (await page.closed())[0] == 1008


async def test_a_good_message_makes_up_for_bad_ones(hall: Hall) -> None:
    async with hall.socket() as page:
        for _ in range(OFFENCES_MAX):
            await page.connection.send("not json")
            await page.next()
            await page.say(op="ping")

            assert (await page.next())["event"] == "pong"


async def test_a_message_in_pieces_is_one_message(hall: Hall) -> None:
    async with hall.socket() as page:
        await page.connection.send(['{"op":', '"pi', 'ng"}'])

        assert (await page.next())["event"] == "pong"


async def test_too_many_messages_at_once_are_refused(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_sockets, "OPS_AT_ONCE", 3)
    async with hall.socket() as page:
        for _ in range(5):
            await page.say(op="ping")

        assert [(await page.next())["event"] for _ in range(4)] == ["pong", "pong", "pong", "error"]


async def test_one_subscription_too_many_closes_the_socket(hall: Hall, books: Books) -> None:
    auctions = [f"0192f3a0-0000-7000-8000-{number:012d}" for number in range(SUBSCRIPTIONS_MAX + 1)]
    books.standings = dict.fromkeys(auctions, standing())
    async with hall.socket() as page:
        for auction in auctions:
            await page.say(op="subscribe", auctionId=auction)

        assert (await page.closed())[0] == TOO_MANY


async def test_one_socket_of_a_person_too_many_is_closed(hall: Hall, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_people, "SOCKETS_PER_PERSON", 1)
    async with hall.socket(ANNA) as one, hall.socket(BEN) as other:
        await asyncio.gather(one.watch(), other.watch())
        async with hall.socket(ANNA) as two:
            assert (await two.closed())[0] == TOO_MANY


async def test_one_socket_of_an_address_too_many_is_closed_and_makes_room_again(
    hall: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_people, "SOCKETS_PER_ADDRESS", 1)
    async with hall.socket() as one:
        await one.watch()
        async with hall.socket() as two:
            assert (await two.closed())[0] == TOO_MANY
    await until(lambda: not hall.hub.sockets)

    async with hall.socket() as three:
        assert (await three.watch())["event"] == "snapshot"


@pytest.mark.parametrize(
    "gone",
    [
        {f"suspended:user:{ANNA}": b"1"},
        {f"revoked:user:{ANNA}": b"1001"},
        {"blacklist:session:s1": b"1"},
    ],
)
async def test_whose_session_has_ended_is_sent_away(hall: Hall, gone: dict[str, bytes]) -> None:
    beats = asyncio.create_task(hall.hub.beat())
    async with hall.socket(ticket=hall.ticket(ANNA, sid="s1", iat=1000)) as page, hall.socket(BEN) as other:
        await asyncio.gather(page.watch(), other.watch())
        hall.redis.held |= gone

        assert (await page.closed())[0] == FORBIDDEN
        assert (await other.watch())["event"] == "snapshot"
    beats.cancel()


async def test_a_revocation_before_the_token_was_made_does_not_concern_it(hall: Hall) -> None:
    hall.redis.held[f"revoked:user:{ANNA}"] = b"1000"
    async with hall.socket(ticket=hall.ticket(ANNA, iat=1000)) as page:
        await page.watch()

        assert [socket async for socket in hall.hub.presence.revoked(hall.redis)] == []  # type: ignore[arg-type]


async def test_whose_token_runs_out_is_sent_away_even_without_redis(hall: Hall) -> None:
    beats = asyncio.create_task(hall.hub.beat())
    async with hall.socket(ticket=hall.ticket(ANNA, exp=time.time() + 0.1)) as page:
        await page.watch()
        hall.redis.away = True

        assert (await page.closed())[0] == FORBIDDEN
    beats.cancel()


async def test_while_redis_is_away_who_is_here_stays(hall: Hall) -> None:
    async with hall.socket(ANNA) as page:
        await page.watch()
        hall.redis.away = True
        await hall.hub._check()
        await hall.happens(bid(2, 1, ANNA, "120.00"))

        assert (await page.next())["seq"] == 2


async def test_who_does_not_answer_a_ping_is_gone(hall: Hall) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hall.port)
    writer.write(
        f"GET /ws?ticket={hall.ticket()} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    await reader.readuntil(b"\r\n\r\n")
    beats = asyncio.create_task(hall.hub.beat())

    assert b"\x89\x00" in await asyncio.wait_for(reader.read(), 5)
    assert not hall.hub.sockets
    beats.cancel()
    writer.close()


async def test_at_the_end_everybody_is_told_when_to_come_back(hall: Hall) -> None:
    async with hall.socket() as page:
        await page.watch()
        goodbye = asyncio.create_task(hall.hub.say_goodbye(3))
        code, reason = await page.closed()
        await goodbye

    assert code == GOING_AWAY
    assert reason is not None
    assert reason.startswith("reconnectAfterMs=")


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
