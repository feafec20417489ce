"""A live process without servers: real sockets on a free port, with Redis, Postgres and the tail played by the test."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import websockets
from redis.exceptions import ConnectionError as RedisAway

from edge_api import live_hub, live_sockets, live_views
from edge_api.live import listen
from edge_api.live_frames import Event, Standing
from edge_api.live_hub import Hub
from edge_api.live_views import RESUMED_MAX
from producers.follower import Heard
from tests.edge_api.watching import LAMP, SECRET, standing

HERE = "http://shop.example"


class Redis:
    """Keys and values, or nobody there."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.away = False

    async def getdel(self, key: str) -> bytes | None:
        self._ask()
        return self.held.pop(key, None)

    async def mget(self, keys: list[str]) -> list[bytes | None]:
        self._ask()
        return [self.held.get(key) for key in keys]

    def _ask(self) -> None:
        if self.away:
            raise RedisAway


class Hall:
    """The process, and what the test does to it."""

    def __init__(self, hub: Hub, redis: Redis, port: int) -> None:
        self.hub = hub
        self.redis = redis
        self.port = port
        self.tickets = 0

    def ticket(self, person: str | None = None, **more: Any) -> str:
        """Give out a ticket as the edge does."""
        self.tickets += 1
        text = f"ticket-{self.tickets}"
        name = f"ticket:{hashlib.sha256(text.encode()).hexdigest()}"
        self.redis.held[name] = json.dumps({"sub": person, "roles": [], "sid": None, "exp": None, **more}).encode()
        return text

    @asynccontextmanager
    async def socket(
        self, person: str | None = None, ticket: str | None = None, **options: Any
    ) -> AsyncIterator["Client"]:
        """A connected client."""
        url = f"ws://127.0.0.1:{self.port}/ws?ticket={ticket or self.ticket(person)}"
        async with websockets.connect(url, compression=None, **options) as connection:
            yield Client(connection)

    async def happens(self, *events: Event | bytes) -> None:
        """Let the tail bring records."""
        await self.hub.hear([record(event) for event in events])


def record(event: Event | bytes) -> Heard:
    """A record of `auction-events`."""
    value = event if isinstance(event, bytes) else msgspec.json.encode(event)
    return Heard("auction-events", 0, 0, 0, LAMP.encode(), value, [])


class Client:
    """One socket, as a page would use it."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection

    async def say(self, **message: Any) -> None:
        await self.connection.send(json.dumps(message))

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(5):
            frame: dict[str, Any] = json.loads(await self.connection.recv())
        return frame

    async def watch(self, auction: str = LAMP, **more: Any) -> dict[str, Any]:
        """Subscribe; the first frame that comes."""
        await self.say(op="subscribe", auctionId=auction, **more)
        return await self.next()

    async def closed(self) -> tuple[int | None, str | None]:
        """Code and reason with which the server closed it."""
        async with asyncio.timeout(5):
            await self.connection.wait_closed()
        return self.connection.close_code, self.connection.close_reason


class Books:
    """What Postgres would answer."""

    def __init__(self) -> None:
        self.standings: dict[str, Standing] = {LAMP: standing()}
        self.events: list[Event] = []
        self.away = False

    async def standing(self, _db: object, auction: str, _alias: object) -> Standing | None:
        self._ask()
        found = self.standings.get(auction)
        return found and Standing(found.auction_id, found.seq, dict(found.shown))

    async def between(self, _db: object, _auction: str, *, after: int, upto: int) -> list[Event]:
        self._ask()
        return [event for event in self.events if after < event.sequence <= upto][: RESUMED_MAX + 1]

    def _ask(self) -> None:
        if self.away:
            raise ConnectionRefusedError


@pytest.fixture
def books(monkeypatch: pytest.MonkeyPatch) -> Books:
    kept = Books()
    monkeypatch.setattr(live_views, "standing", kept.standing)
    monkeypatch.setattr(live_views, "events", kept.between)
    return kept


@pytest.fixture
async def hall(books: Books, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Hall]:
    monkeypatch.setattr(live_hub, "BEAT_S", 0.02)
    monkeypatch.setattr(live_hub, "PING_EVERY", 4)
    monkeypatch.setattr(live_sockets, "GOODBYE_S", 0.1)
    redis = Redis()
    hub = Hub(None, redis, pseudonym_secret=SECRET, trusted=frozenset())  # type: ignore[arg-type]
    server = await listen(hub, frozenset({HERE}), "127.0.0.1", 0)
    yield Hall(hub, redis, server.sockets[0].getsockname()[1])
    server.close()
    await hub.say_goodbye(1)


async def until(true: Callable[[], bool]) -> None:
    """Wait for something that the code under test does by itself."""
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  nobody tells when it has happened
            await asyncio.sleep(0.005)
