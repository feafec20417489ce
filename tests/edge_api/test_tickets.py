"""Tickets for sockets: short, once, and not to be read out of Redis."""

import hashlib
import json
import time
from collections.abc import AsyncIterator

import httpx
import pytest

from compose.settings import Settings
from edge_api.shapes import LiveTicket, ServerTime
from schemas.envelope import parse_time, time_ms
from tests.conftest import NewPeople
from tests.edge_api.real import RealEdge, running

pytestmark = pytest.mark.stack


@pytest.fixture
async def edge(stack: Settings) -> AsyncIterator[RealEdge]:
    async with running(stack) as found:
        yield found


def key_of(ticket: str) -> str:
    return f"ticket:{hashlib.sha256(ticket.encode()).hexdigest()}"


async def test_a_ticket_says_whose_it_is(edge: RealEdge, people: NewPeople) -> None:
    [anna] = await people("anna")
    async with edge.meets(anna) as guest:
        told = await guest.post("/live/ticket")
    caller = edge.edge.tokens.read(anna.access)

    ticket = LiveTicket.model_validate(told)
    kept = json.loads(await edge.edge.redis.get(key_of(ticket.ticket)) or "null")
    assert kept == {
        "sub": anna.user_id,
        "roles": ["buyer"],
        "sid": caller.session_id,
        "iat": caller.issued_at,
        "exp": caller.expires_at,
    }
    assert 0 < await edge.edge.redis.ttl(key_of(ticket.ticket)) <= 30
    assert ticket.url == f"{str(edge.edge.settings.live_url).rstrip('/')}/ws"
    assert 0 < ticket.expires_at.timestamp() - time.time() <= 30
    assert not await edge.edge.redis.keys(f"*{ticket.ticket}*")


async def test_nobody_may_watch_too(edge: RealEdge) -> None:
    async with edge.client() as client:
        ticket = (await client.post("/live/ticket")).json()["ticket"]

    kept = json.loads(await edge.edge.redis.get(key_of(ticket)) or "null")
    assert kept == {"sub": None, "roles": [], "sid": None, "iat": None, "exp": None}


async def test_no_two_tickets_are_the_same(edge: RealEdge) -> None:
    async with edge.client() as client:
        tickets = {(await client.post("/live/ticket")).json()["ticket"] for _ in range(20)}

    assert len(tickets) == 20
    assert min(len(ticket) for ticket in tickets) >= 43


async def test_one_address_cannot_take_tickets_without_end(stack: Settings) -> None:
    async with running(stack, limit_per_address_per_hour=5) as few, few.client("198.51.100.77") as client:
        await few.edge.redis.delete("rate:address:198.51.100.77")
        answers = [(await client.post("/live/ticket")).status_code for _ in range(7)]

    assert answers == [200] * 5 + [429] * 2


async def test_the_clock_is_the_server_s(http: httpx.AsyncClient) -> None:
    before = time_ms()
    told = ServerTime.model_validate((await http.get("/time")).json())

    assert before - 1 <= parse_time(told.server_time.isoformat()) <= time_ms()
