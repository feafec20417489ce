"""A place of a test's own to learn events and write documents: its own database, the stack's Elasticsearch."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from compose.settings import Settings
from consumers.indexing import app
from consumers.indexing.desk import Learner
from consumers.indexing.gateway import Index
from consumers.indexing.mapping import Kind
from consumers.indexing.poison import Burials
from consumers.indexing.writer import Writer
from consumers.runtime import Incoming
from consumers.runtime.migrate import migrate
from tests.consumers.indexing import proxy as door
from tests.consumers.indexing.builders import CREATED, Told
from tests.consumers.indexing.proxy import Proxy

WINDOW_MS = 300


class Shelf:
    """Learns what it is told and writes when asked; ids are fresh, and what it wrote is taken away at the end."""

    def __init__(self, settings: Settings, db: asyncpg.Pool, proxy: Proxy, index: Index) -> None:
        """Take the database, and the way to Elasticsearch."""
        self.settings, self.db, self.proxy, self.index = settings, db, proxy, index
        self.burials = Burials(settings.kafka_bootstrap)
        self.window_ms = WINDOW_MS
        self.source = (0, 0)
        """Partition and offset that events are said to come from."""
        self._ids: set[tuple[Kind, UUID]] = set()

    def writer(self) -> Writer:
        """One of any number that write."""
        return Writer(self.index, self.burials, window_ms=self.window_ms)

    def new_id(self) -> UUID:
        """An id that nobody else has."""
        return uuid4()

    async def tell(self, kind: Kind, told: Iterable[tuple[UUID, Told]], *, redriven: bool = False) -> None:
        """Have one batch of events learnt, as the runtime does."""
        batch = [incoming(key, one, self.source, redriven=redriven) for key, one in told]
        self._ids |= {(kind, event.aggregate) for event in batch}
        verdict = await Learner(kind, window_ms=self.window_ms, wake=lambda: None).decide(batch, {}, self.db)
        for write in verdict.writes:
            await self.db.executemany(write.sql, write.rows)

    async def tell_auction(self, key: UUID, *told: Told) -> None:
        """Events of one auction."""
        await self.tell("auctions", [(key, one) for one in told])

    async def tell_person(self, key: UUID, *told: Told) -> None:
        """Events of one person."""
        await self.tell("users", [(key, one) for one in told])

    async def document(self, kind: Kind, key: UUID) -> dict[str, Any] | None:
        """A document with its version, at once, searchable or not."""
        said = await self.index.client.options(ignore_status=404).get(index=kind, id=str(key))
        return {"version": said["_version"], **said["_source"]} if said.get("found") else None

    async def due(self) -> int:
        """Documents that are still to be written, now or later."""
        count: int = await self.db.fetchval("SELECT count(*) FROM due WHERE at IS NOT NULL")
        return count

    async def all_at_once(self) -> None:
        """Let no window or lease be waited for."""
        await self.db.execute("UPDATE due SET at = now(), leased_until = NULL, written_at = NULL WHERE at IS NOT NULL")

    async def clear(self) -> None:
        """Know nothing any more, and take away what was written."""
        self.proxy.mood = "open"
        self.proxy.writes.clear()
        self.proxy.bulks.clear()
        await self.db.execute("TRUNCATE document, due, hidden, filling, replayed")
        gone = [{"delete": {"_index": kind, "_id": str(key)}} for kind, key in self._ids]
        self._ids.clear()
        if gone:
            await self.index.client.bulk(operations=gone)


def incoming(key: UUID, told: Told, source: tuple[int, int] = (0, 0), *, redriven: bool = False) -> Incoming:
    """An event as the runtime hands it over."""
    sequence, body = told
    return Incoming(
        topic="auction-events",
        partition=source[0],
        offset=source[1],
        at_ms=0,
        key=str(key).encode(),
        type=type(body).__name__,
        id=uuid4(),
        aggregate=key,
        body=body,
        value=b'{"timestamp":"%b"}' % CREATED.encode(),
        headers={"redriven-at": b"now"} if redriven else {},
        sequence=sequence,
    )


async def until(met: Callable[[], Awaitable[Any]], *, within_s: float = 15, every_s: float = 0.02) -> Any:
    """Wait until the answer is true and return it; raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not (answer := await met()):  # noqa: ASYNC110 - what is waited for happens elsewhere
            await asyncio.sleep(every_s)
        return answer


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Shelf]:
    """A shelf with a database of its own on the stack's server, dropped afterwards."""
    name = f"idx_{secrets.token_hex(6)}"
    owner = await asyncpg.connect(settings.database_url("cli"))
    await owner.execute(f"CREATE DATABASE {name}")
    own = settings.model_copy(update={"postgres_database": name})
    await migrate(own.database_url("cli"), "indexing", Path(app.__file__).parent)
    async with (
        asyncpg.create_pool(own.database_url("cli"), min_size=1, server_settings={"search_path": "indexing"}) as db,
        door.opened(settings.elasticsearch_url.get_secret_value()) as proxy,
    ):
        index = Index(proxy.url)
        shelf = Shelf(own, db, proxy, index)
        try:
            yield shelf
        finally:
            await index.close()
            await shelf.burials.close()
    await owner.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await owner.close()
