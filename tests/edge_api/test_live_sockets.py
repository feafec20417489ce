"""Who may connect, what may be said, and how a connection ends, over real sockets."""

import asyncio
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
import websockets

from edge_api import live_people, live_sockets
from edge_api.live import origins
from edge_api.live_sockets import FORBIDDEN, GOING_AWAY, OFFENCES_MAX, SUBSCRIPTIONS_MAX, TICKET, TOO_MANY
from tests.edge_api.hall import HERE, Books, Hall, books, hall, until
from tests.edge_api.watching import ANNA, BEN, bid, standing

__all__ = ["books", "hall"]

pytestmark = pytest.mark.quick

UNKNOWN = "99999999-9999-4999-8999-999999999999"


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


def test_pages_of_ours_are_the_edges_own_and_the_configured_ones() -> None:
    settings: Any = SimpleNamespace(public_url="https://shop.example/", origins=("https://app.example",))

    assert origins(settings) == {"https://shop.example", "https://app.example"}


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
